// What a host refuses, and what ends while it runs: errors, or another way to the same bits.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PairfoldError, Vi, Vj, wasm } from "../../mod.ts";
import { randomFor } from "../support/random.ts";

const POINTS = 20_000;

Deno.test("an engine that is disposed of while it runs ends what it was asked for first", async () => {
  const points = randomFor("disposed").float32(POINTS * 3);
  for (const threads of [1, 2]) {
    const device = wasm({ threads, threadedPairs: 1 });
    const sums = Vi(points, 3).sqDist(Vj(points, 3)).neg().exp();
    const kept = await sums.sum("j", { device }).data();
    const running = sums.mul(1).sum("j", { device }).data({ onProgress: () => device.dispose() });
    const waiting = Vi(points, 3).sqDist(Vj(points, 3)).min("j", { device }).data();
    assertEquals(await running, kept, `${threads} threads`);
    assertEquals((await waiting).length, POINTS);
    assertEquals(await sums.mul(1).sum("j", { device }).data(), kept);
    device.dispose();
  }
});

/** So many sines of each component, one inside another. */
function sines(count: number): ReturnType<typeof Vi> {
  let formula = Vi([[0.1, 0.2], [0.3, 0.4]]).sub(Vj([[0.5, 0.6], [0.7, 0.9], [1, 2]]));
  for (let k = 0; k < count; k++) formula = formula.sin();
  return formula;
}

Deno.test("code of a tile that the host refuses becomes that of a smaller one", async () => {
  const schedule = { rowVectors: 8, interleave: 8, columns: 2, operands: "memory" } as const;
  using large = wasm({ threads: 1, schedule });
  using small = wasm({ threads: 1, schedule: "untiled" });
  const formula = sines(60);
  const sums = formula.sum("j", { device: large });
  assertEquals(await sums.data(), await formula.sum("j", { device: small }).data());
  assertStringIncludes(sums.explain(), "the host refuses the code of a larger tile");
});

Deno.test("a formula that no schedule makes small enough is an error", async () => {
  using device = wasm({ threads: 1 });
  const error = await assertRejects(
    () => sines(400).sum("j", { device }).data(),
    PairfoldError,
    "local count too large",
  );
  assertEquals(error.code, "compile");
});
