// Folds that together meet every op, reduction, dtype and kind of loop: for the emulator, which
// runs them, and for the real compiler, which compiles them for cards that are not here.

import {
  ALL_OPS,
  apply,
  build,
  entryOf,
  type Node,
  type OpName,
  samplesOf,
  variable,
  type VariableNode,
} from "../../../src/formula/mod.ts";
import { emitCuda } from "../../../src/emit/cuda/mod.ts";
import type { Kernel } from "../../../src/loop/mod.ts";
import { cudaMath, lower } from "../../../src/lower/mod.ts";
import { type ReductionName, REDUCTIONS } from "../../../src/reduction/mod.ts";
import { chooseCudaSchedule, type CudaSchedule, UNTILED_CUDA } from "../../../src/tiling/mod.ts";
import { fitting, type FoldCase, formulasOf, variablesIn } from "../../support/folds.ts";
import { argumentData, patterns } from "../../support/op_cases.ts";
import { randomFor } from "../../support/random.ts";

export const DTYPES = ["float32", "float64"] as const;

/** Ops of one kernel: so many that compiling stays short. */
const PACK = 6;

/** Lists of ops, all of them together. */
export const OP_PACKS: readonly (readonly OpName[])[] = Array.from(
  { length: Math.ceil(ALL_OPS.length / PACK) },
  (_, k) => ALL_OPS.slice(PACK * k, PACK * (k + 1)),
);

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

/** A sum of several ops, each in components of its own. Variants differ in axes, dims and sizes. */
export function opsCase(
  ops: readonly OpName[],
  variant: number,
  dtype: FoldCase["dtype"],
): FoldCase {
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
  const axis = variant % 2 === 0 ? "j" : "i";
  return { formula: build.concat(...terms), reduction: "sum", axis, M, N, dtype, data };
}

const x = variable(0, "i", 3);
const y = variable(1, "j", 3);
const b = variable(2, "j", 1);
export const distance = build.sqDist(x, y);
export const gaussian = build.mul(build.exp(build.neg(distance)), b);
export const vector = build.mul(build.sub(x, y), gaussian);
/** Longer than what is unrolled. */
const long = build.mul(variable(6, "i", 40), variable(7, "j", 40));

/** Formulas for a reduction: short vectors, and such as stay loops. */
export function formulasFor(reduction: ReductionName): Pick<FoldCase, "formula" | "weight">[] {
  return [
    fitting(reduction, vector, gaussian, vector),
    fitting(reduction, long, gaussian, build.square(long)),
  ];
}

/** A source to compile, and what it is of. */
export interface Source {
  readonly name: string;
  readonly text: string;
}

/** A fold over j as a kernel. */
function kernelOf(c: Omit<FoldCase, "M" | "N" | "axis">): Kernel {
  const { formula, weight, reduction, dtype, k = 1 } = c;
  const float = dtype === "float32" ? "f32" : "f64";
  const variables = variablesIn(...formulasOf(c));
  const inputs: VariableNode[] = [];
  for (const v of variables) inputs[v.slot] = v;
  for (let slot = 0; slot < inputs.length; slot++) inputs[slot] ??= variable(slot, "p", 1);
  const options = { sumScheme: "compensated", accumulator: float, k } as const;
  return lower({ formula, weight, reduction, float, inputs, options, fastMath: false }, cudaMath);
}

/** Sources of a kernel under a schedule, that of joining states too. */
function sourcesOf(name: string, kernel: Kernel, schedule: CudaSchedule): Source[] {
  const { source, combine } = emitCuda(kernel, schedule);
  return [{ name, text: source }, { name: `${name}, joined`, text: combine() }];
}

/** Sources that meet every op, reduction, dtype and schedule; all of them together where `all`. */
export function* sources(all: boolean): Generator<Source> {
  const many = (kernel: Kernel): CudaSchedule => chooseCudaSchedule(kernel, 1e6);
  for (const dtype of DTYPES) {
    for (const [n, ops] of OP_PACKS.entries()) {
      for (const variant of all ? [0, 1, 2, 3] : [n]) {
        const kernel = kernelOf(opsCase(ops, variant, dtype));
        for (const schedule of all ? [many(kernel), UNTILED_CUDA] : [many(kernel)]) {
          const name = `${ops}, ${dtype}, variant ${variant}`;
          yield { name, text: emitCuda(kernel, schedule).source };
        }
      }
    }
    for (const [place, reduction] of REDUCTIONS.entries()) {
      for (const [n, formulas] of formulasFor(reduction).entries()) {
        const kernel = kernelOf({ ...formulas, reduction, dtype, k: 3 });
        // of some, dtypes take turns: one has the chosen schedule, one none; one joins states
        const isFirst = (place % 2 === 0) === (dtype === "float32");
        const schedules = all
          ? [many(kernel), UNTILED_CUDA]
          : [n === 0 || isFirst ? many(kernel) : UNTILED_CUDA];
        for (const schedule of schedules) {
          const name = `${reduction}, ${dtype}, formula ${n}, ${schedule.rows} rows`;
          const both = sourcesOf(name, kernel, schedule);
          yield* all || isFirst === (n === 0) ? both : both.slice(0, 1);
        }
      }
    }
    for (const k of [1, 16, 50]) {
      const kernel = kernelOf({ formula: distance, reduction: "kMinArgKMin", dtype, k });
      yield* sourcesOf(`${k} smallest, ${dtype}`, kernel, many(kernel));
    }
  }
}
