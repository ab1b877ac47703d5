// How large a formula is: what the passes after this one can walk, and in what time.

import type { Node } from "../formula/mod.ts";

/** Distinct nodes that a derivative may have: about 10 s of compiling. */
export const MAX_NODES = 10_000;
/** How deep they may stand inside one another: passes recurse on them. */
export const MAX_NODE_DEPTH = 1000;

/** Distinct nodes of a formula and its depth, without recursion. */
export function measure(root: Node): { count: number; depth: number } {
  const depths = new Map<Node, number>();
  const stack: Node[] = [root];
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const args: readonly Node[] = node.kind === "op" ? node.args : [];
    const missing = args.filter((a) => !depths.has(a));
    if (missing.length > 0 && !depths.has(node)) {
      stack.push(...missing);
      continue;
    }
    stack.pop();
    depths.set(node, 1 + args.reduce((most, a) => Math.max(most, depths.get(a) ?? 0), 0));
  }
  return { count: depths.size, depth: depths.get(root) ?? 1 };
}
