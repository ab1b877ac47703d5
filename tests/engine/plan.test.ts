// Waves: segments that share an engine's memory, by what they take of it.

import { assert, assertEquals } from "@std/assert";
import { type Footprint, planWaves } from "../../src/engine/plan.ts";

const SPLIT = { rows: 16, units: 1, columns: 4096 };

/** How many waves a hundred segments of seven rows and columns take, in a mebibyte at a time. */
function wavesOf(unit?: number): number {
  const footprint: Footprint = {
    row: 16,
    record: 1024,
    column: 0,
    state: 0,
    packing: 65_536,
    ...(unit === undefined ? {} : { unit }),
  };
  const segments = Array.from({ length: 100 }, (_, k) => ({
    i0: 0,
    i1: 7,
    j0: 0,
    j1: 7,
    offsets: [7 * k],
    output: 7 * k,
  }));
  const waves = planWaves(segments, footprint, { bytes: 2 ** 20, wave: 2 ** 20, split: SPLIT });
  assertEquals(waves.flat().map(({ segment }) => segment), segments);
  return waves.length;
}

Deno.test("columns that are packed in whole blocks take a block's memory", () => {
  assertEquals(wavesOf(1), wavesOf());
  // (7 + 8) KiB of columns each, or (64 + 8) KiB, beside 17 KiB of rows and slack
  assert(wavesOf() <= 4, `${wavesOf()}`);
  assert(wavesOf(64) >= 8, `${wavesOf(64)}`);
});
