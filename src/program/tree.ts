// Arguments made of tensors: arrays and plain objects of them, nested. Enters: such a tree. Leaves:
// its tensors in order, and trees of the same form with others in their places.

import { PairfoldError } from "../error.ts";
import { Tensor } from "../tensor/mod.ts";

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A tree with each tensor replaced; a tensor that stands twice is visited twice. */
export function mapTree(op: string, tree: unknown, leaf: (t: Tensor) => Tensor): unknown {
  if (tree instanceof Tensor) return leaf(tree);
  if (Array.isArray(tree)) return tree.map((part) => mapTree(op, part, leaf));
  if (isPlain(tree)) {
    const entries = Object.entries(tree).map(([key, part]) => [key, mapTree(op, part, leaf)]);
    return Object.fromEntries(entries);
  }
  const isPromise = typeof tree === "object" && tree !== null && "then" in tree;
  const got = tree === null ? "null" : isPromise ? "a promise" : typeof tree;
  throw new PairfoldError(
    "dtype",
    `${op}: got ${got}; expected tensors, alone or in arrays and plain objects ` +
      "(tensor(…) makes one of numbers)",
  );
}

/** The tensors of a tree, in order. */
export function leavesOf(op: string, tree: unknown): Tensor[] {
  const leaves: Tensor[] = [];
  mapTree(op, tree, (t) => {
    leaves.push(t);
    return t;
  });
  return leaves;
}

/** A tree of the same form with these tensors. */
export function withLeaves<T>(op: string, tree: T, leaves: readonly Tensor[]): T {
  let at = 0;
  return mapTree(op, tree, () => leaves[at++]) as T;
}
