// Our values against those of KeOps itself, case by case, in float64 and in float32: its formula
// strings go through `genred` as they are.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { PairfoldError } from "../../mod.ts";
import {
  type Answer,
  answerOf,
  answerWith,
  CASES,
  checkAnswer,
  DEVIATIONS,
  FAILURES,
  type Float,
  functionOf,
  type GoldenCase,
  keyOf,
  resultsOf,
} from "./cases.ts";
import { AS_KEOPS, DIFFERENCES } from "./differences.ts";

/** Relative to max(1, |value|): the inputs are rounded too, and the formulas multiply that. */
const FLOAT32_TOLERANCE = 4e-6;
/** numpy's gradients are differenced: what the script that wrote the file asks of them. */
const DIFFERENCED_TOLERANCE = 1e-8;

/** What a case must give, how closely, and who says so. */
function expectationOf(c: GoldenCase): { answer: Answer; tolerance: number; by: string } {
  const key = keyOf(c);
  const difference = DIFFERENCES.get(key);
  if (difference !== undefined) {
    return {
      answer: answerWith(c, difference.answer),
      tolerance: 1e-12,
      by: `our convention, ${difference.reason}`,
    };
  }
  if (AS_KEOPS.has(key)) return { answer: answerOf(c), tolerance: c.tolerance, by: "KeOps" };
  const deviation = DEVIATIONS.get(key);
  if (deviation !== undefined) {
    const isDifferenced = c.group === "gradient" || c.group === "derivative";
    const tolerance = isDifferenced ? DIFFERENCED_TOLERANCE : 1e-12;
    return { answer: deviation.reference, tolerance, by: `numpy, ${deviation.what}` };
  }
  return { answer: answerOf(c), tolerance: c.tolerance, by: "KeOps" };
}

for (const c of CASES) {
  const key = keyOf(c);
  const { answer, tolerance, by } = expectationOf(c);
  const dtypes: [Float, number][] = [];
  if (!c.name.includes("float64 alone")) dtypes.push(["float32", FLOAT32_TOLERANCE]);
  if (c.dtype === "float64") dtypes.push(["float64", tolerance]);
  for (const [dtype, within] of dtypes) {
    Deno.test(`golden ${key}, ${dtype}: agrees with ${by}`, async () => {
      await checkAnswer(c, resultsOf(c, dtype), answer, within);
    });
  }
}

for (const failure of FAILURES) {
  const { name, inputs, reference, tolerance = 1e-8 } = failure;
  if (inputs === undefined || reference === undefined) {
    Deno.test(`golden failure: ${name}: builds, or is an error that says why`, () => {
      try {
        functionOf(failure, "float64");
      } catch (error) {
        assert(error instanceof PairfoldError, `${name}: ${error}`);
        assert(["syntax", "dim", "shape"].includes(error.code), error.message);
      }
    });
  } else {
    Deno.test(`golden failure: ${name}: KeOps fails, we agree with numpy`, async () => {
      const c = { ...failure, inputs };
      // numpy's derivatives are differenced, and ours are not
      const isDerivative = /Grad|Diff|Div|Laplacian|Operator/.test(failure.formula);
      const within = isDerivative ? Math.max(tolerance, 1e-7) : tolerance;
      await checkAnswer(c, resultsOf(c, "float64"), reference, within);
    });
  }
}

Deno.test("golden: every case has its own name, every entry of a table names a case", () => {
  const keys = CASES.map(keyOf);
  assertEquals(new Set(keys).size, keys.length, "two cases of one name");
  const known = new Set(keys);
  const entries = [...DIFFERENCES.keys(), ...AS_KEOPS.keys(), ...DEVIATIONS.keys()];
  assertEquals(entries.filter((key) => !known.has(key)), [], "entries without a case");
});

Deno.test("golden: stated differences differ from what KeOps answers", async () => {
  for (const c of CASES.filter((one) => DIFFERENCES.has(keyOf(one)))) {
    await assertRejects(
      () => checkAnswer(c, resultsOf(c, "float64"), answerOf(c), c.tolerance),
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
  const refuses = async (key: string, change: Partial<GoldenCase>): Promise<void> => {
    const c = find(key);
    const tensors = resultsOf({ ...c, ...change }, "float64");
    await assertRejects(() => checkAnswer(c, tensors, answerOf(c), c.tolerance), Error, key);
  };
  await refuses("op: add", { formula: "X-Y" });
  await refuses("gradient: sin", { formula: "Grad(Sin(X-Y),X,-E)" });
  await refuses("reduction: ArgMin, axis 1", { formula: "-SqDist(X,Y)" });
  await refuses("reduction: Min, axis 1", { axis: 0 });
});
