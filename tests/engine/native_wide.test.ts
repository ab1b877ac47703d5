// Wide sums on the native engine, whose terms wait until a block of columns is done: the same bits
// as pair by pair, with tiles of any shape, in chunks, on threads, and beside rows that are not
// finite; what the cost model makes of them.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { NativeOptions } from "../../src/engine/mod.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import { testUnless } from "../cuda/support/tools.ts";
import { type FoldCase, inputsOf, runFold } from "../support/folds.ts";
import { testEngine, withoutCompiler } from "../support/native.ts";
import { randomFor } from "../support/random.ts";
import { tensor, Vi, Vj } from "pairfold";

const test = (name: string, run: () => Promise<void> | void): void =>
  testUnless(withoutCompiler, name, run);

const [x, y] = [variable(0, "i", 3), variable(1, "j", 3)];
const gaussian = build.exp(build.neg(build.sqDist(x, y)));

const FORMULAS: Readonly<Record<string, (width: number) => Node>> = {
  "K b": (width) => build.mul(gaussian, variable(2, "j", width)),
  "K (a - b)": (width) =>
    build.mul(gaussian, build.sub(variable(3, "i", width), variable(2, "j", width))),
  // its factor leaves the sum; rows whose factor is not finite take a loop of their own
  "a K b": (width) => build.mul(variable(4, "i", 1), FORMULAS["K b"](width)),
};

const SCHEDULES = [
  { rowVectors: 4, interleave: 4, columns: 2, components: 6 },
  { rowVectors: 3, interleave: 2, columns: 1, components: 16 },
  { rowVectors: 1, interleave: 1, columns: 8, components: 1 },
] as const;
const UNTILED = { schedule: "untiled", threads: 1 } as const;

async function bitsOn(options: NativeOptions, c: FoldCase): Promise<unknown> {
  using device = testEngine(options);
  return await runFold({ ...c, device }, inputsOf(c, randomFor("native wide")));
}

const caseOf = (formula: Node, dtype: "float32" | "float64", M = 53, N = 201): FoldCase => ({
  formula,
  reduction: "sum",
  axis: "j",
  M,
  N,
  dtype,
});

for (const [name, of] of Object.entries(FORMULAS)) {
  test(`native: ${name} has the same bits in every tile`, async () => {
    for (const [width, dtype] of [[65, "float32"], [33, "float64"]] as const) {
      const bad = [Infinity, NaN, -Infinity];
      const factors = Float64Array.from({ length: 53 }, (_, i) => i % 11 === 3 ? bad[i % 3] : i);
      const c = { ...caseOf(of(width), dtype), data: new Map([[4, factors]]) };
      const want = await bitsOn(UNTILED, c);
      for (const schedule of [...SCHEDULES, "auto"] as const) {
        const got = await bitsOn({ schedule, threads: 1 }, c);
        assertEquals(got, want, `${width} ${dtype} ${JSON.stringify(schedule)}`);
      }
    }
  });
}

test("native: wide sums have the same bits with every way to add up", async () => {
  const [schedule] = SCHEDULES;
  for (const sumScheme of ["compensated", "block", "direct"] as const) {
    for (const accumulator of ["float32", "float64"] as const) {
      const c = {
        ...caseOf(FORMULAS["K b"](40), "float32"),
        choices: { sumScheme, accumulator },
      };
      const want = await bitsOn(UNTILED, c);
      assertEquals(await bitsOn({ schedule }, c), want, `${sumScheme} ${accumulator}`);
    }
  }
});

test("native: wide sums have the same bits on threads, in splits and in chunks", async () => {
  for (const [M, N] of [[1031, 517], [40, 9001], [70, 1], [70, 63]]) {
    const c = caseOf(FORMULAS["K b"](35), "float32", M, N);
    const want = await bitsOn(UNTILED, c);
    for (
      const options of [
        { threads: 1 },
        { threads: 3, threadedOperations: 1 },
        { threads: 2, memoryLimit: 200_000 },
        { threads: 1, vectorBytes: 16 },
      ] as const
    ) {
      assertEquals(await bitsOn(options, c), want, `${M}×${N} ${JSON.stringify(options)}`);
    }
  }
});

test("native: sums that are products wait, others do not", () => {
  using device = testEngine({ threads: 1 });
  const explained = (width: number, of: (k: ReturnType<typeof Vi>) => ReturnType<typeof Vi>) => {
    const [x, y] = [300, 200].map((rows) => tensor(new Float32Array(3 * rows), [rows, 3]));
    const k = Vi(x).sqDist(Vj(y)).neg().exp();
    return of(k.mul(Vj(new Float32Array(200 * width), width))).sum("j", { device }).explain();
  };
  const waiting = explained(64, (kb) => kb);
  assertMatch(waiting, /2 columns per turn, tiles of 6 components, 268 bytes/);
  assertMatch(waiting, /held3x0\[t \+ 1\] = /);
  assert(!explained(32, (kb) => kb).includes("held"), "cells");
  assert(!explained(64, (kb) => kb.exp()).includes("held"), "no products");
});
