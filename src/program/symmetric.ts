// Folds of a table with itself, which may meet each pair of points once. Enters: a fold and the
// slots of its tensors. Leaves: the fold with twins, for engines that make use of them, and its
// kernel.
//
// A variable's twin reads the same tensor on the other axis. Those that the formula has on one axis
// only, as b in Σ_j K(x_i, x_j) b_j, get a twin that reads it on the other.

import type { Engine } from "../engine/mod.ts";
import { type Node, variable } from "../formula/mod.ts";
import type { Kernel } from "../loop/mod.ts";
import type { Fold } from "../lower/mod.ts";
import { storageOf, type Tensor } from "../tensor/mod.ts";
import { kernelOf } from "./canonical.ts";

/** A fold whose kernel has a mirror, and the slots of its inputs' tensors. */
export interface SymmetricFold {
  readonly kernel: Kernel;
  readonly slots: readonly number[];
}

/** The fold as one of a table with itself; null where no table stands on both axes. */
function withTwins(
  fold: Fold,
  slots: readonly number[],
  tensors: readonly Tensor[],
): { fold: Fold; slots: number[] } | null {
  const inputs = [...fold.inputs];
  const tables = [...slots];
  const twins = new Map<Node, Node>();
  const storages = tensors.map(storageOf);
  let isShared = false;
  for (const [k, one] of fold.inputs.entries()) {
    if (one.axis === "p" || twins.has(one)) continue;
    const axis = one.axis === "i" ? "j" : "i";
    let other = fold.inputs.find((v, n) =>
      v.axis === axis && v.dim === one.dim && storages[n] === storages[k]
    );
    if (other !== undefined) isShared = true;
    else {
      other = variable(inputs.length, axis, one.dim, one.number);
      inputs.push(other);
      tables.push(slots[k]);
    }
    twins.set(one, other);
    twins.set(other, one);
  }
  return isShared ? { fold: { ...fold, inputs, twins }, slots: tables } : null;
}

/** What folds pairs of points once; null where an engine, or the formula, gains nothing by it. */
export function symmetricFold(
  fold: Fold,
  slots: readonly number[],
  tensors: readonly Tensor[],
  engine: Engine,
  points: number,
): SymmetricFold | null {
  const { float, formula, weight } = fold;
  if (weight || !engine.mirrors?.(points, formula.dim, float)) return null;
  const symmetric = withTwins(fold, slots, tensors);
  if (symmetric === null) return null;
  const kernel = kernelOf(symmetric.fold, engine.math);
  return engine.mirrorPays?.(kernel, points) ? { kernel, slots: symmetric.slots } : null;
}
