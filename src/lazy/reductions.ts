// Reductions of symbolic matrices: over i or j they give deferred tensors, along the vector they
// stay symbolic.

import { checkOptions, PairfoldError, shown } from "../error.ts";
import { topological } from "../formula/mod.ts";
import {
  checkRanges,
  fold,
  foldDifferential,
  foldGradient,
  type FoldRequest,
  type RangedChoices,
  shapeOf,
} from "../program/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import { reshaped, sizeOf, type Tensor, tensor, type TensorLike, zeros } from "../tensor/mod.ts";
import { Derivatives } from "./derivatives.ts";
import type { Operand } from "./elementwise.ts";
import { floatTypeOf, mergeInputs, pointsTerm } from "./inputs.ts";
import { foldInputs } from "./readable.ts";
import { apart } from "./slots.ts";
import { type FoldAxis, type Symbolic, variableOf, type VectorAxis } from "./symbolic.ts";

/** What a fold may be told, beside its reduction and axis. */
export interface ReduceOptions extends RangedChoices {
  /** K of the K-smallest reductions. */
  readonly k?: number;
  /** The weight of weighted reductions: a scalar or a vector for every pair. */
  readonly weight?: Operand;
}

/** A fold's choices and the weight of its terms. */
export type WeightOptions = Omit<ReduceOptions, "k">;

/** Reductions that become another when they are given a weight. */
const WEIGHTED: Partial<Record<ReductionName, ReductionName>> = {
  logSumExp: "logSumExpWeight",
  maxSumShiftExp: "maxSumShiftExpWeight",
};

/**
 * Reductions over rows i, columns j, or the vector. Where tensors are said to have shapes [M, D] or
 * [N, D], those of a matrix with batch dims have them in front: [...batch, M, D]. The option
 * `ranges` of those over an axis says which rows meet which columns, in place of all
 * ({@linkcode RangedChoices}).
 */
export abstract class Reductions extends Derivatives {
  #request(
    reduction: ReductionName,
    axis: FoldAxis,
    options: ReduceOptions,
    op: string = reduction,
  ): FoldRequest {
    checkOptions(op, options);
    const { k = 1, weight, ranges, ...choices } = options;
    if (!Number.isInteger(k) || k < 1) {
      throw new PairfoldError("shape", `${op}: got k ${shown(k)}; expected an integer from 1`);
    }
    const second = weight === undefined ? null : apart(this.beside(op, weight), [this.inputs]);
    const all = second === null ? this.inputs : mergeInputs(op, [this.inputs, second.inputs]);
    const over = foldInputs(this.formula, all);
    checkRanges(op, ranges, over.M, over.N);
    return {
      ...over,
      weight: second?.formula ?? null,
      reduction: second === null ? reduction : WEIGHTED[reduction] ?? reduction,
      axis: this.foldAxis(op, axis),
      dtype: floatTypeOf(op, all),
      k,
      choices,
      ...(ranges === undefined ? {} : { ranges }),
    };
  }

  #reduce(reduction: ReductionName, axis: FoldAxis, options: ReduceOptions): Tensor[] {
    return fold(this.#request(reduction, axis, options));
  }

  /** A fold of whether components are not 0; along the vector, a symbolic one. */
  #count(
    reduction: "count" | "any" | "all",
    axis: FoldAxis | VectorAxis,
    choices: RangedChoices,
  ): this | Tensor {
    if (!this.isVectorAxis(reduction, axis)) return this.#reduce(reduction, axis, choices)[0];
    const isTrue = this.ne(0);
    if (reduction === "count") return isTrue.sum("d");
    return reduction === "any" ? isTrue.max("d") : isTrue.min("d");
  }

  // ---- sums -------------------------------------------------------------------------------------

  /** Sum along the vector; stays symbolic. */
  sum(axis: VectorAxis): this;
  /** Sum over an axis: a tensor [M, D] for "j", [N, D] for "i". */
  sum(axis: FoldAxis, choices?: RangedChoices): Tensor;
  sum(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    if (this.isVectorAxis("sum", axis)) return this.apply("sum");
    return this.#reduce("sum", axis, choices)[0];
  }
  /** Mean along the vector; stays symbolic. */
  mean(axis: VectorAxis): this;
  /** Mean over an axis; NaN over nothing. */
  mean(axis: FoldAxis, choices?: RangedChoices): Tensor;
  mean(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    if (this.isVectorAxis("mean", axis)) return this.sum("d").mul(1 / this.dim);
    return this.#reduce("mean", axis, choices)[0];
  }
  /**
   * Σ_j this_ij · b_j for a tensor b [...batch, N, E]: a tensor [...batch, M, max(D, E)]. A vector
   * b [N] of numbers counts as [N, 1]. (KeOps' `@`.)
   */
  matmul(b: TensorLike, choices: RangedChoices = {}): Tensor {
    const t = given(b, this.dtype);
    const points = pointsTerm("matmul", "j", t, t.shape.length === 1 ? 1 : undefined);
    return this.mul(this.derive(points)).sum("j", choices);
  }

  // ---- sums of exponentials ---------------------------------------------------------------------

  /**
   * log Σ exp over an axis, safe for large values; −∞ over nothing. With a weight (of this scalar
   * matrix's pairs), log Σ exp(this) · weight for each of its components; NaN where that sum is
   * negative. (KeOps' `LogSumExp`, `LogSumExpWeight`.)
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const score = Vi([[0], [900]]).mul(Vj([[1], [-1]]));
   * console.log(await score.logSumExp("j").array()); // [ [ 0.693… ], [ 900 ] ]
   * const weight = Vj([[0.5], [0.5]]);
   * console.log(await score.logSumExp("j", { weight }).array()); // less by log 2
   * ```
   */
  logSumExp(axis: FoldAxis, options: WeightOptions = {}): Tensor {
    return this.#reduce("logSumExp", axis, options)[0];
  }
  /**
   * The weight's mean under softmax, Σ exp(this) · weight / Σ exp(this), for a scalar matrix and a
   * weight of any dim: attention. NaN over nothing. (KeOps' `SumSoftMaxWeight`.)
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const query = Vi([[10, 0], [0, 10]]), key = Vj([[1, 0], [0, 1]]);
   * const value = Vj([[1, 2, 3], [4, 5, 6]]);
   * console.log(await query.dot(key).sumSoftmaxWeight(value, "j").array()); // [2, 3]
   * ```
   */
  sumSoftmaxWeight(weight: Operand, axis: FoldAxis, choices: RangedChoices = {}): Tensor {
    return this.#reduce("sumSoftMaxWeight", axis, { ...choices, weight })[0];
  }
  /**
   * m = max of a scalar matrix and s = Σ exp(this − m), or Σ exp(this − m) · weight, side by side:
   * [rows, 1 + dim of the weight]. (KeOps' `Max_SumShiftExp`, `Max_SumShiftExpWeight`.)
   */
  maxSumShiftExp(axis: FoldAxis, options: WeightOptions = {}): Tensor {
    return this.#reduce("maxSumShiftExp", axis, options)[0];
  }

  // ---- counts -----------------------------------------------------------------------------------

  /** Number of components that are not 0; stays symbolic. */
  count(axis: VectorAxis): this;
  /**
   * How many pairs are not 0, int32; NaN differs from 0 and counts.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = [[0], [1], [5]];
   * console.log(await Vi(x).sqDist(Vj(x)).lt(4).count("j").array()); // [ [ 2 ], [ 2 ], [ 1 ] ]
   * ```
   */
  count(axis: FoldAxis, choices?: RangedChoices): Tensor;
  count(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    return this.#count("count", axis, choices);
  }
  /** 1 where any component is not 0; stays symbolic. */
  any(axis: VectorAxis): this;
  /** 1 where any pair is not 0, else 0; int32. 0 over nothing. */
  any(axis: FoldAxis, choices?: RangedChoices): Tensor;
  any(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    return this.#count("any", axis, choices);
  }
  /** 1 where no component is 0; stays symbolic. */
  all(axis: VectorAxis): this;
  /** 1 where no pair is 0, else 0; int32. 1 over nothing. */
  all(axis: FoldAxis, choices?: RangedChoices): Tensor;
  all(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    return this.#count("all", axis, choices);
  }
  /** How many pairs are at most a radius, which may differ from row to row; int32. */
  radiusCount(radius: Operand, axis: FoldAxis, choices: RangedChoices = {}): Tensor {
    return this.le(radius).count(axis, choices);
  }

  // ---- extrema ----------------------------------------------------------------------------------

  /** Smallest component of the vector; NaN never wins; stays symbolic. (KeOps' `Min`.) */
  min(axis: VectorAxis): this;
  /** Smallest value over an axis; NaN never wins. */
  min(axis: FoldAxis, choices?: RangedChoices): Tensor;
  min(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    if (this.isVectorAxis("min", axis)) return this.apply("minOf");
    return this.#reduce("min", axis, choices)[0];
  }
  /** Largest component of the vector; NaN never wins; stays symbolic. (KeOps' `Max`.) */
  max(axis: VectorAxis): this;
  /** Largest value over an axis; NaN never wins. */
  max(axis: FoldAxis, choices?: RangedChoices): Tensor;
  max(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    if (this.isVectorAxis("max", axis)) return this.apply("maxOf");
    return this.#reduce("max", axis, choices)[0];
  }
  /** Index of the smallest component of the vector, as a scalar; stays symbolic. */
  argMin(axis: VectorAxis): this;
  /** Index of the smallest value, int32; ties go to the lower index, −1 where all are NaN. */
  argMin(axis: FoldAxis, choices?: RangedChoices): Tensor;
  argMin(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    if (this.isVectorAxis("argMin", axis)) return this.apply("argMinOf");
    return this.#reduce("argMin", axis, choices)[0];
  }
  /** Index of the largest component of the vector, as a scalar; stays symbolic. */
  argMax(axis: VectorAxis): this;
  /** Index of the largest value, int32; ties go to the lower index, −1 where all are NaN. */
  argMax(axis: FoldAxis, choices?: RangedChoices): Tensor;
  argMax(axis: FoldAxis | VectorAxis, choices: RangedChoices = {}): this | Tensor {
    if (this.isVectorAxis("argMax", axis)) return this.apply("argMaxOf");
    return this.#reduce("argMax", axis, choices)[0];
  }
  /** Smallest value and its index, from one pass. */
  minArgMin(axis: FoldAxis, choices: RangedChoices = {}): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("minArgMin", axis, choices);
    return [values, indices];
  }
  /** Largest value and its index, from one pass. */
  maxArgMax(axis: FoldAxis, choices: RangedChoices = {}): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("maxArgMax", axis, choices);
    return [values, indices];
  }
  /** The k smallest values, sorted: [rows, k], or [rows, k, D] for D > 1; +∞ where missing. */
  kMin(k: number, axis: FoldAxis, choices: RangedChoices = {}): Tensor {
    return this.#reduce("kMin", axis, { ...choices, k })[0];
  }
  /** Indices of the k smallest values, int32, as {@linkcode kMin}; −1 where missing. */
  argKMin(k: number, axis: FoldAxis, choices: RangedChoices = {}): Tensor {
    return this.#reduce("argKMin", axis, { ...choices, k })[0];
  }
  /**
   * The k smallest values and their indices, from one pass. Of distances between many points, those
   * that are too far are left out (`culling` of {@linkcode FoldChoices}).
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const points = Float32Array.from({ length: 3 * 8000 }, () => Math.random());
   * const [distances] = Vi(points, 3).sqDist(Vj(points, 3)).kMinArgKMin(2, "j");
   * console.log((await distances.data()).subarray(0, 2)); // each point itself, and the nearest other
   * console.log(/culling .+/.exec(distances.explain())?.[0]); // a tenth of the pairs was folded
   * ```
   */
  kMinArgKMin(
    k: number,
    axis: FoldAxis,
    choices: RangedChoices = {},
  ): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("kMinArgKMin", axis, { ...choices, k });
    return [values, indices];
  }

  // ---- gradients --------------------------------------------------------------------------------

  /**
   * Gradient of a reduction of this matrix with respect to one of its variables: a tensor of the
   * variable's shape, (∂ reduction / ∂ v)ᵀ · cotangent, summed over batch dims along which v was
   * broadcast. The cotangent is a tensor of the reduction's shape; default ones.
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
    const shape = shapeOf(request);
    const Ones = request.dtype === "float32" ? Float32Array : Float64Array;
    const g = cotangent === undefined
      ? tensor(new Ones(sizeOf(shape)).fill(1), shape, { copy: false })
      : given(cotangent, request.dtype);
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
    const variable = variableOf("vjp", v);
    mergeInputs("vjp", [this.inputs, v.inputs]); // its rows are the matrix's
    const own = v.inputs.byId.get(variable.slot)?.tensor;
    const gradient = foldGradient({ ...request, variable, cotangent: g }); // refuses what has none
    const { formula, weight } = request;
    if (own !== undefined && !topological(formula, ...weight ? [weight] : []).includes(variable)) {
      return zeros(own.shape, { dtype: request.dtype });
    }
    return own === undefined ? gradient : reshaped(gradient, own.shape);
  }

  /**
   * How a reduction of this matrix moves when variables of it do: Σ (∂ reduction / ∂ v) · tangent,
   * of the reduction's shape. Each tangent is a tensor of its variable's shape.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0], [1, 2]]);
   * const y = Vj([[1, 1], [3, 0], [0, 2]]);
   * const moved = x.sqDist(y).jvp("sum", "j", [[x, [[1, 0], [0, 1]]]]);
   * console.log(await moved.array()); // [2, 1]
   * ```
   */
  jvp(
    reduction: ReductionName,
    axis: FoldAxis,
    directions: readonly (readonly [v: Symbolic, tangent: TensorLike])[],
    options: ReduceOptions = {},
  ): Tensor {
    const request = this.#request(reduction, axis, options, "jvp");
    const tangents = directions.map(([v, tangent]) => {
      const variable = variableOf("jvp", v);
      const t = given(tangent, request.dtype);
      const own = request.inputs.get(variable.slot);
      if (own === undefined || own.shape.join() !== t.shape.join()) return { variable, tangent: t };
      const batch = request.batch?.of.get(variable.slot) ?? [];
      const rows = t.size / sizeOf(batch) / variable.dim;
      return { variable, tangent: reshaped(t, [...batch, rows, variable.dim]) };
    });
    return foldDifferential({ ...request, tangents });
  }
}

/** A tensor as it is given; numbers in nested arrays take on a dtype. */
function given(data: TensorLike, dtype: "float32" | "float64"): Tensor {
  return Array.isArray(data) ? tensor(data, undefined, { dtype }) : tensor(data);
}
