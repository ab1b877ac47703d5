// How large a formula is: what the passes after this one can walk, and in what time.

import { depthOf, type Node } from "../formula/mod.ts";

/** Distinct nodes that a derivative may have: about 10 s of compiling. */
export const MAX_NODES = 10_000;
/** How deep those of a text may stand inside one another. */
export const MAX_NODE_DEPTH = 1000;

/** Distinct nodes of a formula and its depth, without recursion. */
export function measure(root: Node): { count: number; depth: number } {
  const seen = new Set<Node>([root]);
  // a set is walked in the order of its members, those that are added meanwhile included
  for (const node of seen) if (node.kind === "op") node.args.forEach((a) => seen.add(a));
  return { count: seen.size, depth: depthOf(root) };
}
