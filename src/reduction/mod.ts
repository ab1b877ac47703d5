// The table of reductions, total over their names.

import { PairfoldError } from "../error.ts";
import type { Node } from "../formula/mod.ts";
import { all, any, count } from "./count.ts";
import { argMax, argMin, max, maxArgMax, min, minArgMin } from "./extremum.ts";
import { logSumExp } from "./logsumexp.ts";
import type { Reduction, ReductionName } from "./reduction.ts";
import { argKMin, kMin, kMinArgKMin } from "./smallest.ts";
import {
  logSumExpWeight,
  maxSumShiftExp,
  maxSumShiftExpWeight,
  sumSoftMaxWeight,
} from "./softmax.ts";
import { mean, sum } from "./sum.ts";

export {
  BLOCK_LENGTH,
  type Cotangents,
  type DerivativeContext,
  type Derivatives,
  type EachComponent,
  eachComponent,
  type Folding,
  type FoldOptions,
  type JvpContext,
  type Keys,
  type Reduction,
  type ReductionName,
  REDUCTIONS,
  type SumScheme,
  UNROLL_LIMIT,
  type VjpContext,
} from "./reduction.ts";

export const reductions: Readonly<Record<ReductionName, Reduction>> = {
  sum,
  mean,
  logSumExp,
  logSumExpWeight,
  sumSoftMaxWeight,
  maxSumShiftExp,
  maxSumShiftExpWeight,
  min,
  max,
  argMin,
  argMax,
  minArgMin,
  maxArgMax,
  kMin,
  argKMin,
  kMinArgKMin,
  count,
  any,
  all,
};

/** Refuses formulas that a reduction cannot fold. Throws `PairfoldError` (dim). */
export function checkFormulas(name: ReductionName, formula: Node, weight: Node | null): void {
  const { takes } = reductions[name];
  if (takes !== "components" && formula.dim !== 1) {
    throw new PairfoldError(
      "dim",
      `${name}: got a formula of dim ${formula.dim}; expected a scalar one`,
    );
  }
  const wantsWeight = takes === "scalar and weight";
  if (wantsWeight === (weight !== null)) return;
  const expected = wantsWeight ? "a weight, a second formula" : "none";
  const got = weight === null ? "no weight" : `a weight of dim ${weight.dim}`;
  throw new PairfoldError("dim", `${name}: got ${got}; expected ${expected}`);
}

/**
 * Shape of a reduction's results: (rows, dim), where dim is what `outputDim` says; lists of a
 * scalar (rows, k), of vectors (rows, k, dim).
 */
export function resultShape(
  name: ReductionName,
  rows: number,
  dim: number,
  k: number,
  weightDim = 0,
): number[] {
  const { isList, outputDim } = reductions[name];
  if (!isList) return [rows, outputDim(dim, weightDim, k)];
  return dim === 1 ? [rows, k] : [rows, k, dim];
}
