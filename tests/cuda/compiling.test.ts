// Code that is cheap to compile: what is rare stands once, many equal functions are a loop, kernels
// that a launch needs are compiled side by side. And the bits: those of `untiled`.

import { assert, assertEquals } from "@std/assert";
import { emitCuda } from "../../src/emit/cuda/mod.ts";
import { Shim } from "../../src/engine/cuda/shim.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import type { Kernel } from "../../src/loop/mod.ts";
import { chooseCudaSchedule, type CudaSchedule } from "../../src/tiling/mod.ts";
import { type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";
import { attentionKernel, gradientKernel, HEADLINES, kernelMatrix } from "./support/headlines.ts";

/** The body of `fold` with the schedule that a million rows get. */
function foldOf(kernel: Kernel): string {
  const { source } = emitCuda(kernel, chooseCudaSchedule(kernel, 1e6));
  return source.slice(source.indexOf("\nfold("));
}

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0;

Deno.test("sums that are scaled: a warp leaves the loop to scale, and columns are met one by one", () => {
  // rows, columns of a turn, exponentials of a pair and of its scaling
  const cases = [
    [attentionKernel(33, 8, "f64"), 2, 4],
    [attentionKernel(33, 8), 1, 4],
    [HEADLINES.logsumexp(), 4, 4],
  ] as const;
  for (const [kernel, rows, columns] of cases) {
    const fold = foldOf(kernel);
    assertEquals(count(fold, /= (pf_)?exp2?\(/g), rows * columns + 2 * rows, kernel.title);
    assertEquals(count(fold, /if \(__any_sync\(0xffffffffu, v\d+\)\) break;/g), 1);
  }
  // bounds change often as long as columns are few: their branches keep what they have
  for (const name of ["argmin", "10-smallest"] as const) {
    assertEquals(count(foldOf(HEADLINES[name]()), /__any_sync/g), 0);
  }
});

Deno.test("many functions of doubles are a loop, few stand side by side", () => {
  const calls = (kernel: Kernel): number[] => {
    const fold = foldOf(kernel);
    return [count(fold, /= exp2\(v\d+\)/g), count(fold, /= exp2\(many0\[q \+ e\]\)/g)];
  };
  // 4 rows × 8 columns in a turn, 4 × 1 in what is left over
  assertEquals(calls(kernelMatrix(64, 1, "f64")), [4, 1]);
  assertEquals(calls(gradientKernel(64, "f64")), [4, 1]);
  assertEquals(calls(kernelMatrix(3, 1, "f64")), [8, 0]);
  // of floats each is one instruction
  assert(!foldOf(kernelMatrix(300, 1)).includes("many0"));
});

Deno.test("rows in memory are filled by loops, those in registers one by one", () => {
  const filled = (kernel: Kernel): number => count(foldOf(kernel), /\(x0 \+ i0 \* \d+\)\[/g);
  assertEquals(filled(gradientKernel(28, "f64")), 1);
  assertEquals(filled(gradientKernel(64)), 1);
  assertEquals(filled(kernelMatrix(16, 1)), 16);
});

/** Columns whose values jump, further than sums bear unscaled, in places that divide nothing. */
function jumps(N: number, dim: number): number[] {
  const steps = [[0, -3], [1, 2], [6, 3.5], [7, 5], [21, -9], [40, 8], [66, 12], [70, 1]] as const;
  const step = (j: number): number => steps.findLast(([from]) => from <= j % 77)![1];
  return Array.from({ length: N * dim }, (_, k) => step(Math.floor(k / dim)) * (1 + k % 5 / 8));
}

const plain = { rows: 1, threads: 32, tile: 0, columns: 1, unroll: 1, slice: 0, chunk: 0 } as const;

/** Dims, components of the weight (0: log-sum-exp), and schedules. */
const SCALED: readonly (readonly [number, number, readonly CudaSchedule[]])[] = [
  [3, 0, [{ ...plain, rows: 4, tile: 64, columns: 4 }, { ...plain, rows: 2, columns: 8 }]],
  [3, 2, [{ ...plain, rows: 2, tile: 16, columns: 4 }, { ...plain, tile: 128, columns: 16 }]],
  [35, 5, [
    { ...plain, rows: 2, tile: 32, columns: 4 },
    { ...plain, threads: 64, tile: 64, columns: 4, chunk: 16, unroll: 2 },
  ]],
  [7, 13, [{ ...plain, rows: 2, tile: 32, columns: 2, slice: 16 }]],
];

for (const [dim, width, schedules] of SCALED) {
  testOnCard(
    `${dim} dims, ${width} components, scaled again and again: the bits of untiled`,
    async () => {
      const [x, y, b] = [
        variable(0, "i", dim),
        variable(1, "j", dim),
        variable(2, "j", width || 1),
      ];
      const formula: Node = build.mul(build.constant(8 / dim), build.dot(x, y));
      for (const [M, N] of [[131, 77], [3, 2051]]) {
        for (const dtype of ["float32", "float64"] as const) {
          const parts = width === 0
            ? { reduction: "logSumExp" } as const
            : { reduction: "sumSoftMaxWeight", weight: b } as const;
          const data = new Map([[1, jumps(N, dim)]]);
          const c: FoldCase = { axis: "j", formula, M, N, dtype, data, ...parts };
          const inputs = inputsOf(c, randomFor(`scaled ${dim} ${width}`));
          const untiled = await runFold({ ...c, device: card({ schedule: "untiled" }) }, inputs);
          for (const schedule of schedules) {
            if (dtype === "float64" && schedule.chunk > 0) continue;
            const got = await runFold({ ...c, device: card({ schedule }) }, inputs);
            assertEquals(got, untiled, `${M}×${N}, ${dtype}, ${JSON.stringify(schedule)}`);
          }
        }
      }
    },
  );
}

/** (x − y) exp(−|x − y|) b in so many dims: roots and exponentials, sums as long as rows. */
function springs(dim: number): Node {
  const [x, y, b] = [variable(0, "i", dim), variable(1, "j", dim), variable(2, "j", 1)];
  const value = build.exp(build.neg(build.sqrt(build.sqDist(x, y))));
  return build.mul(build.sub(x, y), build.mul(value, b));
}

for (const dim of [26, 28, 37]) {
  testOnCard(
    `springs in ${dim} dims: rows in memory, loops of functions, the bits of untiled`,
    async () => {
      for (const [M, N] of [[131, 77], [3, 2051]]) {
        for (const dtype of ["float32", "float64"] as const) {
          const parts = { axis: "j", formula: springs(dim), reduction: "sum" } as const;
          const c: FoldCase = { ...parts, M, N, dtype };
          const inputs = inputsOf(c, randomFor(`springs ${dim}`));
          const untiled = await runFold({ ...c, device: card({ schedule: "untiled" }) }, inputs);
          for (const [rows, columns, tile] of [[4, 8, 16], [2, 8, 8], [1, 16, 16], [4, 4, 32]]) {
            const schedule = { ...plain, rows, columns, tile };
            const got = await runFold({ ...c, device: card({ schedule }) }, inputs);
            assertEquals(got, untiled, `${M}×${N}, ${dtype}, ${JSON.stringify(schedule)}`);
          }
        }
      }
    },
  );
}

testOnCard("the kernel that joins states is compiled beside the one that folds", async () => {
  const original = Shim.prototype.compile;
  let running = 0, most = 0, all = 0;
  Shim.prototype.compile = async function (this: Shim, ...args: Parameters<typeof original>) {
    most = Math.max(most, ++running);
    all++;
    try {
      return await original.apply(this, args);
    } finally {
      running--;
    }
  };
  try {
    const [x, y] = [variable(0, "i", 2), variable(1, "j", 2)];
    const formula = build.exp(build.neg(build.sqDist(x, y)));
    const fold = { axis: "j", formula, reduction: "sum", dtype: "float32" } as const;
    // planned, then in pieces; a fold that is not split needs one kernel
    for (
      const [N, options, wanted] of [[5000, {}, 2], [5000, { memoryLimit: 2 ** 24 }, 2], [
        70,
        {},
        1,
      ]] as const
    ) {
      running = most = all = 0;
      const c: FoldCase = { ...fold, M: 3, N, device: card(options) };
      await runFold(c, inputsOf(c, randomFor("side by side")));
      assertEquals([most, all], [wanted, wanted], `${N} columns, ${JSON.stringify(options)}`);
    }
  } finally {
    Shim.prototype.compile = original;
  }
});
