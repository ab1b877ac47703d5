// Linear operations that are each other's transposes: reshaping, reading elements at strides,
// broadcasting and sums. Each says its derivatives by the others.

import { PairfoldError } from "../error.ts";
import {
  allocate,
  axisFrom,
  broadcastShapes,
  checkedShape,
  reshaped,
  sameShape,
  sizeOf,
  storageOf,
  stridesOf,
  Tensor,
} from "../tensor/mod.ts";
import { eachRow, readStrided, spread } from "./layout.ts";
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

// ---- shapes --------------------------------------------------------------------------------------

/** The same numbers in another shape; one length may be −1. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
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

// ---- elements at strides -------------------------------------------------------------------------

/** Elements of a tensor: that at k is number offset + strides · k, row-major; none of them twice. */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The elements of a view. */
export function viewed(op: string, x: Tensor, view: View): Tensor {
  const { shape, strides, offset } = view;
  const result = hostTensor(op, shape, x.dtype, [x], (data) => {
    const out = allocate(x.dtype, sizeOf(shape));
    readStrided(data, shape, strides, offset, out);
    return out;
  });
  return recordLinear(
    x,
    result,
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
  const strides = stridesOf(x.shape);
  return viewed("transpose", x, {
    shape: order.map((axis) => x.shape[axis]),
    strides: order.map((axis) => strides[axis]),
    offset: 0,
  });
}

// ---- broadcasting and sums -----------------------------------------------------------------------

/** A tensor repeated to a shape. */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const full = broadcastShapes("broadcastTo", [checkedShape("broadcastTo", shape), x.shape]);
  if (!sameShape(full, shape)) {
    throw new PairfoldError(
      "shape",
      `broadcastTo: got a tensor [${x.shape}]; expected one that broadcasts to [${shape}]`,
    );
  }
  const step = new BroadcastStep(x, (data) => spread(data, x.shape, shape));
  return recordLinear(
    x,
    new Tensor(shape, x.dtype, step.storage),
    (g) => sumTo(g, x.shape),
    (t) => broadcastTo(t, shape),
  );
}

/** [outer, n, inner] summed to [outer, 1, inner]. */
function middleSum(x: Tensor): Tensor {
  const [outer, n, inner] = x.shape;
  const result = reshaped(reduced("sum", x, [outer, n, inner]), [outer, 1, inner]);
  return recordLinear(
    x,
    result,
    (g) => broadcastTo(g, x.shape),
    (t) => middleSum(t),
  );
}

/** Sum over axes, which stay with length 1. */
export function sumOver(x: Tensor, axes: readonly number[]): Tensor {
  if (axes.length === 0) return x;
  const shape = x.shape.map((n, axis) => axes.includes(axis) ? 1 : n);
  return reshape(middleSum(asMiddle(x, axes)), shape);
}

/** A tensor as [outer, n, inner], n being all of some axes, which are brought together. */
export function asMiddle(x: Tensor, axes: readonly number[]): Tensor {
  const { shape } = x;
  const [low, high] = [Math.min(...axes), Math.max(...axes)];
  const isTogether = shape.every((n, axis) =>
    axis < low || axis > high || axes.includes(axis) || n === 1
  );
  if (!isTogether) {
    const others = shape.flatMap((_, axis) => axes.includes(axis) ? [] : [axis]);
    const n = sizeOf(axes.map((axis) => shape[axis]));
    return reshape(permute(x, [...others, ...axes]), [sizeOf(others.map((a) => shape[a])), n, 1]);
  }
  const outer = sizeOf(shape.slice(0, low));
  const inner = sizeOf(shape.slice(high + 1));
  return reshape(x, [outer, sizeOf(shape.slice(low, high + 1)), inner]);
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
