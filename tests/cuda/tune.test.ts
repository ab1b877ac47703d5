// Schedules that are timed on a card: what is found is the same numbers, is remembered on disk, and
// is told by explain(). Which one wins on the emulator means nothing.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { tensor, Vi, Vj } from "../../mod.ts";
import type { CudaEngine } from "../../src/engine/mod.ts";
import { emitCuda } from "../../src/emit/cuda/mod.ts";
import { cudaCandidates, parseCudaSchedule, UNTILED_CUDA } from "../../src/tiling/mod.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";
import { HEADLINES, PANEL_HEADLINES } from "./support/headlines.ts";
import { inFolder } from "./support/tools.ts";

/** Sizes from which on the emulator times schedules. */
const trials = { least: 1e4, operations: 1e5, rows: 130, columns: [64, 256] } as const;

testOnCard(
  "schedules are timed once and remembered, and change no bit, on a card",
  () =>
    inFolder(async (cache) => {
      const random = randomFor("tuning on a card");
      const [x, y] = [0, 1].map(() => tensor(random.float32(3 * 517), [517, 3]));
      const folded = (device: CudaEngine) => Vi(x).sqDist(Vj(y)).neg().exp().sum("j", { device });
      const plain = await folded(card({ schedule: "untiled" })).data();
      const full = card({ cache, tune: "full", trials });
      assertEquals(await folded(full).data(), plain);
      const [entry, ...others] = [...Deno.readDirSync(`${cache}/schedules`)];
      assertEquals([entry.name.endsWith(".json"), others.length], [true, 0]);
      const compiled = full.compiledModules;
      assertEquals(await folded(full).data(), plain);
      assert(full.compiledModules <= compiled + 1, "it was timed again");
      // another process would find it on disk
      const later = card({ cache, tune: "cached" });
      later.openNow();
      assertStringIncludes(folded(later).explain(), "tuned: the fastest of ");
      assertEquals(await folded(later).data(), plain);
      // what is no schedule is no hint
      await Deno.writeTextFile(`${cache}/schedules/${entry.name}`, "{}");
      const other = card({ cache, tune: "cached" });
      other.openNow();
      assertStringIncludes(folded(other).explain(), "cost model");
    }),
);

Deno.test("candidates are legal, the cost model's comes first, none comes twice", () => {
  for (const name of ["gaussian", "argmin", "D=300", "wide 64"] as const) {
    const kernel = { ...HEADLINES, ...PANEL_HEADLINES }[name]();
    const candidates = cudaCandidates(kernel, 1e6);
    assert(candidates.length > 4, name);
    assertEquals(new Set(candidates.map((c) => JSON.stringify(c))).size, candidates.length, name);
    for (const one of candidates) emitCuda(kernel, one);
  }
  assertEquals(parseCudaSchedule({ ...UNTILED_CUDA }), UNTILED_CUDA);
  for (const value of [null, 3, {}, { ...UNTILED_CUDA, rows: "4" }]) {
    assertEquals(parseCudaSchedule(value), null);
  }
});
