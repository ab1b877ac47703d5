// The methods of tensors that reduce axes: sums, extrema, statistics. All are deferred.

import { checkOptions, PairfoldError, shown } from "../error.ts";
import { TensorElementwise } from "./elementwise.ts";
import { type AxisReduction, operations } from "./operations.ts";
import { axesFrom, axisFrom, sizeOf } from "./shapes.ts";

/** An axis or several; negative ones count from the end. */
export type Axes = number | readonly number[];

/** Choices of reductions over axes. */
export interface AxisOptions {
  /** Whether axes that were reduced stay, with length 1; default false. */
  readonly keepDims?: boolean;
}

/** Choices of variances. */
export interface VarianceOptions extends AxisOptions {
  /** What is taken off the number of elements; default 0, as in NumPy. PyTorch's default is 1. */
  readonly correction?: number;
}

const ops = (): ReturnType<typeof operations<TensorReductions>> => operations<TensorReductions>();

/**
 * Reductions over axes. They throw `PairfoldError`: `shape` for axes that are not there, `dtype`
 * for what is no object of options.
 */
export abstract class TensorReductions extends TensorElementwise {
  // ---- reductions over axes ---------------------------------------------------------------------

  #reduce(
    name: AxisReduction,
    axis: Axes | undefined,
    options: AxisOptions,
  ): this {
    checkOptions(name, options);
    const { keepDims = false } = options;
    return ops().reduce(name, this, axesFrom(name, axis, this.shape.length), keepDims) as this;
  }
  /**
   * Sum over axes (all of them by default), added up in float64; 0 over nothing.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([[1, 2], [3, 4]]);
   * console.log(await x.sum().item(), await x.sum(0).array()); // 10 [ 4, 6 ]
   * ```
   */
  sum(axis?: Axes, options: AxisOptions = {}): this {
    return this.#reduce("sum", axis, options);
  }
  /** Mean over axes; NaN over nothing. */
  mean(axis?: Axes, options: AxisOptions = {}): this {
    return this.#reduce("mean", axis, options);
  }
  /** Smallest value over axes; NaN never wins; +∞ over nothing. */
  min(axis?: Axes, options: AxisOptions = {}): this {
    return this.#reduce("min", axis, options);
  }
  /** Largest value over axes; NaN never wins; −∞ over nothing. */
  max(axis?: Axes, options: AxisOptions = {}): this {
    return this.#reduce("max", axis, options);
  }
  /**
   * Index of the smallest value along an axis, int32; without an axis, along the flattened tensor.
   * NaN never wins, ties go to the lower index, −1 where nothing wins.
   */
  argMin(axis?: number, options: AxisOptions = {}): this {
    return this.#reduce("argMin", axis, options);
  }
  /** Index of the largest value along an axis, int32; as {@linkcode argMin}. */
  argMax(axis?: number, options: AxisOptions = {}): this {
    return this.#reduce("argMax", axis, options);
  }
  /** log Σ exp over axes, safe for large values; −∞ over nothing. */
  logSumExp(axis?: Axes, options: AxisOptions = {}): this {
    return this.#reduce("logSumExp", axis, options);
  }
  /** exp(this) / Σ exp(this) along an axis (the last by default), safe for large values. */
  softmax(axis: Axes = -1): this {
    axesFrom("softmax", axis, this.shape.length);
    return this.floats("softmax").sub(this.logSumExp(axis, { keepDims: true })).exp();
  }
  /** log of {@linkcode softmax}. */
  logSoftmax(axis: Axes = -1): this {
    axesFrom("logSoftmax", axis, this.shape.length);
    return this.floats("logSoftmax").sub(this.logSumExp(axis, { keepDims: true }));
  }
  /** Euclidean norm √Σ x² over axes; its derivative at 0 counts as 0. */
  norm(axis?: Axes, options: AxisOptions = {}): this {
    return this.floats("norm").square().sum(axis, options).sqrt();
  }
  /**
   * Variance over axes: Σ (x − mean)² / (n − correction); NaN over nothing. The default is that of
   * the elements themselves, as in NumPy; with `correction: 1` it is unbiased for what they were
   * drawn from, as PyTorch's is. Means are taken off first, twice, so that coordinates far from the
   * origin keep their digits.
   *
   * Throws `PairfoldError`: `shape` for axes that are not there, `dtype` for a correction that is
   * no number from 0 and for int32.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([[1000, 2], [1001, 4], [1002, 6]]);
   * console.log(await x.var(0, { correction: 1 }).array()); // [ 1, 4 ]
   * ```
   */
  var(axis?: Axes, options: VarianceOptions = {}): this {
    return this.#variance("var", axis, options);
  }
  /**
   * Standard deviation over axes, the root of {@linkcode var}; its derivative at 0 counts as 0.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([[1, 5], [3, 5]]);
   * console.log(await x.std(0).array()); // [1, 0]
   * console.log(await x.std(0, { correction: 1 }).array()); // [1.41, 0]
   * ```
   */
  std(axis?: Axes, options: VarianceOptions = {}): this {
    return this.#variance("std", axis, options).sqrt();
  }
  #variance(op: string, axis: Axes | undefined, options: VarianceOptions): this {
    checkOptions(op, options);
    const { correction = 0, keepDims = false } = options;
    if (typeof correction !== "number" || !(correction >= 0 && correction < Infinity)) {
      throw new PairfoldError(
        "dtype",
        `${op}: got correction ${shown(correction)}; expected a number from 0`,
      );
    }
    const axes = axesFrom(op, axis, this.shape.length);
    const count = sizeOf(axes.map((one) => this.shape[one]));
    this.floats(op);
    const centred = (x: this): this => x.sub(x.mean(axes, { keepDims: true }));
    // the first mean is rounded like the coordinates, the second like their differences
    const squares = centred(centred(this)).square();
    return squares.sum(axes, { keepDims }).div(Math.max(0, count - correction));
  }
  /** Sums of all elements up to each, along an axis, added up in float64, on the host. */
  cumSum(axis: number): this {
    return ops().cumSum(this, axisFrom("cumSum", axis, this.shape.length)) as this;
  }

  /**
   * The middle of the sorted numbers along an axis, or of all of them; the mean of both where there
   * are two. As {@linkcode quantile} of ½.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * console.log(await tensor([3, 100, 1, 2]).median().item()); // 2.5
   * ```
   */
  median(axis?: number, options: AxisOptions = {}): this {
    return this.#quantile("median", 0.5, axis, options);
  }
  /**
   * What a share q of the numbers along an axis, or of all of them, is not above: the sorted number
   * at place q (n − 1), or between its neighbours in proportion, as NumPy's `quantile`. NaN where
   * one of them is, and over nothing. Sorted on the host; derivatives go to the neighbours.
   *
   * Throws `PairfoldError`: `shape` for an axis that is not there, `dtype` for a share that is no
   * number from 0 to 1 and for int32.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([[4, 1, 3, 2, 5], [5, 5, 6, 7, 9]]);
   * console.log(await x.quantile(0.75, 1).array()); // [ 4, 7 ]
   * ```
   */
  quantile(q: number, axis?: number, options: AxisOptions = {}): this {
    return this.#quantile("quantile", q, axis, options);
  }
  #quantile(op: string, q: number, axis: number | undefined, options: AxisOptions): this {
    checkOptions(op, options);
    if (typeof q !== "number" || !(q >= 0 && q <= 1)) {
      throw new PairfoldError("dtype", `${op}: got ${shown(q)}; expected a number from 0 to 1`);
    }
    const { shape } = this;
    const at = axis === undefined ? 0 : axisFrom(op, axis, shape.length);
    this.floats(op);
    const list = axis === undefined ? ops().reshape(this, [sizeOf(shape)]) as this : this;
    const kept = shape.map((n, one) => axis === undefined || one === at ? 1 : n);
    const left = axis === undefined ? [] : shape.toSpliced(at, 1);
    const value = list.#between(q, at);
    return ops().reshape(value, options.keepDims ? kept : left) as this;
  }
  /** The number at a share q of a sorted axis, which goes. */
  #between(q: number, axis: number): this {
    const n = this.shape[axis];
    if (n === 0) return this.mean(axis);
    const sorted = ops().takeAlongAxis(this, ops().argSort(this, axis), axis) as this;
    const at = (place: number): this =>
      ops().slice(sorted, this.shape.map((_, one) => one === axis ? place : null)) as this;
    const low = Math.floor(q * (n - 1));
    const share = q * (n - 1) - low;
    const value = share === 0 ? at(low) : at(low).mul(1 - share).add(at(low + 1).mul(share));
    // NaN stands last
    return at(n - 1).isNaN().where(NaN, value);
  }
}
