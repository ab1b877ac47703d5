// The native engine beyond the conformance suites, which run on it by PAIRFOLD_TEST_DEVICE=native:
// threads, schedules, vector widths, chunks, progress and abort; its results against the reference.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { native, type NativeOptions, type Progress, wasm } from "../../src/engine/mod.ts";
import { build, index, variable } from "../../src/formula/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { REDUCTIONS } from "../../src/reduction/mod.ts";
import { Pm, tensor, Vi, Vj } from "../../mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { checkFold, fitting, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);
const long = build.mul(variable(6, "i", 40), variable(7, "j", 40));
const FLOATS = ["float32", "float64"] as const;
/** Several calls on several threads, however little there is to do. */
const always = { threadedOperations: 1 };

/** Float types with their unit in the last place, least and largest numbers. */
const ROOTS = [
  ["float32", Float32Array, 2 ** -23, 2 ** -149, 3.4e38],
  ["float64", Float64Array, 2 ** -52, 2 ** -1074, 1.7e308],
] as const;

const test = (name: string, run: () => Promise<void>): void =>
  testUnless(withoutCompiler, `native: ${name}`, run);

async function bitsOn(options: NativeOptions, c: FoldCase): Promise<ArrayLike<number>[]> {
  const device = testEngine(options);
  return await runFold({ ...c, device }, inputsOf(c, randomFor(`native ${c.reduction}`)));
}

for (const dtype of FLOATS) {
  test(`every reduction agrees with the reference, ${dtype}`, async () => {
    const random = randomFor(`native ${dtype}`);
    const device = testEngine();
    for (const reduction of REDUCTIONS) {
      for (const [M, N] of [[1, 1], [3, 5], [517, 1031], [3, 40_000], [5, 0], [0, 5]]) {
        const formulas = fitting(reduction, vector, gaussian, build.square(vector));
        await checkFold({ ...formulas, reduction, axis: "j", M, N, dtype, k: 3, device }, random);
      }
      const formulas = fitting(reduction, long, gaussian, build.square(long));
      await checkFold(
        { ...formulas, reduction, axis: "i", M: 37, N: 129, dtype, k: 3, device },
        random,
      );
    }
  });
}

test("float64 sums of float32 terms, and the sine, which takes them for its arguments", async () => {
  const random = randomFor("native wide");
  const device = testEngine();
  for (const formula of [gaussian, vector, build.sin(build.mul(x, y))]) {
    for (const [M, N] of [[37, 1031], [3, 20_000]]) {
      const choices = { accumulator: "float64" } as const;
      const c = { formula, axis: "j", M, N, dtype: "float32", low: -30, high: 30 } as const;
      await checkFold({ ...c, reduction: "sum", choices, device }, random);
    }
  }
});

test("quotients by a square root: the same bits in vectors of any width, and right", async () => {
  const random = randomFor("native roots");
  for (const [dtype, TypedArray, ulp, least, largest] of ROOTS) {
    const decades = Math.log10(largest) - 1;
    const special = [0, Infinity, NaN, -1, -Infinity, least, 3 * least, 1e5 * least, largest, 1];
    const drawn = Array.from({ length: 2000 }, () => 10 ** random.uniform(-decades, decades));
    const radicands = TypedArray.from([...special, ...drawn]);
    const numerator = 1 + random.integer(9);
    const results: ArrayLike<number>[] = [];
    for (const vectorBytes of [16, 32, 64] as const) {
      const device = testEngine({ vectorBytes });
      // of pairs, though the only column is 1
      const root = Vi(radicands, 1).mul(Vj(TypedArray.of(1), 1)).sqrt();
      const quotients = root.inv().concat(Pm(numerator).div(root));
      results.push(await quotients.sum("j", { device }).data());
    }
    for (const other of results) assertEquals(other, results[0], dtype);
    radicands.forEach((q, n) => {
      for (const [k, a] of [1, numerator].entries()) {
        const got = results[0][2 * n + k];
        const want = TypedArray.of(a / Math.sqrt(q))[0];
        const isRight = Object.is(got, want) || Math.abs(got - want) <= 2 * ulp * want;
        assert(isRight, `${dtype}: got ${got} for ${a} / √${q}, expected ${want}`);
      }
    });
  }
});

test("indices of rows and columns, also as inputs", async () => {
  const random = randomFor("native indices");
  const device = testEngine();
  for (const dtype of FLOATS) {
    const formula = build.mul(build.lt(index("i"), index("j")), b);
    const c = { formula, reduction: "sum", M: 131, N: 131, dtype, device } as const;
    await checkFold({ ...c, axis: "j" }, random);
    await checkFold({ ...c, axis: "i" }, random);
  }
});

test("the same bits on 1, 2 and 4 threads", async () => {
  for (const reduction of REDUCTIONS) {
    for (const [M, N] of [[1031, 517], [40, 9001], [3, 70_001]]) {
      const formulas = fitting(reduction, vector, gaussian, vector);
      const c = { ...formulas, reduction, axis: "j", M, N, dtype: "float32", k: 3 } as const;
      const alone = await bitsOn({ threads: 1 }, c);
      for (const threads of [2, 4]) {
        assertEquals(await bitsOn({ threads, ...always }, c), alone, `${reduction} ${threads}`);
      }
    }
  }
});

test("the same bits with every schedule and width of vectors", async () => {
  for (const [k, reduction] of REDUCTIONS.entries()) {
    const dtype = FLOATS[k % 2];
    const formulas = fitting(reduction, vector, gaussian, vector);
    const c = { ...formulas, reduction, axis: "j", M: 53, N: 201, dtype, k: 3 } as const;
    const untiled = await bitsOn({ schedule: "untiled" }, c);
    for (const [rowVectors, interleave, columns] of [[2, 2, 1], [3, 1, 2], [2, 2, 8], [1, 1, 4]]) {
      const schedule = { rowVectors, interleave, columns };
      const tiled = await bitsOn({ schedule }, c);
      assertEquals(tiled, untiled, `${reduction} ${dtype} ${rowVectors}/${interleave}×${columns}`);
    }
    for (const vectorBytes of [16, 32, 64] as const) {
      const other = await bitsOn({ schedule: "untiled", vectorBytes }, c);
      assertEquals(other, untiled, `${reduction} ${dtype}, ${vectorBytes} bytes`);
    }
  }
});

for (
  const [name, options] of [
    ["the compiler's least machine", { machine: [] }],
    ["no instruction by name", { machine: ["-DPLAIN"] }],
    ["no instruction by name, vectors of 64 bytes", { machine: ["-DPLAIN"], vectorBytes: 64 }],
  ] as const
) {
  test(`${name}: every reduction agrees with the reference`, async () => {
    const random = randomFor(name);
    const device = testEngine(options);
    for (const [k, reduction] of REDUCTIONS.entries()) {
      const formulas = fitting(reduction, vector, gaussian, build.square(vector));
      const c = {
        ...formulas,
        reduction,
        axis: "j",
        M: 37,
        N: 1031,
        dtype: FLOATS[k % 2],
      } as const;
      await checkFold({ ...c, k: 3, device }, random);
    }
  });
}

test("chunks of a fold beyond the memory limit change no bit", async () => {
  for (const reduction of ["sum", "logSumExp", "argKMin"] as const) {
    for (const [M, N] of [[2003, 1501], [5, 30_011], [30_011, 5], [400, 5000]]) {
      const formulas = fitting(reduction, vector, gaussian, vector);
      const c = { ...formulas, reduction, axis: "j", M, N, dtype: "float32", k: 3 } as const;
      const whole = await bitsOn({ threads: 1 }, c);
      const chunked = await bitsOn({ ...always, memoryLimit: 120_000 }, c);
      assertEquals(chunked, whole, `${reduction} ${M}×${N}`);
    }
  }
});

test("rows too long for a thread's stack stand in scratch memory", async () => {
  const dim = 12_000;
  const [x, y] = [variable(0, "i", dim), variable(1, "j", dim)];
  const formula = build.exp(build.mul(build.constant(-1 / dim), build.sqDist(x, y)));
  const device = testEngine(always);
  const shape = { reduction: "sum", axis: "j", M: 49, N: 35, dtype: "float32" } as const;
  await checkFold({ ...shape, formula, device }, randomFor("long rows"));
  const rows = (dim: number): string => {
    const [x, y] = [49, 35].map((count) => tensor(new Float32Array(count * dim), [count, dim]));
    return Vi(x).sqDist(Vj(y)).neg().exp().sum("j", { device }).explain();
  };
  assertMatch(rows(dim), /row0 = \(vf\*\)\(scratch/);
  assertMatch(rows(3), /vf row\[\d+\]\[3\];/);
});

test("a launch of two batches with an empty range between them", async () => {
  const random = randomFor("native segments");
  const arrays = [random.float32(16 * 3), random.float32(18 * 3), random.float32(18)];
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const inputs = [x, y, b];
  const kernel = lower(
    { formula: gaussian, reduction: "sum", inputs, float: "f32", options, fastMath: false },
    expandedMath,
  );
  const segments = [[0, 5, 0, 7], [5, 9, 7, 7], [9, 16, 7, 18]].map(([i0, i1, j0, j1]) => ({
    i0: 0,
    i1: i1 - i0,
    j0: 0,
    j1: j1 - j0,
    offsets: [i0, j0, j0],
    output: i0,
  }));
  const results: Float32Array[] = [];
  using reference = wasm({ threads: 1 });
  for (const engine of [reference, testEngine(), testEngine({ threads: 4, ...always })]) {
    if ("open" in engine) await engine.open();
    const out = new Float32Array(17).fill(7);
    await engine.launch(engine.compile(kernel, 16, 18), arrays, [out], segments, {});
    results.push(out);
  }
  assertEquals(results[1], results[2]);
  assertEquals(results[1][16], 7, "a row beyond the last was written");
  assertEquals([...results[1].subarray(5, 9)], [0, 0, 0, 0]);
  results[1].forEach((r, k) => assert(Math.abs(r - results[0][k]) < 1e-5 * (1 + Math.abs(r))));
});

test("progress goes from 0 to 1, by several threads", async () => {
  const points = randomFor("native progress").float32(3 * 60_000);
  const seen: Progress[] = [];
  const K = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp();
  await K.sum("j", { device: testEngine() }).data({ onProgress: (p) => void seen.push(p) });
  const fractions = seen.map((p) => p.done / p.total);
  assertEquals([fractions[0], fractions.at(-1)], [0, 1]);
  assert(fractions.every((f, k) => k === 0 || f >= fractions[k - 1]), "progress went back");
  assert(new Set(fractions).size > 3, `${fractions.length} steps`);
  assert(navigator.hardwareConcurrency === 1 || (seen.at(-1)?.threads ?? 0) > 1);
});

test("abort in the middle: the read rejects, the next call is right", async () => {
  const device = testEngine();
  const points = randomFor("native abort").float32(3 * 200_000);
  const K = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp();
  const controller = new AbortController();
  let aborted = 0;
  const onProgress = ({ done }: Progress): void => {
    if (done === 0 || aborted > 0) return;
    aborted = performance.now();
    controller.abort(new Error("enough"));
  };
  const error = await assertRejects(
    () => K.sum("j", { device }).data({ signal: controller.signal, onProgress }),
    PairfoldError,
  );
  assertEquals(error.code, "aborted");
  assert(performance.now() - aborted < 2000, "threads went on for more than two seconds");
  const small = [[0, 0, 0], [1, 0, 0]];
  assertEquals(await Vi(small).sqDist(Vj(small)).sum("j", { device }).array(), [[1], [1]]);
});

test("a thousand values of sigma compile once, folds that wait run one after another", async () => {
  const device = testEngine({ cache: await Deno.makeTempDir({ prefix: "pairfold-test" }) });
  const points = randomFor("native sigma").float32(3 * 50);
  const K = Vi(points, 3).sqDist(Vj(points, 3));
  const sums = Array.from(
    { length: 1000 },
    (_, k) => K.mul(-1 / (2 * ((k + 1) / 500) ** 2)).exp().sum("j", { device }).data(),
  );
  const together = await Promise.all(sums);
  assertEquals(device.compiledLibraries, 1);
  const again = await K.mul(-1 / (2 * (7 / 500) ** 2)).exp().sum("j", { device }).data();
  assertEquals(again, together[6]);
});

test("an engine that was disposed of still runs, also where that was in the middle", async () => {
  const device = testEngine();
  const p = [[0.5], [2]];
  const run = async (n: number): Promise<unknown> =>
    await Vi(p).pow(n).mul(Vj(p)).sum("j", { device }).array();
  const first = await run(3);
  device.dispose();
  assertEquals(await run(3), first);
  const points = randomFor("native dispose").float32(3 * 20_000);
  const sums = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp().sum("j", { device }).data();
  await new Promise((resolve) => setTimeout(resolve, 20));
  device.dispose(); // while threads run
  assertEquals((await sums).length, 20_000);
  assertEquals(await run(3), first);
});

test("a schedule that no kernel can have is refused with the reason", async () => {
  const c = { formula: gaussian, reduction: "sum", axis: "j", M: 3, N: 3 } as const;
  for (const rowVectors of [0, 17, 1.5]) {
    const schedule = { rowVectors, interleave: 1, columns: 1 };
    const error = await assertRejects(
      () => bitsOn({ schedule }, { ...c, dtype: "float32" }),
      PairfoldError,
    );
    assertEquals(error.code, "compile");
  }
});

test("explain shows the source before the first fold", () => {
  const device = native({ threads: 2 });
  const text = Vi([[1, 2, 3]]).sqDist(Vj([[1, 2, 3]])).sum("j", { device }).explain();
  assert(/target +native, .*(gcc|clang)/i.test(text), text.slice(0, 400));
  assert(text.includes("void pf_run("));
  return Promise.resolve();
});
