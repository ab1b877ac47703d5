// LAS and LAZ files. Enters: bytes. Leaves: coordinates as float64 (integer × scale + offset) with
// every attribute of the point format. What the header says of the points is held against them.

import { allocate, badFile, makeCloud, type PointCloud } from "./cloud.ts";
import { readLasFields } from "./las_fields.ts";
import { type LasHeader, parseLasHeader } from "./las_header.ts";
import { decompressLaz } from "./laz.ts";

/** Reads a LAS or LAZ file's bytes; which of the two, the header says. */
export async function readLas(
  bytes: Uint8Array,
  name: string,
  checkBounds: boolean,
): Promise<PointCloud> {
  const header = parseLasHeader(bytes, name);
  const { count, recordLength, pointStart } = header;
  if (count === 0) throw badFile(name, "header says 0 points; expected at least one");
  let points: Uint8Array;
  if (header.compressed) {
    points = await decompressLaz(bytes, header, name);
    if (checkBounds) checkReturns(points, header, name);
  } else {
    const left = bytes.length - pointStart;
    if (count * recordLength > left) {
      throw badFile(
        `${name}: byte ${pointStart}`,
        `header says ${count} points of ${recordLength} bytes; got ${left} bytes`,
      );
    }
    points = bytes.subarray(pointStart, pointStart + count * recordLength);
  }
  const view = new DataView(points.buffer, points.byteOffset, points.byteLength);
  const positions = readPositions(view, header);
  if (checkBounds) checkBox(positions, header, name);
  const format = header.compressed ? "laz" : "las";
  return makeCloud(name, format, positions, readLasFields(view, header, name));
}

function readPositions(view: DataView, header: LasHeader): Float64Array {
  const { count, recordLength, scale, offset } = header;
  const positions = allocate("positions", () => new Float64Array(3 * count));
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < 3; axis++) {
      const whole = view.getInt32(i * recordLength + 4 * axis, true);
      positions[3 * i + axis] = whole * scale[axis] + offset[axis];
    }
  }
  return positions;
}

const turnOff = "(pass checkBounds: false to read the points all the same)";

/** Garbled records show as points outside the box that the header states. */
function checkBox(positions: Float64Array, header: LasHeader, name: string): void {
  const { minimum, maximum, scale } = header;
  const stated = minimum.some((low, axis) => low !== 0 || maximum[axis] !== 0) &&
    minimum.every((low, axis) => low <= maximum[axis]);
  if (!stated) return;
  for (let axis = 0; axis < 3; axis++) {
    // Writers round the bounds before or after the coordinates: two steps either way.
    const size = Math.max(Math.abs(minimum[axis]), Math.abs(maximum[axis]));
    const slack = 2 * Math.abs(scale[axis]) + 1e-12 * size;
    for (let k = axis; k < positions.length; k += 3) {
      if (positions[k] < minimum[axis] - slack || positions[k] > maximum[axis] + slack) {
        throw badFile(
          `${name}: point ${(k - axis) / 3}`,
          `got ${"xyz"[axis]} = ${positions[k]}; the header says ${minimum[axis]} to ` +
            `${maximum[axis]} ${turnOff}`,
        );
      }
    }
  }
}

/** Garbled compressed data spreads to later points; the counts per return then no longer fit. */
function checkReturns(points: Uint8Array, header: LasHeader, name: string): void {
  if (header.returns === undefined) return;
  const mask = header.pointFormat >= 6 ? 15 : 7;
  const found = new Array<number>(16).fill(0);
  // Return number 0 says "not known"; writers of such points count them as first returns.
  for (let i = 0; i < header.count; i++) {
    found[Math.max(1, points[i * header.recordLength + 14] & mask)]++;
  }
  header.returns.forEach((stated, k) => {
    if (found[k + 1] !== stated) {
      throw badFile(
        name,
        `got ${found[k + 1]} points of return ${k + 1}; the header says ${stated} ${turnOff}`,
      );
    }
  });
}
