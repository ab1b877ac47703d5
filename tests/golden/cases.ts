// The answers of KeOps in tests/data/keops_golden.json, and how ours are held against them.
//
// Enters: a case, its formula a string as KeOps takes it. Leaves: nothing, or an error that says
// where the values part.

import { assert, assertEquals } from "@std/assert";
import {
  genred,
  type GenredFunction,
  type KeopsReduction,
  type Tensor,
  tensor,
} from "../../mod.ts";

/** A number as the file has it: JSON knows no NaN and no infinity. */
type Written = number | "NaN" | "Infinity" | "-Infinity";

/** An array of the file, row-major. */
interface WrittenArray {
  readonly shape: readonly number[];
  readonly data: readonly Written[];
}

/** One question to KeOps. */
interface Question {
  readonly name: string;
  readonly formula: string;
  readonly aliases: readonly string[];
  readonly reduction: string;
  readonly axis: 0 | 1;
  readonly weight?: string;
  readonly k?: number;
  readonly inputs: readonly {
    readonly category: "Vi" | "Vj" | "Pm";
    readonly dim: number;
    readonly rows: number;
    readonly data: readonly Written[];
  }[];
}

/** A question and KeOps' answer. */
export interface GoldenCase extends Question {
  readonly group: string;
  readonly dtype: Float;
  readonly output: WrittenArray;
  readonly indices?: WrittenArray;
  readonly tolerance: number;
}

/**
 * A question that KeOps cannot answer, or answers wrongly; with numpy's answer where there is one.
 */
export type Failure =
  & Omit<Question, "inputs">
  & {
    readonly inputs?: Question["inputs"];
    readonly reference?: readonly WrittenArray[];
    readonly tolerance?: number;
    readonly message: string;
  };

/** Where KeOps is wrong, or a matter of taste: what numpy gives. */
interface Deviation {
  readonly case: string;
  readonly what: string;
  readonly reference: readonly WrittenArray[];
}

interface Golden {
  readonly keops: string;
  readonly cases: readonly GoldenCase[];
  readonly deviations: readonly Deviation[];
  readonly failures: readonly Failure[];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../data/keops_golden.json", import.meta.url)),
);

export const CASES: readonly GoldenCase[] = golden.cases;
export const FAILURES: readonly Failure[] = golden.failures;
export const DEVIATIONS: ReadonlyMap<string, Deviation> = new Map(
  golden.deviations.map((deviation) => [deviation.case, deviation]),
);

/** The name that tables use for a case. */
export const keyOf = (c: { readonly group?: string; readonly name: string }): string =>
  `${c.group ?? "failure"}: ${c.name}`;

/** What a fold must give: its results' shapes and values. */
export type Answer = readonly WrittenArray[];

/** What KeOps answered. */
export function answerOf(c: GoldenCase): Answer {
  return c.indices === undefined ? [c.output] : [c.output, c.indices];
}

/** A case's answer with other values. */
export function answerWith(c: GoldenCase, values: readonly (readonly number[])[]): Answer {
  return answerOf(c).map(({ shape }, slot) => ({ shape, data: values[slot].map(written) }));
}

/** A number as the file writes it. */
function written(value: number): Written {
  return Number.isFinite(value) ? value : String(value) as Written;
}

const numbers = (array: WrittenArray): number[] => array.data.map(Number);

export type Float = "float32" | "float64";

/** The function of a question's formula. */
export function functionOf(c: Omit<Question, "inputs">, dtype: Float): GenredFunction {
  return genred<KeopsReduction>(c.formula, c.aliases, {
    reduction: c.reduction as KeopsReduction,
    axis: c.axis,
    dtype,
    ...(c.weight === undefined ? {} : { weight: c.weight }),
    ...(c.k === undefined ? {} : { k: c.k }),
  });
}

/** The function of a question's formula, applied to its inputs. */
export function resultsOf(c: Question, dtype: Float): Tensor[] {
  const f = functionOf(c, dtype);
  const Floats = dtype === "float32" ? Float32Array : Float64Array;
  const results = f(
    ...c.inputs.map(({ category, dim, rows, data }) => {
      const values = Floats.from(data.map(Number));
      return category === "Pm" ? tensor(values) : tensor(values, [rows, dim]);
    }),
  );
  return Array.isArray(results) ? results : [results];
}

/** Relative to max(1, |value|), as the file's own tolerances are. */
function isClose(got: number, want: number, tolerance: number): boolean {
  if (got === want || (Number.isNaN(got) && Number.isNaN(want))) return true;
  return Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)); // false for NaN and ∞ − x
}

/** Fails unless results have an answer's shapes and values; indices must be equal. */
export async function checkAnswer(
  c: Question & { readonly group?: string },
  tensors: readonly Tensor[],
  answer: Answer,
  tolerance: number,
): Promise<void> {
  const shapes = answer.map(({ shape }) => [...shape]);
  assertEquals(tensors.map((t) => [...t.shape]), shapes, keyOf(c));
  for (const [slot, t] of tensors.entries()) {
    const got = await t.data();
    const values = numbers(answer[slot]);
    assert(got.length === values.length, `${keyOf(c)}: ${got.length} numbers`);
    values.forEach((value, k) => {
      // a float32 result overflows and underflows where float32 does
      const want = t.dtype === "float32" ? Math.fround(value) : value;
      assert(
        isClose(got[k], want, t.dtype === "int32" ? 0 : tolerance),
        `${keyOf(c)}, result ${slot}, element ${k}: got ${got[k]}, expected ${want} ` +
          `(${c.formula}, ${c.reduction} over axis ${c.axis})`,
      );
    });
  }
}
