// Symbolic differentials (forward mode). Enters: a formula, variables, a tangent formula for each.
// Leaves: a formula again. The op tables hold gradient rules only; an op's differential is the
// transpose of its gradient, which is linear in the cotangent and so has a gradient rule itself.

import { PairfoldError } from "../error.ts";
import {
  build,
  describe,
  entryOf,
  isScalarOp,
  type Node,
  type OpNode,
  topological,
  variable,
  type VariableNode,
  zero,
} from "../formula/mod.ts";
import { dependents, fit, gradient } from "./gradient.ts";

/**
 * A variable that formulas do not hold: a cotangent that is differentiated away again. Its slot is
 * below all of theirs.
 */
export function placeholder(dim: number, ...formulas: readonly Node[]): VariableNode {
  let slot = 0;
  for (const node of topological(...formulas)) {
    if (node.kind === "variable") slot = Math.min(slot, node.slot);
  }
  return variable(slot - 1, "p", dim);
}

/** How the value of an op moves when one of its arguments moves along a tangent. */
function through(
  node: OpNode,
  position: number,
  tangent: Node,
  slot: number,
): Node | null {
  const { op, args, attributes } = node;
  const rule = entryOf(op).grad;
  // component by component: the Jacobian is diagonal, hence its own transpose
  if (isScalarOp(op)) return rule(tangent, args, node, attributes)[position];
  const cotangent = variable(slot, "p", node.dim);
  const term = rule(cotangent, args, node, attributes)[position];
  return term === null ? null : gradient(fit(term, args[position].dim), cotangent, tangent);
}

/**
 * The differential of a formula along tangents, one per variable: Σ (∂F/∂v) · tangent, of F's dim
 * (KeOps' `Diff` of a tuple of variables). Zero where F depends on none of them.
 *
 * Throws `PairfoldError` (dim) when a tangent's dim is not its variable's.
 */
export function differentials(
  formula: Node,
  variables: readonly VariableNode[],
  tangents: readonly Node[],
): Node {
  if (tangents.length !== variables.length) {
    throw new PairfoldError(
      "dim",
      `diff: got ${tangents.length} tangents; expected ${variables.length}, one per variable`,
    );
  }
  const moved = new Map<Node, Node>();
  variables.forEach((v, k) => {
    if (tangents[k].dim !== v.dim) {
      throw new PairfoldError(
        "dim",
        `diff: got a tangent of dim ${describe(tangents[k])}; expected the variable's, ${v.dim}`,
      );
    }
    const before = moved.get(v);
    moved.set(v, before === undefined ? tangents[k] : build.add(before, tangents[k]));
  });
  const { slot } = placeholder(1, formula, ...tangents);
  const order = topological(formula);
  const depends = dependents(order, variables);
  for (const node of order) {
    if (node.kind !== "op" || !depends.has(node)) continue;
    let total: Node | null = null;
    node.args.forEach((argument, position) => {
      const tangent = moved.get(argument);
      if (tangent === undefined) return;
      const term = through(node, position, tangent, slot);
      if (term !== null) total = total === null ? term : build.add(total, term);
    });
    if (total !== null) moved.set(node, fit(total, node.dim));
  }
  return moved.get(formula) ?? zero(formula.dim);
}

/**
 * The differential of a formula with respect to one variable, applied to a tangent (KeOps' `Diff`):
 * the adjoint of `gradient`, ⟨differential(F, v, u), g⟩ = ⟨u, gradient(F, v, g)⟩.
 *
 * Throws `PairfoldError` (dim) when the tangent's dim is not the variable's.
 */
export function differential(formula: Node, variable: VariableNode, tangent: Node): Node {
  return differentials(formula, [variable], [tangent]);
}
