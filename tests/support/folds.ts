// Runs folds through the whole pipeline and holds them against the dense float64 reference, on
// sampled rows, so that large sizes stay cheap.

import { assert } from "@std/assert";
import { type Device, ReferenceEvaluator, referenceFold } from "../../src/engine/mod.ts";
import {
  type Axis,
  build,
  type Node,
  topological,
  type VariableNode,
} from "../../src/formula/mod.ts";
import { fold, type FoldChoices } from "../../src/program/mod.ts";
import type { BlockRanges } from "../../src/sparse/mod.ts";
import { type ReductionName, reductions } from "../../src/reduction/mod.ts";
import { type Tensor, tensor } from "../../src/tensor/mod.ts";
import { deviceTolerance, testDevice } from "./device.ts";
import type { Random } from "./random.ts";

export type Float = "float32" | "float64";

/** Relative tolerance of a fold's floats, per dtype. */
export const TOLERANCE: Readonly<Record<Float, number>> = { float32: 4e-6, float64: 1e-13 };

/** One fold to check. */
export interface FoldCase {
  readonly formula: Node;
  /** The second formula, for reductions that take one. */
  readonly weight?: Node | null;
  readonly reduction: ReductionName;
  readonly axis: Axis;
  readonly M: number;
  readonly N: number;
  readonly dtype: Float;
  /** Values of inputs by slot, row-major; missing ones are drawn. */
  readonly data?: ReadonlyMap<number, ArrayLike<number>>;
  /** Slots that have the tensor of another slot, where a formula has both. */
  readonly same?: ReadonlyMap<number, number>;
  /** Range that missing inputs are drawn from. */
  readonly low?: number;
  readonly high?: number;
  readonly k?: number;
  /** Which i meet which j; default all. */
  readonly ranges?: BlockRanges;
  readonly choices?: FoldChoices;
  readonly device?: Device;
  readonly tolerance?: number;
  /**
   * Whether the formula adds what it multiplied, so that its terms may cancel in some rows: a sum's
   * errors count against a tenth of the largest scale looked at, if that is more than their own.
   */
  readonly cancels?: boolean;
}

/** The variables of formulas. */
export function variablesIn(...formulas: readonly Node[]): VariableNode[] {
  return topological(...formulas).filter((n): n is VariableNode => n.kind === "variable");
}

/** Both formulas of a fold. */
export function formulasOf({ formula, weight }: Pick<FoldCase, "formula" | "weight">): Node[] {
  return weight ? [formula, weight] : [formula];
}

/** Formulas that a reduction takes, from some of every kind. */
export function fitting(
  reduction: ReductionName,
  vector: Node,
  scalar: Node,
  weight: Node,
): Pick<FoldCase, "formula" | "weight"> {
  const { takes } = reductions[reduction];
  return {
    formula: takes === "components" ? vector : scalar,
    weight: takes === "scalar and weight" ? weight : null,
  };
}

const rowsOf = (v: VariableNode, M: number, N: number): number =>
  v.axis === "i" ? M : v.axis === "j" ? N : 1;

/** Inputs of a case: given or drawn, as tensors by slot. */
export function inputsOf(c: FoldCase, random: Random): Map<number, Tensor> {
  const inputs = new Map<number, Tensor>();
  for (const v of variablesIn(...formulasOf(c))) {
    const rows = rowsOf(v, c.M, c.N);
    const given = c.data?.get(v.slot);
    const length = rows * v.dim;
    const shape = [rows, v.dim];
    if (v.number === "index") {
      const indices = given ?? Array.from({ length }, () => random.integer(c.N));
      inputs.set(v.slot, tensor(Int32Array.from(indices), shape));
    } else {
      const values = given ?? random.array(c.dtype, length, c.low, c.high);
      const array = c.dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values);
      inputs.set(v.slot, tensor(array, shape));
    }
  }
  for (const [slot, of] of c.same ?? []) {
    const shared = inputs.get(of);
    if (shared !== undefined && inputs.has(slot)) inputs.set(slot, shared);
  }
  return inputs;
}

/** Runs a case through the pipeline. */
export async function runFold(
  c: FoldCase,
  inputs: ReadonlyMap<number, Tensor>,
): Promise<ArrayLike<number>[]> {
  const { formula, weight, reduction, axis, M, N, dtype, k = 1, ranges } = c;
  const choices = { device: c.device ?? testDevice, ...c.choices };
  const size = { axis, M, N, ...(ranges === undefined ? {} : { ranges }) };
  const outputs = fold({ formula, weight, inputs, reduction, ...size, dtype, k, choices });
  return await Promise.all(outputs.map((t) => t.data()));
}

/** The reference's outputs for some rows of the kept axis. */
export async function referenceRows(
  c: FoldCase,
  inputs: ReadonlyMap<number, Tensor>,
  rows: readonly number[],
): Promise<Float64Array[]> {
  const kept: Axis = c.axis === "j" ? "i" : "j";
  const usesIndex = topological(...formulasOf(c))
    .some((n) => n.kind === "index" && n.axis === kept);
  assert(!usesIndex || rows.every((r, k) => r === k), "sampled rows change the index");
  const size = { M: c.M, N: c.N, [kept === "i" ? "M" : "N"]: rows.length };
  const dense: ({ data: ArrayLike<number>; dim: number } | undefined)[] = [];
  for (const v of variablesIn(...formulasOf(c))) {
    const t = inputs.get(v.slot);
    assert(t !== undefined);
    const all = await t.data();
    const data = v.axis === kept
      ? Float64Array.from(rows.flatMap((r) => [...all.subarray(r * v.dim, (r + 1) * v.dim)]))
      : all;
    dense[v.slot] = { data, dim: v.dim };
  }
  const { formula, weight, reduction, axis, k, ranges } = c;
  const met = ranges === undefined ? null : columnsMet(ranges, axis);
  const columnsOf = met === null ? {} : { columnsOf: (row: number) => met(rows[row]) };
  return referenceFold({
    formula,
    weight,
    reduction,
    axis,
    inputs: dense,
    ...size,
    k,
    ...columnsOf,
  });
}

/** The columns that a kept row meets, from KeOps' arrays. */
export function columnsMet(ranges: BlockRanges, axis: Axis): (row: number) => number[] {
  const arrays = ranges.toKeops();
  const [rows, slices, columns] = axis === "j" ? arrays.slice(0, 3) : arrays.slice(3);
  return (row) => {
    const block = (rows as number[][]).findIndex(([start, end]) => start <= row && row < end);
    if (block < 0) return [];
    const [from, to] = [block === 0 ? 0 : slices[block - 1] as number, slices[block] as number];
    return (columns as number[][]).slice(from, to).flatMap(([start, end]) =>
      Array.from({ length: end - start }, (_, n) => start + n)
    );
  };
}

/** Rows to look at: the first, the last, some in between. */
export function sampleRows(random: Random, rows: number, count = 6): number[] {
  if (rows <= count) return Array.from({ length: rows }, (_, r) => r);
  const middle = Array.from({ length: count - 2 }, () => random.integer(rows));
  return [0, ...middle, rows - 1];
}

/** Throws unless two numbers agree: equal non-finite values, or close relative to a scale. */
export function checkClose(
  got: number,
  want: number,
  scale: number,
  tolerance: number,
  what: string,
): void {
  if (Number.isNaN(want) || !Number.isFinite(want) || !Number.isFinite(got)) {
    assert(Object.is(got, want) || got === want, `${what}: got ${got}, expected ${want}`);
    return;
  }
  const error = Math.abs(got - want) / Math.max(scale, Number.MIN_VALUE);
  const isClose = got === want || error <= tolerance;
  assert(isClose, `${what}: got ${got}, expected ${want}, relative error ${error} > ${tolerance}`);
}

/** One component of the formula at a pair, in float64. */
async function valueAt(
  c: FoldCase,
  inputs: ReadonlyMap<number, Tensor>,
  row: number,
  column: number,
  component: number,
): Promise<number> {
  const dense: ({ data: ArrayLike<number>; dim: number } | undefined)[] = [];
  for (const v of variablesIn(c.formula)) {
    const t = inputs.get(v.slot);
    if (t !== undefined) dense[v.slot] = { data: await t.data(), dim: v.dim };
  }
  const evaluator = new ReferenceEvaluator(c.formula, dense);
  const [i, j] = c.axis === "j" ? [row, column] : [column, row];
  return evaluator.at(i, j)[component];
}

/** What rounding may cost each output, as outputs of a fold over magnitudes; null: its own size. */
async function scalesOf(
  c: FoldCase,
  inputs: ReadonlyMap<number, Tensor>,
  rows: readonly number[],
  want: readonly Float64Array[],
): Promise<readonly Float64Array[]> {
  const weight = c.weight ? build.abs(c.weight) : null;
  switch (c.reduction) {
    case "sum":
    case "mean":
      return await referenceRows({ ...c, formula: build.abs(c.formula) }, inputs, rows);
    case "sumSoftMaxWeight":
    case "maxSumShiftExpWeight":
      return await referenceRows({ ...c, weight }, inputs, rows);
    case "logSumExpWeight": {
      // an error of Σ e^F |w| is relative to the sum itself in its logarithm
      const all = await referenceRows({ ...c, weight }, inputs, rows);
      const scales = all.map((out, slot) => out.map((x, n) => Math.exp(x - want[slot][n])));
      return scales.map((out) => out.map((x) => Number.isFinite(x) ? x : 1));
    }
    default:
      return want;
  }
}

/**
 * Runs a case and checks sampled rows. Floats are compared relative to Σ|F| for sums (what rounding
 * can cost), else to the value; indices must be equal, or stand for values that rounding cannot
 * tell apart; counts must be equal.
 */
export async function checkFold(c: FoldCase, random: Random): Promise<void> {
  const inputs = inputsOf(c, random);
  const got = await runFold(c, inputs);
  const total = c.axis === "j" ? c.M : c.N;
  const usesIndex = topological(...formulasOf(c))
    .some((n) => n.kind === "index" && n.axis !== c.axis);
  const rows = usesIndex
    ? Array.from({ length: Math.min(total, 6) }, (_, r) => r)
    : sampleRows(random, total);
  const want = await referenceRows(c, inputs, rows);
  const scales = await scalesOf(c, inputs, rows, want);
  const { outputs } = reductions[c.reduction];
  const isCount = ["count", "any", "all"].includes(c.reduction);
  const tolerance = (c.tolerance ?? TOLERANCE[c.dtype]) * deviceTolerance(c.dtype);
  for (const [slot, expected] of want.entries()) {
    const typical = c.cancels ? 0.1 * Math.max(0, ...scales[slot].filter(Number.isFinite)) : 0;
    const dim = rows.length === 0 ? 0 : expected.length / rows.length;
    assert(got[slot].length === total * dim, `output ${slot}: got ${got[slot].length} numbers`);
    for (const [r, row] of rows.entries()) {
      for (let d = 0; d < dim; d++) {
        const what = `${c.reduction} over ${c.axis}, ${c.dtype}, ${c.M}×${c.N}, row ${row}, ` +
          `component ${d}, output ${slot}`;
        const g = got[slot][row * dim + d];
        const w = expected[r * dim + d];
        if (outputs[slot] === "index") {
          if (g === w) continue;
          assert(!isCount && g >= 0 && w >= 0, `${what}: got ${g}, expected ${w}`);
          const component = d % c.formula.dim;
          const there = await valueAt(c, inputs, row, g, component);
          const best = await valueAt(c, inputs, row, w, component);
          checkClose(there, best, Math.abs(best), tolerance, `${what}, index ${g} for ${w}`);
          assert(there !== best, `${what}: got index ${g}, expected ${w}, which ties`);
          continue;
        }
        const least = c.reduction === "sum" ? typical : 1e-3;
        const scale = Math.max(scales[slot][r * dim + d], least);
        checkClose(g, w, Math.max(scale, Math.abs(w)), tolerance, what);
      }
    }
  }
}
