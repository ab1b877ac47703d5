// Ops on whole vectors of symbolic matrices: norms, products, parts, and vectors from parts.

import { PairfoldError } from "../error.ts";
import type { Operand } from "./elementwise.ts";
import { Functions } from "./functions.ts";

/** A position in a vector of `dim`, counted from the end where negative. */
export function position(op: string, m: number, dim: number): number {
  const at = m < 0 ? m + dim : m;
  if (Number.isInteger(at) && at >= 0 && at < dim) return at;
  throw new PairfoldError(
    "dim",
    `${op}: got m ${m}; expected an integer from ${-dim} to ${dim - 1}`,
  );
}

/** A NumPy slice of a vector: bounds from the end where negative, cut to the vector. */
export function sliceOf(
  length: number,
  start: number,
  stop: number,
  step: number,
): { first: number; dim: number } {
  const bound = (m: number): number => Math.min(length, Math.max(0, m < 0 ? m + length : m));
  const first = bound(start);
  const dim = Math.ceil((bound(stop) - first) / step);
  if ([start, stop, step].every(Number.isInteger) && step >= 1 && dim >= 1) return { first, dim };
  throw new PairfoldError(
    "dim",
    `slice: got ${start}, ${stop}, step ${step} of a vector of dim ${length}; expected ` +
      "integers, a step of at least 1 and a part that is not empty",
  );
}

/** Ops that read or build vectors. They throw as `ElementwiseOps` do. */
export abstract class VectorOps extends Functions {
  // ---- norms and products -----------------------------------------------------------------------

  /** Scalar product along the vector (KeOps' `|`). */
  dot(other: Operand): this {
    return this.apply("dot", [other]);
  }
  /** Squared Euclidean norm of the vector. */
  sqNorm2(): this {
    return this.apply("sqNorm2");
  }
  /** Euclidean norm of the vector; its gradient at 0 counts as 0. */
  norm2(): this {
    return this.apply("norm2");
  }
  /** Squared Euclidean distance. */
  sqDist(other: Operand): this {
    return this.apply("sqDist", [other]);
  }
  /** s · |this|² for a scalar s. (KeOps' `SqNormIso`.) */
  sqNormIso(s: Operand): this {
    return this.derive(this.term("sqNormIso", [s, this]));
  }
  /** Σ_d s_d this_d². (KeOps' `SqNormDiag`.) */
  sqNormDiag(s: Operand): this {
    return this.derive(this.term("sqNormDiag", [s, this]));
  }
  /** thisᵀ A this for a row-major matrix A of D² components. (KeOps' `SymSqNorm`.) */
  symSqNorm(A: Operand): this {
    return this.derive(this.term("symSqNorm", [A, this]));
  }
  /**
   * Squared norm with weights: a scalar, a diagonal of D or a full matrix of D² components. (KeOps'
   * `WeightedSqNorm`.)
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const x = Vi([[1, 2]]);
   * for (const s of [2, [1, 3], [1, 0.5, 0.5, 1]]) {
   *   console.log(await x.weightedSqNorm(s).sum("j").array()); // 10, 13, 7
   * }
   * ```
   */
  weightedSqNorm(s: Operand): this {
    return this.derive(this.term("weightedSqNorm", [s, this]));
  }
  /**
   * Squared distance to y with weights s, as {@linkcode weightedSqNorm}. (KeOps' `WeightedSqDist`.)
   */
  weightedSqDist(y: Operand, s: Operand): this {
    return this.derive(this.term("weightedSqDist", [s, this, y]));
  }
  /**
   * Soft dynamic time warping to a series y under squared differences, gamma > 0 its softness.
   * (KeOps' `SoftDTW_SqDist`.)
   */
  softDtwSqDist(y: Operand, gamma: Operand): this {
    return this.apply("softDtwSqDist", [y, gamma]);
  }
  /** The vector divided by its norm; 0 stays 0. */
  normalize(): this {
    return this.apply("normalize");
  }

  // ---- parts of vectors -------------------------------------------------------------------------

  /** Component m of the vector, counted from 0, or from the end where negative. */
  elem(m: number): this {
    return this.apply("elem", [], [position("elem", m, this.dim)]);
  }
  /** Component m of the vector, as {@linkcode elem}. */
  at(m: number): this {
    return this.elem(m);
  }
  /**
   * Components start … stop − 1 of the vector, every step-th of them: NumPy's slice, negative
   * bounds counted from the end, bounds beyond the vector cut.
   *
   * Throws `PairfoldError` (dim) where nothing is left.
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const x = Vi([[0, 1, 2, 3, 4]]);
   * console.log(await x.slice(1, -1).sum("j").array()); // [ [ 1, 2, 3 ] ]
   * console.log(await x.slice(0, 5, 2).sum("j").array()); // [ [ 0, 2, 4 ] ]
   * ```
   */
  slice(start: number, stop: number = this.dim, step = 1): this {
    const { first, dim } = sliceOf(this.dim, start, stop, step);
    return step === 1 ? this.extract(first, dim) : this.strided(first, step, dim);
  }
  /** Components start … start + dim − 1 of the vector. */
  extract(start: number, dim: number): this {
    return this.apply("extract", [], [start, dim]);
  }
  /** Components start, start + step, …, dim of them. */
  strided(start: number, step: number, dim: number): this {
    return this.apply("strided", [], [start, step, dim]);
  }

  // ---- vectors from parts -----------------------------------------------------------------------

  /** The vectors one after another. */
  concat(...others: readonly Operand[]): this {
    return this.apply("concat", others);
  }
  /** The components of two vectors in turn: a₀ b₀ a₁ b₁ …; as complex numbers are stored. */
  interleave(other: Operand): this {
    return this.apply("interleave", [other]);
  }
  /** A scalar repeated dim times (KeOps' `SumT`). */
  sumT(dim: number): this {
    return this.apply("sumT", [], [dim]);
  }
  /** A scalar as component m of a vector of zeros of a dim (KeOps' `ElemT`). */
  elemT(dim: number, m: number): this {
    return this.apply("elemT", [], [dim, m]);
  }
  /** The vector placed at start in a vector of zeros of a dim (KeOps' `ExtractT`). */
  extractT(dim: number, start: number): this {
    return this.apply("extractT", [], [dim, start]);
  }
  /** The components placed at start, start + step, … in a vector of zeros of a dim. */
  stridedT(dim: number, start: number, step: number): this {
    return this.apply("stridedT", [], [dim, start, step]);
  }
}
