// The table of reductions, total over their names.

import { argMax, argMin, max, maxArgMax, min, minArgMin } from "./extremum.ts";
import { logSumExp } from "./logsumexp.ts";
import type { Reduction, ReductionName } from "./reduction.ts";
import { argKMin, kMin, kMinArgKMin } from "./smallest.ts";
import { sum } from "./sum.ts";

export {
  BLOCK_LENGTH,
  eachComponent,
  type Folding,
  type FoldOptions,
  type Reduction,
  type ReductionName,
  REDUCTIONS,
  type SumScheme,
  UNROLL_LIMIT,
  type VjpContext,
} from "./reduction.ts";

export const reductions: Readonly<Record<ReductionName, Reduction>> = {
  sum,
  logSumExp,
  min,
  max,
  argMin,
  argMax,
  minArgMin,
  maxArgMax,
  kMin,
  argKMin,
  kMinArgKMin,
};

/** Shape of a reduction's results: (rows, dim); lists of a scalar (rows, k), of vectors (rows, k, dim). */
export function resultShape(name: ReductionName, rows: number, dim: number, k: number): number[] {
  if (!reductions[name].isList) return [rows, dim];
  return dim === 1 ? [rows, k] : [rows, k, dim];
}
