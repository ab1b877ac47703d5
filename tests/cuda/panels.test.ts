// Wide sums as products of panels: the bits of `untiled` at sizes that divide nothing, sums that
// are scaled while they are folded, and what kernels cannot have.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Vi, Vj } from "../../mod.ts";
import { PairfoldError } from "../../src/error.ts";
import { emitCuda } from "../../src/emit/cuda/mod.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import { chooseCudaSchedule, type CudaSchedule, panelOf } from "../../src/tiling/mod.ts";
import type { FoldChoices } from "../../src/program/request.ts";
import { checkFold, type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";
import { attentionKernel, HEADLINES, kernelMatrix } from "./support/headlines.ts";

type Parts = Pick<FoldCase, "formula" | "reduction"> & Partial<FoldCase>;

const variables = (dim: number, width: number): readonly Node[] => [
  variable(0, "i", dim),
  variable(1, "j", dim),
  variable(2, "j", width),
];

/** exp(−|x − y|² / dim) b. */
function gaussian(dim: number, width: number): Parts {
  const [x, y, b] = variables(dim, width);
  const exponent = build.mul(build.constant(-1 / dim), build.sqDist(x, y));
  return { formula: build.mul(build.exp(exponent), b), reduction: "sum" };
}

/** ⟨x, y⟩ b. */
function products(dim: number, width: number): Parts {
  const [x, y, b] = variables(dim, width);
  return { formula: build.mul(build.dot(x, y), b), reduction: "sum" };
}

/** softmax(scale ⟨x, y⟩) b; large scales make the maximum jump, so that sums are scaled often. */
function attention(dim: number, width: number, scale = 1 / dim, reduction = "sumSoftMaxWeight") {
  const [x, y, b] = variables(dim, width);
  const formula = build.mul(build.constant(scale), build.dot(x, y));
  return { formula, weight: b, reduction } as Parts;
}

/** The same in doubles. */
const inDoubles = (parts: Parts): Parts => ({ ...parts, dtype: "float64" });

/** a exp(−|x − y|² / dim) b, whose first and last rows' factors are not finite. */
function underFactor(dim: number, width: number, reduction: Parts["reduction"] = "sum"): Parts {
  const { formula } = gaussian(dim, width);
  return { formula: build.mul(variable(4, "i", 1), formula), reduction };
}

/** Factors for so many rows. */
function factors(rows: number): number[] {
  const special = [Infinity, 0.5, NaN, -0, 3, 1, -Infinity];
  return Array.from({ length: rows }, (_, i) => special[Math.min(i, rows - 1 - i) * 2 % 7] ?? 1);
}

const panels = { rows: 1, threads: 64, columns: 4, unroll: 1, chunk: 0, panel: 16, tile: 16 };
const behindPatches = { ...panels, chunk: 8, panel: 32, tile: 64 } as const;
const doublesBehindPatches = { ...panels, chunk: 8, panel: 16, tile: 32 } as const;

/** Folds, schedules besides the chosen one, and whether digits are float32's. */
const CASES: readonly (readonly [string, Parts, readonly CudaSchedule[], boolean?])[] = [
  ["9 components", gaussian(3, 9), [{ ...panels, slice: 12 }]],
  ["16 components", gaussian(3, 16), [{ ...panels, slice: 16 }, { ...panels, slice: 8 }]],
  ["17 components", gaussian(2, 17), [{ ...panels, slice: 20, panel: 32, tile: 32 }]],
  ["64 components", gaussian(3, 64), [{ ...panels, slice: 40 }]],
  ["100 components", gaussian(3, 100), [{ ...panels, threads: 32, slice: 56 }]],
  ["70 dims, 16 components", gaussian(70, 16), [{ ...behindPatches, slice: 16 }]],
  ["40 dims, 64 components", gaussian(40, 64), []],
  ["products of 37", products(37, 17), [{ ...behindPatches, chunk: 16, slice: 20 }]],
  ["attention", attention(40, 50), [{ ...behindPatches, slice: 28 }]],
  ["attention in 3 dims", attention(3, 33), [{ ...panels, slice: 20, panel: 32, tile: 32 }]],
  ["attention in 20 dims, 30 components", attention(20, 30), [{ ...panels, slice: 12 }]],
  ["scaled often", attention(40, 35, 30), [{ ...panels, slice: 40 }], false],
  ["scaled often in 3 dims", attention(3, 40, 80), [], false],
  ["33 components in doubles", inDoubles(gaussian(3, 33)), [
    { ...panels, slice: 24, panel: 32, tile: 32 },
    { ...panels, slice: 12 },
  ]],
  ["73 components in doubles", inDoubles(gaussian(2, 73)), [{ ...panels, threads: 32, slice: 40 }]],
  ["16 dims, 90 components in doubles", inDoubles(gaussian(16, 90)), []],
  ["attention in doubles", inDoubles(attention(3, 35)), [{ ...panels, slice: 20 }]],
  ["attention of 17 components in doubles", inDoubles(attention(9, 17)), [
    { ...panels, slice: 12, panel: 32, tile: 32 },
  ]],
  ["scaled often in doubles", inDoubles(attention(3, 40, 80)), [
    { ...panels, slice: 24, panel: 32, tile: 32 },
  ], false],
  ["41 dims, 35 components in doubles", inDoubles(gaussian(41, 35)), [
    { ...doublesBehindPatches, slice: 12 },
    { ...doublesBehindPatches, threads: 128, slice: 40 },
  ]],
  ["products of 38 in doubles", inDoubles(products(38, 17)), [
    { ...doublesBehindPatches, threads: 32, slice: 20 },
  ]],
  ["attention of 40 dims in doubles", inDoubles(attention(40, 50)), [
    { ...doublesBehindPatches, slice: 28 },
    { ...panels, slice: 20 },
  ]],
  ["scaled often in 35 dims in doubles", inDoubles(attention(35, 34, 30)), [
    { ...doublesBehindPatches, slice: 12 },
  ], false],
  ["a row's factor, 40 dims in doubles", inDoubles(underFactor(40, 50)), []],
  ["a row's factor", underFactor(3, 45), [{ ...panels, slice: 20 }]],
  ["a row's factor, 40 dims", underFactor(40, 50), []],
  ["a row's factor in doubles", inDoubles(underFactor(3, 45)), [{ ...panels, slice: 20 }]],
];

for (const [name, parts, schedules, isPrecise = true] of CASES) {
  testOnCard(`panels, ${name}: every schedule gives the same bits, on a card`, async () => {
    // whole blocks and none, rows that no block divides, columns in splits
    for (const [M, N] of [[1, 3], [131, 77], [3, 1031], [70, 517]]) {
      const data = new Map([[4, factors(M)]]);
      const c: FoldCase = { axis: "j", M, N, dtype: "float32", data, ...parts };
      const inputs = inputsOf(c, randomFor(`panels ${name}`));
      const untiled = await runFold({ ...c, device: card({ schedule: "untiled" }) }, inputs);
      assertEquals(await runFold({ ...c, device: card() }, inputs), untiled, `${M}×${N}`);
      for (const schedule of schedules) {
        const got = await runFold({ ...c, device: card({ schedule }) }, inputs);
        assertEquals(got, untiled, `${M}×${N}, ${JSON.stringify(schedule)}`);
      }
    }
    if (!isPrecise) return;
    const data = new Map([[4, factors(37)]]);
    const c: FoldCase = { axis: "j", M: 37, N: 1031, dtype: "float32", data, ...parts };
    await checkFold({ ...c, device: card() }, randomFor(`panels ${name}`));
  });
}

testOnCard(
  "panels of TF32 products: the same bits by every schedule, digits by how many, on a card",
  async () => {
    const [M, N, dim, width] = [70, 77, 40, 20];
    const random = randomFor("panels of products");
    const [x, y, b] = [random.float32(M * dim), random.float32(N * dim), random.float32(N * width)];
    const folded = (device: FoldChoices["device"], products: FoldChoices["products"]) =>
      Vi(x, dim).dot(Vj(y, dim)).square().mul(Vj(b, width)).sum("j", { device, products }).data();
    const single = await folded(card(), "float32");
    const scale = Math.max(...single.map(Math.abs));
    const errors = await Promise.all((["tf32x3", "tf32"] as const).map(async (products) => {
      const got = await folded(card(), products);
      assertEquals(await folded(card({ schedule: "untiled" }), products), got);
      return Math.max(...Array.from(got, (v, k) => Math.abs(Number(v) - Number(single[k])))) /
        scale;
    }));
    assert(errors[0] > 0 && errors[0] < 1e-6 && errors[1] > 1e-5 && errors[1] < 2e-3, `${errors}`);
  },
);

testOnCard("shift, mass and weighted sums: once each, on a card", async () => {
  const parts = attention(3, 34, 1 / 3, "maxSumShiftExpWeight");
  const c: FoldCase = { axis: "j", M: 33, N: 131, dtype: "float32", ...parts };
  const inputs = inputsOf(c, randomFor("shift"));
  const untiled = await runFold({ ...c, device: card({ schedule: "untiled" }) }, inputs);
  assertEquals(await runFold({ ...c, device: card() }, inputs), untiled);
});

testOnCard("sums of 1e5 terms of one sign keep six digits, on a card", async () => {
  const N = 100_000;
  const data = new Map([[1, new Float32Array(3 * N).fill(0.3)], [
    0,
    Float32Array.of(0.1, 0.2, 0.3),
  ]]);
  const b = new Float32Array(40 * N).fill(0.7);
  const c: FoldCase = { axis: "j", M: 1, N, dtype: "float32", ...gaussian(3, 40) };
  const all = inputsOf({ ...c, data: new Map([...data, [2, b]]) }, randomFor("digits"));
  const [got] = await runFold({ ...c, device: card() }, all);
  const distance = (Math.fround(0.1) - Math.fround(0.3)) ** 2 +
    (Math.fround(0.2) - Math.fround(0.3)) ** 2;
  const wanted = N * Math.exp(-distance / 3) * Math.fround(0.7);
  for (const value of Array.from(got)) {
    assert(Math.abs(value - wanted) < 1e-6 * wanted, `${value}, ${wanted}`);
  }
});

Deno.test("panels that a kernel cannot have are refused with the reason", () => {
  const wide = kernelMatrix(3, 64);
  const long = kernelMatrix(64, 64, "f64");
  const refused = [
    [HEADLINES["gaussian"](), { ...panels, slice: 16 }, "no wide sums of products"],
    [kernelMatrix(3, 64, "f64"), { ...panels, slice: 88 }, "panels in slices of 88"],
    [wide, { ...panels, slice: 64, panel: 8 }, "panels of 8 columns"],
    [wide, { ...panels, slice: 44 }, "panels in slices of 44"],
    [wide, { ...panels, slice: 64, rows: 2 }, "panels with 2 rows"],
    [wide, { ...panels, slice: 64, tile: 64 }, "tiles of 64"],
    [wide, { ...behindPatches, slice: 64 }, "no long vectors of i and j are contracted"],
    [attentionKernel(64, 64), { ...behindPatches, slice: 64, panel: 16 }, "as patches hand over"],
    [attentionKernel(64, 64), { ...behindPatches, slice: 64, threads: 256 }, "bytes; expected at"],
    [long, { ...behindPatches, slice: 64 }, "tiles of 64"],
    [long, { ...doublesBehindPatches, chunk: 16, slice: 64 }, "chunks of 16"],
  ] as const;
  for (const [kernel, schedule, words] of refused) {
    assertThrows(() => emitCuda(kernel, schedule), PairfoldError, words);
  }
});

Deno.test("panels are chosen for wide sums, and where they are scaled", () => {
  const panelsOf = (kernel: ReturnType<typeof kernelMatrix>): readonly [number?, number?] => {
    const { panel, chunk } = chooseCudaSchedule(kernel, 1e6);
    return [panel, chunk];
  };
  assertEquals(panelsOf(kernelMatrix(3, 16)), [undefined, 0]);
  assertEquals(panelsOf(kernelMatrix(3, 64)), [16, 0]);
  assertEquals(panelsOf(kernelMatrix(3, 32, "f64")), [undefined, 0]);
  assertEquals(panelsOf(kernelMatrix(3, 33, "f64")), [16, 0]);
  assertEquals(panelsOf(kernelMatrix(64, 16)), [32, 16]);
  assertEquals(panelsOf(kernelMatrix(32, 16)), [undefined, 0]);
  assertEquals(panelsOf(kernelMatrix(32, 17)), [32, 16]);
  assertEquals(panelsOf(attentionKernel(3, 33)), [16, 0]);
  assertEquals(panelsOf(attentionKernel(16, 32)), [16, 0]);
  assertEquals(panelsOf(attentionKernel(32, 32)), [32, 16]);
  assertEquals(panelsOf(attentionKernel(16, 16)), [undefined, 0]);
  assertEquals(panelsOf(attentionKernel(64, 64)).at(0), 32);
  // nothing but products of one value
  assertEquals(panelOf(kernelMatrix(3, 8)), null);
});
