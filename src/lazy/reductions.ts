// Reductions of symbolic matrices: over i or j they give deferred tensors, along the vector they
// stay symbolic.

import { PairfoldError } from "../error.ts";
import { fold, type FoldChoices, foldGradient, type FoldRequest } from "../program/mod.ts";
import { type ReductionName, resultShape } from "../reduction/mod.ts";
import { type Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { Derivatives } from "./derivatives.ts";
import { floatTypeOf, pointsTerm } from "./inputs.ts";
import { foldInputs } from "./readable.ts";
import {
  axisOf,
  type FoldAxis,
  isVectorAxis,
  type Symbolic,
  variableOf,
  type VectorAxis,
} from "./symbolic.ts";

/** A fold's choices, with K for the K-smallest reductions. */
export interface ReduceOptions extends FoldChoices {
  readonly k?: number;
}

/** Reductions over rows i, columns j, or the vector. */
export abstract class Reductions extends Derivatives {
  #request(
    reduction: ReductionName,
    axis: FoldAxis,
    { k = 1, ...choices }: ReduceOptions,
    op: string = reduction,
  ): FoldRequest {
    if (!Number.isInteger(k) || k < 1) {
      throw new PairfoldError("shape", `${op}: got k ${k}; expected an integer from 1`);
    }
    const dtype = floatTypeOf(op, this.inputs);
    const inputs = foldInputs(this.formula, this.inputs);
    return { ...inputs, axis: axisOf(op, axis), reduction, k, dtype, choices };
  }

  #reduce(reduction: ReductionName, axis: FoldAxis, options: ReduceOptions): Tensor[] {
    return fold(this.#request(reduction, axis, options));
  }

  // ---- sums -------------------------------------------------------------------------------------

  /** Sum along the vector; stays symbolic. */
  sum(axis: VectorAxis): this;
  /** Sum over an axis: a tensor [M, D] for "j", [N, D] for "i". */
  sum(axis: FoldAxis, choices?: FoldChoices): Tensor;
  sum(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (isVectorAxis(axis)) return this.apply("sum");
    return this.#reduce("sum", axis, choices)[0];
  }
  /** Mean along the vector; stays symbolic. */
  mean(axis: VectorAxis): this;
  /** Mean over an axis; NaN over nothing. */
  mean(axis: FoldAxis, choices?: FoldChoices): Tensor;
  mean(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (isVectorAxis(axis)) return this.sum("d").mul(1 / this.dim);
    const [M, N] = this.shape;
    return this.mul(1 / (axisOf("mean", axis) === "j" ? N : M)).sum(axis, choices);
  }
  /**
   * Σ_j this_ij · b_j for a tensor b [N, E]: a tensor [M, max(D, E)]. A vector b [N] of numbers
   * counts as [N, 1]. (KeOps' `@`.)
   */
  matmul(b: TensorLike, choices: FoldChoices = {}): Tensor {
    const t = tensor(b);
    const points = pointsTerm("matmul", "j", t, t.shape.length === 1 ? 1 : undefined);
    return this.mul(this.derive(points)).sum("j", choices);
  }
  /** log Σ exp over an axis, safe for large values; −∞ over nothing. */
  logSumExp(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("logSumExp", axis, choices)[0];
  }

  // ---- extrema ----------------------------------------------------------------------------------

  /** Smallest component of the vector; NaN never wins; stays symbolic. (KeOps' `Min`.) */
  min(axis: VectorAxis): this;
  /** Smallest value over an axis; NaN never wins. */
  min(axis: FoldAxis, choices?: FoldChoices): Tensor;
  min(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (isVectorAxis(axis)) return this.apply("minOf");
    return this.#reduce("min", axis, choices)[0];
  }
  /** Largest component of the vector; NaN never wins; stays symbolic. (KeOps' `Max`.) */
  max(axis: VectorAxis): this;
  /** Largest value over an axis; NaN never wins. */
  max(axis: FoldAxis, choices?: FoldChoices): Tensor;
  max(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (isVectorAxis(axis)) return this.apply("maxOf");
    return this.#reduce("max", axis, choices)[0];
  }
  /** Index of the smallest component of the vector, as a scalar; stays symbolic. */
  argMin(axis: VectorAxis): this;
  /** Index of the smallest value, int32; ties go to the lower index, −1 where all are NaN. */
  argMin(axis: FoldAxis, choices?: FoldChoices): Tensor;
  argMin(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (isVectorAxis(axis)) return this.apply("argMinOf");
    return this.#reduce("argMin", axis, choices)[0];
  }
  /** Index of the largest component of the vector, as a scalar; stays symbolic. */
  argMax(axis: VectorAxis): this;
  /** Index of the largest value, int32; ties go to the lower index, −1 where all are NaN. */
  argMax(axis: FoldAxis, choices?: FoldChoices): Tensor;
  argMax(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (isVectorAxis(axis)) return this.apply("argMaxOf");
    return this.#reduce("argMax", axis, choices)[0];
  }
  /** Smallest value and its index, from one pass. */
  minArgMin(axis: FoldAxis, choices: FoldChoices = {}): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("minArgMin", axis, choices);
    return [values, indices];
  }
  /** Largest value and its index, from one pass. */
  maxArgMax(axis: FoldAxis, choices: FoldChoices = {}): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("maxArgMax", axis, choices);
    return [values, indices];
  }
  /** The k smallest values, sorted: [rows, k], or [rows, k, D] for D > 1; +∞ where missing. */
  kMin(k: number, axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("kMin", axis, { ...choices, k })[0];
  }
  /** Indices of the k smallest values, int32, as {@linkcode kMin}; −1 where missing. */
  argKMin(k: number, axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("argKMin", axis, { ...choices, k })[0];
  }
  /** The k smallest values and their indices, from one pass. */
  kMinArgKMin(
    k: number,
    axis: FoldAxis,
    choices: FoldChoices = {},
  ): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("kMinArgKMin", axis, { ...choices, k });
    return [values, indices];
  }

  // ---- gradients --------------------------------------------------------------------------------

  /**
   * Gradient of a reduction of this matrix with respect to one of its variables: a tensor of the
   * variable's shape, (∂ reduction / ∂ v)ᵀ · cotangent. The cotangent is a tensor of the reduction's
   * shape; default ones.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0], [1, 2]]);
   * const y = Vj([[1, 1], [3, 0], [0, 2]]);
   * console.log(await x.sqDist(y).vjp("min", "j", y).array()); // [3, 2]
   * ```
   */
  vjp(
    reduction: ReductionName,
    axis: FoldAxis,
    v: Symbolic,
    cotangent?: TensorLike,
    options: ReduceOptions = {},
  ): Tensor {
    const request = this.#request(reduction, axis, options, "vjp");
    const rows = request.axis === "j" ? request.M : request.N;
    const shape = resultShape(reduction, rows, this.dim, request.k);
    const Ones = request.dtype === "float32" ? Float32Array : Float64Array;
    const g = cotangent === undefined
      ? tensor(new Ones(shape.reduce((p, n) => p * n, 1)).fill(1), shape, { copy: false })
      : tensor(cotangent);
    if (g.shape.join() !== shape.join()) {
      throw new PairfoldError(
        "shape",
        `vjp: got a cotangent of shape [${g.shape}]; expected [${shape}]`,
      );
    }
    if (g.dtype !== request.dtype) {
      throw new PairfoldError(
        "dtype",
        `vjp: got a cotangent of ${g.dtype}; expected ${request.dtype}`,
      );
    }
    return foldGradient({ ...request, variable: variableOf("vjp", v), cotangent: g });
  }
}
