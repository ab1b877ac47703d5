// Derivatives of symbolic matrices by one of their variables; each is a symbolic matrix again.

import { gradient } from "../autodiff/mod.ts";
import { build } from "../formula/mod.ts";
import type { Operand } from "./elementwise.ts";
import { mergeInputs } from "./inputs.ts";
import { type Symbolic, termOf, variableOf } from "./symbolic.ts";
import { VectorOps } from "./vectors.ts";

/** Derivatives. The variable is what `Vi`, `Vj` or `Pm` gave (code `shape` for anything else). */
export abstract class Derivatives extends VectorOps {
  /**
   * Symbolic gradient (KeOps' `Grad`): (∂ this / ∂ v)ᵀ · cotangent at every pair, of v's dim, where v
   * is a variable made by Vi, Vj or Pm. The cotangent has this matrix's D; a number stands for a
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
    const g = termOf("grad", cotangent);
    const { dim } = this;
    const fits = g.formula.dim === dim || g.formula.dim !== 1;
    const fitted = fits ? g.formula : build.sumT(g.formula, dim);
    const inputs = mergeInputs("grad", [this.inputs, v.inputs, g.inputs]);
    return this.derive({ formula: gradient(this.formula, variableOf("grad", v), fitted), inputs });
  }
}
