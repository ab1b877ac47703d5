// Linear operations that are each other's transposes: reshaping, reading elements at strides,
// broadcasting and sums. Each says its derivatives by the others.

import { PairfoldError } from "../error.ts";
import {
  allocate,
  axisFrom,
  broadcastedShape,
  checkedShape,
  reshaped,
  sameShape,
  sizeOf,
  storageOf,
  stridesOf,
  Tensor,
} from "../tensor/mod.ts";
import { eachRow, readStrided, spread } from "./layout.ts";
import type { Extent } from "./host_reduce.ts";
import { reduced } from "./reduce_step.ts";
import { BroadcastStep, hostTensor } from "./steps.ts";
import { record } from "./trace.ts";

/** The rule of a linear operation of one tensor. */
function recordLinear(
  x: Tensor,
  result: Tensor,
  transpose: (cotangent: Tensor) => Tensor,
  same: (tangent: Tensor) => Tensor,
): Tensor {
  record([x], [result], () => ({
    vjp: ([cotangent]) => [cotangent === null ? null : transpose(cotangent)],
    jvp: ([tangent]) => [tangent === null ? null : same(tangent)],
  }));
  return result;
}

// ---- shapes -------------------------------------------------------------------------------------

/** The same numbers in another shape; one length may be −1. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  if (!Array.isArray(shape) || !shape.every(Number.isInteger)) checkedShape("reshape", shape);
  const known = sizeOf(shape.filter((n) => n !== -1));
  const full = shape.map((n) => n === -1 ? x.size / known : n);
  const isShape = full.every((n) => Number.isInteger(n) && n >= 0);
  if (!isShape || sizeOf(full) !== x.size || shape.filter((n) => n === -1).length > 1) {
    throw new PairfoldError(
      "shape",
      `reshape: got shape [${shape}] for a tensor [${x.shape}]; expected a shape of size ${x.size}`,
    );
  }
  if (sameShape(full, x.shape)) return x;
  return recordLinear(
    x,
    reshaped(x, full),
    (g) => reshape(g, x.shape),
    (t) => reshape(t, full),
  );
}

/** The same numbers as a tensor of its own, for who watches. */
export function alias(x: Tensor): Tensor {
  return recordLinear(x, new Tensor(x.shape, x.dtype, storageOf(x)), (g) => g, (t) => t);
}

// ---- elements at strides ------------------------------------------------------------------------

/**
 * Elements of a tensor: that at k is number offset + strides · k, row-major; none of them twice.
 */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The elements of a view, without derivatives. */
function elementsOf(op: string, x: Tensor, { shape, strides, offset }: View): Tensor {
  return hostTensor(op, shape, x.dtype, [x], (data) => {
    const out = allocate(x.dtype, sizeOf(shape));
    readStrided(data, shape, strides, offset, out);
    return out;
  });
}

/** The elements of a view. */
export function viewed(op: string, x: Tensor, view: View): Tensor {
  return recordLinear(
    x,
    elementsOf(op, x, view),
    (g) => placed(op, g, view, x.shape),
    (t) => viewed(op, t, view),
  );
}

/** Zeros with the elements of a view in their places: the transpose of {@linkcode viewed}. */
function placed(op: string, x: Tensor, view: View, shape: readonly number[]): Tensor {
  const result = hostTensor(`transpose of ${op}`, shape, x.dtype, [x], (data) => {
    const out = allocate(x.dtype, sizeOf(shape));
    eachRow(view.shape, view.strides, view.offset, (to, from, length, stride) => {
      for (let k = 0; k < length; k++) out[to + k * stride] = data[from + k];
    });
    return out;
  });
  return recordLinear(
    x,
    result,
    (g) => viewed(op, g, view),
    (t) => placed(op, t, view, shape),
  );
}

/** Axes in another order. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const rank = x.shape.length;
  const order = axes.map((axis) => axisFrom("transpose", axis, rank));
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new PairfoldError(
      "shape",
      `transpose: got axes [${axes}] for rank ${rank}; expected each axis once`,
    );
  }
  if (order.every((axis, k) => axis === k)) return x;
  return viewed("transpose", x, permutation(x, order));
}

function permutation(x: Tensor, order: readonly number[]): View {
  const strides = stridesOf(x.shape);
  return {
    shape: order.map((axis) => x.shape[axis]),
    strides: order.map((axis) => strides[axis]),
    offset: 0,
  };
}

// ---- broadcasting and sums ----------------------------------------------------------------------

/** A tensor repeated to a shape. */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const full = broadcastedShape("broadcastTo", [checkedShape("broadcastTo", shape), x.shape]);
  if (!sameShape(full, shape)) {
    throw new PairfoldError(
      "shape",
      `broadcastTo: got a tensor [${x.shape}]; expected one that broadcasts to [${shape}]`,
    );
  }
  const step = new BroadcastStep(x, shape, (data) => spread(data, x.shape, shape));
  return recordLinear(
    x,
    new Tensor(shape, x.dtype, step.storage),
    (g) => sumTo(g, x.shape),
    (t) => broadcastTo(t, shape),
  );
}

/** Sum over axes, which stay with length 1. */
export function sumOver(x: Tensor, axes: readonly number[]): Tensor {
  if (axes.length === 0) return x;
  const shape = x.shape.map((n, axis) => axes.includes(axis) ? 1 : n);
  const t = areTogether(x.shape, axes)
    ? x
    : elementsOf("transpose", x, permutation(x, broughtTogether(x.shape, axes)));
  return recordLinear(
    x,
    reshaped(reduced("sum", t, extentOf(x.shape, axes)), shape),
    (g) => broadcastTo(g, x.shape),
    (tangent) => sumOver(tangent, axes),
  );
}

/** Whether axes stand side by side, but for axes of length 1 between them. */
function areTogether(shape: readonly number[], axes: readonly number[]): boolean {
  const [low, high] = [Math.min(...axes), Math.max(...axes)];
  return shape.every((n, axis) => axis < low || axis > high || axes.includes(axis) || n === 1);
}

/** The order of axes in which those that are reduced stand last. */
function broughtTogether(shape: readonly number[], axes: readonly number[]): number[] {
  return [...shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
}

/** A shape as [outer, n, inner], n being some axes; where they are apart, with these at the end. */
function extentOf(shape: readonly number[], axes: readonly number[]): Extent {
  const n = sizeOf(axes.map((axis) => shape[axis]));
  if (!areTogether(shape, axes)) {
    return [sizeOf(shape.filter((_, axis) => !axes.includes(axis))), n, 1];
  }
  return [sizeOf(shape.slice(0, Math.min(...axes))), n, sizeOf(shape.slice(Math.max(...axes) + 1))];
}

/** A tensor as [outer, n, inner], n being some axes, which are brought together. */
export function asMiddle(x: Tensor, axes: readonly number[]): Tensor {
  const extent = extentOf(x.shape, axes);
  if (areTogether(x.shape, axes)) return reshape(x, extent);
  return reshape(permute(x, broughtTogether(x.shape, axes)), extent);
}

/** Sum over the axes along which a shape was broadcast. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const ahead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((n, axis) =>
    axis < ahead || (shape[axis - ahead] === 1 && n !== 1) ? [axis] : []
  );
  return reshape(sumOver(x, axes), shape);
}
