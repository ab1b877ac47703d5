// Symbolic gradients. Enters: a formula, a variable, a cotangent formula. Leaves: a formula again,
// so that gradients of any order are gradients of gradients.

import { PairfoldError } from "../error.ts";
import {
  build,
  describe,
  entryOf,
  type Node,
  topological,
  type VariableNode,
  zero,
} from "../formula/mod.ts";

/** Adds up the components of a cotangent whose argument was broadcast. */
export function fit(cotangent: Node, dim: number): Node {
  if (cotangent.dim === dim) return cotangent;
  return dim === 1 ? build.sum(cotangent) : build.sumT(cotangent, dim);
}

/** The nodes of a formula that are one of some variables or depend on one. */
export function dependents(order: readonly Node[], variables: readonly VariableNode[]): Set<Node> {
  const wanted = new Set<Node>(variables);
  const depends = new Set<Node>();
  for (const node of order) {
    const below = node.kind === "op" && node.args.some((a) => depends.has(a));
    if (wanted.has(node) || below) depends.add(node);
  }
  return depends;
}

/**
 * The gradient of a formula with respect to variables: for each variable v the formula
 * (∂F/∂v)ᵀ · cotangent, of v's dim (KeOps' `Grad`). Zero where F does not depend on v.
 *
 * Throws `PairfoldError` (dim) when the cotangent's dim is not the formula's.
 */
export function gradients(
  formula: Node,
  variables: readonly VariableNode[],
  cotangent: Node,
): Node[] {
  if (cotangent.dim !== formula.dim) {
    throw new PairfoldError(
      "dim",
      `grad: got a cotangent of dim ${describe(cotangent)}; expected the formula's dim, ` +
        `${formula.dim}`,
    );
  }
  const order = topological(formula);
  const depends = dependents(order, variables);
  const cotangents = new Map<Node, Node>([[formula, cotangent]]);
  for (const node of order.reverse()) {
    const g = cotangents.get(node);
    if (g === undefined || node.kind !== "op" || !depends.has(node)) continue;
    const rule = entryOf(node.op).grad;
    rule(g, node.args, node, node.attributes).forEach((term, k) => {
      const argument = node.args[k];
      if (term === null || !depends.has(argument)) return;
      const fitted = fit(term, argument.dim);
      const before = cotangents.get(argument);
      cotangents.set(argument, before === undefined ? fitted : build.add(before, fitted));
    });
  }
  return variables.map((v) => cotangents.get(v) ?? zero(v.dim));
}

/** The gradient with respect to one variable; see {@linkcode gradients}. */
export function gradient(formula: Node, variable: VariableNode, cotangent: Node): Node {
  return gradients(formula, [variable], cotangent)[0];
}
