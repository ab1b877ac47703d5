// Small files made by hand for the tests. Enters: what the header shall say. Leaves: bytes.

import { plyTypeTable } from "../../src/pointcloud/ply_header.ts";

/** UTF-8 bytes of a text. */
export const text = (content: string): Uint8Array => new TextEncoder().encode(content);

/** Pieces in one array. */
export function join(...pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** An ascii PLY file with a body and vertex properties x, y, z. */
export const plyText = (count: number | string, body: string, more = ""): Uint8Array =>
  text(
    `ply\nformat ascii 1.0\nelement vertex ${count}\nproperty float x\nproperty float y\n` +
      `property float z\n${more}end_header\n${body}`,
  );

/** Two vertices of every PLY type, a list and a face, in either byte order. */
export function plyBinary(order: "little" | "big"): Uint8Array {
  const little = order === "little";
  const types = ["char", "uchar", "short", "ushort", "int", "uint", "float", "double"] as const;
  const header = [
    "ply",
    `format binary_${order}_endian 1.0`,
    "comment made by hand",
    "element vertex 3",
    ...["x", "y", "z"].map((axis) => `property double ${axis}`),
    ...types.map((type) => `property ${type} a_${type}`),
    "element tristrips 1",
    "property list int int vertex_indices",
    "element face 1",
    "property uchar flag",
    "property list uchar uint vertex_index",
    "end_header\n",
  ].join("\n");
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (type: typeof types[number], value: number): void => {
    const { size, set } = plyTypeTable[type];
    set(view, at, value);
    if (!little) bytes.subarray(at, at + size).reverse();
    at += size;
  };
  for (let row = 0; row < 3; row++) {
    [1e6 + row, -row, row / 4].forEach((value) => put("double", value));
    types.forEach((type, k) => put(type, k + 10 * row));
  }
  [4, 0, 1, 2, -1].forEach((value) => put("int", value));
  put("uchar", 9);
  put("uchar", 3);
  [2, 1, 0].forEach((value) => put("uint", value));
  return join(text(header), bytes.slice(0, at));
}

/** What {@linkcode las} writes. */
export interface LasSample {
  readonly minor: 0 | 1 | 2 | 3 | 4;
  readonly format: number;
  readonly recordLength: number;
  readonly count: number;
  readonly headerCount?: number;
  /** Writes one record. */
  readonly record: (view: DataView, at: number, i: number) => void;
}

/** Scale and offset of the samples, per axis. */
export const lasScale = [0.01, 0.01, 0.001] as const;
export const lasOffset = [500000, 4000000, 100] as const;

/** An uncompressed LAS file; point i stands at the whole numbers (i, −i, 2i). */
export function las(sample: LasSample): Uint8Array {
  const { minor, format, recordLength, count, headerCount = count, record } = sample;
  const headerLength = minor === 4 ? 375 : minor === 3 ? 235 : 227;
  const bytes = new Uint8Array(headerLength + count * recordLength);
  const view = new DataView(bytes.buffer);
  bytes.set(text("LASF"));
  bytes.set([1, minor], 24);
  view.setUint16(94, headerLength, true);
  view.setUint32(96, headerLength, true);
  bytes[104] = format;
  view.setUint16(105, recordLength, true);
  if (minor === 4) view.setBigUint64(247, BigInt(headerCount), true);
  else view.setUint32(107, headerCount, true);
  const last = [count - 1, 0, 2 * (count - 1)];
  const first = [0, 1 - count, 0];
  for (let axis = 0; axis < 3; axis++) {
    view.setFloat64(131 + 8 * axis, lasScale[axis], true);
    view.setFloat64(155 + 8 * axis, lasOffset[axis], true);
    view.setFloat64(179 + 16 * axis, last[axis] * lasScale[axis] + lasOffset[axis], true);
    view.setFloat64(187 + 16 * axis, first[axis] * lasScale[axis] + lasOffset[axis], true);
  }
  for (let i = 0; i < count; i++) {
    const at = headerLength + i * recordLength;
    view.setInt32(at, i, true);
    view.setInt32(at + 4, -i, true);
    view.setInt32(at + 8, 2 * i, true);
    record(view, at, i);
  }
  return bytes;
}

/** A LAS 1.4 file of point format 7 with two extra bytes. */
export const modernLas = (count: number, headerCount = count): Uint8Array =>
  las({
    minor: 4,
    format: 7,
    recordLength: 38,
    count,
    headerCount,
    record: (view, at, i) => {
      view.setUint16(at + 12, 1000 + i, true);
      view.setUint8(at + 14, 2 | (3 << 4)); // return 2 of 3
      view.setUint8(at + 15, 0b1110_0101); // edge, direction, channel 2, flags 5
      view.setUint8(at + 16, 64 + i);
      view.setInt16(at + 18, -1000, true);
      view.setUint16(at + 20, 77, true);
      view.setFloat64(at + 22, 1e9 + i / 8, true);
      [65535, 256, i].forEach((value, c) => view.setUint16(at + 30 + 2 * c, value, true));
      view.setUint8(at + 36, i);
      view.setUint8(at + 37, 255 - i);
    },
  });

/** Reproducible bytes that are nothing. */
export function noise(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
