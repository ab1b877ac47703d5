// Launches: segments, chunks, threads, schedules, forced paths, progress and abort.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { type Progress, wasm, type WasmOptions } from "../../src/engine/mod.ts";
import { build, variable } from "../../src/formula/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { type ReductionName, REDUCTIONS } from "../../src/reduction/mod.ts";
import { Pm, tensor, Vi, Vj } from "../../mod.ts";
import { checkFold, fitting, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { full, randomFor } from "../support/random.ts";

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);
const X1 = [[1, 2, 3]];

/** The numbers of a fold on an engine with options, which is disposed of. */
async function bitsOn(
  options: WasmOptions,
  c: FoldCase,
  name: string,
): Promise<ArrayLike<number>[]> {
  using device = wasm({ quickOperations: 0, ...options });
  return await runFold({ ...c, device }, inputsOf(c, randomFor(name)));
}

Deno.test("the same bits on 1, 2 and 4 threads, at sizes where all of them work", async () => {
  const devices = [1, 2, 4].map((threads) =>
    wasm({ threads, threadedPairs: 1, quickOperations: 0 })
  );
  for (const reduction of REDUCTIONS) {
    for (const [M, N] of [[1031, 517], [40, 9001], [3, 70_001]]) {
      const formulas = fitting(reduction, vector, gaussian, vector);
      const c = { ...formulas, reduction, axis: "j", M, N, dtype: "float32", k: 3 } as const;
      const results = [];
      for (const device of devices) {
        results.push(await runFold({ ...c, device }, inputsOf(c, randomFor(`bits ${reduction}`))));
      }
      assertEquals(results[1], results[0], `${reduction}: 2 threads differ from 1`);
      assertEquals(results[2], results[0], `${reduction}: 4 threads differ from 1`);
    }
  }
  for (const device of devices) device.dispose();
});

Deno.test("the same bits with every schedule", async () => {
  for (const reduction of REDUCTIONS) {
    for (const dtype of ["float32", "float64"] as const) {
      const formulas = fitting(reduction, vector, gaussian, vector);
      const c = { ...formulas, reduction, axis: "j", M: 53, N: 201, dtype, k: 3 } as const;
      const untiled = await bitsOn({ schedule: "untiled", threads: 1 }, c, "schedules");
      for (
        const [rowVectors, interleave, columns] of [
          [2, 2, 1],
          [3, 1, 2],
          [3, 3, 2],
          [4, 4, 1],
          [6, 3, 4],
          [8, 2, 8],
          [1, 1, 4],
        ]
      ) {
        for (const operands of ["memory", "locals"] as const) {
          const schedule = { rowVectors, interleave, columns, operands };
          const tiled = await bitsOn({ schedule, threads: 1 }, c, "schedules");
          assertEquals(
            tiled,
            untiled,
            `${reduction} ${dtype} ${rowVectors}/${interleave}×${columns} ${operands}`,
          );
        }
      }
    }
  }
});

Deno.test("a schedule that no kernel can have is refused with the reason", async () => {
  const c = {
    formula: gaussian,
    reduction: "sum",
    axis: "j",
    M: 3,
    N: 3,
    dtype: "float32",
  } as const;
  for (const rowVectors of [0, 9, 1.5]) {
    const schedule = { rowVectors, interleave: 1, columns: 1, operands: "memory" } as const;
    const error = await assertRejects(() => bitsOn({ schedule }, c, "refused"), PairfoldError);
    assertEquals(error.code, "compile");
  }
});

Deno.test("chunks of a fold beyond the memory limit change no bit", async () => {
  for (const reduction of REDUCTIONS) {
    for (const [M, N] of [[2003, 1501], [5, 30_011], [30_011, 5], [400, 5000]]) {
      const formulas = fitting(reduction, vector, gaussian, vector);
      const c = { ...formulas, reduction, axis: "j", M, N, dtype: "float32", k: 3 } as const;
      const whole = await bitsOn({ threads: 1 }, c, `chunks ${reduction}`);
      const chunked = await bitsOn({ threads: 2, memoryLimit: 120_000 }, c, `chunks ${reduction}`);
      assertEquals(chunked, whole, `${reduction} ${M}×${N}`);
    }
  }
});

Deno.test("one record too large for memory is refused", async () => {
  const wide = variable(0, "j", 5000);
  const c = { formula: wide, reduction: "sum", axis: "j", M: 1, N: 64, dtype: "float32" } as const;
  const error = await assertRejects(
    () => bitsOn({ memoryLimit: 100_000, threads: 1 }, c, "record"),
    PairfoldError,
    "one row and 64 columns",
  );
  assertEquals(error.code, "memory");
});

for (
  const [name, options] of [
    ["no relaxed SIMD", { relaxedSimd: false }],
    ["no shared memory", { sharedMemory: false }],
    ["neither", { relaxedSimd: false, sharedMemory: false }],
    ["one thread", { threads: 1 }],
    ["untiled", { schedule: "untiled" }],
  ] as const
) {
  Deno.test(`forced path, ${name}: every reduction agrees with the reference`, async () => {
    using device = wasm(options);
    const random = randomFor(name);
    for (const reduction of REDUCTIONS) {
      for (const dtype of ["float32", "float64"] as const) {
        for (const [M, N] of [[37, 70], [517, 1031], [3, 20_000]]) {
          const formulas = fitting(reduction, vector, gaussian, build.square(vector));
          await checkFold({ ...formulas, reduction, axis: "j", M, N, dtype, k: 3, device }, random);
        }
      }
    }
  });
}

Deno.test("a launch of two batches with an empty range between them", async () => {
  // three batches in one array: rows 0–4, 5–8, 9–15; columns 0–6, none, 7–17
  const random = randomFor("segments");
  const points = random.float32(16 * 3);
  const columns = random.float32(18 * 3);
  const weights = random.float32(18);
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const fold = {
    formula: gaussian,
    inputs: [x, y, b],
    float: "f32",
    options,
    fastMath: false,
  } as const;
  const ranges = [[0, 5, 0, 7], [5, 9, 7, 7], [9, 16, 7, 18]];
  for (const reduction of ["sum", "argMin"] as const) {
    const kernel = lower({ ...fold, reduction }, expandedMath);
    using engine = wasm();
    const out = reduction === "sum" ? new Float32Array(16).fill(7) : new Int32Array(16).fill(7);
    const segments = ranges.map(([i0, i1, j0, j1]) => ({
      i0: 0,
      i1: i1 - i0,
      j0: 0,
      j1: j1 - j0,
      offsets: [i0, j0, j0],
      output: i0,
    }));
    const program = engine.compile(kernel, 16, 18);
    await engine.launch(program, [points, columns, weights], [out], segments, {});
    for (const [i0, i1, j0, j1] of ranges) {
      const c = {
        formula: gaussian,
        reduction,
        axis: "j",
        M: i1 - i0,
        N: j1 - j0,
        dtype: "float32",
      } as const;
      const inputs = new Map([
        [0, tensor(points.slice(3 * i0, 3 * i1), [i1 - i0, 3])],
        [1, tensor(columns.slice(3 * j0, 3 * j1), [j1 - j0, 3])],
        [2, tensor(weights.slice(j0, j1), [j1 - j0, 1])],
      ]);
      const [alone] = await runFold(c, inputs);
      assertEquals([...out.slice(i0, i1)], Array.from(alone), `rows ${i0}–${i1}`);
    }
  }
});

/** A fold that takes about a second on two threads. */
function longFold(): {
  read: (o: Parameters<ReturnType<typeof tensor>["data"]>[0]) => Promise<unknown>;
} {
  const random = randomFor("long");
  const points = random.float32(3 * 50_000);
  const K = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp();
  const result = K.sum("j");
  return { read: (options) => result.data(options) };
}

Deno.test("progress goes from 0 to 1 in at least 20 steps on a long run, by several threads", async () => {
  const seen: Progress[] = [];
  await longFold().read({ onProgress: (p) => void seen.push(p) });
  const fractions = seen.map((p) => p.done / p.total);
  assertEquals(fractions[0], 0);
  assertEquals(fractions.at(-1), 1);
  assert(fractions.every((f, k) => k === 0 || f >= fractions[k - 1]), "progress went back");
  const steps = new Set(fractions).size;
  const cores = navigator.hardwareConcurrency;
  assert(steps >= 20 || cores > 4, `${steps} steps`);
  assert(cores === 1 || (seen.at(-1)?.threads ?? 0) > 1, "one thread did it all");
});

Deno.test("abort in the middle: the read rejects, nothing keeps running, the next call is right", async () => {
  for (const options of [{}, { sharedMemory: false }] as const) {
    using device = wasm(options);
    const random = randomFor("abort");
    const points = random.float32(3 * 30_000);
    const K = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp();
    const controller = new AbortController();
    const onProgress = (p: Progress): void => {
      if (p.done > 0) controller.abort(new Error("enough"));
    };
    const started = performance.now();
    const error = await assertRejects(
      () => K.sum("j", { device }).data({ signal: controller.signal, onProgress }),
      PairfoldError,
    );
    assertEquals(error.code, "aborted");
    const small = [[0, 0, 0], [1, 0, 0]];
    const after = await Vi(small).sqDist(Vj(small)).sum("j", { device }).array();
    assertEquals(after, [[1], [1]]);
    assert(performance.now() - started < 20_000);
  }
});

Deno.test("an aborted signal rejects before anything runs", async () => {
  const error = await assertRejects(
    () => longFold().read({ signal: AbortSignal.abort() }),
    PairfoldError,
  );
  assertEquals(error.code, "aborted");
});

Deno.test("a shared computation goes on while one of its readers wants it", async () => {
  const fold = longFold();
  const controller = new AbortController();
  const impatient = fold.read({ signal: controller.signal });
  const patient = fold.read({});
  controller.abort();
  await assertRejects(() => impatient, PairfoldError, "aborted");
  await patient;
});

Deno.test("kernels run as code that is made soon, then as tiles, with the same bits", async () => {
  for (const reduction of ["sum", "logSumExp", "kMinArgKMin"] as const) {
    const c: FoldCase = {
      ...fitting(reduction, vector, gaussian, vector),
      ...{ reduction, axis: "j", M: 31, N: 67, dtype: "float32", k: 3 },
    };
    using device = wasm({ threads: 1, quickOperations: 1e6 });
    const inputs = inputsOf(c, randomFor(`quick ${reduction}`));
    const first = await runFold({ ...c, device }, inputs);
    assertEquals(device.compiledPrograms, 1);
    for (let k = 0; k < 30; k++) assertEquals(await runFold({ ...c, device }, inputs), first);
    assertEquals(device.compiledPrograms, 2, `${reduction}: one quick program, one of tiles`);
  }
});

Deno.test("explain says which code a fold would run as", async () => {
  using device = wasm({ threads: 1, quickOperations: 1e5 });
  const p = randomFor("quick").float32(3 * 40);
  const sum = () => Vi(p, 3).sqDist(Vj(p, 3)).neg().exp().sum("j", { device });
  assert(sum().explain().includes("1 vectors), 1 columns per turn"));
  for (let k = 0; k < 20; k++) await sum().data();
  assert(sum().explain().includes("3 vectors), 2 columns per turn"));
});

Deno.test("a thousand values of sigma compile once, also when one of them is a round number", async () => {
  using device = wasm({ quickOperations: 0 });
  const random = randomFor("sigma");
  const points = random.float32(3 * 50);
  const X = Vi(points, 3);
  const Y = Vj(points, 3);
  for (let k = 1; k <= 1000; k++) {
    const sigma = k / 500;
    await X.sqDist(Y).mul(-1 / (2 * sigma * sigma)).exp().sum("j", { device }).data();
  }
  assertEquals(device.compiledPrograms, 1);
});

Deno.test("many formulas in one engine: the cache is bounded, and forgotten programs still run", async () => {
  using device = wasm({ threadedPairs: 1 });
  const p = [[0.5], [2]];
  const run = async (n: number): Promise<unknown> =>
    await Vi(p).pow(n).mul(Vj(p).pow(2)).sum("j", { device }).array();
  const first = await run(3);
  for (let n = 4; n < 310; n++) await run(n);
  assertEquals(await run(3), first);
});

Deno.test("folds that wait for one engine run one after another, all right", async () => {
  const random = randomFor("queue");
  const points = random.float32(3 * 700);
  const folds = [0.1, 0.2, 0.3, 0.4].map((s) => Vi(points, 3).sqDist(Vj(points, 3)).mul(-s).exp());
  const alone = [];
  for (const K of folds) alone.push(await K.sum("j").data());
  const together = await Promise.all(folds.map((K) => K.sum("j").data()));
  assertEquals(together, alone);
});

Deno.test("reductions of K-smallest, min and argMin are in the same module format", async () => {
  const random = randomFor("kmin");
  for (const reduction of ["kMin", "argKMin", "min", "argMin"] as ReductionName[]) {
    const formula = build.sqDist(x, y);
    await checkFold(
      { formula, reduction, axis: "j", M: 100, N: 1031, dtype: "float32", k: 10 },
      random,
    );
  }
});

Deno.test("a parameter may be a number, a vector, or a tensor", async () => {
  const p = [[1, 2], [3, 4]];
  const weights = tensor(new Float32Array([2, 3]));
  assertEquals(await Vi(p).mul(2).sum("j").array(), [[2, 4], [6, 8]]);
  assertEquals(await Vi(p).mul([2, 3]).sum("j").array(), [[2, 6], [6, 12]]);
  assertEquals(await Vi(p).mul(Pm(weights)).sum("j").array(), [[2, 6], [6, 12]]);
});

Deno.test("an onProgress that throws rejects its own reader, and nobody else's", async () => {
  for (const options of [{}, { sharedMemory: false }] as const) {
    using device = wasm(options);
    const points = randomFor("throwing").float32(3 * 20_000);
    const result = Vi(points, 3).sqDist(Vj(points, 3)).sum("j", { device });
    let calls = 0;
    const onProgress = (): void => {
      if (calls++ === 2) throw new RangeError("mine");
    };
    const impatient = assertRejects(() => result.data({ onProgress }), RangeError, "mine");
    const patient = result.data();
    await impatient;
    assertEquals((await patient).length, 20_000);
  }
});

Deno.test("a loop of small folds lets timers run, and its heap does not grow", async () => {
  const random = randomFor("heap");
  const points = random.float32(3 * 60);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const loop = async (count: number): Promise<number> => {
    for (let k = 0; k < count; k++) {
      const n = 1 + k % 60;
      const K = Vi(points.subarray(0, 3 * n), 3).sqDist(Vj(points, 3)).mul(-1 / (1 + k)).exp();
      await K.sum("j").data();
    }
    return Deno.memoryUsage().heapUsed;
  };
  await loop(4000);
  const before = await loop(4000);
  const after = await loop(24_000);
  clearInterval(timer);
  assert(ticks >= 32_000 / 256 / 2, `${ticks} ticks`);
  assert(after < before + 60e6, `the heap grew from ${before} to ${after} bytes`);
});

Deno.test({
  name: full
    ? "memory beyond 256 MiB is given back, and the next call is right"
    : "memory beyond 256 MiB is given back: skipped, 600 MB of points; runs in task test:full",
  ignore: !full,
  fn: async () => {
    const n = 24_000_000;
    const data = new Float32Array(3 * n).fill(0.5);
    data[3 * n - 3] = 0.25;
    const columns = Vj(tensor(data, [n, 3], { copy: false }));
    for (const threads of [1, 2]) {
      using device = wasm({ threads });
      const K = Vi([[0.5, 0.5, 0.5], [0, 0, 0]]).sqDist(columns);
      const [first, second] = await K.sum("j", { device }).data();
      assertEquals(first, 0.0625);
      assert(Math.abs(second / (0.75 * n) - 1) < 1e-6);
      assertEquals(await Vi(X1).sqDist(Vj(X1)).sum("j", { device }).array(), [[0]]);
      assertEquals([...await K.argMin("j", { device }).data()], [0, n - 1]);
    }
  },
});
