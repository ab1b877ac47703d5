// Formulas of folds in the one form that plans are known by: rows kept, columns folded, slots counted
// by first use. Enters: a formula over slots and tensors. Leaves: the kernel, lowered once.

import { PairfoldError } from "../error.ts";
import {
  type Axis,
  index,
  type Node,
  topological,
  transform,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import type { Kernel, MathFunctions } from "../loop/mod.ts";
import { type Fold, lower } from "../lower/mod.ts";
import type { Tensor } from "../tensor/mod.ts";

/** Exchanges i and j, so that the folded axis is j. */
export function transpose(formula: Node): Node {
  const other = (axis: Axis): Axis => axis === "i" ? "j" : "i";
  return transform(formula, (leaf) => {
    if (leaf.kind === "index") return index(other(leaf.axis));
    if (leaf.kind !== "variable" || leaf.axis === "p") return leaf;
    return variable(leaf.slot, other(leaf.axis), leaf.dim, leaf.number);
  });
}

/** A fold's formulas over slots, and the tensors of the slots. */
export interface Canonical {
  readonly formula: Node;
  readonly weight: Node | null;
  readonly variables: readonly VariableNode[];
  /** The slots that the variables had, and their tensors. */
  readonly slots: readonly number[];
  readonly tensors: readonly Tensor[];
}

/** Renumbers slots by first use, so that equal formulas over other tensors are the same nodes. */
export function canonicalise(
  formula: Node,
  weight: Node | null,
  inputs: ReadonlyMap<number, Tensor>,
): Canonical {
  const renamed = new Map<Node, VariableNode>();
  const slots: number[] = [];
  const tensors: Tensor[] = [];
  const roots = weight === null ? [formula] : [formula, weight];
  for (const node of topological(...roots)) {
    if (node.kind !== "variable") continue;
    const input = inputs.get(node.slot);
    if (input === undefined) throw new PairfoldError("internal", `no tensor for ${node.slot}`);
    renamed.set(node, variable(slots.length, node.axis, node.dim, node.number));
    slots.push(node.slot);
    tensors.push(input);
  }
  const renumber = (root: Node): Node => transform(root, (leaf) => renamed.get(leaf) ?? leaf);
  return {
    formula: renumber(formula),
    weight: weight === null ? null : renumber(weight),
    variables: [...renamed.values()],
    slots,
    tensors,
  };
}

/**
 * Kernels by what they were lowered from; the oldest leave first. The fold is held, so that its
 * formulas' ids stay their own.
 */
type Plans = Map<string, { readonly kernel: Kernel; readonly fold: Fold }>;
/** Plans by the functions that their target has. */
const plansOf = new WeakMap<MathFunctions, Plans>();
const MAX_PLANS = 512;

/** The kernel of a fold for a target. */
export function kernelOf(fold: Fold, math: MathFunctions): Kernel {
  let plans = plansOf.get(math);
  if (plans === undefined) plansOf.set(math, plans = new Map());
  const { formula, weight, reduction, float, options, fastMath } = fold;
  const { sumScheme, accumulator, k } = options;
  const formulas = weight ? `${formula.id},${weight.id}` : `${formula.id}`;
  const key = `${formulas}:${reduction}:${float}:${sumScheme}:${accumulator}:${k}:${fastMath}`;
  const known = plans.get(key);
  if (known !== undefined) return known.kernel;
  const kernel = lower(fold, math);
  plans.set(key, { kernel, fold });
  if (plans.size > MAX_PLANS) {
    const [oldest] = plans.keys();
    plans.delete(oldest);
  }
  return kernel;
}
