// How deep a formula's nodes stand inside one another: passes recurse on them.

import { PairfoldError } from "../error.ts";
import type { Node } from "./node.ts";

/**
 * How deep nodes of a formula that methods build may stand inside one another. Stacks of 1 MB end
 * at some 900 to 1,300 while code is new to V8, and later once it is optimised, which `withinStack`
 * tells of; this bounds what that takes.
 */
const MAX_BUILT_DEPTH = 3000;

const EXPECTED = "expected a flatter formula, or parts of it computed as tensors";

const depths = new WeakMap<Node, number>();

const argumentsOf = (node: Node): readonly Node[] => node.kind === "op" ? node.args : [];

/** The depth of a formula, a variable's being 1; without recursion, each node once for all. */
export function depthOf(root: Node): number {
  const stack = [root];
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const missing = argumentsOf(node).filter((a) => !depths.has(a));
    stack.push(...missing);
    if (missing.length > 0) continue;
    stack.pop();
    const deepest = argumentsOf(node).reduce((most, a) => Math.max(most, depths.get(a) ?? 0), 0);
    depths.set(node, deepest + 1);
  }
  return depths.get(root) ?? 1;
}

/** Throws `PairfoldError` (compile) for a formula that nests too deeply for the passes. */
export function checkDepth(formula: Node): void {
  if (formula.kind !== "op" || depthOf(formula) <= MAX_BUILT_DEPTH) return;
  throw new PairfoldError(
    "compile",
    `${formula.op}: got more than ${MAX_BUILT_DEPTH} operations inside one another; ${EXPECTED}`,
  );
}

/** Does work that recurses on a formula. Throws `PairfoldError` (compile) where stacks end. */
export function withinStack<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const isStack = error instanceof Error && /call stack|recursion/.test(error.message);
    if (!isStack) throw error;
    const got = "formula: got more operations inside one another than the host's stack holds";
    throw new PairfoldError("compile", `${got}; ${EXPECTED}`, { cause: error });
  }
}
