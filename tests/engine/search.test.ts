// The search for extrema: groups of columns without a branch, then the groups that had them. Values
// and columns against a plain loop, bit for bit, wherever NaN, ties, zeros of either sign and
// infinities stand, for sizes around a group, schedules, threads, chunks, segments and batches.

import { assert, assertEquals } from "@std/assert";
import { wasm, type WasmOptions } from "../../src/engine/mod.ts";
import { build, variable } from "../../src/formula/mod.ts";
import { type Kernel, visit } from "../../src/loop/mod.ts";
import { touchesState } from "../../src/loop/state.ts";
import { expandedMath, lower } from "../../src/lower/mod.ts";
import { tensor, Vi, Vj } from "../../mod.ts";
import type { ReductionName } from "../../src/reduction/mod.ts";
import { chooseSchedule } from "../../src/tiling/mod.ts";
import { type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { type Random, randomFor } from "../support/random.ts";

type Float = "float32" | "float64";
type Numbers = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

const a = variable(0, "i", 1);
const b = variable(1, "j", 1);
const x = variable(0, "i", 3);
const y = variable(1, "j", 3);

/** Extrema, the side that wins, and which outputs they have. */
const EXTREMA = [
  { reduction: "min", sign: 1, outputs: ["value"] },
  { reduction: "max", sign: -1, outputs: ["value"] },
  { reduction: "argMin", sign: 1, outputs: ["index"] },
  { reduction: "argMax", sign: -1, outputs: ["index"] },
  { reduction: "minArgMin", sign: 1, outputs: ["value", "index"] },
  { reduction: "maxArgMax", sign: -1, outputs: ["value", "index"] },
  { reduction: "kMinArgKMin", sign: 1, outputs: ["value", "index"] },
] as const;

/** The first of the best products, NaN at −1 where all are NaN. */
function plainly(
  rows: Numbers,
  columns: Numbers,
  sign: 1 | -1,
): { value: number; index: number }[] {
  return Array.from(rows, (u) => {
    let best = { value: NaN, index: -1 };
    columns.forEach((v, index) => {
      const value = rows instanceof Float32Array ? Math.fround(u * v) : u * v;
      const isBetter = best.index < 0 ? value === value : sign * value < sign * best.value;
      if (isBetter) best = { value, index };
    });
    return best;
  });
}

const SCHEDULES: readonly WasmOptions["schedule"][] = [
  ...[1, 2, 3, 5].flatMap((rowVectors) =>
    [1, 4, 16].map((columns) => ({
      rowVectors,
      interleave: rowVectors,
      columns,
      operands: columns === 4 ? "memory" as const : "locals" as const,
      searches: true,
    }))
  ),
  "auto",
];

/** Orders of the columns: what is strange, and where the winners stand. */
const ORDERS: Readonly<Record<string, (n: number, count: number, random: Random) => number>> = {
  random: (_n, _count, random) => random.uniform(-1, 1),
  ties: (_n, _count, random) => random.integer(4) - 2,
  falling: (n) => -n,
  rising: (n) => n,
  equal: () => 7,
  "signed zeros": (n) => [0, -0, -0, 0, 0][n % 5],
  "signed zeros, others first": (n) => n < 5 ? 3 : [-0, 0, 0][n % 3],
  "NaN first, then ties": (n) => n < 40 ? NaN : n % 3,
  "NaN but for the last": (n, count) => n === count - 1 ? 5 : NaN,
  "all NaN": () => NaN,
  "infinities alone": (n) => n % 4 === 1 ? Infinity : NaN,
  "negative infinities alone": (n) => n % 4 === 2 ? -Infinity : NaN,
  strange: (_n, _count, random) => random.pick([NaN, Infinity, -Infinity, 0, -0, 1, -1, 1e30]),
};

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`extrema in ${dtype}: bits and columns of a plain loop, in every order and schedule`, async () => {
    const random = randomFor(`search ${dtype}`);
    const Numbers = dtype === "float32" ? Float32Array : Float64Array;
    const rows = new Numbers([1, -1, 2, 0, -0, NaN, 0.5, Infinity, -3, 1, 1, -1, 5, 4, -4, 1, -1]);
    const cases = Object.entries(ORDERS).flatMap(([order, make]) =>
      [1, 3, 15, 16, 17, 33, 101].map((N) => ({
        name: `${order}, ${N} columns`,
        columns: new Numbers(Array.from({ length: N }, (_, n) => make(n, N, random))),
      }))
    );
    for (const schedule of SCHEDULES) {
      using device = wasm({ threads: 1, schedule, quickOperations: 0 });
      for (const { name, columns } of cases) {
        for (const { reduction, sign, outputs } of EXTREMA) {
          const [M, N] = [rows.length, columns.length];
          const c = { formula: build.mul(a, b), reduction, axis: "j", M, N, dtype } as const;
          const results = await runFold({ ...c, k: 1, device }, tensors(rows, columns));
          const want = plainly(rows, columns, sign);
          outputs.forEach((output, k) =>
            assertEquals(
              Array.from(results[k]),
              want.map((best) => best[output]),
              `${reduction}, ${name}, ${JSON.stringify(schedule)}`,
            )
          );
        }
      }
    }
  });
}

function tensors(rows: Numbers, columns: Numbers): ReturnType<typeof inputsOf> {
  return new Map([
    [0, tensor(rows, [rows.length, 1])],
    [1, tensor(columns, [columns.length, 1])],
  ]);
}

const distance = build.sqDist(x, y);

async function bitsOn(options: WasmOptions, c: FoldCase, name: string): Promise<unknown> {
  using device = wasm(options);
  return await runFold({ ...c, device }, inputsOf(c, randomFor(name)));
}

Deno.test("extrema of distances: the same bits for every schedule, thread count, split and chunk", async () => {
  for (const dtype of ["float32", "float64"] as const) {
    for (const [M, N] of [[1, 1], [3, 3], [517, 1031], [1031, 517], [3, 60_000], [400, 20_000]]) {
      for (const reduction of ["minArgMin", "maxArgMax"] as const) {
        const choices = { culling: false } as const;
        const c = { formula: distance, reduction, axis: "j", M, N, dtype, choices } as const;
        const name = `${reduction} ${dtype} ${M} ${N}`;
        const want = await bitsOn({ threads: 1, schedule: "untiled" }, c, name);
        const quickOperations = 0;
        const others: readonly WasmOptions[] = [
          ...SCHEDULES.slice(3, 9).map((schedule) => ({ threads: 1, schedule })),
          { threads: 1, quickOperations },
          { threads: 3, threadedPairs: 1, quickOperations },
          { threads: 1, memoryLimit: 1_200_000, quickOperations },
          { threads: 1, sharedMemory: false, quickOperations },
        ];
        for (const options of others) {
          assertEquals(await bitsOn(options, c, name), want, `${name} ${JSON.stringify(options)}`);
        }
      }
    }
  }
});

Deno.test("a chunk in which one row gets better leaves the ties of the others", async () => {
  const random = randomFor("ties over chunks");
  const rows = Float32Array.from({ length: 1030 }, (_, i) => i % 5 === 1 ? -1 : 1);
  const columns = Float32Array.from({ length: 400_000 }, () => random.integer(4) - 2);
  columns[399_000] = 9;
  const [M, N] = [rows.length, columns.length];
  const c = { formula: build.mul(a, b), axis: "j", M, N, dtype: "float32" } as const;
  using device = wasm({ threads: 1, memoryLimit: 1_200_000, quickOperations: 0 });
  const [value, index] = await runFold(
    { ...c, reduction: "minArgMin", device },
    tensors(rows, columns),
  );
  const [one, other] = plainly(rows.subarray(0, 2), columns, 1);
  assertEquals(other.index, 399_000);
  const want = Array.from(rows, (u) => u === 1 ? one : other);
  assertEquals(Array.from(value), want.map((best) => best.value));
  assertEquals(Array.from(index), want.map((best) => best.index));
});

Deno.test("extrema over batches and ranges of columns are those of each range by itself", async () => {
  const random = randomFor("search in ranges");
  const options = { sumScheme: "compensated", accumulator: "f32", k: 1 } as const;
  const inputs = [x, y] as const;
  const shape = { formula: distance, reduction: "argMin", float: "f32", inputs, options } as const;
  const kernel = lower({ ...shape, fastMath: false }, expandedMath);
  const [points, columns] = [random.float32(3 * 60), random.float32(3 * 700)];
  using device = wasm({ threads: 1, quickOperations: 0 });
  // by i0, i1, j0, j1; two ranges share their rows' columns, one has less than a group, one none
  const ranges = [[0, 13, 3, 520], [13, 14, 0, 7], [14, 31, 520, 520], [31, 60, 129, 700]];
  const out = new Int32Array(60).fill(7);
  const segments = ranges.map(([i0, i1, j0, j1]) => ({
    ...{ i0, i1, j0, j1 },
    offsets: [0, 0],
    output: 0,
  }));
  const program = device.compile(kernel, 60, 700);
  await device.launch(program, [points, columns], [out], segments, {});
  for (const [i0, i1, j0, j1] of ranges) {
    for (let i = i0; i < i1; i++) {
      const distanceTo = (j: number): number =>
        [0, 1, 2].reduce((sum, d) => sum + (points[3 * i + d] - columns[3 * j + d]) ** 2, 0);
      let best = -1;
      for (let j = j0; j < j1; j++) if (best < 0 || distanceTo(j) < distanceTo(best)) best = j;
      assertEquals(out[i], best, `row ${i}`);
    }
  }
  const [size, M, N] = [4, 37, 211];
  const u = tensor(random.float32(size * M * 3), [size, M, 3]);
  const v = tensor(random.float32(size * N * 3), [size, N, 3]);
  using plain = wasm({ threads: 1, schedule: "untiled" });
  const all = await Vi(u).sqDist(Vj(v)).argMin("j", { device }).data();
  for (let k = 0; k < size; k++) {
    const alone = Vi(u.slice(k)).sqDist(Vj(v.slice(k))).argMin("j", { device: plain });
    assertEquals(
      [...all.subarray(k * M, (k + 1) * M)],
      Array.from(await alone.data()),
      `batch ${k}`,
    );
  }
});

function kernelOf(reduction: ReductionName, formula = distance, k = 1): Kernel {
  const options = { sumScheme: "compensated", accumulator: "f32", k } as const;
  const kernel = { formula, reduction, float: "f32", inputs: [x, y], options } as const;
  return lower({ ...kernel, fastMath: false }, expandedMath);
}

Deno.test("a search has no branch and no state of the rows in its loops, but for the columns' place", () => {
  for (const { reduction, outputs } of EXTREMA) {
    const { search, state } = kernelOf(reduction);
    assert(search !== null, reduction);
    const places = state.map((item) => item.kind === "cell" ? item.cell : item.array);
    for (const part of [search.begin, search.pair, search.end]) {
      visit(part, (s) => {
        assert(s.kind !== "when" && !touchesState(s, (place) => places.includes(place)), reduction);
      });
    }
    const names = outputs as readonly string[];
    assertEquals(search.take === null, !names.includes("index"), reduction);
  }
});

Deno.test("only extrema of scalars of few operations are searched", () => {
  const searches = (kernel: Kernel): boolean => chooseSchedule(kernel, 1000).searches === true;
  assert(EXTREMA.every(({ reduction }) => searches(kernelOf(reduction))));
  assert(!searches(kernelOf("argMin", build.sub(x, y))), "vectors");
  assert(!searches(kernelOf("kMin", distance, 2)), "more than one");
  assert(!searches(kernelOf("argMin", build.exp(distance))), "long formulas");
  assert(!searches(kernelOf("logSumExp")), "sums");
});
