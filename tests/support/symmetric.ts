// What tests of points that meet themselves share: formulas, inputs that are one table's on
// both axes, and
// the comparison of folds that meet each pair once with those of all pairs.

import { assert, assertEquals } from "@std/assert";
import { fold, type FoldChoices } from "../../src/program/mod.ts";
import { build, type Node, variable } from "../../src/formula/mod.ts";
import type { Tensor } from "../../mod.ts";
import { type FoldCase, inputsOf } from "./folds.ts";
import { randomFor } from "./random.ts";

const { exp, mul, neg, sqDist, sub } = build;

/** The points of both axes, their squared distance, the weights. */
export const x = (dim: number): Node => variable(0, "i", dim);
export const y = (dim: number): Node => variable(1, "j", dim);
export const q = (dim: number): Node => sqDist(x(dim), y(dim));
export const b = (dim = 1): Node => variable(2, "j", dim);
/** Differences, and the kernel that most folds have. */
export const d: Node = sub(y(3), x(3));
export const gaussian: Node = mul(exp(neg(q(3))), b());

/** Slots 0 and 1 are the points of both axes, 2 and 3 the weights. */
export const SAME: ReadonlyMap<number, number> = new Map([[1, 0], [3, 2]]);

/** Inputs that are one table's on both axes, and the same numbers as two tables'. */
export function bothInputs(c: FoldCase, name: string): Map<number, Tensor>[] {
  const once = inputsOf(c, randomFor(name));
  const copies = [...once].map(([slot, t]): [number, Tensor] => [slot, t.add(0)]);
  return [once, new Map(copies)];
}

/** Whether a fold of these inputs meets pairs once. */
export function isTaken(
  { formula, reduction, axis, M, N, dtype }: FoldCase,
  inputs: ReadonlyMap<number, Tensor>,
  choices: FoldChoices,
): boolean {
  const [sum] = fold({ formula, inputs, reduction, axis, M, N, dtype, k: 1, choices });
  return /each pair of points once/.test(sum.explain());
}

/**
 * Throws unless two results have the same numbers that are not finite, and close ones elsewhere.
 */
export function checkSame(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assertEquals(got.length, want.length, what);
  let scale = 0;
  for (let k = 0; k < want.length; k++) {
    if (Number.isFinite(want[k])) scale = Math.max(scale, Math.abs(want[k]));
  }
  for (let k = 0; k < want.length; k++) {
    const isSame = Number.isFinite(want[k])
      ? Math.abs(got[k] - want[k]) <= tolerance * scale
      : Object.is(got[k], want[k]);
    assert(isSame, `${what}, number ${k}: got ${got[k]}, expected ${want[k]}`);
  }
}
