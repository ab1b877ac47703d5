// What tests of points that meet themselves share: formulas, inputs that are one table's on both
// axes, and the comparison of folds that meet each pair once with those of all pairs.

import { assert, assertEquals } from "@std/assert";
import { fold, type FoldChoices } from "../../src/program/mod.ts";
import { build, constant, type Node, variable } from "../../src/formula/mod.ts";
import type { Tensor } from "../../mod.ts";
import { type FoldCase, inputsOf } from "./folds.ts";
import { randomFor } from "./random.ts";

const { add, div, dot, exp, mul, neg, powr, sqDist, sqNorm2, square, sub } = build;

/** The points of both axes, their squared distance, the weights. */
export const x = (dim: number): Node => variable(0, "i", dim);
export const y = (dim: number): Node => variable(1, "j", dim);
export const q = (dim: number): Node => sqDist(x(dim), y(dim));
export const b = (dim = 1): Node => variable(2, "j", dim);
/** Differences, and the kernel that most folds have. */
export const d: Node = sub(y(3), x(3));
export const gaussian: Node = mul(exp(neg(q(3))), b());

/** What every engine folds once. */
export const TAKEN_BY_ALL = {
  gaussian,
  "gaussian of 2 weights": mul(exp(neg(q(2))), b(2)),
  "scaled by a parameter": mul(variable(4, "p", 1), mul(exp(mul(variable(5, "p", 1), q(3))), b())),
  cauchy: div(b(), add(q(3), constant(1))),
  gravity: mul(mul(d, powr(add(sqNorm2(d), constant(0.5)), constant(-1.5))), b()),
} as const satisfies Readonly<Record<string, Node>>;

/** A polynomial kernel of so many weights. */
export const polynomial = (weights: number): Node =>
  mul(square(add(dot(x(10), y(10)), constant(1))), b(weights));

/** What no engine does: it would cost more than it saves, or would see a zero of the other sign. */
export const LEFT_BY_ALL = {
  "gaussian of 16 weights": mul(exp(neg(q(3))), b(16)),
  lopsided: mul(exp(build.sum(mul(x(3), square(y(3))))), b()),
} as const satisfies Readonly<Record<string, Node>>;

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
