// How broadcast operands stand in kernels: elements are rows of short vectors, and each operand is
// all of them, one number per row, one vector for all rows, or one number. Other patterns are
// spread out on the host first.

import type { NumberArray } from "../engine/mod.ts";
import { allocate, broadcastStrides, dtypeOf, sizeOf } from "../tensor/mod.ts";

/** Vectors are unrolled up to this length; longer rows are flattened. */
const MAX_DIM = 16;

/** What an operand is to the rows and components of a result. */
export type Role = "full" | "row" | "vector" | "scalar";

/** A result as rows of vectors. */
export interface Layout {
  readonly rows: number;
  readonly dim: number;
  readonly roleOf: (shape: readonly number[]) => Role | null;
}

/** Whether a shape holds one element. */
export function isScalar(shape: readonly number[]): boolean {
  return shape.every((n) => n === 1);
}

/** The role of an operand where the first `split` axes of a result are its rows. */
function roleAt(
  shape: readonly number[],
  result: readonly number[],
  split: number,
): Role | null {
  if (isScalar(shape)) return "scalar";
  const ahead = result.length - shape.length;
  const length = (axis: number): number => axis < ahead ? 1 : shape[axis - ahead];
  let isAll = [true, true];
  let isNone = [true, true];
  result.forEach((n, axis) => {
    const side = axis < split ? 0 : 1;
    const own = length(axis);
    isAll = isAll.map((is, k) => is && (k !== side || own === n));
    isNone = isNone.map((is, k) => is && (k !== side || own === 1));
  });
  if (isAll[0] && isAll[1]) return "full";
  if (isAll[0] && isNone[1]) return "row";
  return isNone[0] && isAll[1] ? "vector" : null;
}

/** Rows of one component where all operands are whole or scalar; else short vectors; else null. */
export function layoutOf(
  shape: readonly number[],
  operands: readonly (readonly number[])[],
  rowAxes?: number,
): Layout | null {
  const splits = rowAxes === undefined
    ? Array.from({ length: Math.max(1, shape.length) }, (_, k) => shape.length - k)
    : [rowAxes];
  for (const split of splits) {
    const dim = sizeOf(shape.slice(split));
    if (dim > MAX_DIM || dim < 1) continue;
    const roleOf = (own: readonly number[]): Role | null => roleAt(own, shape, split);
    if (operands.some((own) => roleOf(own) === null)) continue;
    return { rows: sizeOf(shape.slice(0, split)), dim, roleOf };
  }
  return null;
}

/** Numbers of one shape, repeated to another that it broadcasts to. */
export function spread(
  data: NumberArray,
  from: readonly number[],
  to: readonly number[],
): NumberArray {
  const out = allocate(dtypeOf(data), sizeOf(to));
  readStrided(data, to, broadcastStrides(from, to), 0, out);
  return out;
}

/** out[k…] = data[offset + strides · k…] for all positions of a shape, row-major. */
export function readStrided(
  data: NumberArray,
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  out: NumberArray,
): void {
  eachRow(shape, strides, offset, (from, to, length, stride) => {
    for (let k = 0; k < length; k++) out[to + k] = data[from + k * stride];
  });
}

/** Runs `body` for each row along the last axis: where it begins, there and in row-major order. */
export function eachRow(
  shape: readonly number[],
  strides: readonly number[],
  offset: number,
  body: (from: number, to: number, length: number, stride: number) => void,
): void {
  if (sizeOf(shape) === 0) return;
  const last = shape.length - 1;
  if (last < 0) {
    body(offset, 0, 1, 0);
    return;
  }
  const at = Array<number>(last).fill(0);
  const [length, stride] = [shape[last], strides[last]];
  let from = offset;
  for (let to = 0;; to += length) {
    body(from, to, length, stride);
    let axis = last - 1;
    for (; axis >= 0; axis--) {
      from += strides[axis];
      if (++at[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
    if (axis < 0) return;
  }
}
