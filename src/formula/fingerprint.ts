// Formulas as text that tells them apart, in any process. Enters: formulas. Leaves: a line, equal
// for equal formulas and for no others; what is shared stands there once.

import { type Node, topological } from "./node.ts";

/** A number as text that gives the same number, with the sign of zero. */
const textOf = (value: number): string => Object.is(value, -0) ? "-0" : String(value);

/** One node, whose arguments are named by their places in the list. */
function lineOf(node: Node, places: ReadonlyMap<Node, number>): string {
  switch (node.kind) {
    case "variable":
      return `${node.axis}${node.slot}:${node.dim}${node.number === "index" ? "n" : ""}`;
    case "index":
      return `@${node.axis}`;
    case "constant":
      return textOf(node.value);
    case "zero":
      return `0:${node.dim}`;
    case "op": {
      const args = node.args.map((a) => places.get(a));
      return `${node.op}[${node.attributes}](${args})`;
    }
  }
  node satisfies never;
  throw new TypeError();
}

/** The text of some formulas. */
export function fingerprint(...roots: readonly Node[]): string {
  const places = new Map<Node, number>();
  const lines: string[] = [];
  for (const node of topological(...roots)) {
    lines.push(lineOf(node, places));
    places.set(node, places.size);
  }
  return [...lines, roots.map((root) => places.get(root))].join(";");
}
