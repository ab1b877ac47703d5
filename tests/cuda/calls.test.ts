// How often a small fold calls the shim: each call is a microsecond or more that no kernel runs.

import { assertEquals } from "@std/assert";
import { Shim } from "../../src/engine/cuda/shim.ts";
import { OffsetGroups } from "../../src/engine/cuda/table.ts";
import { tensor, Vi, Vj } from "../../mod.ts";
import { randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";

/** The shim's methods that reach the driver, or may. */
const COUNTED = [
  ...["alloc", "free", "upload", "download", "downloadSoon", "launch", "run", "function", "memory"],
  ...["eventRecord", "eventWait", "eventFree", "synchronize", "compile"],
] as const;

/** Counts the shim's calls while something runs, by name. */
async function callsOf(run: () => Promise<unknown>): Promise<Record<string, number>> {
  const calls: Record<string, number> = {};
  const methods = Shim.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const originals = COUNTED.map((name) => [name, methods[name]] as const);
  for (const [name, original] of originals) {
    methods[name] = function (this: Shim, ...args: unknown[]): unknown {
      calls[name] = (calls[name] ?? 0) + 1;
      return original.apply(this, args);
    };
  }
  try {
    await run();
  } finally {
    for (const [name, original] of originals) methods[name] = original;
  }
  return calls;
}

testOnCard("a small fold on a card calls the driver no more than it must", async () => {
  const random = randomFor("calls of a small fold");
  const draw = (): Float32Array => Float32Array.from({ length: 300 }, () => random.uniform(0, 1));
  const device = card();
  const [x, y] = [Vi(tensor(draw(), [100, 3])), Vj(tensor(draw(), [100, 3]))];
  const once = (): Promise<unknown> => x.sqDist(y).neg().exp().sum("j", { device }).data();
  const first = await callsOf(once);
  // both inputs go up with tables and parameters, in the launch's call
  assertEquals([first.compile, first.upload, first.run], [1, undefined, 1]);
  // packed columns are kept by the second launch and used by the third: an output, one call for the
  // launch, one to read; what goes is the output before
  await callsOf(once);
  const { free, download, ...rest } = await callsOf(once);
  assertEquals(rest, { alloc: 1, run: 1, downloadSoon: 1 });
  assertEquals((free ?? 0) + (download ?? 0) <= 2, true);
});

Deno.test("segments are grouped by the offsets that count", () => {
  const segment = (...offsets: number[]) => ({ i0: 0, i1: 1, j0: 0, j1: 1, output: 0, offsets });
  const groups = new OffsetGroups([0, 2]);
  const asked = [segment(0, 1, 2), segment(0, 7, 2), segment(2, 1, 0), segment(0, 1, 3)];
  assertEquals(asked.map((s) => groups.of(s)), [0, 0, 1, 2]);
  assertEquals(asked.toReversed().map((s) => groups.of(s)), [2, 1, 0, 0]);
  assertEquals(groups.count, 3);
  assertEquals(new OffsetGroups([]).of(asked[0]), 0);
});
