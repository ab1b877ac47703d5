// The CUDA engine against the dense reference: every op, reduction, axis, dtype and schedule.
// Several ops stand in one kernel, each in components of its own; tests/engine/ has each op alone,
// for a card.

import { assertEquals } from "@std/assert";
import { REDUCTIONS } from "../../src/reduction/mod.ts";
import type { CudaSchedule } from "../../src/tiling/mod.ts";
import { deviceTolerance } from "../support/device.ts";
import {
  checkFold,
  fitting,
  type FoldCase,
  inputsOf,
  runFold,
  TOLERANCE,
} from "../support/folds.ts";
import { full, randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";
import {
  distance,
  DTYPES,
  formulasFor,
  gaussian,
  OP_PACKS,
  opsCase,
  vector,
} from "./support/kernels.ts";

/** What float32 costs on a card, whose exponential, division and square root err by 2 ulp. */
const toleranceOf = (dtype: FoldCase["dtype"]): number =>
  (dtype === "float32" ? 2 : 1) * TOLERANCE[dtype] / deviceTolerance(dtype);

for (const dtype of DTYPES) {
  for (const [n, ops] of OP_PACKS.entries()) {
    testOnCard(`ops on a card, ${dtype}: ${ops.join(", ")}`, async () => {
      const variants = full ? [0, 1, 2, 3, 4, 5] : [n + (dtype === "float32" ? 0 : 1)];
      for (const variant of variants) {
        const c = opsCase(ops, variant, dtype);
        const random = randomFor(`card ${ops}`);
        await checkFold({ ...c, device: card(), tolerance: toleranceOf(dtype) }, random);
      }
    });
  }
}

/** Sizes: one pair, odd ones, few rows so that columns are split, none at all. */
const SIZES = [[1, 1], [517, 131], [3, 5001], [4, 0]];

for (const reduction of REDUCTIONS) {
  testOnCard(`${reduction} on a card: agrees with the reference`, async () => {
    const random = randomFor(`card ${reduction}`);
    for (const [n, dtype] of DTYPES.entries()) {
      for (const formulas of formulasFor(reduction)) {
        for (const [k, [M, N]] of SIZES.entries()) {
          const axis = (n + k) % 2 === 0 ? "j" : "i";
          const c = { ...formulas, reduction, axis, M, N, dtype, k: 3 } as const;
          await checkFold({ ...c, device: card(), tolerance: toleranceOf(dtype) }, random);
        }
      }
    }
  });
}

testOnCard("K = 1, 16, 17, 50 and more than there are, on a card", async () => {
  const random = randomFor("card lists");
  for (const k of [1, 16, 17, 50, 200]) {
    const c = { formula: distance, reduction: "kMinArgKMin", k, axis: "j" } as const;
    for (const [M, N] of [[33, 517], [5, 120], [2, 4097]]) {
      await checkFold({ ...c, M, N, dtype: "float32", device: card() }, random);
    }
  }
});

/** The numbers of a fold under a schedule. */
async function bitsOf(c: FoldCase, schedule: CudaSchedule | "untiled"): Promise<unknown> {
  return await runFold({ ...c, device: card({ schedule }) }, inputsOf(c, randomFor("card bits")));
}

const SCHEDULES: readonly CudaSchedule[] = [
  { rows: 1, threads: 128, tile: 256, columns: 1, unroll: 4, slice: 0, chunk: 0 },
  { rows: 2, threads: 64, tile: 64, columns: 4, unroll: 2, slice: 0, chunk: 0 },
  { rows: 4, threads: 32, tile: 16, columns: 8, unroll: 1, slice: 0, chunk: 0 },
  { rows: 8, threads: 256, tile: 128, columns: 1, unroll: 8, slice: 0, chunk: 0 },
];

testOnCard("the same bits with every schedule, on a card", async () => {
  for (
    const reduction of full ? REDUCTIONS : ["sum", "logSumExp", "argKMin", "minArgMin"] as const
  ) {
    for (const dtype of DTYPES) {
      for (const [M, N] of [[300, 201], [3, 3001]]) {
        const formulas = fitting(reduction, vector, gaussian, vector);
        const c = { ...formulas, reduction, axis: "j", M, N, dtype, k: 3 } as const;
        const untiled = await bitsOf(c, "untiled");
        // half a minute of the host's compiler for all of them
        const few = SCHEDULES.slice(M % 2, M % 2 + (dtype === "float32" ? 2 : 1));
        for (const schedule of full ? SCHEDULES : few) {
          const what = `${reduction}, ${dtype}, ${M}×${N}, ${JSON.stringify(schedule)}`;
          assertEquals(await bitsOf(c, schedule), untiled, what);
        }
      }
    }
  }
});
