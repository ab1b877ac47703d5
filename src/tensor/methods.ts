// The methods of tensors that move elements, and products. All but those that ask for the numbers
// are deferred.

import type { DType } from "../engine/engine.ts";
import { PairfoldError, shown } from "../error.ts";
import type { ElementwiseOperand, TensorElementwise } from "./elementwise.ts";
import {
  type Distinct,
  type IndicesOf,
  operations,
  type ReadOptions,
  type Slice,
} from "./operations.ts";
import { type Axes, TensorReductions } from "./reductions.ts";
import { axesFrom, axisFrom, checkedShape, sameShape } from "./shapes.ts";

const ops = (): ReturnType<typeof operations<TensorMethods>> => operations<TensorMethods>();

/** Products, and moves of elements. */
export abstract class TensorMethods extends TensorReductions {
  /**
   * The same numbers as another type. Floats become integers by dropping what follows the point;
   * reading rejects (code `dtype`) where a float is no 32-bit integer.
   */
  astype(dtype: DType): this {
    return ops().cast(this, dtype) as this;
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

  /**
   * Cross products with other vectors of length 3 along the last axis; leading axes broadcast.
   *
   * Throws `PairfoldError`: `shape` for other lengths and for shapes that do not broadcast, `dtype`
   * for int32.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const edges = tensor([[1, 0, 0], [0, 2, 0]]);
   * console.log(await edges.cross([0, 0, 1]).array()); // [ [ 0, -1, 0 ], [ 2, 0, 0 ] ]
   * ```
   */
  cross(other: ElementwiseOperand): this {
    return ops().cross(this, other as TensorMethods) as this;
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
    if (!Array.isArray(order)) {
      throw new PairfoldError("shape", `transpose: got ${shown(order)}; expected an array of axes`);
    }
    return ops().permute(this, order.map((axis) => axisFrom("transpose", axis, rank))) as this;
  }
  /** The transpose. */
  get T(): this {
    return this.transpose();
  }
  /** Repeated along axes of length 1 and new leading ones, as in NumPy. */
  broadcastTo(shape: readonly number[]): this {
    const wanted = checkedShape("broadcastTo", shape);
    return sameShape(wanted, this.shape) ? this : ops().broadcastTo(this, wanted) as this;
  }
  /** The same numbers with an axis of length 1 inserted. */
  expandDims(axis: number): this {
    const at = axisFrom("expandDims", axis, this.shape.length + 1);
    return ops().reshape(this, this.shape.toSpliced(at, 0, 1)) as this;
  }

  /**
   * The same numbers without axes of length 1: without all of them, or without those named.
   * Throws `PairfoldError` (shape) where one that is named has another length.
   */
  squeeze(axis?: Axes): this {
    const { shape } = this;
    const axes = axis === undefined
      ? [...shape.keys()].filter((one) => shape[one] === 1)
      : axesFrom("squeeze", axis, shape.length);
    const wrong = axes.find((one) => shape[one] !== 1);
    if (wrong !== undefined) {
      throw new PairfoldError(
        "shape",
        `squeeze: got axis ${wrong} of a tensor [${shape}]; expected axes of length 1`,
      );
    }
    return ops().reshape(this, shape.filter((_, one) => !axes.includes(one))) as this;
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
  /** Backwards along axes, all of them by default; copied on the host. */
  flip(axis?: Axes): this {
    const axes = axesFrom("flip", axis, this.shape.length);
    return ops().slice(
      this,
      this.shape.map((_, one) => axes.includes(one) ? { step: -1 } : null),
    ) as this;
  }
  /**
   * What each entry of an axis (the last by default) is more than the one before it: one less of
   * them; none where there was none.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const path = tensor([[0, 0], [3, 4], [3, 5]]);
   * console.log(await path.diff(0).norm(1).sum().item()); // its length, 6
   * ```
   */
  diff(axis = -1): this {
    const at = axisFrom("diff", axis, this.shape.length);
    const part = (range: Slice): this =>
      ops().slice(this, this.shape.map((_, one) => one === at ? range : null)) as this;
    this.floats("diff");
    return part({ start: 1 }).sub(part({ stop: -1 }));
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
   * console.log(await tensor([[1, 2], [3, 4], [5, 6]]).take([2, 0]).array()); // [[5, 6], [1, 2]]
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

  // ---- what depends on the numbers --------------------------------------------------------------

  /**
   * Where elements are not 0, counted row-major: an int32 tensor [K]. It reads the numbers, for its
   * shape depends on them; NaN is not 0. (NumPy's `flatnonzero`.)
   *
   * Rejects as reading does.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const points = tensor([[0, 1], [NaN, 2], [3, 4]]);
   * const valid = await points.isFinite().min(1).nonZero();
   * console.log(await points.take(valid).array()); // [ [ 0, 1 ], [ 3, 4 ] ]
   * ```
   */
  nonZero(options: ReadOptions = {}): Promise<this> {
    return ops().nonZero(this, options) as Promise<this>;
  }
  /**
   * The numbers that differ, in ascending order, or the entries of an axis that do: each once, with
   * where it stands first, how often, and which of them each entry is. It reads the numbers, for
   * shapes depend on them. Entries are in the order of their first numbers that differ; NaN equals
   * NaN and stands last, −0 is 0. Derivatives pass through `values`. (NumPy's `unique`.)
   *
   * Rejects as reading does, and with `PairfoldError` (shape) for an axis that is not there.
   *
   * ```ts
   * import { tensor, zeros } from "pairfold";
   * const points = tensor([[0.1, 0.2], [1.5, 0.3], [0.4, 0.3]]);
   * const { values, inverse, counts } = await points.floor().unique(0); // cells of a grid
   * const sums = zeros(values.shape).scatterAdd(inverse, points);
   * const means = sums.div(counts.astype("float32").expandDims(1));
   * console.log(await values.array(), await means.array()); // (0.25, 0.25), (1.5, 0.3)
   * ```
   */
  async unique(axis?: number, options: ReadOptions = {}): Promise<Distinct<this>> {
    const at = axis === undefined ? null : axisFrom("unique", axis, this.shape.length);
    return await ops().unique(this, at, options) as Distinct<this>;
  }
}
