// Formulas as text, for people: infix where mathematics is, function names elsewhere.

import type { OpName } from "./names.ts";
import { type Node, type OpNode, topological, type VariableNode } from "./node.ts";

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

/** Formulas with more parts than this name those that occur again. */
const LONGEST = 400;

/** Names of the parts that a long formula meets more than once; none in a short one. */
function namesOfParts(root: Node): Map<Node, string> {
  const names = new Map<Node, string>();
  const sizes = new Map<Node, number>();
  const uses = new Map<Node, number>();
  const order = topological(root);
  for (const node of order) {
    const args = node.kind === "op" ? node.args : [];
    sizes.set(node, args.reduce((total, a) => total + (sizes.get(a) ?? 1), 1));
    for (const a of args) uses.set(a, (uses.get(a) ?? 0) + 1);
  }
  if ((sizes.get(root) ?? 1) <= LONGEST) return names;
  for (const node of order) {
    const isShared = node.kind === "op" && node.args.length > 0 && (uses.get(node) ?? 0) > 1;
    if (isShared) names.set(node, `t${names.size + 1}`);
  }
  return names;
}

/**
 * Prints a formula; variables are named by `name`, by default x (i), y (j) or p and their slot. Of
 * a long formula, parts that occur again are printed once: `… where t1 = …; t2 = …`.
 */
export function print(root: Node, name: (v: VariableNode) => string = defaultName): string {
  const parts = namesOfParts(root);
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
    const part = parts.get(node);
    return part === undefined ? spell(node) : [part, ATOM];
  };
  const spell = (node: Node): readonly [text: string, precedence: number] => {
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
  const definitions = [...parts].map(([node, part]) => `${part} = ${spell(node)[0]}`);
  return wrap(root, 0) + (definitions.length === 0 ? "" : ` where ${definitions.join("; ")}`);
}
