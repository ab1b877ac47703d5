// The K smallest, for every way in which they are found: K = 1 (the minimum), sorted lists, and
// candidates that are narrowed. Sizes around the blocks, orders of the columns, ties, NaN,
// infinities, schedules, splits and chunks.

import { assert, assertEquals } from "@std/assert";
import { type Engine, wasm, type WasmOptions } from "../../src/engine/mod.ts";
import { build, variable } from "../../src/formula/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { chooseNativeSchedule, chooseSchedule } from "../../src/tiling/mod.ts";
import { tensor } from "../../src/tensor/mod.ts";
import { fold } from "../../src/program/mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { checkFold, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { type Random, randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const distance = build.sqDist(x, y);
const difference = build.sub(x, y);
const a = variable(2, "i", 1);
const b = variable(3, "j", 1);

/** One K for every way, and both sides of where they change. */
const COUNTS = [1, 2, 5, 16, 17, 40, 100, 200] as const;

const base = { formula: distance, reduction: "kMinArgKMin", axis: "j" } as const;

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`k smallest in ${dtype}: agree with the reference at all sizes`, async () => {
    const random = randomFor(`k ${dtype}`);
    for (const k of COUNTS) {
      for (const [M, N] of [[1, 1], [3, k], [5, k + 1], [18, 63], [7, 64], [33, 517], [9, 5003]]) {
        for (const axis of ["i", "j"] as const) {
          await checkFold({ ...base, axis, M, N, dtype, k }, random);
        }
        await checkFold({ ...base, formula: difference, M, N, dtype, k }, random);
      }
    }
  });

  Deno.test(`k smallest in ${dtype}: columns in falling, rising and equal order`, async () => {
    const random = randomFor(`orders ${dtype}`);
    const orders: Record<string, (n: number) => number> = {
      falling: (n) => -n,
      rising: (n) => n,
      equal: () => 7,
      "falling by steps": (n) => -Math.floor(n / 90),
      "two values": (n) => n % 2,
      "signed zeros": (n) => n % 3 === 0 ? -0 : 0,
    };
    for (const order of Object.values(orders)) {
      for (const k of COUNTS) {
        for (const N of [50, 300, 2011]) {
          const data = new Map([[3, Array.from({ length: N }, (_, n) => order(n))], [2, [
            1,
            2,
            3,
          ]]]);
          const formula = build.mul(a, b);
          await checkFold({ ...base, formula, M: 3, N, dtype, k, data }, random);
        }
      }
    }
  });

  Deno.test(`k smallest in ${dtype}: NaN and infinities among the columns`, async () => {
    const random = randomFor(`special k ${dtype}`);
    const special = [NaN, Infinity, -Infinity, 1e30, -1e30, 0, -0];
    for (const share of [0.01, 0.5, 0.97, 1]) {
      for (const list of [special, [NaN], [Infinity], [-Infinity]]) {
        for (const k of COUNTS) {
          const N = random.pick([70, 401, 1500]);
          const values = Array.from(
            { length: N },
            () => random.next() < share ? random.pick(list) : random.uniform(-1, 1),
          );
          const data = new Map([[3, values], [2, [1, 0.5, NaN, 2, Infinity]]]);
          const formula = build.mul(a, b);
          await checkFold({ ...base, formula, M: 5, N, dtype, k, data }, random);
        }
      }
    }
  });
}

/** A case's numbers on an engine with options. */
async function bitsOn(options: WasmOptions, c: FoldCase, random: Random): Promise<unknown> {
  using device = wasm(options);
  return await runFold({ ...c, device }, inputsOf(c, random));
}

Deno.test("k smallest: the same bits for every schedule, thread count, split and chunk", async () => {
  for (const k of [1, 16, 40]) {
    for (const [M, N] of [[37, 3001], [3, 40_000], [400, 20_000]]) {
      const c = { ...base, M, N, dtype: "float32", k } as const;
      const name = `bits ${k} ${M} ${N}`;
      const want = await bitsOn({ threads: 1, schedule: "untiled" }, c, randomFor(name));
      const cuts = [[2, 2], [3, 1], [1, 8], [4, 4]].map(([rowVectors, columns]) => ({
        threads: 1,
        schedule: {
          rowVectors,
          interleave: rowVectors,
          columns,
          operands: "locals" as const,
          surveys: columns !== 2,
        },
      }));
      const others = [
        { threads: 3, threadedPairs: 1 },
        // less than the states of 400 rows and 3 splits
        { threads: 1, memoryLimit: 1_200_000 },
        { threads: 1, sharedMemory: false },
      ];
      for (const options of [...cuts, ...others]) {
        assertEquals(await bitsOn(options, c, randomFor(name)), want, name);
      }
    }
  }
});

Deno.test("k smallest of vectors: lists whose arrays stand in another order than their lanes", async () => {
  const formula = build.sub(variable(0, "i", 16), variable(1, "j", 16));
  for (const dtype of ["float32", "float64"] as const) {
    const c = { ...base, formula, reduction: "argKMin", M: 17, N: 64, dtype, k: 40 } as const;
    const want = await bitsOn({ threads: 1, schedule: "untiled" }, c, randomFor("many lists"));
    const schedule = { rowVectors: 3, interleave: 3, columns: 2, operands: "memory" } as const;
    const options = { threads: 1, schedule, quickOperations: 0 };
    const got = await bitsOn(options, c, randomFor("many lists"));
    assertEquals(got, want, dtype);
  }
});

/** More than two lots of 4096 groups of 8 columns, and some columns. */
const LOTS = 71_003;
const ORDERS_OF_LOTS: Readonly<Record<string, (n: number) => number>> = {
  falling: (n) => -n,
  "falling by steps": (n) => -Math.floor(n / 9000),
  "the best at the ends": (n) => Math.abs(n - LOTS / 2) * -1,
  scattered: (n) => (n * 7919) % 4001,
  "few numbers": (n) => n % 900 === 7 ? n % 31 : NaN,
};

/** Results over lots in every order, on engines; the first of them surveys nothing. */
async function checkSurveys(
  name: string,
  k: number,
  dtype: FoldCase["dtype"],
  engines: readonly (() => Engine & Disposable)[],
): Promise<void> {
  const random = randomFor(name);
  for (const [order, value] of Object.entries(ORDERS_OF_LOTS)) {
    const data = new Map([[3, Array.from({ length: LOTS }, (_, n) => value(n))]]);
    const c = { ...base, formula: build.mul(a, b), M: 83, N: LOTS, dtype, k, data } as const;
    const inputs = inputsOf(c, random);
    const results: unknown[] = [];
    for (const engine of engines) {
      using device = engine();
      results.push(await runFold({ ...c, device }, inputs));
    }
    for (const result of results) assertEquals(result, results[0], `${order} k ${k}`);
  }
}

/** Sorted lists are surveyed late unless asked for. */
const surveyingLists = (): ReturnType<typeof wasm> =>
  wasm({
    threads: 1,
    schedule: { rowVectors: 2, interleave: 2, columns: 2, operands: "locals", surveys: true },
  });

const unsurveyed = (): ReturnType<typeof wasm> => wasm({ threads: 1, schedule: "untiled" });

Deno.test("k smallest: a survey over several lots of columns, in any order, changes no bit", async () => {
  for (const k of [30, 300]) { // spans of four groups, and of two
    await checkSurveys("lots", k, "float32", [unsurveyed, () => wasm({ threads: 1 })]);
  }
  // sorted lists
  for (const k of [4, 16]) {
    const dtype = k === 4 ? "float64" : "float32";
    await checkSurveys("lists", k, dtype, [unsurveyed, () => surveyingLists()]);
  }
});

testUnless(
  withoutCompiler,
  "k smallest: native surveys change no bit, of one vector of rows or several",
  async () => {
    const surveying = (rowVectors: number) => () =>
      testEngine({
        threads: 1,
        schedule: { rowVectors, interleave: rowVectors, columns: 1, surveys: true },
      });
    await checkSurveys("native lots", 30, "float32", [unsurveyed, surveying(1), surveying(2)]);
    await checkSurveys("native lots", 300, "float64", [unsurveyed, surveying(1)]);
    await checkSurveys("native lists", 10, "float32", [unsurveyed, surveying(1), surveying(2)]);
  },
);

function smallestKernel(k: number, formula = distance): ReturnType<typeof lower> {
  const options = { sumScheme: "compensated", accumulator: "f32", k } as const;
  const inputs = [x, y];
  const fold = { formula, reduction: "argKMin", float: "f32", inputs, options } as const;
  return lower({ ...fold, fastMath: false }, expandedMath);
}

Deno.test("sorted lists are surveyed once enough was done, candidates at once, vectors never", () => {
  const of = (kernel: ReturnType<typeof lower>, done: number): boolean =>
    chooseSchedule(kernel, 1000, done).surveys === true;
  assertEquals([1e7, 1e8, 1e10].map((done) => of(smallestKernel(10), done)), [false, false, true]);
  assertEquals([1e7, 1e8, 1e10].map((done) => of(smallestKernel(40), done)), [true, true, true]);
  assert(!of(smallestKernel(10, difference), 1e10));
  assert(!of(smallestKernel(2), 1e10));
  const registers = { vectorBytes: 64, registers: 32 };
  const native = (M: number): unknown =>
    chooseNativeSchedule(smallestKernel(10), M, 30_000, registers).surveys;
  assertEquals([native(100), native(30_000)], [undefined, true]);
});

Deno.test("sorted lists of short folds are surveyed after many of them, with the same bits", async () => {
  const random = randomFor("after many");
  using device = wasm({ threads: 2, quickOperations: 0 });
  const sizes = { M: 2003, N: 30_011, dtype: "float32", k: 10 } as const;
  const c = { ...base, ...sizes, device, choices: { culling: false } } as const;
  const inputs = inputsOf(c, random);
  const first = await runFold(c, inputs);
  assertEquals(device.compiledPrograms, 1);
  for (let n = 0; n < 5; n++) assertEquals(await runFold(c, inputs), first);
  assertEquals(device.compiledPrograms, 2, "one program with a survey");
});

Deno.test("k = 1 is lowered as the minimum, with the shape and the padding of a list", async () => {
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const of = (reduction: "kMinArgKMin" | "minArgMin"): number => {
    const { state, pair } = lower({
      formula: distance,
      reduction,
      float: "f32",
      inputs: [x, y],
      options,
      fastMath: false,
    }, expandedMath);
    assert(state.every((item) => item.kind === "cell"));
    return pair.statements.length;
  };
  assertEquals(of("kMinArgKMin"), of("minArgMin"));
  const none = tensor(new Float32Array(0), [0, 3]);
  const rows = tensor(new Float32Array(6), [2, 3]);
  const [values, indices] = fold({
    ...base,
    inputs: new Map([[0, rows], [1, none]]),
    M: 2,
    N: 0,
    dtype: "float32",
    k: 1,
    choices: {},
  });
  assertEquals(values.shape, [2, 1]);
  assertEquals(await values.array(), [[Infinity], [Infinity]]);
  assertEquals(await indices.array(), [[-1], [-1]]);
});

Deno.test("k smallest of long vectors: dims to 1000, splits, ties, missing neighbours", async () => {
  const random = randomFor("long");
  for (const [dim, k] of [[33, 2], [100, 17], [1000, 3]]) {
    const long = build.sub(variable(4, "i", dim), variable(5, "j", dim));
    for (const [M, N] of [[3, 17], [1, dim === 33 ? 9001 : 200]]) {
      const values = Array.from(
        { length: N * dim },
        () => random.pick([0, 1, 2, NaN, random.next()]),
      );
      const c = { ...base, formula: long, M, N, dtype: "float32", k } as const;
      await checkFold({ ...c, data: new Map([[5, values]]) }, random);
    }
  }
});

Deno.test("indices beyond 2^24 are exact, and so are counts", async () => {
  const N = 2 ** 24 + 70;
  const numbers = new Float32Array(N).fill(1);
  // neighbours that float32 cannot tell apart as numbers
  const winners = [2 ** 24 + 3, 2 ** 24 + 5, 2 ** 24 + 7, 2 ** 24 + 65];
  winners.forEach((j, n) => numbers[j] = -9 + n);
  const inputs = new Map([[0, tensor(numbers, [N, 1], { copy: false })]]);
  const request = { inputs, axis: "j", M: 1, N, dtype: "float32", choices: {} } as const;
  const formula = variable(0, "j", 1);
  const first = async (reduction: FoldCase["reduction"], k: number): Promise<number[]> => {
    const outputs = fold({ ...request, formula, reduction, k });
    return [...await outputs[outputs.length - 1].data()];
  };
  assertEquals(await first("argMin", 1), [winners[0]]);
  assertEquals(await first("argKMin", 1), [winners[0]]);
  assertEquals(await first("argKMin", 4), winners);
  assertEquals((await first("argKMin", 20)).slice(0, 4), winners);
  assertEquals(await first("count", 1), [N]);
});
