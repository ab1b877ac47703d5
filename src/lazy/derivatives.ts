// Derivatives of symbolic matrices by one of their variables; each is a symbolic matrix again.

import {
  adjointOperator,
  differential,
  divergence,
  gradient,
  gradMatrix,
  laplacian,
  traceOperator,
} from "../autodiff/mod.ts";
import { build, type Node, type VariableNode } from "../formula/mod.ts";
import type { Operand } from "./elementwise.ts";
import { mergeInputs } from "./inputs.ts";
import { apart } from "./slots.ts";
import { type Symbolic, variableOf } from "./symbolic.ts";
import { TensorOps } from "./tensors.ts";

/** Derivatives. The variable is what `Vi`, `Vj` or `Pm` gave (code `shape` for anything else). */
export abstract class Derivatives extends TensorOps {
  /**
   * Symbolic gradient (KeOps' `Grad`): (∂ this / ∂ v)ᵀ · cotangent at every pair, of v's dim, where
   * v is a variable made by Vi, Vj or Pm. The cotangent has this matrix's D; a number stands for a
   * vector of equal components.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0], [1, 2]]);
   * const y = Vj([[1, 1], [3, 0], [0, 2]]);
   * const K = x.sqDist(y).neg().exp();
   * console.log(await K.grad(x).sum("j").array()); // gradient of each row's sum, [2, 2]
   * ```
   */
  grad(v: Symbolic, cotangent: Operand = 1): this {
    return this.#along("grad", v, cotangent, this.dim, gradient);
  }

  /**
   * Symbolic differential (KeOps' `Diff`): (∂ this / ∂ v) · tangent at every pair, of this matrix's
   * D. The tangent has v's dim; a number stands for a vector of equal components.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0], [1, 2]]);
   * const y = Vj([[1, 1], [3, 0], [0, 2]]);
   * const moved = x.sqDist(y).diff(x, [1, 0]); // how distances change when x moves right
   * console.log(await moved.dense().array()); // 2 (x − y) · [1, 0]
   * ```
   */
  diff(v: Symbolic, tangent: Operand = 1): this {
    return this.#along("diff", v, tangent, variableOf("diff", v).dim, differential);
  }

  /**
   * The Jacobian row by row: component m · v.dim + d is ∂ this_m / ∂ v_d. (KeOps' `GradMatrix`.)
   */
  gradMatrix(v: Symbolic): this {
    return this.#by("gradMatrix", v, gradMatrix);
  }

  /**
   * Divergence Σ_d ∂ this_d / ∂ v_d, for a matrix of v's dim. (KeOps' `Divergence`.)
   *
   * Throws `PairfoldError` (dim) when the dims differ.
   */
  divergence(v: Symbolic): this {
    return this.#by("divergence", v, divergence);
  }

  /**
   * Laplacian Σ_d ∂² this / ∂ v_d² of scalars. (KeOps' `Laplacian`.)
   *
   * Throws `PairfoldError` (dim) for vectors.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0, 0], [1, 2, 3]]), y = Vj([[1, 1, 1]]);
   * console.log(await x.sqDist(y).laplacian(x).sum("j").array()); // [ [ 6 ], [ 6 ] ]
   * ```
   */
  laplacian(v: Symbolic): this {
    return this.#by("laplacian", v, laplacian);
  }

  /**
   * Trace Σ_m A_mm of this matrix read as A · v, linear in v as it is written. (KeOps'
   * `TraceOperator`.)
   *
   * Throws `PairfoldError`: `syntax` where it is not linear, `dim` where dims do not fit.
   */
  traceOperator(v: Symbolic): this {
    return this.#by("traceOperator", v, traceOperator);
  }

  /**
   * Adjoint Aᵀ · u of this matrix read as A · v, linear in v as it is written; of v's dim. (KeOps'
   * `AdjointOperator`.)
   *
   * Throws `PairfoldError`: `syntax` where it is not linear, `dim` where dims do not fit.
   */
  adjointOperator(v: Symbolic, u: Operand): this {
    return this.#along("adjointOperator", v, u, this.dim, adjointOperator);
  }

  #by(op: string, v: Symbolic, derive: (formula: Node, variable: VariableNode) => Node): this {
    const variable = variableOf(op, v);
    const inputs = mergeInputs(op, [this.inputs, v.inputs]);
    return this.derive({ formula: derive(this.formula, variable), inputs });
  }

  /** A derivative along a vector of `dim`; a scalar stands for one of equal components. */
  #along(
    op: string,
    v: Symbolic,
    along: Operand,
    dim: number,
    derive: (formula: Node, variable: VariableNode, along: Node) => Node,
  ): this {
    const variable = variableOf(op, v);
    const { formula, inputs } = apart(this.beside(op, along), [this.inputs, v.inputs]);
    const fitted = formula.dim === 1 && dim !== 1 ? build.sumT(formula, dim) : formula;
    return this.derive({
      formula: derive(this.formula, variable, fitted),
      inputs: mergeInputs(op, [this.inputs, v.inputs, inputs]),
    });
  }
}
