// The methods of tensors that reduce axes or move elements, and matrix products. All are deferred.

import type { DType } from "../engine/engine.ts";
import { type ElementwiseOperand, TensorElementwise } from "./elementwise.ts";
import { type AxisReduction, type IndicesOf, operations, type Slice } from "./operations.ts";
import { axesFrom, axisFrom, sameShape } from "./shapes.ts";

/** An axis or several; negative ones count from the end. */
export type Axes = number | readonly number[];

/** Choices of reductions over axes. */
export interface AxisOptions {
  /** Whether axes that were reduced stay, with length 1; default false. */
  readonly keepDims?: boolean;
}

const ops = (): ReturnType<typeof operations<TensorMethods>> => operations<TensorMethods>();

/** Reductions over axes, products, and moves of elements. */
export abstract class TensorMethods extends TensorElementwise {
  /** float32, float64 or int32. */
  abstract readonly dtype: DType;

  /**
   * The same numbers as another type. Floats become integers by dropping what follows the point;
   * reading rejects (code `dtype`) where a float is no 32-bit integer.
   */
  astype(dtype: DType): this {
    return ops().cast(this, dtype) as this;
  }

  // ---- reductions over axes ---------------------------------------------------------------------

  #reduce(
    name: AxisReduction,
    axis: Axes | undefined,
    { keepDims = false }: AxisOptions,
  ): this {
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
    return this.sub(this.logSumExp(axis, { keepDims: true })).exp();
  }
  /** log of {@linkcode softmax}. */
  logSoftmax(axis: Axes = -1): this {
    axesFrom("logSoftmax", axis, this.shape.length);
    return this.sub(this.logSumExp(axis, { keepDims: true }));
  }
  /** Euclidean norm √Σ x² over axes; its derivative at 0 counts as 0. */
  norm(axis?: Axes, options: AxisOptions = {}): this {
    return this.square().sum(axis, options).sqrt();
  }
  /** Sums of all elements up to each, along an axis, added up in float64, on the host. */
  cumSum(axis: number): this {
    return ops().cumSum(this, axisFrom("cumSum", axis, this.shape.length)) as this;
  }

  // ---- products ---------------------------------------------------------------------------------

  /**
   * Matrix product [M, K] · [K, N], as NumPy's `@`: leading axes are batches and broadcast, a
   * vector is a row on the left and a column on the right, and its axis does not stay. Large
   * products are one kernel, in the tensors' own type; small ones, and sums of more than 4096
   * products, are added up on the host in float64, for which numbers on a device come over.
   *
   * Throws `PairfoldError`: `shape` where inner lengths or batches do not fit.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const a = tensor([[1, 2], [3, 4]]);
   * console.log(await a.matmul([1, 10]).array()); // [ 21, 43 ]
   * ```
   */
  matmul(other: ElementwiseOperand): this {
    return ops().matmul(this, other as TensorMethods) as this;
  }

  // ---- shapes -----------------------------------------------------------------------------------

  /**
   * The same numbers in another shape of the same size; one length may be −1 and follows. Nothing
   * is copied.
   */
  reshape(...shape: readonly number[] | readonly [readonly number[]]): this {
    const list = typeof shape[0] === "object" ? shape[0] : shape as readonly number[];
    return ops().reshape(this, list) as this;
  }
  /** Axes in another order; reversed by default; on the host. (NumPy's `transpose`.) */
  transpose(axes?: readonly number[]): this {
    const rank = this.shape.length;
    const order = axes ?? Array.from({ length: rank }, (_, k) => rank - 1 - k);
    return ops().permute(this, order.map((axis) => axisFrom("transpose", axis, rank))) as this;
  }
  /** The transpose. */
  get T(): this {
    return this.transpose();
  }
  /** Repeated along axes of length 1 and new leading ones, as in NumPy. */
  broadcastTo(shape: readonly number[]): this {
    return sameShape(shape, this.shape) ? this : ops().broadcastTo(this, shape) as this;
  }
  /** The same numbers with an axis of length 1 inserted. */
  expandDims(axis: number): this {
    const at = axisFrom("expandDims", axis, this.shape.length + 1);
    return ops().reshape(this, this.shape.toSpliced(at, 0, 1)) as this;
  }

  // ---- parts ------------------------------------------------------------------------------------

  /**
   * A part: for each axis a number (the axis goes), a range, or null for all; axes that are not
   * named stay whole. Negative positions count from the end, as in NumPy. Copied on the host.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([[1, 2, 3], [4, 5, 6]]);
   * console.log(await x.slice(null, { start: 1 }).array()); // [ [ 2, 3 ], [ 5, 6 ] ]
   * console.log(await x.slice(-1).array(), await x.slice(0, { step: -1 }).array());
   * ```
   */
  slice(...ranges: readonly (number | Slice | null)[]): this {
    return ops().slice(this, ranges) as this;
  }
  /**
   * Entries of an axis, in the order of an array or int32 tensor of indices: shape
   * [...before, ...indices, ...after]. In arrays, negative indices count from the end; in tensors
   * −1 is a missing neighbour (as `argKMin` gives) and its entries are NaN. Gathered on the host:
   * numbers and indices on a device come over. (NumPy's `take`.)
   *
   * Throws `PairfoldError` (shape) for indices out of range, of tensors when the result is read.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * console.log(await tensor([[1, 2], [3, 4], [5, 6]]).take([2, 0]).array()); // [ [ 5, 6 ], [ 1, 2 ] ]
   * ```
   */
  take(indices: IndicesOf<TensorElementwise>, axis = 0): this {
    const at = axisFrom("take", axis, this.shape.length);
    return ops().take(this, indices as IndicesOf<TensorMethods>, at) as this;
  }
  /**
   * Along an axis, the entries that indices of the same rank name, as what `argSort` gives; −1 is
   * missing and gives NaN. On the host, as {@linkcode take}. (NumPy's `take_along_axis`.)
   */
  takeAlongAxis(indices: IndicesOf<TensorElementwise>, axis: number): this {
    const at = axisFrom("takeAlongAxis", axis, this.shape.length);
    return ops().takeAlongAxis(this, indices as IndicesOf<TensorMethods>, at) as this;
  }
  /**
   * This with values added where indices say, several to one place too: the transpose of
   * {@linkcode take}. Values have the shape that `take` would give; −1 in a tensor of indices drops
   * its values. On the host, in float64 and in the order of the indices, so that bits do not depend
   * on the device. (JAX' `x.at[indices].add(values)`.)
   *
   * ```ts
   * import { tensor, zeros } from "pairfold";
   * const labels = tensor(new Int32Array([0, 2, 0]));
   * console.log(await zeros([3]).scatterAdd(labels, [1, 10, 100]).array()); // [ 101, 0, 10 ]
   * ```
   */
  scatterAdd(indices: IndicesOf<TensorElementwise>, values: ElementwiseOperand, axis = 0): this {
    const at = axisFrom("scatterAdd", axis, this.shape.length);
    const places = indices as IndicesOf<TensorMethods>;
    return ops().scatterAdd(this, places, values as TensorMethods, at) as this;
  }
  /** Indices that sort an axis (the last by default), int32, stable, NaN last; on the host. */
  argSort(axis = -1): this {
    return ops().argSort(this, axisFrom("argSort", axis, this.shape.length)) as this;
  }
  /**
   * Sorted along an axis (the last by default), NaN last; on the host.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([3, 1, 2]);
   * console.log(await x.sort().array(), await x.argSort().array()); // [1, 2, 3] [1, 2, 0]
   * ```
   */
  sort(axis = -1): this {
    const at = axisFrom("sort", axis, this.shape.length);
    return this.takeAlongAxis(this.argSort(at), at);
  }
}
