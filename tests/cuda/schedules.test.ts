// Schedules for long vectors and wide outputs: the bits of `untiled`, and the reference's numbers,
// at sizes that divide nothing. tests/cuda/conformance.test.ts has those of short ones.

import { assertEquals, assertThrows } from "@std/assert";
import { PairfoldError } from "../../src/error.ts";
import { emitCuda } from "../../src/emit/cuda/mod.ts";
import { build, variable } from "../../src/formula/mod.ts";
import { scaledGaussian } from "../../src/program/scaled.ts";
import { chooseCudaSchedule, type CudaSchedule } from "../../src/tiling/mod.ts";
import { checkFold, type FoldCase, inputsOf, referenceRows, runFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";
import { factorKernel, gradientKernel, HEADLINES, kernelMatrix } from "./support/headlines.ts";

const plain = { rows: 1, threads: 32, tile: 0, columns: 1, unroll: 1, slice: 0, chunk: 0 } as const;
/** 8 × 8 pairs per thread. */
const patches = { ...plain, threads: 64, tile: 64, columns: 4, chunk: 16 } as const;

/** exp(−|x − y|² / dim) b in so many dims and components. */
function gaussian(dim: number, width: number): Pick<FoldCase, "formula" | "reduction" | "axis"> {
  const [x, y, b] = [variable(0, "i", dim), variable(1, "j", dim), variable(2, "j", width)];
  const exponent = build.mul(build.constant(-1 / dim), build.sqDist(x, y));
  return { formula: build.mul(build.exp(exponent), b), reduction: "sum", axis: "j" };
}

/** softmax(⟨x, y⟩ / dim) b: the state is rescaled while it is folded. */
function attention(dim: number, width: number): Pick<FoldCase, "formula" | "weight" | "reduction"> {
  const [x, y, b] = [variable(0, "i", dim), variable(1, "j", dim), variable(2, "j", width)];
  const formula = build.mul(build.constant(1 / dim), build.dot(x, y));
  return { formula, weight: b, reduction: "sumSoftMaxWeight" };
}

/** exp(−0.7 |x − y|²) b with the scale in points around a centre. */
function scaled(): Pick<FoldCase, "formula" | "reduction"> {
  const [x, y, b] = [variable(0, "i", 3), variable(1, "j", 3), variable(2, "j", 1)];
  const gaussian = { a: x, b: y, scale: build.constant(0.7) };
  const formula = build.mul(scaledGaussian(gaussian, variable(3, "p", 3)), b);
  return { formula, reduction: "sum" };
}

/** exp(⟨x, y⟩ / dim) b under a row's factor that may be infinite. */
function dots(dim: number): Pick<FoldCase, "formula" | "reduction"> {
  const [x, y, b] = [variable(0, "i", dim), variable(1, "j", dim), variable(2, "j", 1)];
  const formula = build.exp(build.mul(build.constant(1 / dim), build.dot(x, y)));
  return {
    formula: build.mul(build.mul(build.exp(variable(3, "i", 1)), formula), b),
    reduction: "sum",
  };
}

/** (x − y) exp(−|x − y|² / dim) b under a row's factor: sums as long as rows, cut by no slice. */
function gradient(dim: number): Pick<FoldCase, "formula" | "reduction"> {
  const [x, y, b] = [variable(0, "i", dim), variable(1, "j", dim), variable(2, "j", 1)];
  const exponent = build.mul(build.constant(-1 / dim), build.sqDist(x, y));
  const formula = build.mul(build.sub(x, y), build.mul(build.exp(exponent), b));
  return { formula: build.mul(formula, variable(5, "i", 1)), reduction: "sum" };
}

/** Factors of so many rows for it, some of which are not finite. */
const factorsOf = (rows: number): ReadonlyMap<number, readonly number[]> =>
  new Map([[5, Array.from({ length: rows }, (_, i) => [0.5, Infinity, -2, NaN, 0][i % 5])]]);

/** The columns of the three largest products. */
function largest(dim: number): Pick<FoldCase, "formula" | "reduction" | "k"> {
  const formula = build.neg(build.dot(variable(0, "i", dim), variable(1, "j", dim)));
  return { formula, reduction: "kMinArgKMin", k: 3 };
}

/** More neighbours than a sorted list keeps: candidates are appended, and narrowed now and then. */
function candidates(): Pick<FoldCase, "formula" | "reduction" | "k"> {
  const formula = build.sqDist(variable(0, "i", 3), variable(1, "j", 3));
  return { formula, reduction: "kMinArgKMin", k: 20 };
}

/** A row's components in every term: x_i b_j, wide on both sides. */
function products(width: number): Pick<FoldCase, "formula" | "reduction"> {
  const [x, b] = [variable(0, "i", width), variable(1, "j", width)];
  return { formula: build.exp(build.neg(build.square(build.sub(x, b)))), reduction: "sum" };
}

const CASES: readonly (readonly [string, Partial<FoldCase>, readonly CudaSchedule[]])[] = [
  ["70 dims", gaussian(70, 1), [
    { ...plain, rows: 4, tile: 8, columns: 8 },
    { ...plain, rows: 2, columns: 4, unroll: 2 },
  ]],
  ["13 components", gaussian(3, 13), [
    { ...plain, rows: 4, tile: 16, slice: 16 },
    { ...plain, rows: 2, tile: 64, columns: 2, slice: 8 },
  ]],
  ["37 components", gaussian(3, 37), [
    { ...plain, rows: 4, tile: 16, slice: 12 },
    { ...plain, rows: 2, tile: 64, slice: 64 },
  ]],
  ["131 components", gaussian(3, 131), [{ ...plain, rows: 2, tile: 16, slice: 32 }]],
  ["41 dims, 45 components", gaussian(41, 45), [
    { ...plain, rows: 2, tile: 16, columns: 8, slice: 24 },
  ]],
  ["scale in points", scaled(), [
    { ...plain, rows: 4, threads: 64, tile: 64, unroll: 8 },
    { ...plain, rows: 8, tile: 16, columns: 4 },
  ]],
  ["attention", attention(33, 35), [
    { ...plain, rows: 2, tile: 32, columns: 4, slice: 20 },
    { ...plain, rows: 4, tile: 8, slice: 36 },
  ]],
  ["attention of 14 components", attention(12, 14), [
    { ...plain, rows: 2, tile: 32, columns: 2, slice: 16 },
    { ...plain, rows: 4, tile: 16, slice: 8 },
  ]],
  ["dot products of 33", dots(33), [patches, { ...patches, threads: 128, chunk: 8 }]],
  ["dot products of 100", dots(100), [{ ...patches, chunk: 8 }]],
  ["largest of 64", largest(64), [patches]],
  ["20 smallest", candidates(), [
    { ...plain, rows: 2, tile: 64, columns: 4 },
    { ...plain, tile: 16, columns: 8 },
  ]],
  ["70 dims in patches", gaussian(70, 1), [{ ...patches, threads: 32 }]],
  ["gradient in 35 dims", gradient(35), [
    { ...plain, rows: 2, tile: 16, columns: 8 },
    { ...plain, rows: 4, tile: 16, columns: 4 },
  ]],
  ["gradient in 70 dims", gradient(70), [{ ...plain, rows: 4, tile: 8, columns: 8 }]],
  ["64 dims, 20 components", gaussian(64, 20), [
    { ...plain, rows: 4, tile: 8, columns: 8, slice: 12 },
  ]],
  ["products", products(38), [{ ...plain, rows: 2, tile: 16, slice: 16 }]],
];

for (const [name, parts, schedules] of CASES) {
  testOnCard(`${name}: every schedule gives the same bits, on a card`, async () => {
    // rows that no block divides; many columns, so that they are split and states are kept
    for (const [M, N] of [[131, 77], [3, 2051]]) {
      for (const dtype of ["float32", "float64"] as const) {
        const c = { axis: "j", M, N, dtype, data: factorsOf(M), ...parts } as FoldCase;
        const inputs = inputsOf(c, randomFor(`schedules ${name}`));
        if (dtype === "float64" && schedules.some(({ chunk }) => chunk > 0)) continue;
        const untiled = await runFold({ ...c, device: card({ schedule: "untiled" }) }, inputs);
        for (const schedule of schedules) {
          const got = await runFold({ ...c, device: card({ schedule }) }, inputs);
          assertEquals(got, untiled, `${M}×${N}, ${dtype}, ${JSON.stringify(schedule)}`);
        }
      }
    }
  });

  testOnCard(`${name}: the chosen schedule agrees with the reference, on a card`, async () => {
    for (const dtype of ["float32", "float64"] as const) {
      const c = { axis: "j", M: 131, N: 77, dtype, data: factorsOf(131), ...parts } as FoldCase;
      await checkFold({ ...c, device: card() }, randomFor(`chosen ${name}`));
    }
  });
}

Deno.test("schedules that a kernel cannot have are refused with the reason", () => {
  const wide = kernelMatrix(3, 64);
  const short = HEADLINES["gaussian"]();
  const long = HEADLINES["D=64"]();
  const refused = [
    [wide, { ...plain, slice: 32 }, "slices without a tile"],
    [wide, { ...plain, tile: 16, slice: 30 }, "slices of 30"],
    [short, { ...plain, tile: 16, slice: 32 }, "no array of independent components"],
    [short, { ...plain, tile: 4, columns: 8 }, "8 columns per turn of tiles of 4"],
    [short, { ...plain, columns: 3 }, "3 columns per turn"],
    [short, patches, "no long vectors of i and j are contracted"],
    [long, { ...patches, chunk: 4 }, "chunks of 4"],
    [long, { ...patches, rows: 2 }, "patches with 2 rows"],
    [long, { ...patches, threads: 256 }, "bytes; expected at most"],
  ] as const;
  for (const [kernel, schedule, words] of refused) {
    assertThrows(() => emitCuda(kernel, schedule), PairfoldError, words);
  }
});

Deno.test("a warp narrows its lists together: threads vote on each row, none tests alone", () => {
  /** The body of `fold`, and of what joins splits. */
  const codeOf = (name: "50-smallest" | "10-smallest", rows: number): readonly string[] => {
    const kernel = HEADLINES[name]();
    const { source, combine } = emitCuda(kernel, { ...chooseCudaSchedule(kernel, 1e6), rows });
    return [source.slice(source.indexOf("\nfold(")), combine()];
  };
  const votesIn = (code: string): number => code.match(/__(all|any)_sync/g)?.length ?? 0;
  for (const rows of [1, 2, 4]) {
    const [fold, combine] = codeOf("50-smallest", rows);
    assertEquals([votesIn(fold), votesIn(combine)], [rows, 0]);
    // a list is long with more than 2 (50 + 12): the vote alone asks, and nothing stands around
    const asked = [...fold.matchAll(/^( *)const bool (v\d+) = v\d+ <= 124;$/gm)];
    assertEquals(asked.length, rows);
    for (const [, margin, name] of asked) {
      const [, ...uses] = fold.match(new RegExp(`^.*\\b${name}\\b.*$`, "gm")) ?? [];
      assertEquals(uses, [`${margin}if (!__all_sync(0xffffffffu, ${name})) {`]);
    }
    assertEquals(codeOf("10-smallest", rows).map(votesIn), [0, 0]);
  }
});

Deno.test("a row's factor has a loop of its own where it costs: beside few operations", () => {
  const hasBoth = (dim: number, width: number): boolean => {
    const kernel = factorKernel(dim, width);
    const { source } = emitCuda(kernel, chooseCudaSchedule(kernel, 1e6));
    return source.includes("const bool special = ");
  };
  assertEquals([hasBoth(3, 1), hasBoth(3, 4)], [true, true]);
  assertEquals([hasBoth(16, 1), hasBoth(64, 1), hasBoth(3, 64)], [false, false, false]);
});

Deno.test("long rows, and sums as long, meet several columns once they are loaded", () => {
  const cut = (kernel: ReturnType<typeof kernelMatrix>): readonly [number, number] => {
    const { rows, columns } = chooseCudaSchedule(kernel, 1e6);
    return [rows, columns];
  };
  assertEquals(cut(kernelMatrix(32, 1, "f64")), [2, 1]);
  for (const dim of [33, 64, 100]) assertEquals(cut(kernelMatrix(dim, 1, "f64")), [4, 8]);
  for (const dim of [25, 64, 300]) assertEquals(cut(gradientKernel(dim)), [4, 8]);
  assertEquals(cut(gradientKernel(1000)), [1, 8]);
});

testOnCard("long, short and empty lists in one warp: each keeps its K smallest", async () => {
  const [M, N, k] = [261, 707, 17];
  // columns fall twice: lists of rows below them are long, others hardly grow; NaN to rows above
  const places = [0, 8 - 1 / 32, 5, NaN, 7.5, -3];
  const x = Array.from({ length: M }, (_, i) => places[i * 5 % 11 % 6]);
  const y = Array.from(
    { length: N },
    (_, j) => 8 + Math.floor(j / 353) - Math.floor(j % 353 / 6) / 16,
  );
  const [p, q] = [variable(0, "i", 1), variable(1, "j", 1)];
  const ofNaN = build.mul(build.constant(0), build.sqrt(build.sub(q, p)));
  const formula = build.add(build.square(build.sub(p, q)), ofNaN);
  const parts = { reduction: "kMinArgKMin", axis: "j", dtype: "float32" } as const;
  const c = { ...parts, formula, k, M, N, data: new Map([[0, x], [1, y]]) };
  const inputs = inputsOf(c, randomFor("lists of a warp"));
  const reference = await referenceRows(c, inputs, Array.from({ length: M }, (_, i) => i));
  const want = reference.map((numbers) => Array.from(numbers)); // all is exact
  for (const rows of [1, 2, 4]) {
    const schedule = { ...plain, rows, tile: 64, columns: 4 };
    const got = await runFold({ ...c, device: card({ schedule }) }, inputs);
    assertEquals(got.map((numbers) => Array.from(numbers)), want, `${rows} rows of a thread`);
  }
});

Deno.test("chosen schedules are legal at every dim and width", () => {
  const dims = [1, 2, 3, 33, 64, 65, 129, 1000, 3000];
  const widths = [1, 3, 8, 9, 17, 33, 65, 512];
  for (const float of ["f32", "f64"] as const) {
    const kernels = [
      ...dims.map((dim) => kernelMatrix(dim, 1, float)),
      ...widths.map((width) => kernelMatrix(3, width, float)),
      kernelMatrix(100, 100, float),
    ];
    for (const kernel of kernels) {
      for (const rows of [1, 1e4, 1e6]) {
        const schedule = chooseCudaSchedule(kernel, rows);
        emitCuda(kernel, schedule);
        // nothing wide is left to memory
        const isWide = kernel.outputs[0].dim > 8;
        assertEquals(schedule.slice > 0, isWide, `${kernel.title}: ${JSON.stringify(schedule)}`);
      }
    }
  }
});
