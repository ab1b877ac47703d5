// Tensors of numbers that a rule gives.

import type { DType } from "../engine/engine.ts";
import { allocate, checkedInteger } from "../engine/host.ts";
import { PairfoldError, shown } from "../error.ts";
import { checkedShape, sizeOf } from "./shapes.ts";
import { Tensor } from "./tensor.ts";

/** Choices of new tensors. */
export interface CreateOptions {
  /** Default float32. */
  readonly dtype?: DType;
}

/** A tensor of the numbers that its places give; refused as where tensors are made of arrays. */
function made(
  op: string,
  shape: readonly number[],
  { dtype = "float32" }: CreateOptions,
  numberAt: (place: number) => number,
): Tensor {
  const data = allocate(dtype, sizeOf(checkedShape(op, shape)));
  for (let k = 0; k < data.length; k++) data[k] = checkedNumber(op, dtype, numberAt(k));
  return new Tensor(shape, dtype, data);
}

function checkedNumber(op: string, dtype: DType, x: number): number {
  if (typeof x !== "number") {
    throw new PairfoldError("dtype", `${op}: got ${shown(x)}; expected a number`);
  }
  return dtype === "int32" ? checkedInteger(op, x) : x;
}

/**
 * A tensor of one number. Throws `PairfoldError`: `shape` for what is not a shape, `dtype` for a
 * fraction in int32.
 */
export function full(shape: readonly number[], value: number, options: CreateOptions = {}): Tensor {
  const { dtype = "float32" } = options;
  const data = allocate(dtype, sizeOf(checkedShape("full", shape)));
  return new Tensor(shape, dtype, data.fill(checkedNumber("full", dtype, value)));
}

/** A tensor of zeros; as {@linkcode full}. */
export function zeros(shape: readonly number[], options: CreateOptions = {}): Tensor {
  return full(shape, 0, options);
}

/** A tensor of ones; as {@linkcode full}. */
export function ones(shape: readonly number[], options: CreateOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** The unit matrix [n, n]. */
export function eye(n: number, options: CreateOptions = {}): Tensor {
  return made("eye", [n, n], options, (k) => k % (n + 1) === 0 ? 1 : 0);
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
  return made("arange", [count], options, (k) => start + k * step);
}

/** `count` numbers from start to stop, both included. (NumPy's `linspace`.) */
export function linspace(
  start: number,
  stop: number,
  count: number,
  options: CreateOptions = {},
): Tensor {
  const step = (stop - start) / (count - 1);
  return made("linspace", [count], options, (k) => {
    return k === count - 1 && count > 1 ? stop : k === 0 ? start : start + k * step;
  });
}
