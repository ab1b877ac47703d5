// Shapes as values: sizes, strides, axes, and how shapes broadcast. Row-major throughout.

import { PairfoldError, shown } from "../error.ts";
import { broadcastShapes } from "./broadcast.ts";

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let product = 1;
  for (const n of shape) product *= n;
  return product;
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, axis) => n === b[axis]);
}

/** How far apart neighbours along each axis stand. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Whether a value is a list of integers from 0. */
export function isShape(shape: unknown): shape is readonly number[] {
  return Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0);
}

/** Throws `PairfoldError` (shape) for what is not a shape. */
export function checkedShape(op: string, shape: readonly number[]): readonly number[] {
  if (isShape(shape)) return shape;
  throw new PairfoldError(
    "shape",
    `${op}: got shape ${shown(shape)}; expected an array of integers from 0`,
  );
}

/** An axis from 0, where negative ones count from the end. Throws `PairfoldError` (shape). */
export function axisFrom(op: string, axis: number, rank: number): number {
  if (Number.isInteger(axis)) {
    const from = axis < 0 ? axis + rank : axis;
    if (from >= 0 && from < rank) return from;
  }
  throw new PairfoldError(
    "shape",
    `${op}: got axis ${shown(axis)} of a tensor of rank ${rank}; expected ${
      rank === 0 ? "none" : `an integer from ${-rank} to ${rank - 1}`
    }`,
  );
}

/** Distinct axes from 0, in order; all of them where none is named. */
export function axesFrom(
  op: string,
  axis: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (axis === undefined) return Array.from({ length: rank }, (_, k) => k);
  const list: readonly number[] = Array.isArray(axis) ? axis : [axis];
  const axes = list.map((one) => axisFrom(op, one, rank)).sort((a, b) => a - b);
  if (new Set(axes).size === axes.length) return axes;
  throw new PairfoldError("shape", `${op}: got axes [${list}]; expected each once`);
}

/** The shape that shapes broadcast to, as in NumPy. Throws `PairfoldError` (shape). */
export function broadcastedShape(
  op: string,
  shapes: readonly (readonly number[])[],
): readonly number[] {
  const [first] = shapes;
  if (shapes.every((shape) => shape.length === 0 || sameShape(shape, first))) return first;
  const common = broadcastShapes(...shapes);
  if (common !== null) return common;
  throw new PairfoldError(
    "shape",
    `${op}: got shapes ${shapes.map((shape) => `[${shape}]`).join(" and ")}, which do not ` +
      "broadcast; expected lengths that are equal, or one of them 1, counted from the last axis",
  );
}
