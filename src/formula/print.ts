// Formulas as text, for people: infix where mathematics is, function names elsewhere.

import type { OpName } from "./names.ts";
import type { Node, OpNode, VariableNode } from "./node.ts";

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

/** Prints a formula; variables are named by `name`, by default x (i), y (j) or p and their slot. */
export function print(root: Node, name: (v: VariableNode) => string = defaultName): string {
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
