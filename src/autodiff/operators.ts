// Operators made of first derivatives: Jacobians, traces, divergences, Laplacians. Enters: formulas
// and a variable. Leaves: formulas, which may be differentiated again.

import { PairfoldError } from "../error.ts";
import {
  build,
  constant,
  describe,
  type Node,
  topological,
  type VariableNode,
  zero,
} from "../formula/mod.ts";
import { component } from "./component.ts";
import { differential, placeholder } from "./differential.ts";
import { gradient } from "./gradient.ts";
import { isLinear } from "./linear.ts";

const ONE = constant(1);
const ZERO = constant(0);

/**
 * The Jacobian of a formula with respect to a variable, row by row: component m·v.dim + d is
 * ∂F_m/∂v_d (KeOps' `GradMatrix`).
 */
export function gradMatrix(formula: Node, variable: VariableNode): Node {
  const rows = Array.from(
    { length: formula.dim },
    (_, m) => gradient(component(formula, m), variable, ONE),
  );
  return rows.length === 1 ? rows[0] : build.concat(...rows);
}

function checkLinear(operator: string, formula: Node, variable: VariableNode): void {
  if (isLinear(formula, variable)) return;
  throw new PairfoldError(
    "syntax",
    `${operator}: got a formula that is not linear in its variable ${describe(variable)}; ` +
      "expected sums and products in which the variable stands once",
  );
}

/**
 * The adjoint Aᵀ·u of a formula A·v that is linear in a variable (KeOps' `AdjointOperator`), of
 * the variable's dim.
 *
 * Throws `PairfoldError` (syntax) when the formula is not linear as it is written, and (dim) when
 * u's dim is not the formula's.
 */
export function adjointOperator(formula: Node, variable: VariableNode, u: Node): Node {
  checkLinear("adjoint", formula, variable);
  if (u.dim !== formula.dim) {
    throw new PairfoldError(
      "dim",
      `adjoint: got a vector of dim ${describe(u)}; expected the formula's dim, ${formula.dim}`,
    );
  }
  return gradient(formula, variable, u);
}

/** A vector of some dim of a scalar or a vector. */
const spread = (x: Node, dim: number): Node => x.dim === dim ? x : build.sumT(x, dim);

/**
 * tr(diag(w) A) for formulas A·v of one variable v, with w of dim 1 or v's. A formula of dim 1
 * stands for the same row v.dim times, which makes the trace its value at v = w.
 */
class Trace {
  readonly #variable: VariableNode;
  readonly #known = new Map<string, Node>();

  constructor(variable: VariableNode) {
    this.#variable = variable;
  }

  of(formula: Node, w: Node): Node {
    const key = `${formula.id}:${w.id}`;
    let result = this.#known.get(key);
    if (result === undefined) {
      result = this.#compute(formula, w);
      this.#known.set(key, result);
    }
    return result;
  }

  #isMoved(formula: Node): boolean {
    return topological(formula).includes(this.#variable);
  }

  #compute(formula: Node, w: Node): Node {
    const v = this.#variable;
    if (formula === v) return w.dim === 1 ? build.mul(constant(v.dim), w) : build.sum(w);
    if (formula.kind !== "op" || !this.#isMoved(formula)) return zero(1);
    if (formula.dim === 1) return differential(formula, v, spread(w, v.dim));
    const [a, b, c] = formula.args;
    switch (formula.op) {
      case "neg":
        return build.neg(this.of(a, w));
      case "add":
        if (!this.#isMoved(b)) return this.of(a, w);
        return this.#isMoved(a) ? build.add(this.of(a, w), this.of(b, w)) : this.of(b, w);
      case "sub":
        if (!this.#isMoved(b)) return this.of(a, w);
        if (!this.#isMoved(a)) return build.neg(this.of(b, w));
        return build.sub(this.of(a, w), this.of(b, w));
      case "mul": {
        const [factor, inner] = this.#isMoved(a) ? [b, a] : [a, b];
        if (factor.dim === 1) return build.mul(factor, this.of(inner, w));
        return this.of(inner, build.mul(factor, w));
      }
      case "div":
        return b.dim === 1 ? build.div(this.of(a, w), b) : this.of(a, build.div(w, b));
      case "sumT":
        return this.of(a, w);
      case "where":
        return build.add(
          this.of(b, build.where(a, w, ZERO)),
          this.of(c, build.where(a, ZERO, w)),
        );
      case "ifElse":
        return build.add(
          this.of(b, build.ifElse(a, w, ZERO)),
          this.of(c, build.ifElse(a, ZERO, w)),
        );
      default:
        return this.#diagonal(formula, w);
    }
  }

  /** Component by component: Σ_m w_m ∂F_m/∂v_m. */
  #diagonal(formula: Node, w: Node): Node {
    const v = this.#variable;
    const entries = Array.from({ length: v.dim }, (_, m) => {
      const weight = w.dim === 1 ? w : component(w, m);
      return component(gradient(component(formula, m), v, weight), m);
    });
    return entries.reduce((total, entry) => build.add(total, entry));
  }
}

/**
 * The trace of a formula A·v that is linear in a variable, Σ_m A_mm (KeOps' `TraceOperator`); with
 * a weight w of dim 1 or v's: Σ_m w_m A_mm. A formula of dim 1 is read as the same row v.dim times.
 *
 * Throws `PairfoldError` (syntax) when the formula is not linear as it is written, and (dim) when
 * dims do not fit.
 */
export function traceOperator(formula: Node, variable: VariableNode, weight: Node = ONE): Node {
  checkLinear("trace", formula, variable);
  for (const [what, node] of [["a formula", formula], ["a weight", weight]] as const) {
    if (node.dim === 1 || node.dim === variable.dim) continue;
    throw new PairfoldError(
      "dim",
      `trace: got ${what} of dim ${describe(node)}; expected 1 or the variable's, ${variable.dim}`,
    );
  }
  return new Trace(variable).of(formula, weight);
}

/**
 * The divergence Σ_d ∂F_d/∂v_d of a formula of the variable's dim (KeOps' `Divergence`).
 *
 * Throws `PairfoldError` (dim) when the dims differ.
 */
export function divergence(formula: Node, variable: VariableNode): Node {
  if (formula.dim !== variable.dim) {
    throw new PairfoldError(
      "dim",
      `divergence: got a formula of dim ${describe(formula)}; ` +
        `expected the variable's dim, ${variable.dim}`,
    );
  }
  const cotangent = placeholder(formula.dim, formula);
  return new Trace(cotangent).of(gradient(formula, variable, cotangent), ONE);
}

/**
 * The Laplacian Σ_d ∂²F/∂v_d² of a formula of dim 1 (KeOps' `Laplacian`).
 *
 * Throws `PairfoldError` (dim) when the formula is a vector.
 */
export function laplacian(formula: Node, variable: VariableNode): Node {
  if (formula.dim !== 1) {
    throw new PairfoldError(
      "dim",
      `laplacian: got a formula of dim ${describe(formula)}; expected a scalar`,
    );
  }
  return divergence(gradient(formula, variable, ONE), variable);
}
