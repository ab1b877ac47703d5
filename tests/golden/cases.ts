// The answers of KeOps in tests/data/keops_golden.json, and how ours are held against them.
//
// Enters: a case and its formula in our vocabulary. Leaves: nothing, or an error that says where
// the values part.

import { assert, assertEquals } from "@std/assert";
import { type LazyTensor, Pm, type Tensor, tensor, Vi, Vj } from "../../mod.ts";

/** A number as the file has it: JSON knows no NaN and no infinity. */
type Written = number | "NaN" | "Infinity" | "-Infinity";

/** An array of the file, row-major. */
interface WrittenArray {
  readonly shape: readonly number[];
  readonly data: readonly Written[];
}

/** One question to KeOps and its answer. */
export interface GoldenCase {
  readonly name: string;
  readonly group: string;
  readonly formula: string;
  readonly aliases: readonly string[];
  readonly reduction: string;
  readonly axis: 0 | 1;
  readonly k?: number;
  readonly inputs: readonly {
    readonly category: "Vi" | "Vj" | "Pm";
    readonly dim: number;
    readonly rows: number;
    readonly data: readonly Written[];
  }[];
  readonly output: WrittenArray;
  readonly indices?: WrittenArray;
  readonly tolerance: number;
}

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
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../data/keops_golden.json", import.meta.url)),
);

export const CASES: readonly GoldenCase[] = golden.cases;
export const DEVIATIONS: ReadonlyMap<string, Deviation> = new Map(
  golden.deviations.map((deviation) => [deviation.case, deviation]),
);

/** The name that tables use for a case. */
export const keyOf = (c: Pick<GoldenCase, "group" | "name">): string => `${c.group}: ${c.name}`;

/** Values that a fold must give: one list per result, row-major. */
export type Answer = readonly (readonly number[])[];

/** What KeOps answered. */
export function answerOf(c: GoldenCase): Answer {
  return [c.output, c.indices].flatMap((array) => array === undefined ? [] : [numbers(array)]);
}

/** What numpy gives where KeOps deviates. */
export function referenceOf(deviation: Deviation): Answer {
  return deviation.reference.map(numbers);
}

const numbers = (array: WrittenArray): number[] => array.data.map(Number);

export type Float = "float32" | "float64";

/** The inputs of a case as symbolic variables, by position. */
export function inputsOf(c: GoldenCase, dtype: Float): LazyTensor[] {
  return c.inputs.map(({ category, dim, data }) => {
    const values = data.map(Number);
    const array = dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values);
    if (category === "Pm") return Pm(tensor(array));
    return (category === "Vi" ? Vi : Vj)(array, dim);
  });
}

type Fold = (f: LazyTensor, axis: 0 | 1, k: number) => Tensor[];

/** KeOps' names of reductions. */
export const FOLDS: Readonly<Record<string, Fold>> = {
  Sum: (f, axis) => [f.sum(axis)],
  LogSumExp: (f, axis) => [f.logSumExp(axis)],
  Min: (f, axis) => [f.min(axis)],
  Max: (f, axis) => [f.max(axis)],
  ArgMin: (f, axis) => [f.argMin(axis)],
  ArgMax: (f, axis) => [f.argMax(axis)],
  Min_ArgMin: (f, axis) => f.minArgMin(axis),
  Max_ArgMax: (f, axis) => f.maxArgMax(axis),
  KMin: (f, axis, k) => [f.kMin(k, axis)],
  ArgKMin: (f, axis, k) => [f.argKMin(k, axis)],
  KMin_ArgKMin: (f, axis, k) => f.kMinArgKMin(k, axis),
};

/** Relative to max(1, |value|), as the file's own tolerances are. */
function isClose(got: number, want: number, tolerance: number): boolean {
  if (got === want || (Number.isNaN(got) && Number.isNaN(want))) return true;
  return Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want)); // false for NaN and ∞ − x
}

/** Our results for a case, by a formula of its inputs. */
export function foldsOf(
  c: GoldenCase,
  dtype: Float,
  formula: (args: LazyTensor[]) => LazyTensor,
): Tensor[] {
  const fold = FOLDS[c.reduction];
  assert(fold !== undefined, `${keyOf(c)}: no reduction ${c.reduction}`);
  return fold(formula(inputsOf(c, dtype)), c.axis, c.k ?? 1);
}

/** Fails unless results have the case's shapes and an answer's values; indices must be equal. */
export async function checkAnswer(
  c: GoldenCase,
  tensors: readonly Tensor[],
  answer: Answer,
  tolerance: number,
): Promise<void> {
  const shapes = [c.output, c.indices].flatMap((array) => array === undefined ? [] : [array.shape]);
  assertEquals(tensors.map((t) => [...t.shape]), shapes.map((shape) => [...shape]), keyOf(c));
  for (const [slot, t] of tensors.entries()) {
    const got = await t.data();
    assert(got.length === answer[slot].length, `${keyOf(c)}: ${got.length} numbers`);
    answer[slot].forEach((value, k) => {
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
