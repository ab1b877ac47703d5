// Derivatives by central differences in float64, on the dense reference: what symbolic derivatives
// are held against.

import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import {
  apply,
  drawn,
  entryOf,
  type Node,
  type OpName,
  type OpNode,
  type Sample,
  samplesOf,
  variable,
  type VariableNode,
} from "../../src/formula/mod.ts";
import type { Random } from "./random.ts";

/** The step of central differences: their error is about its square. */
export const STEP = 1e-5;

/** Inputs by slot, one row each. */
export type Inputs = readonly Float64Array[];

/** A formula's vector at the single pair (0, 0). */
export function valueOf(formula: Node, inputs: Inputs): Float64Array {
  const dense = inputs.map((data) => ({ data, dim: data.length }));
  return new ReferenceEvaluator(formula, dense).at(0, 0).slice();
}

/** ⟨a, b⟩. */
export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let d = 0; d < a.length; d++) total += a[d] * b[d];
  return total;
}

/** ∂F_m/∂v_d as rows m of columns d. */
export function numericJacobian(formula: Node, v: VariableNode, inputs: Inputs): number[][] {
  const columns = Array.from({ length: v.dim }, (_, d) => {
    const moved = (by: number): Float64Array => {
      const copies = inputs.map((data) => data.slice());
      copies[v.slot][d] += by;
      return valueOf(formula, copies);
    };
    const [up, down] = [moved(STEP), moved(-STEP)];
    return Array.from(up, (value, m) => (value - down[m]) / (2 * STEP));
  });
  return Array.from({ length: formula.dim }, (_, m) => columns.map((column) => column[m]));
}

/** Largest difference of two lists, relative where they are large; infinite for NaN. */
export function distance(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Infinity;
  let worst = 0;
  for (let d = 0; d < got.length; d++) {
    const error = Math.abs(got[d] - want[d]) / Math.max(1, Math.abs(want[d]));
    if (Number.isNaN(error)) return Infinity;
    worst = Math.max(worst, error);
  }
  return worst;
}

/** A formula of one op over fresh variables, and values from the op's test range. */
export function opCase(
  op: OpName,
  random: Random,
  { dims, attributes }: Sample = samplesOf(entryOf(op))[0],
): { formula: OpNode; inputs: Float64Array[] } {
  const args = dims.map((dim, k) => variable(k, random.pick(["i", "j", "p"]), dim));
  const inputs = args.map((a, k) =>
    Float64Array.from({ length: a.dim }, (_, d) => drawn(entryOf(op), k, d, random.next()))
  );
  return { formula: apply(op, args, attributes), inputs };
}

/** Whether an op has no gradient at all: comparisons, signs and roundings. */
export function hasNoGradient({ op, args, attributes, dim }: OpNode): boolean {
  const terms = entryOf(op).grad(
    variable(-1, "p", dim),
    args,
    apply(op, args, attributes),
    attributes,
  );
  return terms.every((term) => term === null);
}
