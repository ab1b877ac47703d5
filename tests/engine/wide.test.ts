// Folds with wide results, whose updates wait until a block of columns is done: the same bits as
// pair by pair, on any number of threads, in chunks, and beside rows that are not finite.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { wasm, type WasmOptions } from "../../src/engine/mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import { deferredOf, tilesOf } from "../../src/loop/mod.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import type { ReductionName } from "../../src/reduction/mod.ts";
import { chooseSchedule } from "../../src/tiling/mod.ts";
import { tensor, Vi, Vj } from "pairfold";
import { checkFold, type FoldCase, inputsOf, runFold, variablesIn } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";

const [x, y] = [variable(0, "i", 3), variable(1, "j", 3)];
const gaussian = build.exp(build.neg(build.sqDist(x, y)));

/** Up to 32 components are cells, which do not wait. */
const beyondCells = (width: number): boolean => width > 32;
const never = (): boolean => false;

/** Formulas with `width` components, and whether their updates wait for their block. */
const FORMULAS: Readonly<
  Record<string, { waits: (width: number) => boolean; of: (width: number) => Node }>
> = {
  "K b": { waits: beyondCells, of: (width) => build.mul(gaussian, variable(2, "j", width)) },
  "b alone": { waits: beyondCells, of: (width) => variable(2, "j", width) },
  "K (a - b)": {
    waits: beyondCells,
    of: (width) => build.mul(gaussian, build.sub(variable(3, "i", width), variable(2, "j", width))),
  },
  "two kernels": {
    waits: never, // cells, or two loops over one array
    of: (width) =>
      build.concat(
        build.mul(gaussian, variable(2, "j", width)),
        build.mul(
          build.div(variable(4, "i", 1), build.add(build.constant(1), gaussian)),
          variable(5, "j", width),
        ),
      ),
  },
  "i-dependent factor": {
    waits: beyondCells,
    of: (width) => build.mul(variable(4, "i", 1), build.mul(gaussian, variable(2, "j", width))),
  },
  "long distance": {
    waits: beyondCells,
    of: (width) => {
      const q = build.sqDist(variable(6, "i", 40), variable(7, "j", 40));
      return build.mul(build.exp(build.neg(q)), variable(2, "j", width));
    },
  },
  "exp of every component": {
    waits: never,
    of: (width) => build.exp(build.sub(variable(3, "i", width), variable(2, "j", width))),
  },
};

const WIDTHS = [12, 27, 33, 65];

const SCHEDULES = [
  { rowVectors: 3, interleave: 3, columns: 2, operands: "memory", components: 3 },
  { rowVectors: 6, interleave: 3, columns: 2, operands: "memory", components: 3 },
  { rowVectors: 2, interleave: 2, columns: 4, operands: "locals", components: 6 },
  { rowVectors: 4, interleave: 2, columns: 1, operands: "memory", components: 2 },
  { rowVectors: 1, interleave: 1, columns: 8, operands: "memory", components: 8 },
  {
    rowVectors: 6,
    interleave: 3,
    columns: 2,
    operands: "memory",
    components: 2,
    writesOut: true,
  },
  {
    rowVectors: 2,
    interleave: 1,
    columns: 4,
    operands: "locals",
    components: 5,
    writesOut: true,
  },
] as const;
/** Whole blocks written out, as the cost model has them for products. */
const WRITTEN_OUT = SCHEDULES[5];

const kernelOf = (formula: Node, reduction: ReductionName = "sum") => {
  const inputs: ReturnType<typeof variablesIn> = [];
  for (const v of variablesIn(formula)) inputs[v.slot] = v;
  for (let slot = 0; slot < inputs.length; slot++) inputs[slot] ??= variable(slot, "p", 1);
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const weight = null;
  return lower(
    { formula, weight, reduction, float: "f32", inputs, options, fastMath: false },
    expandedMath,
  );
};

async function bitsOn(options: WasmOptions, c: FoldCase, name: string): Promise<unknown> {
  using device = wasm(options);
  return await runFold({ ...c, device }, inputsOf(c, randomFor(name)));
}

const caseOf = (formula: Node, dtype: "float32" | "float64", M = 53, N = 201): FoldCase => ({
  formula,
  reduction: "sum",
  axis: "j",
  M,
  N,
  dtype,
});

for (const [name, { waits, of }] of Object.entries(FORMULAS)) {
  Deno.test(`${name}: the same bits in every tile`, async () => {
    for (const width of WIDTHS) {
      const formula = of(width);
      assertEquals(deferredOf(kernelOf(formula)) !== null, waits(width), `${name} ${width}`);
      for (const dtype of ["float32", "float64"] as const) {
        const c = caseOf(formula, dtype);
        const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, name);
        for (const schedule of [...SCHEDULES, "auto"] as const) {
          const got = await bitsOn({ schedule, threads: 1 }, c, name);
          assertEquals(got, want, `${name} ${width} ${dtype} ${JSON.stringify(schedule)}`);
        }
      }
    }
  });
}

Deno.test("wide sums agree with the reference, at sizes that no tile divides", async () => {
  using device = wasm({ threads: 2, threadedPairs: 1 });
  const random = randomFor("wide reference");
  for (const reduction of ["sum", "mean"] as const) {
    for (const [M, N] of [[1, 1], [3, 64], [37, 517], [517, 63]]) {
      for (const dtype of ["float32", "float64"] as const) {
        for (const formula of [FORMULAS["K (a - b)"].of(35), FORMULAS["two kernels"].of(17)]) {
          await checkFold({ ...caseOf(formula, dtype, M, N), reduction, device }, random);
        }
      }
    }
  }
});

Deno.test("wide sums have the same bits with every way to add up", async () => {
  for (const sumScheme of ["compensated", "block", "direct"] as const) {
    for (const accumulator of ["float32", "float64"] as const) {
      for (const width of [27, 65]) {
        const formula = FORMULAS["K b"].of(width);
        const c = { ...caseOf(formula, "float32"), choices: { sumScheme, accumulator } };
        const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, "schemes");
        for (const schedule of ["auto", WRITTEN_OUT] as const) {
          const got = await bitsOn({ schedule, threads: 1 }, c, "schemes");
          assertEquals(got, want, `${sumScheme} ${accumulator} ${width}`);
        }
      }
    }
  }
});

Deno.test("wide sums have the same bits on 1, 2 and 4 threads and in chunks", async () => {
  const formula = FORMULAS["K b"].of(35);
  for (const [M, N] of [[1031, 517], [40, 9001]]) {
    const c = caseOf(formula, "float32", M, N);
    const want = await bitsOn({ threads: 1 }, c, "wide threads");
    for (
      const options of [
        { threads: 2, threadedPairs: 1 },
        { threads: 4, threadedPairs: 1 },
        { threads: 2, memoryLimit: 200_000 },
      ]
    ) {
      const got = await bitsOn(options, c, "wide threads");
      assertEquals(got, want, `${M}×${N} ${JSON.stringify(options)}`);
    }
  }
});

Deno.test("blocks that are written out have the same bits with and without a second memory", async () => {
  const formula = FORMULAS["K b"].of(65);
  for (const N of [1, 63, 64, 65, 517]) {
    for (const dtype of ["float32", "float64"] as const) {
      const c = caseOf(formula, dtype, 31, N);
      const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, "memories");
      for (
        const options of [
          { threads: 1 },
          { threads: 2, threadedPairs: 1 },
          { threads: 1, multipleMemories: false },
          { threads: 1, relaxedSimd: false, sharedMemory: false },
        ]
      ) {
        const untiled = { schedule: "untiled", ...options, threads: 1 } as const;
        const plain = options.relaxedSimd === false ? await bitsOn(untiled, c, "memories") : want;
        const got = await bitsOn({ schedule: WRITTEN_OUT, ...options }, c, "memories");
        assertEquals(got, plain, `${N} ${dtype} ${JSON.stringify(options)}`);
      }
    }
  }
});

Deno.test("a tile closes its block beside the next tile, for every number of tiles and blocks", async () => {
  for (const width of [33, 34, 39, 64, 65, 129]) {
    for (const components of [2, 3, 5, 8]) {
      const schedule = { ...WRITTEN_OUT, rowVectors: 2, interleave: 2, components };
      for (const N of [64, 127, 128, 300]) {
        const c = caseOf(FORMULAS["K b"].of(width), "float32", 11, N);
        const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, "later");
        const got = await bitsOn({ schedule, threads: 1 }, c, "later");
        assertEquals(got, want, `${width} ${components} ${N}`);
      }
    }
  }
});

Deno.test("sums that overflow stay infinite where tiles close later", async () => {
  const [M, N, width] = [9, 200, 64];
  const c = randomFor("overflow");
  const [x, y] = [M, N].map((rows) => tensor(c.float32(3 * rows), [rows, 3]));
  const weights = Float32Array.from({ length: N * width }, (_, k) => k % 7 === 0 ? 3e38 : k % 5);
  const sums = async (schedule: typeof WRITTEN_OUT | "untiled"): Promise<Float32Array> => {
    using device = wasm({ threads: 1, schedule });
    const b = Vj(tensor(weights, [N, width]));
    return await Vi(x).sqDist(Vj(y)).neg().exp().mul(b).sum("j", { device }).data() as Float32Array;
  };
  const got = await sums(WRITTEN_OUT);
  assert(got.includes(Infinity) && !got.some(Number.isNaN));
  assertEquals(got, await sums("untiled"));
});

Deno.test("blocks that are written out: splits, chunks, and batches that fill no block", async () => {
  const random = randomFor("written out batches");
  for (const [M, N] of [[40, 9001], [1031, 517]]) {
    const c = caseOf(FORMULAS["K b"].of(35), "float32", M, N);
    const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, "written out");
    for (const memoryLimit of [2 ** 30, 250_000]) {
      const options = { schedule: WRITTEN_OUT, threads: 2, threadedPairs: 1, memoryLimit };
      assertEquals(await bitsOn(options, c, "written out"), want, `${M}×${N} ${memoryLimit}`);
    }
  }
  const [batches, M, N, width] = [7, 5, 70, 40];
  const [xs, ys, bs] = [M * 3, N * 3, N * width].map((n) => random.float32(batches * n));
  const sums = async (options: WasmOptions): Promise<unknown> => {
    using device = wasm({ threads: 1, ...options });
    const x = Vi(tensor(xs, [batches, M, 3]));
    const y = Vj(tensor(ys, [batches, N, 3]));
    const b = Vj(tensor(bs, [batches, N, width]));
    return await x.sqDist(y).neg().exp().mul(b).sum("j", { device }).data();
  };
  assertEquals(await sums({ schedule: WRITTEN_OUT }), await sums({ schedule: "untiled" }));
});

Deno.test("the cost model writes out products of many pairs, whose columns fill half a block", () => {
  const written = (formula: Node, done = Infinity, columns = Infinity): boolean =>
    chooseSchedule(kernelOf(formula), 1000, done, columns).writesOut === true;
  const product = FORMULAS["K b"].of(65);
  assert(written(product));
  assert(!written(product, 1e6), "little was done yet");
  assert(written(product, Infinity, 32));
  assert(!written(product, Infinity, 31), "few columns");
  assert(!written(FORMULAS["K b"].of(32)), "cells");
  assert(!written(FORMULAS["K (a - b)"].of(65)), "two operations");
  assertEquals(chooseSchedule(kernelOf(product), 1000), WRITTEN_OUT);
});

Deno.test("blocks that are written out say so, and ask for memory of their own where it is", () => {
  using device = wasm({ threads: 1 });
  const random = randomFor("explains");
  const [x, y] = [300, 200].map((rows) => tensor(random.float32(3 * rows), [rows, 3]));
  const b = tensor(random.float32(200 * 64), [200, 64]);
  const fold = (device: ReturnType<typeof wasm>): string =>
    Vi(x).sqDist(Vj(y)).neg().exp().mul(Vj(b)).sum("j", { device }).explain();
  assert(!fold(device).includes("written out"));
  using out = wasm({ threads: 1, schedule: WRITTEN_OUT });
  const explained = fold(out);
  assertMatch(explained, /blocks of columns written out, 268 bytes per packed column, in blocks/);
  assertMatch(explained, /v128\.load own 0\n/);
  // the sums of a tile wait behind what 64 columns of six vectors hold
  assertMatch(explained, /i32\.const 6144\n\s*local\.get \d+\n\s*v128\.store own 0\n/);
  using alone = wasm({ threads: 1, schedule: WRITTEN_OUT, multipleMemories: false });
  assert(!fold(alone).includes(" own "));
});

/** Formulas whose factor leaves the sum; slot 4 holds numbers that are not finite in some rows. */
const FACTORED: Readonly<Record<string, (width: number) => Node>> = {
  "a K b": (width) => FORMULAS["i-dependent factor"].of(width),
  "K b / a": (width) =>
    build.div(build.mul(gaussian, variable(2, "j", width)), variable(4, "i", 1)),
  "vector factor": (width) =>
    build.mul(variable(3, "i", width), build.mul(gaussian, variable(2, "j", width))),
  "a b": (width) => build.mul(variable(4, "i", 1), variable(2, "j", width)),
  "a b²": (width) => build.mul(variable(4, "i", 1), build.square(variable(2, "j", width))),
  "-a K": () => build.neg(build.mul(variable(4, "i", 1), gaussian)),
  "a |x - y|²": () => build.mul(variable(4, "i", 1), build.sqDist(x, y)),
};

// which rows share a group with one that is not finite is the schedule's
Deno.test("finite rows beside others that are not have the same bits in every tile", async () => {
  const pairByPair = { rowVectors: 2, interleave: 2, columns: 4, operands: "memory" } as const;
  const M = 53;
  for (const [name, of] of Object.entries(FACTORED)) {
    for (const width of [1, 3, 27, 65]) {
      const formula = of(width);
      if (formula.dim !== width) continue;
      for (const dtype of ["float32", "float64"] as const) {
        const bad = [Infinity, NaN, -Infinity];
        const scalars = Float64Array.from(
          { length: M },
          (_, i) => i % 11 === 3 ? bad[i % 3] : 1 + i,
        );
        const vectors = Float64Array.from(
          { length: M * width },
          (_, k) => k % (11 * width) === 3 ? bad[k % 3] : 1 + k / 7,
        );
        const c = { ...caseOf(formula, dtype, M), data: new Map([[3, vectors], [4, scalars]]) };
        const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, "careful");
        for (const schedule of [...SCHEDULES, pairByPair, "auto"] as const) {
          const got = await bitsOn({ schedule, threads: 1 }, c, "careful");
          assertEquals(got, want, `${name} ${width} ${dtype} ${JSON.stringify(schedule)}`);
        }
      }
    }
  }
});

Deno.test("tiles take every component once, in parts as equal as can be", () => {
  for (const width of [33, 64, 65]) {
    const deferred = deferredOf(kernelOf(FORMULAS["K b"].of(width)));
    assert(deferred !== null);
    assertEquals(deferred.components, width);
    const tiles = tilesOf(deferred, 3);
    const taken = tiles.map(({ cells, counter }) => cells.length * (counter?.count ?? 1));
    assertEquals(taken.reduce((sum, n) => sum + n, 0), width);
    assert(tiles.every(({ cells }) => cells.length >= 2 && cells.length <= 3));
  }
});

Deno.test("what a pair computes of itself a hundred times over is looked at once", async () => {
  let value: Node = gaussian;
  const half = build.constant(0.5);
  for (let k = 0; k < 100; k++) value = build.add(build.mul(half, value), build.sqrt(value));
  const formula = build.mul(value, variable(2, "j", 40));
  const c = caseOf(formula, "float32", 5, 70);
  const want = await bitsOn({ schedule: "untiled", threads: 1 }, c, "shared");
  assertEquals(await bitsOn({ threads: 1, quickOperations: 0 }, c, "shared"), want);
});

Deno.test("few components, extrema and folds behind a branch do not wait", () => {
  const b = (width: number): Node => variable(2, "j", width);
  assertEquals(deferredOf(kernelOf(build.mul(gaussian, b(4)))), null);
  assertEquals(deferredOf(kernelOf(build.mul(gaussian, b(40)), "argMin")), null);
  assertEquals(deferredOf(kernelOf(build.mul(gaussian, b(40)), "logSumExp")), null);
});

Deno.test("a schedule with more components than registers is refused", async () => {
  const c = caseOf(FORMULAS["K b"].of(33), "float32", 3, 3);
  const schedule = { ...SCHEDULES[0], components: 9 };
  const error = await assertRejects(() => bitsOn({ schedule }, c, "refused"), PairfoldError);
  assertEquals(error.code, "compile");
});
