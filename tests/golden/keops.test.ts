// Our values against those of KeOps itself, case by case, in float64 and in float32.

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Answer,
  answerOf,
  CASES,
  checkAnswer,
  DEVIATIONS,
  type Float,
  foldsOf,
  type GoldenCase,
  keyOf,
  referenceOf,
} from "./cases.ts";
import { DIFFERENCES, FORMULAS, NOT_YET } from "./formulas.ts";

/** Relative to max(1, |value|): the inputs are rounded too, and the formulas multiply that. */
const FLOAT32_TOLERANCE = 2e-6;
/** numpy's gradients are differenced: what the script that wrote the file asks of them. */
const DIFFERENCED_TOLERANCE = 1e-8;

/** What a case must give, how closely, and who says so. */
function expectationOf(c: GoldenCase): { answer: Answer; tolerance: number; by: string } {
  const key = keyOf(c);
  const difference = DIFFERENCES.get(key);
  if (difference !== undefined) {
    return {
      answer: difference.answer,
      tolerance: 1e-12,
      by: `our convention, ${difference.reason}`,
    };
  }
  const deviation = DEVIATIONS.get(key);
  if (deviation !== undefined) {
    const tolerance = c.group === "gradient" ? DIFFERENCED_TOLERANCE : 1e-12;
    return { answer: referenceOf(deviation), tolerance, by: `numpy, ${deviation.what}` };
  }
  return { answer: answerOf(c), tolerance: c.tolerance, by: "KeOps" };
}

for (const c of CASES) {
  const key = keyOf(c);
  const missing = NOT_YET.get(key);
  if (missing !== undefined) {
    Deno.test({ name: `golden ${key}: not yet, needs ${missing}`, ignore: true, fn: () => {} });
    continue;
  }
  const formula = FORMULAS.get(key);
  if (formula === undefined) {
    const reason = `its formula is not said here: ${c.formula}, ${c.reduction}`;
    Deno.test({ name: `golden ${key}: skipped, ${reason}`, ignore: true, fn: () => {} });
    continue;
  }
  const { answer, tolerance, by } = expectationOf(c);
  const dtypes: readonly [Float, number][] = [
    ["float64", tolerance],
    ["float32", FLOAT32_TOLERANCE],
  ];
  for (const [dtype, within] of dtypes) {
    Deno.test(`golden ${key}, ${dtype}: agrees with ${by}`, async () => {
      await checkAnswer(c, foldsOf(c, dtype, formula), answer, within);
    });
  }
}

Deno.test("golden: no case is in two tables, every entry names a case", () => {
  const keys = CASES.map(keyOf);
  const tables = keys.map((key) => Number(FORMULAS.has(key)) + Number(NOT_YET.has(key)));
  assertEquals(keys.filter((_, k) => tables[k] > 1), [], "cases in two tables");
  assertEquals(new Set(keys).size, keys.length, "two cases of one name");
  const known = new Set(keys);
  const entries = [...FORMULAS.keys(), ...NOT_YET.keys(), ...DIFFERENCES.keys()];
  assertEquals(entries.filter((key) => !known.has(key)), [], "entries without a case");
  assertEquals([...DIFFERENCES.keys()].filter((key) => NOT_YET.has(key)), []);
  assertEquals([...DEVIATIONS.keys()].filter((key) => !known.has(key)), []);
});

Deno.test("golden: stated differences differ from what KeOps answers", async () => {
  for (const c of CASES.filter((one) => DIFFERENCES.has(keyOf(one)))) {
    const formula = FORMULAS.get(keyOf(c));
    assert(formula !== undefined);
    await assertRejects(
      () => checkAnswer(c, foldsOf(c, "float64", formula), answerOf(c), c.tolerance),
      Error,
      keyOf(c),
    );
  }
});

Deno.test("golden: the checker refuses a flipped sign, index or axis", async () => {
  const find = (key: string): GoldenCase => {
    const found = CASES.find((c) => keyOf(c) === key);
    assert(found !== undefined, key);
    return found;
  };
  const refuses = async (
    key: string,
    wrong: Parameters<typeof foldsOf>[2],
    change: Partial<GoldenCase> = {},
  ): Promise<void> => {
    const c = find(key);
    const tensors = foldsOf({ ...c, ...change }, "float64", wrong);
    await assertRejects(() => checkAnswer(c, tensors, answerOf(c), c.tolerance), Error, key);
  };
  await refuses("op: add", ([x, y]) => x.sub(y));
  await refuses("gradient: sin", ([x, y, e]) => x.sub(y).sin().grad(x, e.neg()));
  await refuses("reduction: ArgMin, axis 1", ([x, y]) => x.sqDist(y).neg());
  await refuses("reduction: Min, axis 1", ([x, y]) => x.sqDist(y), { axis: 0 });
});
