// The CUDA engine against the dense reference: every op, reduction, axis, dtype and schedule. Several
// ops stand in one kernel, each in components of its own; tests/engine/ has each op alone, for a card.

import { assertEquals } from "@std/assert";
import {
  ALL_OPS,
  apply,
  build,
  entryOf,
  type Node,
  type OpName,
  samplesOf,
  variable,
} from "../../src/formula/mod.ts";
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
import { argumentData, patterns } from "../support/op_cases.ts";
import { full, randomFor } from "../support/random.ts";
import { card, testOnCard } from "./support/card.ts";

const DTYPES = ["float32", "float64"] as const;

/** Ops of one kernel: so many that compiling stays short. */
const PACK = 6;

/** What float32 costs on a card, whose exponential, division and square root err by 2 ulp. */
const tolerance = { float32: 2 * TOLERANCE.float32, float64: TOLERANCE.float64 } as const;

/** An op's value under a factor of the axis that its arguments lack, with numbers for them. */
function termOf(
  op: OpName,
  variant: number,
  firstSlot: number,
  rows: { i: number; j: number; p: number },
): { formula: Node; data: Map<number, ArrayLike<number>>; slots: number } {
  const samples = samplesOf(entryOf(op));
  const { dims, attributes } = samples[variant % samples.length];
  const choices = patterns(dims.length);
  const axes = choices[variant % choices.length];
  const args = axes.map((a, k) => variable(firstSlot + k, a, dims[k]));
  const random = randomFor(`card ${op} ${variant}`);
  const factor = variable(firstSlot + args.length, axes.includes("j") ? "i" : "j", 1);
  return {
    formula: build.mul(apply(op, args, attributes), factor),
    data: argumentData(random, op, args, rows),
    slots: args.length + 1,
  };
}

for (const dtype of DTYPES) {
  for (let start = 0; start < ALL_OPS.length; start += PACK) {
    const ops = ALL_OPS.slice(start, start + PACK);
    testOnCard(`ops on a card, ${dtype}: ${ops.join(", ")}`, async () => {
      const variants = full ? [0, 1, 2, 3, 4, 5] : [start / PACK + (dtype === "float32" ? 0 : 1)];
      for (const variant of variants) {
        const [M, N] = [[37, 131], [129, 67]][variant % 2];
        const data = new Map<number, ArrayLike<number>>();
        const terms: Node[] = [];
        let slot = 0;
        for (const op of ops) {
          const term = termOf(op, variant, slot, { i: M, j: N, p: 1 });
          term.data.forEach((values, s) => data.set(s, values));
          terms.push(term.formula);
          slot += term.slots;
        }
        const formula = build.concat(...terms);
        const axis = variant % 2 === 0 ? "j" : "i";
        const c = { formula, reduction: "sum", axis, M, N, dtype, data } as const;
        await checkFold(
          { ...c, device: card(), tolerance: tolerance[dtype] / deviceTolerance(dtype) },
          randomFor(`card ${ops}`),
        );
      }
    });
  }
}

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
const gaussian = build.mul(build.exp(build.neg(build.sqDist(x, y))), b);
const vector = build.mul(build.sub(x, y), gaussian);
/** Longer than what is unrolled. */
const long = build.mul(variable(6, "i", 40), variable(7, "j", 40));

/** Sizes: one pair, odd ones, few rows so that columns are split, none at all. */
const SIZES = [[1, 1], [517, 131], [3, 5001], [4, 0]];

for (const reduction of REDUCTIONS) {
  testOnCard(`${reduction} on a card: agrees with the reference`, async () => {
    const random = randomFor(`card ${reduction}`);
    for (const [n, dtype] of DTYPES.entries()) {
      for (
        const formulas of [
          fitting(reduction, vector, gaussian, vector),
          fitting(reduction, long, gaussian, build.square(long)),
        ]
      ) {
        for (const [k, [M, N]] of SIZES.entries()) {
          const axis = (n + k) % 2 === 0 ? "j" : "i";
          const c = { ...formulas, reduction, axis, M, N, dtype, k: 3 } as const;
          await checkFold({ ...c, device: card(), tolerance: tolerance[dtype] }, random);
        }
      }
    }
  });
}

testOnCard("K = 1, 16, 17, 50 and more than there are, on a card", async () => {
  const random = randomFor("card lists");
  for (const k of [1, 16, 17, 50, 200]) {
    const c = { formula: build.sqDist(x, y), reduction: "kMinArgKMin", k, axis: "j" } as const;
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
  { rows: 1, threads: 128, tile: 256, unroll: 4 },
  { rows: 2, threads: 64, tile: 64, unroll: 2 },
  { rows: 4, threads: 32, tile: 16, unroll: 1 },
  { rows: 8, threads: 256, tile: 128, unroll: 8 },
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
        for (const schedule of full ? SCHEDULES : SCHEDULES.slice(M % 2, M % 2 + 2)) {
          const what = `${reduction}, ${dtype}, ${M}×${N}, ${JSON.stringify(schedule)}`;
          assertEquals(await bitsOf(c, schedule), untiled, what);
        }
      }
    }
  }
});
