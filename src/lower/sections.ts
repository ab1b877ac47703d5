// Which section of a kernel computes a formula, and what it takes there.

import { type Node, topological } from "../formula/mod.ts";
import type { Section } from "../loop/mod.ts";
import { isLarge } from "./vectors.ts";

const HOME = { p: "uniform", i: "row", j: "column", ij: "pair" } as const;

/** The section that computes a formula, once for each of what it depends on. */
export function homeOf(node: Node): typeof HOME[Node["domain"]] {
  return HOME[node.domain];
}

/** Whether a component is no more than a load in a section. */
export function isCheap(node: Node, section: Section): boolean {
  if (node.kind !== "op" || homeOf(node) !== section || node.dim === 1) return true;
  switch (node.op) {
    case "sumT":
    case "iota":
      return true;
    case "extract":
    case "strided":
      return isCheap(node.args[0], section);
    default:
      return false;
  }
}

/** A short vector's sum is unrolled up to so many operations, counted by the formula's. */
const UNROLLED_OPERATIONS = 600;

/** Whether a short vector takes so much to compute that a loop is better than as much code. */
export function isCostly(vector: Node, section: Section): boolean {
  let operations = 0;
  for (const node of topological(vector)) {
    if (node.kind !== "op" || node.dim === 1 || homeOf(node) !== section) continue;
    if (isLarge(node)) return true;
    operations += node.dim;
  }
  return vector.dim > 1 && operations > UNROLLED_OPERATIONS;
}
