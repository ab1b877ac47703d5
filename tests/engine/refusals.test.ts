// What a host refuses, and what ends while it runs: errors, or another way to the same bits.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type LazyTensor, PairfoldError, Vi, Vj, wasm } from "../../mod.ts";
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

/** Four sines of each component, one inside another. */
function sines(): LazyTensor {
  const formula = Vi([[0.1, 0.2], [0.3, 0.4]]).sub(Vj([[0.5, 0.6], [0.7, 0.9], [1, 2]]));
  return formula.sin().sin().sin().sin();
}

/** Runs with a host that refuses modules of more bytes, as V8 does from 7 MB a function on. */
async function refusing<T>(limit: number, body: () => Promise<T>): Promise<T> {
  const { Module } = WebAssembly;
  WebAssembly.Module = class extends Module {
    constructor(bytes: BufferSource) {
      if (bytes.byteLength > limit) {
        throw new WebAssembly.CompileError("a function of too many bytes");
      }
      super(bytes);
    }
  };
  try {
    return await body();
  } finally {
    WebAssembly.Module = Module;
  }
}

Deno.test("code of a tile that the host refuses becomes that of a smaller one", async () => {
  const schedule = { rowVectors: 8, interleave: 8, columns: 2, operands: "memory" } as const;
  using large = wasm({ threads: 1, schedule });
  using small = wasm({ threads: 1, schedule: "untiled" });
  const want = await sines().sum("j", { device: small }).data();
  await refusing(100_000, async () => {
    const sums = sines().sum("j", { device: large });
    assertEquals(await sums.data(), want);
    assertStringIncludes(sums.explain(), "the host refuses the code of a larger tile");
  });
});

Deno.test("a formula that no schedule makes small enough is an error", async () => {
  using device = wasm({ threads: 1 });
  const error = await assertRejects(
    () => refusing(1000, () => sines().sum("j", { device }).data()),
    PairfoldError,
    "a function of too many bytes",
  );
  assertEquals(error.code, "compile");
});
