// Every reduction against the reference: both axes, both dtypes, scalars and vectors, all kinds of
// sizes, empty clouds, NaN and infinities.

import { build, index, type Node, variable } from "../../src/formula/mod.ts";
import { REDUCTIONS, reductions } from "../../src/reduction/mod.ts";
import { checkFold, fitting, inputsOf, runFold, TOLERANCE } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const g = variable(3, "p", 1);

const gaussian = build.mul(build.exp(build.neg(build.mul(build.square(g), build.sqDist(x, y)))), b);
const vector = build.mul(build.sub(x, y), b);

/** Exponents far apart (e^F errs by |F| times as much), and weights whose logarithms exist. */
const exponent = build.mul(build.constant(40), build.sub(build.elem(x, 0), build.elem(y, 1)));
const positive = build.square(build.concat(vector, b));

const SIZES = [[1, 1], [3, 1], [1, 3], [17, 5], [517, 1031], [4001, 7], [7, 4001], [3, 40_000]];

for (const reduction of REDUCTIONS) {
  for (const dtype of ["float32", "float64"] as const) {
    Deno.test(`${reduction} in ${dtype}: agrees with the reference at all sizes`, async () => {
      const random = randomFor(`${reduction} ${dtype}`);
      for (const [M, N] of SIZES) {
        for (const axis of ["i", "j"] as const) {
          for (
            const formulas of [
              fitting(reduction, gaussian, exponent, build.square(b)),
              fitting(reduction, vector, gaussian, positive),
            ]
          ) {
            const tolerance = TOLERANCE[dtype] * (formulas.formula === exponent ? 5 : 1);
            const c = { ...formulas, reduction, axis, M, N, dtype, k: 4, tolerance } as const;
            await checkFold(c, random);
          }
        }
      }
    });

    Deno.test(`${reduction} in ${dtype}: vectors of dim 1, 2, 5, 33 and 100`, async () => {
      const random = randomFor(`${reduction} ${dtype} dims`);
      if (reductions[reduction].takes === "scalar") return; // has no vectors
      for (const dim of [1, 2, 5, 33, 100]) {
        const long = build.mul(variable(6, "i", dim), variable(7, "j", dim));
        const formulas = fitting(reduction, long, gaussian, build.square(long));
        for (const [M, N] of [[1, 1], [3, 5], [37, 129]]) {
          for (const axis of ["i", "j"] as const) {
            await checkFold({ ...formulas, reduction, axis, M, N, dtype, k: 3 }, random);
          }
        }
      }
    });
  }

  Deno.test(`${reduction}: a fold over nothing gives the neutral element, no rows give none`, async () => {
    const random = randomFor(`empty ${reduction}`);
    const formulas = fitting(reduction, gaussian, gaussian, vector);
    for (const dtype of ["float32", "float64"] as const) {
      for (const [M, N] of [[5, 0], [0, 5], [0, 0]]) {
        for (const axis of ["i", "j"] as const) {
          await checkFold({ ...formulas, reduction, axis, M, N, dtype, k: 3 }, random);
        }
      }
    }
  });

  Deno.test(`${reduction}: NaN and infinities, anywhere`, async () => {
    const random = randomFor(`special ${reduction}`);
    const { takes } = reductions[reduction];
    const special = [NaN, Infinity, -Infinity, 0, -0, 1e12, -1e12];
    for (let round = 0; round < 24; round++) {
      const dtype = random.pick(["float32", "float64"] as const);
      const axis = random.pick(["i", "j"] as const);
      const [M, N] = random.pick([[5, 67], [18, 131], [3, 200], [33, 16]]);
      const sprinkle = (length: number, share: number): number[] =>
        Array.from(
          { length },
          () => random.next() < share ? random.pick(special) : random.uniform(-1, 1),
        );
      const share = random.pick([0, 0.02, 0.3, 1]);
      const data = new Map([
        [0, sprinkle(M * 3, random.pick([0, 0.05]))],
        [1, sprinkle(N * 3, random.pick([0, 0.05, share]))],
        [2, sprinkle(N, share)],
        [3, [random.uniform(0.5, 1)]],
        [8, sprinkle(N, random.pick([0, 0.02])).map((w) => Math.abs(w) === Infinity ? 1 : w)],
      ]);
      const formula: Node = takes === "components"
        ? random.pick([gaussian, vector, build.mul(b, build.sum(x))])
        : random.pick([gaussian, build.mul(b, build.sum(x))]);
      const weight = variable(8, "j", 1);
      const formulas = fitting(reduction, formula, formula, build.concat(weight, weight));
      await checkFold({ ...formulas, reduction, axis, M, N, dtype, k: 3, data }, random);
    }
  });
}

Deno.test("special values at a tile's tail and in its padding change nothing else", async () => {
  const random = randomFor("tail");
  for (const M of [1, 15, 16, 17, 31, 33]) {
    for (const N of [63, 64, 65, 127]) {
      const weights = random.float32(N);
      weights[N - 1] = Infinity;
      const rows = random.float32(M * 3);
      rows[M * 3 - 1] = NaN;
      const data = new Map<number, ArrayLike<number>>([[2, weights], [0, rows]]);
      for (const reduction of ["sum", "min", "logSumExp"] as const) {
        const c = {
          formula: gaussian,
          reduction,
          axis: "j",
          M,
          N,
          dtype: "float32",
          data,
        } as const;
        await checkFold(c, random);
      }
    }
  }
});

Deno.test("ties go to the lower index, over blocks and splits", async () => {
  const random = randomFor("ties");
  for (const N of [10, 200, 40_000]) {
    const data = new Map<number, ArrayLike<number>>([
      [2, Array.from({ length: N }, (_, j) => j % 5 === 3 ? -1 : j % 7 === 2 ? 2 : 0)],
    ]);
    for (const reduction of ["argMin", "argMax", "argKMin"] as const) {
      const formula = build.mul(b, build.square(variable(4, "i", 1)));
      const c = { formula, reduction, axis: "j", M: 3, N, dtype: "float32", k: 3, data } as const;
      await checkFold(c, random);
    }
  }
});

Deno.test("sums of 1e5 equal terms keep six digits; compensation is what does it", async () => {
  const random = randomFor("accuracy");
  const N = 100_000;
  const weights = new Float32Array(N).fill(0.1);
  const want = N * weights[0];
  const errors: Record<string, number> = {};
  for (const sumScheme of ["compensated", "block", "direct"] as const) {
    const data = new Map<number, ArrayLike<number>>([[2, weights], [
      4,
      new Float32Array(200).fill(1),
    ]]);
    const formula = build.mul(b, variable(4, "i", 1));
    const c = {
      formula,
      reduction: "sum",
      axis: "j",
      M: 200,
      N,
      dtype: "float32",
      data,
      choices: { sumScheme },
    } as const;
    const [out] = await runFold(c, inputsOf(c, random));
    errors[sumScheme] = Math.abs(out[0] - want) / want;
  }
  assert(errors.compensated < 1e-6, `compensated: ${errors.compensated}`);
  assert(errors.direct > 10 * errors.compensated, `direct: ${errors.direct}`);
});

Deno.test("float64 accumulators serve every sum scheme", async () => {
  const random = randomFor("wide");
  for (const sumScheme of ["compensated", "block", "direct"] as const) {
    for (const reduction of ["sum", "logSumExp"] as const) {
      for (const [M, N] of [[37, 1031], [3, 40_000]]) {
        const choices = { sumScheme, accumulator: "float64" } as const;
        await checkFold({
          formula: gaussian,
          reduction,
          axis: "j",
          M,
          N,
          dtype: "float32",
          choices,
        }, random);
      }
    }
  }
});

Deno.test("integer variables compare with indices exactly, in both float types", async () => {
  const random = randomFor("integers");
  const chosen = variable(5, "i", 1, "index");
  const formula = build.where(build.eq(index("j"), chosen), b, build.constant(0));
  for (const dtype of ["float32", "float64"] as const) {
    for (const [M, N] of [[5, 9], [131, 517]]) {
      await checkFold({ formula, reduction: "sum", axis: "j", M, N, dtype }, random);
    }
    const asNumber = build.mul(build.add(chosen, index("j")), b);
    await checkFold({ formula: asNumber, reduction: "sum", axis: "i", M: 33, N: 6, dtype }, random);
  }
});

Deno.test("bare indices and integer variables are folded as numbers", async () => {
  const random = randomFor("bare");
  const chosen = variable(5, "j", 2, "index");
  for (const reduction of ["sum", "mean", "min", "argMax", "kMin", "count"] as const) {
    for (const formula of [index("j"), chosen]) {
      for (const dtype of ["float32", "float64"] as const) {
        await checkFold({ formula, reduction, axis: "j", M: 3, N: 77, dtype, k: 4 }, random);
      }
    }
  }
});

Deno.test("exponents around ±500, and −∞ before all else", async () => {
  const random = randomFor("far");
  const names = ["logSumExp", "logSumExpWeight", "sumSoftMaxWeight", "maxSumShiftExp"] as const;
  const f = build.add(variable(4, "i", 1), variable(5, "j", 1));
  for (const reduction of [...names, "maxSumShiftExpWeight"] as const) {
    for (const dtype of ["float32", "float64"] as const) {
      for (const far of [500, -500]) {
        for (const first of [0, 1, 70, 200]) {
          const N = 200;
          const exponents = Array.from(
            { length: N },
            (_, j) => j < first ? -Infinity : far + random.uniform(-3, 3),
          );
          const data = new Map([[5, exponents], [4, [0, 0.5, -0.25]]]);
          const formulas = fitting(reduction, f, f, build.square(b));
          // an exponent of 500 is rounded to 500 · 2^−24 in float32
          const tolerance = dtype === "float32" ? 1e-4 : 1e-12;
          const c = { ...formulas, reduction, axis: "j", M: 3, N, dtype, data, tolerance } as const;
          await checkFold(c, random);
        }
      }
    }
  }
});

Deno.test("a reduction's formulas must fit: scalars, weights", async () => {
  const random = randomFor("refused");
  const c = { axis: "j", M: 1, N: 3, dtype: "float32" } as const;
  const wrong = [
    { formula: vector, weight: b, reduction: "logSumExpWeight", says: "dim 3; expected a scalar" },
    { formula: vector, reduction: "maxSumShiftExp", says: "expected a scalar" },
    { formula: gaussian, reduction: "sumSoftMaxWeight", says: "no weight; expected a weight" },
    { formula: gaussian, weight: b, reduction: "sum", says: "a weight of dim 1; expected none" },
  ] as const;
  for (const { says, ...part } of wrong) {
    const refused = { ...c, ...part };
    const error = await assertRejects(
      () => runFold(refused, inputsOf(refused, random)),
      PairfoldError,
      says,
    );
    assertEquals(error.code, "dim");
  }
});

Deno.test("a float32 accumulator for float64 tensors is refused", async () => {
  const random = randomFor("narrow");
  const c = { formula: b, reduction: "sum", axis: "j", M: 1, N: 3, dtype: "float64" } as const;
  const choices = { accumulator: "float32" } as const;
  const error = await assertRejects(
    () => runFold({ ...c, choices }, inputsOf(c, random)),
    PairfoldError,
  );
  assertEquals(error.code, "dtype");
});
