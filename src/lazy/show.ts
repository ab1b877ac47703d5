// How symbolic matrices show themselves. Enters: a formula with its tensors. Leaves: its text with
// short names for variables, as a line, as lines, and as HTML for notebooks.

import {
  apply,
  type Node,
  print,
  topological,
  transform,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import { escapeHtml, previewOf } from "../tensor/mod.ts";
import type { Input, Inputs } from "./inputs.ts";

/** A formula in words: parts that it uses several times may be named, in order, before it. */
interface FormulaText {
  readonly formula: string;
  readonly parts: readonly (readonly [name: string, text: string])[];
}

/** A formula and the variables in it. */
interface Text extends FormulaText {
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

/** A symbolic matrix as it is shown. */
export interface Shown extends Text {
  readonly title: string;
}

/** Formulas of more nodes than this, counted as often as they would be printed, are cut in parts. */
const LONG = 120;

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

/**
 * Prints a formula. Formulas share what they use twice, so that the text of a high derivative could
 * be exponentially longer than the formula: long ones name their shared parts.
 */
function formulaText(root: Node, name: (v: VariableNode) => string): FormulaText {
  const order = topological(root);
  const sizes = printedSizes(order);
  if ((sizes.get(root) ?? 0) <= LONG) return { formula: print(root, name), parts: [] };
  const uses = new Map<Node, number>();
  for (const node of order) {
    if (node.kind !== "op") continue;
    for (const a of node.args) uses.set(a, (uses.get(a) ?? 0) + 1);
  }
  const parts: [string, string][] = [];
  const nameOf = (v: VariableNode): string => v.slot < 0 ? `t${-v.slot}` : name(v);
  const cut = transform(root, (leaf) => leaf, (node, args) => {
    const own = apply(node.op, args, node.attributes);
    if (node === root || (uses.get(node) ?? 0) < 2 || (sizes.get(node) ?? 0) < 3) return own;
    parts.push([`t${parts.length + 1}`, print(own, nameOf)]);
    return variable(-parts.length, "p", own.dim); // stands for the part; negative slots are none
  });
  return { formula: print(cut, nameOf), parts };
}

const MADE_BY = { i: "Vi", j: "Vj", p: "Pm" } as const;

function meaningOf(v: VariableNode, input: Input | undefined): string {
  const made = `${MADE_BY[v.axis]} [${input?.tensor.shape.join(", ") ?? v.dim}]`;
  if (input === undefined) return made;
  const { tensor, isNumber } = input;
  const numbers = tensor.peek();
  if (!isNumber || numbers === null) return `${made} ${tensor.dtype}`;
  return tensor.size === 1 ? `= ${numbers[0]}` : `= ${previewOf(numbers, [tensor.size])}`;
}

/** The text of a formula over tensors; variables are x (i), y (j) and p, numbered by first use. */
export function textOf({ formula, inputs }: { formula: Node; inputs: Inputs }): Text {
  const names = new Map<VariableNode, string>();
  for (const node of topological(formula)) {
    if (node.kind !== "variable") continue;
    names.set(node, `${{ i: "x", j: "y", p: "p" }[node.axis]}${names.size}`);
  }
  const variables = [...names].map(([v, name]) =>
    [name, meaningOf(v, inputs.byId.get(v.slot))] as const
  );
  return { ...formulaText(formula, (v) => names.get(v) ?? `v${v.slot}`), variables };
}

/** Title, formula and variables in one line. */
export function summaryOf({ title, formula, parts, variables }: Shown): string {
  const where = [...parts.map(([name, text]) => `${name} = ${text}`), ...variables.map(spaced)];
  return `${title}: ${formula}${where.length === 0 ? "" : `, ${where.join(", ")}`}`;
}

const spaced = ([name, meaning]: readonly [string, string]): string => `${name} ${meaning}`;

/** Title, formula and variables on lines of their own, and as HTML. */
export function displayOf(shown: Shown): Record<"text/plain" | "text/html", string> {
  const { title, formula, parts, variables } = shown;
  const lines = [title, `  ${formula}`];
  for (const [name, text] of parts) lines.push(`  ${name} = ${text}`);
  for (const v of variables) lines.push(`  ${spaced(v)}`);
  const row = ([name, text]: readonly [string, string]): string =>
    `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(text)}</td></tr>`;
  const rows = [...parts.map(([name, text]) => [name, `= ${text}`] as const), ...variables];
  const html = `<div><strong>${escapeHtml(title)}</strong><br>` +
    `<code>${escapeHtml(formula)}</code>` +
    (rows.length === 0 ? "" : `<table>${rows.map(row).join("")}</table>`) + "</div>";
  return { "text/plain": lines.join("\n"), "text/html": html };
}
