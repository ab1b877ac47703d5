// Reductions of tensors over axes, and running sums, with their derivatives.

import { type AxisReduction, sizeOf, stridesOf, type Tensor } from "../tensor/mod.ts";
import { elementwise } from "./elementwise.ts";
import { cumulated, type Extent, type HostReduction } from "./host_reduce.ts";
import { placedAlong, takenAlong } from "./gather.ts";
import { asMiddle, reshape, sumOver, viewed } from "./linear.ts";
import { reduced } from "./reduce_step.ts";
import { hostTensor } from "./steps.ts";
import { record, type Rule } from "./trace.ts";

/** [outer, n, inner] to [outer, 1, inner]. */
function reduceMiddle(name: Exclude<HostReduction, "sum">, x: Tensor): Tensor {
  const [outer, n, inner] = x.shape;
  const result = reshape(reduced(name, x, [outer, n, inner]), [outer, 1, inner]);
  if (name !== "argMin" && name !== "argMax") record([x], [result], () => ruleOf(name, x, result));
  return result;
}

function ruleOf(name: "min" | "max" | "logSumExp", x: Tensor, result: Tensor): Rule {
  if (name === "logSumExp") {
    // ∂ log Σ exp x / ∂x = exp(x − result)
    const share = (): Tensor => elementwise("exp", [elementwise("sub", [x, result])]);
    return {
      vjp: ([g]) => [g === null ? null : elementwise("mul", [g, share()])],
      jvp: ([t]) => [t === null ? null : sumOver(elementwise("mul", [share(), t]), [1])],
    };
  }
  // through the winner alone
  const winner = (): Tensor => reduceMiddle(name === "min" ? "argMin" : "argMax", x);
  return {
    vjp: ([g]) => [g === null ? null : placedAlong(g, winner(), 1, x.shape)],
    jvp: ([t]) => [t === null ? null : takenAlong(t, winner(), 1)],
  };
}

/** A reduction over axes. */
export function reduce(
  name: AxisReduction,
  x: Tensor,
  axes: readonly number[],
  keepDims: boolean,
): Tensor {
  const kept = x.shape.map((n, axis) => axes.includes(axis) ? 1 : n);
  const left = kept.filter((_, axis) => !axes.includes(axis));
  return reshape(reduceKept(name, x, axes, kept), keepDims ? kept : left);
}

function reduceKept(
  name: AxisReduction,
  x: Tensor,
  axes: readonly number[],
  kept: readonly number[],
): Tensor {
  if (name === "sum") return sumOver(x, axes);
  if (name === "mean") {
    const count = axes.reduce((product, axis) => product * x.shape[axis], 1);
    return elementwise("div", [sumOver(x, axes), count]);
  }
  if (axes.length === 0 && name !== "argMin" && name !== "argMax") return x;
  const middle = axes.length === 0 ? reshape(x, [x.size, 1, 1]) : asMiddle(x, axes);
  return reshape(reduceMiddle(name, middle), kept);
}

/** Sums of all elements up to each along an axis, or of all from each on. */
export function cumSum(x: Tensor, axis: number, isReversed = false): Tensor {
  if (isReversed) return flip(cumSum(flip(x, axis), axis), axis);
  const extent: Extent = [
    sizeOf(x.shape.slice(0, axis)),
    x.shape[axis],
    sizeOf(x.shape.slice(axis + 1)),
  ];
  const sums = hostTensor(
    "cumSum",
    x.shape,
    x.dtype,
    [x],
    (data) => cumulated(data, extent),
  );
  record([x], [sums], () => ({
    vjp: ([g]) => [g === null ? null : cumSum(g, axis, true)],
    jvp: ([t]) => [t === null ? null : cumSum(t, axis)],
  }));
  return sums;
}

function flip(x: Tensor, axis: number): Tensor {
  const strides = stridesOf(x.shape);
  const offset = Math.max(0, x.shape[axis] - 1) * strides[axis];
  strides[axis] = -strides[axis];
  return viewed("flip", x, { shape: x.shape, strides, offset });
}
