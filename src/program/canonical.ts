// Formulas of folds in the one form that plans are known by: rows kept, columns folded, slots
// counted by first use. Enters: a formula over slots and tensors. Leaves: the kernel, lowered once.

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
import { type Fold, lowerLater } from "../lower/mod.ts";
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

/** A fold's formulas as rows kept and columns folded, over slots counted by first use. */
export interface Canonical {
  readonly formula: Node;
  readonly weight: Node | null;
  readonly variables: readonly VariableNode[];
  /** The slots that the variables had. */
  readonly slots: readonly number[];
  /** Whether a formula speaks of the index of a row. */
  readonly usesRowIndex: boolean;
}

/** Canonical forms by the folded axis, formula and weight, held as long as these live. */
type Forms = WeakMap<Node, Canonical>;
const forms: Readonly<Record<Axis, { alone: Forms; weighted: WeakMap<Node, Forms> }>> = {
  i: { alone: new WeakMap(), weighted: new WeakMap() },
  j: { alone: new WeakMap(), weighted: new WeakMap() },
};

function formsWith(axis: Axis, weight: Node | null): Forms {
  const { alone, weighted } = forms[axis];
  if (weight === null) return alone;
  let known = weighted.get(weight);
  if (known === undefined) weighted.set(weight, known = new WeakMap());
  return known;
}

/**
 * Renumbers slots by first use, so that equal formulas over other tensors are the same nodes; a
 * fold over i becomes one over j.
 */
export function canonicalise(formula: Node, weight: Node | null, axis: Axis): Canonical {
  const known = formsWith(axis, weight);
  let form = known.get(formula);
  if (form === undefined) known.set(formula, form = canonicalForm(formula, weight, axis));
  return form;
}

function canonicalForm(formula: Node, weight: Node | null, axis: Axis): Canonical {
  const orient = (root: Node): Node => axis === "j" ? root : transpose(root);
  const roots = weight === null ? [orient(formula)] : [orient(formula), orient(weight)];
  const renamed = new Map<Node, VariableNode>();
  const slots: number[] = [];
  let usesRowIndex = false;
  for (const node of topological(...roots)) {
    if (node.kind === "index" && node.axis === "i") usesRowIndex = true;
    if (node.kind !== "variable") continue;
    renamed.set(node, variable(slots.length, node.axis, node.dim, node.number));
    slots.push(node.slot);
  }
  const [own, second = null] = roots.map((root) =>
    transform(root, (leaf) => renamed.get(leaf) ?? leaf)
  );
  return { formula: own, weight: second, variables: [...renamed.values()], slots, usesRowIndex };
}

/** The tensors of some slots. */
export function tensorsIn(
  inputs: ReadonlyMap<number, Tensor>,
  slots: readonly number[],
): readonly Tensor[] {
  return slots.map((slot) => {
    const input = inputs.get(slot);
    if (input === undefined) throw new PairfoldError("internal", `no tensor for ${slot}`);
    return input;
  });
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
  const { formula, weight, reduction, float, options, fastMath, products = "" } = fold;
  const rounded = fold.rounded === undefined ? "" : "rounded";
  const finite = fold.expectsFinite ? "finite" : "";
  const { sumScheme, accumulator, k } = options;
  const formulas = weight ? `${formula.id},${weight.id}` : `${formula.id}`;
  const numbers =
    `${reduction}:${float}:${sumScheme}:${accumulator}:${k}:${fastMath}:${products}:${rounded}:${finite}`;
  const twins = fold.twins ? [...fold.twins].map(([one, other]) => `${one.id}=${other.id}`) : "";
  const key = `${formulas}:${numbers}:${twins}`;
  const known = plans.get(key);
  if (known !== undefined) return known.kernel;
  const kernel = lowerLater(fold, math);
  plans.set(key, { kernel, fold });
  if (plans.size > MAX_PLANS) {
    const [oldest] = plans.keys();
    plans.delete(oldest);
  }
  return kernel;
}
