// Every elementwise op on NaN, infinities and zeros, in any argument and any section, against the
// reference: what is special must come out special.

import { assert } from "@std/assert";
import {
  apply,
  entryOf,
  type Node,
  samplesOf,
  SCALAR_OPS,
  type ScalarOp,
  scalarTable,
  variable,
} from "../../src/formula/mod.ts";
import { type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 0.5, 2, -3, 1e-3, 1e5, -1e5];

/** All tuples of special values, of an op's arity. */
function tuples(arity: number): number[][] {
  if (arity === 0) return [[]];
  return tuples(arity - 1).flatMap((rest) => SPECIAL.map((v) => [...rest, v]));
}

/** The distance of two results; of mod, whose rounded quotient may jump, up to multiples of m. */
function errorOf(op: ScalarOp, got: number, want: number, [, m]: readonly number[]): number {
  const error = Math.abs(got - want);
  return op === "mod" ? Math.abs(error - Math.abs(m) * Math.round(error / Math.abs(m))) : error;
}

/** What errors are relative to: the result, or for mod what it cancels. */
function magnitudeOf(op: ScalarOp, want: number, tuple: readonly number[]): number {
  return op === "mod" ? Math.max(...tuple.map(Math.abs)) : Math.abs(want);
}

/** Checks an op on tuples of arguments, each argument on an axis of its own choice. */
async function checkTuples(
  op: ScalarOp,
  attributes: readonly number[],
  axes: readonly ("i" | "p" | "j")[],
  list: readonly number[][],
  dtype: "float32" | "float64",
): Promise<void> {
  const args: Node[] = axes.map((axis, k) => variable(k, axis, 1));
  const formula = apply(op, args, attributes);
  const M = axes.includes("i") ? list.length : 1;
  const data = new Map(axes.map((axis, k) => {
    const column = list.map((tuple) => tuple[k]);
    return [k, axis === "i" ? column : [column[0]]];
  }));
  const c: FoldCase = { formula, reduction: "sum", axis: "j", M, N: 1, dtype, data };
  const [got] = await runFold(c, inputsOf(c, randomFor(op)));
  const round = dtype === "float32" ? Math.fround : (x: number): number => x;
  for (let row = 0; row < M; row++) {
    const tuple = list[row].map(round);
    const want = scalarTable[op].evaluate(tuple, attributes);
    const what = `${op}(${tuple}) ${attributes} ${dtype} on ${axes}: got ${got[row]}, not ${want}`;
    const isClose = Object.is(got[row] + 0, round(want) + 0) ||
      errorOf(op, got[row], want, tuple) <=
        4e-6 * magnitudeOf(op, want, tuple) + (dtype === "float32" ? 1e-37 : 1e-300);
    assert(Number.isNaN(want) ? Number.isNaN(got[row]) : isClose, what);
  }
}

for (const op of SCALAR_OPS) {
  Deno.test(`${op}: special values come out as the reference says`, async () => {
    const { arity } = entryOf(op);
    const list = tuples(arity);
    const choices = new Map(samplesOf(entryOf(op)).map((s) => [`${s.attributes}`, s.attributes]));
    for (const attributes of choices.values()) {
      for (const dtype of ["float32", "float64"] as const) {
        await checkTuples(op, attributes, Array(arity).fill("i"), list, dtype);
        // one argument a parameter or a column: other sections, other expansions
        for (const axis of ["p", "j"] as const) {
          for (let k = 0; k < arity; k++) {
            const axes = Array.from({ length: arity }, (_, n) => n === k ? axis : "i" as const);
            for (const fixed of arity === 1 ? SPECIAL : [NaN, Infinity, 0, -1]) {
              const some = list.filter((tuple) => Object.is(tuple[k], fixed));
              await checkTuples(op, attributes, axes, some, dtype);
            }
          }
        }
      }
    }
  });
}
