// Block-sparse reductions against those of KeOps itself, in float64: values, indices, gradients, and
// the arrays that its `from_matrix` makes.

import { assert, assertEquals } from "@std/assert";
import { BlockRanges, genred, type KeopsReduction, type Tensor, tensor, vjp } from "../../mod.ts";

interface WrittenArray {
  readonly shape: number[];
  /** JSON knows no infinity. */
  readonly data: readonly (number | "Infinity" | "-Infinity")[];
}

interface Golden extends Readonly<Record<"x" | "y" | "b" | "e", WrittenArray>> {
  readonly matrices: readonly {
    readonly rows: number[][];
    readonly columns: number[][];
    readonly keep: number[][];
    readonly arrays: [number[][], number[], number[][], number[][], number[], number[][]];
  }[];
  readonly cases: readonly {
    readonly matrix: number;
    readonly reduction: string;
    readonly axis: 0 | 1;
    readonly k?: number;
    readonly weight?: string;
    readonly outputs: readonly WrittenArray[];
  }[];
  readonly gradients: readonly {
    readonly matrix: number;
    readonly reduction: string;
    readonly gradients: readonly WrittenArray[];
  }[];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../data/keops_ranges.json", import.meta.url)),
);
const inputOf = ({ shape, data }: WrittenArray): Tensor =>
  tensor(Float64Array.from(data, Number), shape);
const [x, y, b, e] = [golden.x, golden.y, golden.b, golden.e].map(inputOf);
const RANGES = golden.matrices.map(({ rows, columns, keep }) =>
  BlockRanges.fromMatrix(rows, columns, keep)
);
const ALIASES = ["X=Vi(0,2)", "Y=Vj(1,2)", "B=Vj(2,1)"];

/** KeOps says 0 for the index of a row that meets nothing, we −1. */
async function check(t: Tensor, want: WrittenArray, what: string): Promise<void> {
  assertEquals([...t.shape], want.shape, what);
  const got = await t.data();
  want.data.map(Number).forEach((value, k) => {
    const found = t.dtype === "int32" && got[k] === -1 ? 0 : got[k];
    const isSame = found === value ||
      Math.abs(found - value) < 1e-12 * Math.max(1, Math.abs(value));
    assert(isSame, `${what}, number ${k}: got ${got[k]}, expected ${value}`);
  });
}

Deno.test("golden ranges: the arrays of from_matrix mean the same pairs", () => {
  for (const [k, { arrays }] of golden.matrices.entries()) {
    assert(BlockRanges.fromKeops(arrays).equals(RANGES[k]));
    const [rangesI, slicesI, redrangesJ] = arrays;
    assert(BlockRanges.fromKeops([rangesI, slicesI, redrangesJ]).equals(RANGES[k]));
  }
});

for (const { matrix, reduction, axis, k, weight, outputs } of golden.cases) {
  const name = `golden ranges ${matrix}, ${reduction} over axis ${axis}`;
  Deno.test(`${name}: agrees with KeOps`, async () => {
    const f = genred<KeopsReduction>("SqDist(X,Y)*B", ALIASES, {
      reduction: reduction as KeopsReduction,
      axis,
      dtype: "float64",
      ...(k === undefined ? {} : { k }),
      ...(weight === undefined ? {} : { weight }),
    });
    const results = [f(x, y, b, { ranges: RANGES[matrix] })].flat() as Tensor[];
    assertEquals(results.length, outputs.length);
    for (const [slot, t] of results.entries()) await check(t, outputs[slot], `${name}, ${slot}`);
  });
}

for (const { matrix, reduction, gradients } of golden.gradients) {
  const name = `golden ranges ${matrix}, gradients of ${reduction}`;
  Deno.test(`${name}: agree with KeOps`, async () => {
    const f = genred<KeopsReduction>("SqDist(X,Y)*B", ALIASES, {
      reduction: reduction as KeopsReduction,
      dtype: "float64",
    });
    const ranged = (...inputs: Tensor[]) => f(...inputs, { ranges: RANGES[matrix] });
    const [, pull] = vjp(ranged, [x, y, b]);
    for (const [slot, t] of pull(e).entries()) await check(t, gradients[slot], `${name}, ${slot}`);
  });
}
