// The tagged template `lazy`: formulas in infix, for people.

import { PairfoldError } from "../error.ts";
import type { Node } from "../formula/mod.ts";
import { type HoleValue, readTemplate, resolveTemplate, type Template } from "../syntax/mod.ts";
import { type Inputs, mergeInputs, NO_INPUTS, type Term } from "./inputs.ts";
import { LazyTensor } from "./lazy_tensor.ts";
import { apart, numberTerm } from "./slots.ts";
import { type Symbolic, termOf, type Value } from "./symbolic.ts";

/**
 * What may stand in the `${}` of a template. Complex matrices stand for their components,
 * interleaved, as KeOps' complex functions take them.
 */
export type LazyValue = Symbolic | Value;

/** Templates by their strings, which are one object per place in the source. */
const templates = new WeakMap<readonly string[], Template>();

function templateOf(strings: TemplateStringsArray): Template {
  if (!Array.isArray(strings)) {
    throw new PairfoldError(
      "syntax",
      `lazy: got ${typeof strings}; expected a template, as in lazy\`exp(-\${x})\``,
    );
  }
  const known = templates.get(strings);
  if (known !== undefined) return known;
  // a part with a wrong escape has no cooked text; its raw one gives the error
  const parts = strings.map((part: string | undefined, k) => part ?? strings.raw[k]);
  const made = readTemplate(parts);
  templates.set(strings, made);
  return made;
}

/**
 * A symbolic matrix written as a formula: infix `+ - * /`, `^` or `**` for powers, `|` for the
 * scalar product, comparisons, `i` and `j` for the indices of row and column, and functions by the
 * names of {@linkcode LazyTensor}'s methods or KeOps' (`sqDist`, `sqdist` and `SqDist` are one).
 * Precedence is Python's.
 *
 * Values in `${}` are symbolic matrices, and what may stand beside one: numbers, vectors and
 * tensors of rank 0 or 1 are parameters, so that a thousand numbers compile once; tensors
 * [...batch, M, 1, D] are rows i and [...batch, 1, N, D] columns j. Where the language wants an
 * integer (an exponent, a component) or a list of them, a number or an array stands for itself.
 *
 * Throws `PairfoldError`: `syntax` with the line and a caret under the character, and what the
 * methods throw.
 *
 * ```ts
 * import { lazy, Vi, Vj } from "pairfold";
 * const x = Vi([[0, 0, 0], [1, 0, 0]]);
 * const y = Vj([[0, 0, 1], [2, 0, 0], [0, 3, 0]]);
 * const s = 0.5;
 * const K = lazy`exp(-sqdist(${x}, ${y}) / ${2 * s * s}) * (i != j)`; // [2, 3, 1]
 * console.log(await K.sum("j").array());
 * ```
 */
export function lazy(strings: TemplateStringsArray, ...values: readonly LazyValue[]): LazyTensor {
  const template = templateOf(strings);
  const used: Inputs[] = [];
  const use = (term: Term): Node => {
    const { formula, inputs } = apart(term, used);
    used.push(inputs);
    return formula;
  };
  const hole = (index: number): HoleValue => {
    const value = values[index];
    if (typeof value === "number") {
      return { kind: "number", value, node: () => use(numberTerm(value, template, `${index}`)) };
    }
    const node = (): Node => use(termOf(`lazy, value ${index + 1}`, value));
    if (Array.isArray(value)) return { kind: "list", values: value, node };
    return { kind: "formula", node };
  };
  const written = (value: number): Node => use(numberTerm(value, template, `=${value}`));
  const formula = resolveTemplate(template, hole, written);
  const inputs = used.length === 0 ? NO_INPUTS : mergeInputs("lazy", used);
  return new LazyTensor(formula, inputs);
}
