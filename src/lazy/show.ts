// How symbolic matrices show themselves. Enters: a formula with its tensors. Leaves: its text with
// short names for variables, as a line, as lines, and as HTML for notebooks.

import { type Node, print, topological, type VariableNode } from "../formula/mod.ts";
import { escapeHtml, previewOf } from "../tensor/mod.ts";
import type { Input, Inputs } from "./inputs.ts";

/** A formula and the variables in it. */
interface Text {
  readonly formula: string;
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

/** A symbolic matrix as it is shown. */
export interface Shown extends Text {
  readonly title: string;
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
  return { formula: print(formula, (v) => names.get(v) ?? `v${v.slot}`), variables };
}

const spaced = ([name, meaning]: readonly [string, string]): string => `${name} ${meaning}`;

/** Title, formula and variables in one line. */
export function summaryOf({ title, formula, variables }: Shown): string {
  return [`${title}: ${formula}`, ...variables.map(spaced)].join(", ");
}

/** Title, formula and variables on lines of their own, and as HTML. */
export function displayOf(shown: Shown): Record<"text/plain" | "text/html", string> {
  const { title, formula, variables } = shown;
  const lines = [title, `  ${formula}`, ...variables.map((v) => `  ${spaced(v)}`)];
  const rows = variables.map(([name, text]) =>
    `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(text)}</td></tr>`
  );
  const html = `<div><strong>${escapeHtml(title)}</strong><br>` +
    `<code>${escapeHtml(formula)}</code>` +
    (rows.length === 0 ? "" : `<table>${rows.join("")}</table>`) + "</div>";
  return { "text/plain": lines.join("\n"), "text/html": html };
}
