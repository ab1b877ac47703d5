// Tensor algebra on the vectors of symbolic matrices: matrices and tensors are vectors, row-major.

import { attributesOf, type TensorDotLayout } from "../formula/mod.ts";
import type { Operand } from "./elementwise.ts";
import { VectorOps } from "./vectors.ts";

/** Tensor algebra, and vectors from scalars. They throw as `ElementwiseOps` do. */
export abstract class TensorOps extends VectorOps {
  // ---- matrices and tensors ---------------------------------------------------------------------

  /**
   * This matrix, of R · C components, times a vector of C: R components. (KeOps' `MatVecMult`.)
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const A = Vi([[1, 2, 3, 4, 5, 6]]); // rows 1 2 3 and 4 5 6
   * console.log(await A.matVecMult([1, 0, 1]).sum("j").array()); // [ [ 4, 10 ] ]
   * ```
   */
  matVecMult(b: Operand): this {
    return this.apply("matVecMult", [b]);
  }
  /** This vector, of R components, times a matrix of R · C: C components. (KeOps' `VecMatMult`.) */
  vecMatMult(A: Operand): this {
    return this.apply("vecMatMult", [A]);
  }
  /** Outer product, row-major: this_r · b_c. (KeOps' `TensorProd`.) */
  tensorProd(b: Operand): this {
    return this.apply("tensorProd", [b]);
  }
  /**
   * Sum of products over pairs of axes of two tensors, the other axes permuted: NumPy's tensordot.
   * (KeOps' `TensorDot`, pykeops' `keops_tensordot`.)
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const A = Vi([[1, 2, 3, 4]]), B = Vi([[5, 6, 7, 8]]); // 2 × 2 matrices
   * const layout = { dimsA: [2, 2], dimsB: [2, 2], contractedA: [1], contractedB: [0] };
   * console.log(await A.tensorDot(B, layout).sum("j").array()); // A B: [ [ 19, 22, 43, 50 ] ]
   * ```
   */
  tensorDot(b: Operand, layout: TensorDotLayout): this {
    return this.apply("tensorDot", [b], attributesOf(layout));
  }
  /**
   * Kronecker product of two tensors of the same rank, with their dims: NumPy's kron. (KeOps'
   * `Kron`, pykeops' `keops_kron`.)
   */
  kron(b: Operand, dimsA: readonly number[], dimsB: readonly number[]): this {
    return this.apply("kron", [b], [dimsA.length, ...dimsA, ...dimsB]);
  }
  /** Cross product of vectors of dim 3. */
  cross(other: Operand): this {
    return this.apply("cross", [other]);
  }
  /** Determinant of a 3 × 3 matrix, 9 components row by row. */
  det3(): this {
    return this.apply("det3");
  }
  /** Inverse of a 3 × 3 matrix; not finite where it is singular. */
  inv3(): this {
    return this.apply("inv3");
  }

  // ---- vectors from scalars ---------------------------------------------------------------------

  /**
   * A vector of zeros of a dim with 1 at the component nearest to this scalar. (KeOps' `OneHot`.)
   */
  oneHot(dim: number): this {
    return this.apply("oneHot", [], [dim]);
  }
  /**
   * The B-splines of an order on these knots at a scalar x: D − order − 1 of them. (KeOps'
   * `BSpline`.)
   */
  bSpline(x: Operand, order = 0): this {
    return this.apply("bSpline", [x], [order]);
  }
}
