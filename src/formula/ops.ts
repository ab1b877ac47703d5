// All op tables together, total over every op's name.

import { comparison } from "./comparison.ts";
import { elementwise } from "./elementwise.ts";
import { complex } from "./complex.ts";
import { curve } from "./curve.ts";
import type { ScalarEntry, VectorEntry } from "./entry.ts";
import { type ComplexOp, isScalarOp, type OpName, type ScalarOp, type VectorOp } from "./names.ts";
import { tensor } from "./tensor.ts";
import { special } from "./special.ts";
import { vector } from "./vector.ts";
import { weighted } from "./weighted.ts";

export const scalarTable: Readonly<Record<ScalarOp, ScalarEntry>> = {
  ...elementwise,
  ...special,
  ...comparison,
};

export const vectorTable: Readonly<Record<VectorOp | ComplexOp, VectorEntry>> = {
  ...vector,
  ...weighted,
  ...tensor,
  ...curve,
  ...complex,
};

/** The table entry of any op. */
export function entryOf(op: OpName): ScalarEntry | VectorEntry {
  return isScalarOp(op) ? scalarTable[op] : vectorTable[op];
}
