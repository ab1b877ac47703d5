// Loops that are written out whole, so that what they read of rows stands in globals.

import { assert, assertEquals } from "@std/assert";
import { type LazyTensor, tensor, Vi, Vj, wasm } from "pairfold";

/** Numbers that look random. */
function numbers(length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, k) => Math.sin(1 + 7.3 * k));
}

const SCHEDULE = {
  rowVectors: 4,
  interleave: 4,
  columns: 2,
  operands: "memory",
  writesOut: true,
} as const;

/** The matrix of exp(−|x − y|² / dim) for rows and columns that fill no tile. */
function gaussian(dim: number): LazyTensor {
  const [M, N] = [37, 131];
  const x = Vi(tensor(numbers(M * dim), [M, dim]));
  return x.sqDist(Vj(tensor(numbers(N * dim).reverse(), [N, dim]))).mul(-1 / dim).exp();
}

Deno.test("rows of long vectors wait in globals, with the bits that they have elsewhere", async () => {
  using untiled = wasm({ schedule: "untiled", threads: 1 });
  for (const dim of [33, 64]) {
    for (const threads of [1, 2]) {
      using device = wasm({ schedule: SCHEDULE, threads });
      const fold = gaussian(dim).sum("j", { device });
      assert(fold.explain().includes("global.set"));
      const want = await gaussian(dim).sum("j", { device: untiled }).data();
      assertEquals(await fold.data(), want);
    }
  }
});

Deno.test("loops too long to be written out read memory", () => {
  using device = wasm({ schedule: SCHEDULE, threads: 1 });
  assert(!gaussian(500).sum("j", { device }).explain().includes("global."));
});
