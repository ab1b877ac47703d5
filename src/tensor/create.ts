// Tensors of numbers that a rule gives.

import type { DType, NumberArray } from "../engine/engine.ts";
import { allocate } from "../engine/host.ts";
import { PairfoldError } from "../error.ts";
import { checkedShape, sizeOf } from "./shapes.ts";
import { Tensor } from "./tensor.ts";

/** Choices of new tensors. */
export interface CreateOptions {
  /** Default float32. */
  readonly dtype?: DType;
}

function made(
  op: string,
  shape: readonly number[],
  { dtype = "float32" }: CreateOptions,
  fill: (data: NumberArray) => void,
): Tensor {
  const data = allocate(dtype, sizeOf(checkedShape(op, shape)));
  fill(data);
  return new Tensor(shape, dtype, data);
}

/** A tensor of one number. Throws `PairfoldError` (shape) for what is not a shape. */
export function full(shape: readonly number[], value: number, options: CreateOptions = {}): Tensor {
  return made("full", shape, options, (data) => data.fill(value));
}

/** A tensor of zeros; as {@linkcode full}. */
export function zeros(shape: readonly number[], options: CreateOptions = {}): Tensor {
  return made("zeros", shape, options, () => {});
}

/** A tensor of ones; as {@linkcode full}. */
export function ones(shape: readonly number[], options: CreateOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** The unit matrix [n, n]. */
export function eye(n: number, options: CreateOptions = {}): Tensor {
  return made("eye", [n, n], options, (data) => {
    for (let k = 0; k < n; k++) data[k * (n + 1)] = 1;
  });
}

/**
 * start, start + step, … below stop: a vector of ⌈(stop − start) / step⌉ numbers. (NumPy's
 * `arange`.)
 *
 * Throws `PairfoldError` (shape) for a step of 0 and for what is not finite.
 *
 * ```ts
 * import { arange } from "pairfold";
 * console.log(await arange(0, 1, 0.25).array()); // [ 0, 0.25, 0.5, 0.75 ]
 * ```
 */
export function arange(
  start: number,
  stop: number,
  step = 1,
  options: CreateOptions = {},
): Tensor {
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!Number.isFinite(count)) {
    throw new PairfoldError(
      "shape",
      `arange: got ${start}, ${stop} and step ${step}; expected finite numbers and no step of 0`,
    );
  }
  return made("arange", [count], options, (data) => {
    for (let k = 0; k < count; k++) data[k] = start + k * step;
  });
}

/** `count` numbers from start to stop, both included. (NumPy's `linspace`.) */
export function linspace(
  start: number,
  stop: number,
  count: number,
  options: CreateOptions = {},
): Tensor {
  return made("linspace", [count], options, (data) => {
    for (let k = 0; k < count; k++) {
      data[k] = k === count - 1 && count > 1 ? stop : start + k * ((stop - start) / (count - 1));
    }
    if (count === 1) data[0] = start;
  });
}
