// The symbolic matrices that people hold, and what makes them: Vi, Vj, Pm, indexOf. Building is
// immediate and computes nothing; a reduction over an axis gives a deferred tensor. The methods
// come from a chain of classes, one per kind of op:
// Symbolic → Readable → ElementwiseOps → Functions → VectorOps → TensorOps → Derivatives →
// Reductions → Solvable → LazyTensor, and Symbolic → Readable → ComplexOps → ComplexLazyTensor.

import { type Axis, index } from "../formula/mod.ts";
import type { TensorLike } from "../tensor/mod.ts";
import { type ComplexNumber, ComplexOps, complexTermOf, requireEven } from "./complex.ts";
import { NO_INPUTS, parametersTerm, pointsTerm, type Term } from "./inputs.ts";
import { Solvable } from "./solvable.ts";
import { termOf, type Value } from "./symbolic.ts";

/**
 * A symbolic matrix of vectors, of shape [M, N, D]: entry (i, j) is a formula of row i of some
 * tensors, row j of others, and parameters. It is never stored. (KeOps' `LazyTensor`.)
 *
 * Tensors may have batch dims in front, which broadcast as NumPy's do: the matrix is then one for
 * each batch, [...batch, M, N, D], a reduction gives a tensor [...batch, M, D], and one kernel runs
 * them all. Each batch's result has the bits that it would have alone.
 *
 * Ops throw `PairfoldError`: `dim` for vectors that do not broadcast, `shape` for row counts that
 * disagree and for batch dims that do not broadcast, `dtype` where float32 meets float64.
 *
 * ```ts
 * import { Pm, Vi, Vj } from "pairfold";
 * const x = [[0, 0, 0], [1, 0, 0]];
 * const y = [[0, 0, 1], [2, 0, 0], [0, 3, 0]];
 * const K = Vi(x).sqDist(Vj(y)).mul(-0.5).exp(); // [2, 3, 1], nothing computed
 * console.log(await K.sum("j").array()); // row sums, [2, 1]
 * const scales = Pm([[1], [2], [4]]); // three parameters of dim 1
 * console.log(Vi(x).sqDist(Vj(y)).mul(scales).sum("j").shape); // [ 3, 2, 1 ]
 * ```
 */
export class LazyTensor extends Solvable {
  /**
   * A symbolic matrix from anything that may stand beside one: numbers, vectors and tensors of rank
   * 0 and 1 are parameters, tensors [...batch, M, 1, D] are points of i, [...batch, 1, N, D] of j,
   * [...batch, 1, 1, D] parameters. (What KeOps' `LazyTensor(x)` does.)
   *
   * ```ts
   * import { LazyTensor, tensor } from "pairfold";
   * const x = LazyTensor.from(tensor([[[0, 1]], [[2, 3]]]));
   * console.log(x.shape); // [ 2, 1, 2 ]
   * ```
   */
  static from(value: Value): LazyTensor {
    return lazyOf(termOf("from", value));
  }

  /**
   * The vector read as complex numbers, pairs re₀ im₀ re₁ im₁ …: D / 2 of them.
   *
   * Throws `PairfoldError` (dim) for an odd D.
   */
  toComplex(): ComplexLazyTensor {
    requireEven("toComplex", this);
    return complexOf(this);
  }
  /** The vector as complex numbers without imaginary parts. (KeOps' `real2complex`.) */
  realToComplex(): ComplexLazyTensor {
    return complexOf(this.term("realToComplex"));
  }
  /** The vector as imaginary parts, i · this. (KeOps' `imag2complex`.) */
  imagToComplex(): ComplexLazyTensor {
    return complexOf(this.term("imagToComplex"));
  }
  /** e^(i · this). (KeOps' `exp1j`.) */
  exp1j(): ComplexLazyTensor {
    return complexOf(this.term("complexExp1j"));
  }
}

/**
 * A symbolic matrix of complex vectors, [M, N, D]; made by `toComplex`, `realToComplex`,
 * `imagToComplex` and `exp1j` of real ones. Sums over an axis are tensors of pairs, re and im in
 * turn. Gradients are those of the real vector `toReal()`. (KeOps' `ComplexLazyTensor`.)
 *
 * ```ts
 * import { imagPart, realPart, Vi, Vj } from "pairfold";
 * const frequencies = Vi([[0], [0.5], [1]]), times = Vj([[0], [1], [2], [3]]);
 * const signal = Vj([[1, 0], [0, 1], [-1, 0], [0, -1]]).toComplex(); // 1, i, −1, −i
 * const wave = frequencies.mul(times).mul(-Math.PI).exp1j();
 * const spectrum = wave.mul(signal).sum("j"); // [3, 2], pairs
 * console.log(await realPart(spectrum).array(), await imagPart(spectrum).array());
 * ```
 */
export class ComplexLazyTensor extends ComplexOps<LazyTensor> {
  /** A complex parameter: a number, or a vector of them; real ones have no imaginary parts. */
  static from(value: ComplexNumber | readonly ComplexNumber[] | Value): ComplexLazyTensor {
    const term = complexTermOf("from", value);
    return term.isComplex ? complexOf(term) : lazyOf(term).realToComplex();
  }

  protected override asReal(term: Term): LazyTensor {
    return lazyOf(term);
  }
}

const complexOf = ({ formula, inputs }: Term): ComplexLazyTensor =>
  new ComplexLazyTensor(formula, inputs);
const lazyOf = ({ formula, inputs }: Term): LazyTensor => new LazyTensor(formula, inputs);

/**
 * Points of the rows i: a symbolic matrix [M, 1, D] from a tensor or nested arrays [M, D], or from
 * a flat typed array with its dim. int32 tensors are indices, exact in comparisons. (KeOps' `Vi`.)
 * From [...batch, M, D], a matrix [...batch, M, 1, D].
 *
 * Throws `PairfoldError`: `shape` unless the rank is 2 or more, `dim` where the dim does not fit.
 *
 * ```ts
 * import { tensor, Vi, Vj } from "pairfold";
 * const points = tensor(new Float32Array(30), [10, 3]);
 * console.log(Vi(points).sub(Vj(points)).shape); // [ 10, 10, 3 ], of one tensor in two roles
 * ```
 */
export function Vi(data: TensorLike, dim?: number): LazyTensor {
  return lazyOf(pointsTerm("Vi", "i", data, dim));
}

/** Points of the columns j: a symbolic matrix [1, N, D]; as {@linkcode Vi}. (KeOps' `Vj`.) */
export function Vj(data: TensorLike, dim?: number): LazyTensor {
  return lazyOf(pointsTerm("Vj", "j", data, dim));
}

/**
 * A parameter, the same for all pairs: a number or a vector. Its value is no part of the compiled
 * kernel; a thousand values compile once. (KeOps' `Pm`.) From a tensor or nested arrays
 * [...batch, D], a parameter for each batch: a matrix [...batch, 1, 1, D].
 *
 * Throws `PairfoldError` (shape) for a dim of 0.
 *
 * ```ts
 * import { Pm, Vi, Vj } from "pairfold";
 * const scale = Pm([[1], [10]]); // two batches
 * console.log(await Vi([[1], [2]]).sub(Vj([[0], [3]])).mul(scale).sum("j").array()); // [2, 2, 1]
 * ```
 */
export function Pm(data: TensorLike | number): LazyTensor {
  return lazyOf(parametersTerm(data));
}

/** The global index of the row i, or the column j, as a symbolic scalar. */
export function indexOf(axis: Axis): LazyTensor {
  return new LazyTensor(index(axis), NO_INPUTS);
}
