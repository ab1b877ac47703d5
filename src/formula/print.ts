// Formulas as text, for people: infix where mathematics is, function names elsewhere. Formulas share
// what they use twice, so that the plain text of a high derivative could be exponentially longer than
// the formula: long ones name their shared parts.

import type { OpName } from "./names.ts";
import {
  apply,
  type Node,
  type OpNode,
  topological,
  transform,
  variable,
  type VariableNode,
} from "./node.ts";

const INFIX: Partial<Record<OpName, readonly [symbol: string, precedence: number]>> = {
  lt: ["<", 1],
  le: ["<=", 1],
  gt: [">", 1],
  ge: [">=", 1],
  eq: ["==", 1],
  ne: ["!=", 1],
  dot: ["|", 2],
  add: ["+", 3],
  sub: ["-", 3],
  mul: ["*", 4],
  div: ["/", 4],
};
const NEGATION = 5;
const POWER = 6;
const ATOM = 7;

const defaultName = (v: VariableNode): string =>
  `${v.axis === "p" ? "p" : v.axis === "i" ? "x" : "y"}${v.slot}`;

/** A formula in words, after the parts of it that have names, in the order of their use. */
export interface FormulaText {
  readonly formula: string;
  readonly parts: readonly (readonly [name: string, text: string])[];
}

/** Formulas whose text would show more nodes than this name what they share. */
const LONG = 200;

/** How many nodes the text of each formula would show. */
function printedSizes(order: readonly Node[]): Map<Node, number> {
  const sizes = new Map<Node, number>();
  for (const node of order) {
    let size = 1;
    if (node.kind === "op") { for (const a of node.args) size += sizes.get(a) ?? 0; }
    sizes.set(node, size);
  }
  return sizes;
}

/** Prints a formula; a long one as a list of shared parts t1, t2, … and itself. */
export function printParts(
  root: Node,
  name: (v: VariableNode) => string = defaultName,
): FormulaText {
  const order = topological(root);
  const sizes = printedSizes(order);
  if ((sizes.get(root) ?? 0) <= LONG) return { formula: plain(root, name), parts: [] };
  const uses = new Map<Node, number>();
  for (const node of order) {
    if (node.kind !== "op") continue;
    for (const a of node.args) uses.set(a, (uses.get(a) ?? 0) + 1);
  }
  const stands = new Map<Node, string>();
  const nameOf = (v: VariableNode): string => stands.get(v) ?? name(v);
  const parts: [string, string][] = [];
  const cut = transform(root, (leaf) => leaf, (node, args) => {
    const own = apply(node.op, args, node.attributes);
    if (node === root || (uses.get(node) ?? 0) < 2 || (sizes.get(node) ?? 0) < 3) return own;
    parts.push([`t${parts.length + 1}`, plain(own, nameOf)]);
    const stand = variable(-1e9 - parts.length, "p", own.dim); // no formula's slot
    stands.set(stand, `t${parts.length}`);
    return stand;
  });
  return { formula: plain(cut, nameOf), parts };
}

/**
 * Prints a formula; variables are named by `name`, by default x (i), y (j) or p and their slot. A
 * long one reads `… where t1 = …, t2 = …`.
 */
export function print(root: Node, name?: (v: VariableNode) => string): string {
  const { formula, parts } = printParts(root, name);
  if (parts.length === 0) return formula;
  return `${formula} where ${parts.map(([part, text]) => `${part} = ${text}`).join(", ")}`;
}

function plain(root: Node, name: (v: VariableNode) => string): string {
  const operator = (node: OpNode): readonly [text: string, precedence: number] => {
    const infix = INFIX[node.op];
    if (infix !== undefined) {
      const [symbol, precedence] = infix;
      const left = wrap(node.args[0], precedence);
      const right = wrap(node.args[1], precedence + 1);
      return [`${left} ${symbol} ${right}`, precedence];
    }
    if (node.op === "neg") return [`-${wrap(node.args[0], NEGATION)}`, NEGATION];
    if (node.op === "square") return [`${wrap(node.args[0], ATOM)}^2`, POWER];
    if (node.op === "pow") return [`${wrap(node.args[0], ATOM)}^${node.attributes[0]}`, POWER];
    const args = [...node.args.map((a) => wrap(a, 0)), ...node.attributes];
    return [`${node.op}(${args.join(", ")})`, ATOM];
  };
  const visit = (node: Node): readonly [text: string, precedence: number] => {
    switch (node.kind) {
      case "variable":
        return [name(node), ATOM];
      case "index":
        return [node.axis, ATOM];
      case "constant":
        return [Object.is(node.value, -0) ? "-0" : String(node.value), node.value < 0 ? 5 : ATOM];
      case "zero":
        return [`zero(${node.dim})`, ATOM];
      case "op":
        return operator(node);
    }
    node satisfies never;
    throw new TypeError();
  };
  const wrap = (node: Node, precedence: number): string => {
    const [text, own] = visit(node);
    return own < precedence ? `(${text})` : text;
  };
  return wrap(root, 0);
}
