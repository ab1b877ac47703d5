// The tagged template `lazy`: formulas in infix, for people.

import { PairfoldError } from "../error.ts";
import type { NumberArray } from "../engine/mod.ts";
import type { Node } from "../formula/mod.ts";
import { type HoleValue, readTemplate, resolveTemplate, type Template } from "../syntax/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import { type Inputs, mergeInputs, NO_INPUTS } from "./inputs.ts";
import { LazyTensor, Pm } from "./lazy_tensor.ts";

/** What may stand in the `${}` of a template. */
export type LazyValue = LazyTensor | Tensor | number | readonly number[] | NumberArray;

/** Templates by their strings, which are one object per place in the source. */
const templates = new WeakMap<readonly string[], Template>();

function templateOf(strings: TemplateStringsArray): Template {
  const known = templates.get(strings);
  if (known !== undefined) return known;
  // a part with a wrong escape has no cooked text; its raw one gives the error
  const parts = strings.map((part: string | undefined, k) => part ?? strings.raw[k]);
  const made = readTemplate(parts);
  templates.set(strings, made);
  return made;
}

/** A value as a symbolic matrix; only those that Vi and Vj made have an axis. */
function lazyOf(value: LazyValue, position: number): LazyTensor {
  if (value instanceof LazyTensor) return value;
  const isVector = typeof value === "number" || ArrayBuffer.isView(value) || Array.isArray(value) ||
    value instanceof Tensor;
  if (!isVector) {
    throw new PairfoldError(
      "dtype",
      `lazy: got ${value === null ? "null" : typeof value} as value ${position}; expected a ` +
        "LazyTensor (Vi, Vj, Pm), a number, a vector or a tensor",
    );
  }
  if (value instanceof Tensor && value.shape.length > 1) {
    throw new PairfoldError(
      "shape",
      `lazy: got a Tensor of shape [${value.shape}] as value ${position}; expected Vi(tensor) or ` +
        "Vj(tensor), which say its axis, or rank 0 or 1 for a parameter",
    );
  }
  return Pm(value as Tensor | NumberArray | readonly number[] | number);
}

/**
 * A symbolic matrix written as a formula: infix `+ - * /`, `^` or `**` for powers, `|` for the scalar
 * product, comparisons, `i` and `j` for the indices of row and column, and functions by the names of
 * {@linkcode LazyTensor}'s methods or KeOps' (`sqDist`, `sqdist` and `SqDist` are one). Precedence is
 * Python's.
 *
 * Values in `${}` are symbolic matrices, numbers, vectors and tensors of rank 0 or 1; all but the
 * first are parameters, so that a thousand numbers compile once. Where the language wants an integer
 * (an exponent, a component) or a list of them, a number or an array stands for itself.
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
  const use = (t: LazyTensor): Node => {
    used.push(t.inputs);
    return t.formula;
  };
  const hole = (index: number): HoleValue => {
    const value = values[index];
    const node = (): Node => use(lazyOf(value, index + 1));
    if (typeof value === "number") return { kind: "number", value, node };
    if (Array.isArray(value)) return { kind: "list", values: value, node };
    return { kind: "formula", node };
  };
  const formula = resolveTemplate(template, hole, (value) => use(Pm(value)));
  const inputs = used.length === 0 ? NO_INPUTS : mergeInputs("lazy", used);
  return new LazyTensor(formula, inputs);
}
