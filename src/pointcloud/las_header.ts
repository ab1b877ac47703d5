// The header of a LAS or LAZ file. Enters: bytes. Leaves: counts, scales, bounds and the layout of
// a point record; or a PairfoldError with the byte. Follows ASPRS LAS 1.0 to 1.4.

import { badFile } from "./cloud.ts";

/** What a LAS header says, with its variable-length records. */
export interface LasHeader {
  readonly version: string;
  /** Number of points. */
  readonly count: number;
  /** 0 to 10. */
  readonly pointFormat: number;
  readonly compressed: boolean;
  readonly recordLength: number;
  /** First byte of the point records. */
  readonly pointStart: number;
  readonly scale: Vector;
  readonly offset: Vector;
  readonly minimum: Vector;
  readonly maximum: Vector;
  /** Points with return number 1, 2, …; undefined where the header leaves them out. */
  readonly returns: readonly number[] | undefined;
  readonly records: readonly VariableRecord[];
}

type Vector = readonly [number, number, number];

/** A variable-length record: who it is for, and its bytes. */
export interface VariableRecord {
  readonly user: string;
  readonly id: number;
  readonly start: number;
  readonly data: Uint8Array;
}

/** Bytes of a point record by format, without extra bytes. */
export const recordLengths: readonly number[] = [20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67];

const headerLengths: Readonly<Record<string, number>> = {
  "1.0": 227,
  "1.1": 227,
  "1.2": 227,
  "1.3": 235,
  "1.4": 375,
};

/** Reads and checks the header; does not look at the points. */
export function parseLasHeader(bytes: Uint8Array, name: string): LasHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (latin1(bytes.subarray(0, 4)) !== "LASF") {
    throw badFile(`${name}: byte 0`, 'expected a LAS file, which begins with "LASF"');
  }
  if (bytes.length < 227) {
    throw badFile(name, `got ${bytes.length} bytes; expected a LAS header of at least 227`);
  }
  const version = `${view.getUint8(24)}.${view.getUint8(25)}`;
  const headerLength = headerLengths[version];
  if (headerLength === undefined) {
    throw badFile(`${name}: byte 24`, `got LAS version ${version}; expected 1.0 to 1.4`);
  }
  const stated = view.getUint16(94, true);
  if (stated < headerLength || stated > bytes.length) {
    throw badFile(
      `${name}: byte 94`,
      `got header length ${stated}; expected ${headerLength} to the file's ${bytes.length} bytes`,
    );
  }
  const formatByte = view.getUint8(104);
  const pointFormat = formatByte & 0x3f;
  const least = recordLengths[pointFormat];
  if (least === undefined || (formatByte & 0x40) !== 0) {
    throw badFile(`${name}: byte 104`, `got point format ${formatByte}; expected 0 to 10`);
  }
  const recordLength = view.getUint16(105, true);
  if (recordLength < least) {
    throw badFile(
      `${name}: byte 105`,
      `got record length ${recordLength}; point format ${pointFormat} takes at least ${least}`,
    );
  }
  const pointStart = view.getUint32(96, true);
  if (pointStart < stated || pointStart > bytes.length) {
    throw badFile(
      `${name}: byte 96`,
      `got points from byte ${pointStart}; expected ${stated} to ${bytes.length} (the file's end)`,
    );
  }
  const count = readCount(view, version, name);
  const at = (offset: number): number => {
    const value = view.getFloat64(offset, true);
    if (Number.isFinite(value)) return value;
    throw badFile(`${name}: byte ${offset}`, `got ${value}; expected a finite number`);
  };
  const scale: Vector = [at(131), at(139), at(147)];
  const flat = scale.indexOf(0);
  if (flat >= 0) throw badFile(`${name}: byte ${131 + 8 * flat}`, "got scale 0");
  return {
    version,
    count,
    pointFormat,
    compressed: (formatByte & 0x80) !== 0,
    recordLength,
    pointStart,
    scale,
    offset: [at(155), at(163), at(171)],
    maximum: [at(179), at(195), at(211)],
    minimum: [at(187), at(203), at(219)],
    returns: readReturns(view, version, count),
    records: readRecords(bytes, view, stated, pointStart, name),
  };
}

function readCount(view: DataView, version: string, name: string): number {
  const legacy = view.getUint32(107, true);
  if (version !== "1.4") return legacy;
  const count = view.getBigUint64(247, true);
  if (count === 0n) return legacy;
  if (legacy !== 0 && BigInt(legacy) !== count) {
    throw badFile(
      `${name}: byte 107`,
      `header says ${legacy} points and, at byte 247, ${count}; expected the same`,
    );
  }
  return Number(count);
}

function readReturns(view: DataView, version: string, count: number): number[] | undefined {
  const returns = version === "1.4"
    ? Array.from({ length: 15 }, (_, k) => Number(view.getBigUint64(255 + 8 * k, true)))
    : Array.from({ length: 5 }, (_, k) => view.getUint32(111 + 4 * k, true));
  const total = returns.reduce((sum, points) => sum + points, 0);
  return total === count ? returns : undefined;
}

function readRecords(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  name: string,
): VariableRecord[] {
  const records: VariableRecord[] = [];
  const count = view.getUint32(100, true);
  let at = start;
  for (let k = 0; k < count; k++) {
    const length = at + 54 <= end ? view.getUint16(at + 20, true) : 0;
    if (at + 54 + length > end) {
      throw badFile(
        `${name}: byte ${at}`,
        `variable-length record ${k} of ${count} does not end before the points, at byte ${end}`,
      );
    }
    records.push({
      user: latin1(bytes.subarray(at + 2, at + 18)),
      id: view.getUint16(at + 18, true),
      start: at + 54,
      data: bytes.subarray(at + 54, at + 54 + length),
    });
    at += 54 + length;
  }
  return records;
}

/** Text of a fixed field, up to its first zero byte. */
export function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes).replace(/\0[^]*$/, "");
}
