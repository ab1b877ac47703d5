// The gradient of a fold with respect to one of its variables, as folds again.

import { gradient } from "../autodiff/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Axis, build, type Node, type VariableNode } from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkPart, rulesOf } from "./derivative.ts";
import { transpose } from "./canonical.ts";
import { fold, runOf, shapeOf } from "./fold.ts";
import type { FoldRun } from "./fold_run.ts";
import { shareWithValue } from "./joint.ts";
import { reshape } from "./linear.ts";
import type { FoldRequest } from "./request.ts";
import { withoutRule } from "./scale_rule.ts";
import { sharingSum, writtenAs } from "./sharing.ts";
import { sumToSize } from "./sum_to_size.ts";
import { valuesAreWanted } from "./trace.ts";

/** A fold, a variable of its formulas, and the cotangent of its (first) output, of its shape. */
export interface GradientRequest extends FoldRequest {
  readonly variable: VariableNode;
  readonly cotangent: Tensor;
}

/**
 * (∂ result / ∂ variable)ᵀ · cotangent, of the shape of the variable's tensor: [...batch, rows,
 * dim], a parameter having one row. The reduction says which cotangents each pair's formula and
 * weight get; their gradients are then summed over the axis that the variable does not have, over
 * both for a parameter, and over the batch dims that the variable was broadcast along.
 *
 * Throws `PairfoldError`: `dtype` for reductions to integers, `shape` or `dtype` for a
 * cotangent that does not fit.
 */
export function foldGradient({ variable, ...request }: GradientRequest): Tensor {
  const [gradient] = foldGradients(request, [variable]);
  if (gradient === null) throw new PairfoldError("internal", "grad: a gradient went astray");
  return gradient;
}

/** A fold, what it gave where that is known, and the cotangent of its (first) output. */
export interface GradientsRequest extends FoldRequest {
  readonly cotangent: Tensor;
  readonly outputs?: readonly Tensor[];
}

/**
 * Gradients by several variables. Where one tensor is rows of i and of j, one fold computes the sum
 * for both, if it can: the first of the variables gets it, the other null.
 */
export function foldGradients(
  { outputs, cotangent, ...asked }: GradientsRequest,
  variables: readonly VariableNode[],
): (Tensor | null)[] {
  const request = withoutRule(asked);
  const { formula, weight = null, axis, M, N, dtype, choices, ranges } = request;
  // ranges that differ from the other axis fold other pairs there
  const isSymmetric = ranges === undefined || ranges.isSymmetric;
  const { derivatives, context, inputs, batch, asVariable } = rulesOf("grad", request, outputs);
  checkPart("cotangent", request, cotangent, shapeOf(request), batch.shape.length + 1);
  const cotangents = derivatives.vjp({ ...context, cotangent: asVariable(cotangent) });
  const parts = [[formula, cotangents.formula], [weight, cotangents.weight]] as const;
  const gradientBy = (v: VariableNode): Node => {
    const terms: Node[] = [];
    for (const [part, g] of parts) {
      if (part !== null && g !== null) terms.push(gradient(part, v, fit(g, part.dim)));
    }
    return terms.reduce((total, term) => build.add(total, term));
  };
  const sumsOf = { ...request, weight: null, reduction: "sum", k: 1, inputs, batch } as const;
  /** Points of i and of j at once: those whose sum is for both, and those that it joins. */
  const twinned = new Set<VariableNode>(), joined = new Set<VariableNode>();
  const passes = new Map<Axis, FoldRun[]>();
  const parted = variables.flatMap((v) => {
    if (joined.has(v)) return [];
    const g = gradientBy(v);
    const sumOver = v.axis === "i" ? "j" : v.axis === "j" ? "i" : axis;
    const twin = v.axis === "p" || M !== N || !isSymmetric
      ? undefined
      : variables.find((w) => w.slot === v.slot && w.axis === sumOver);
    if (twin === undefined) return [{ v, g, sumOver }];
    joined.add(twin);
    twinned.add(v);
    return [{ v, g: sharingSum(g, transpose(gradientBy(twin))), sumOver }];
  });
  // where points are rows of i and of j, sums over the other axis meet the same pairs transposed
  const both = parted.find(({ v }) => twinned.has(v));
  const gradients = parted.map(({ v, g, sumOver: own }) => {
    const isTurned = both !== undefined && own !== both.sumOver;
    const sumOver = isTurned ? both.sumOver : own;
    const formula = isTurned ? writtenAs(transpose(g), both.g) : g;
    const [sums] = fold({ ...sumsOf, formula, axis: sumOver });
    const run = runOf(sums);
    if (run !== null) passes.set(sumOver, [...passes.get(sumOver) ?? [], run]);
    const ownBatch = batch.of.get(v.slot) ?? [];
    const rows = v.axis === "i" ? M : v.axis === "j" ? N : 1;
    const missing = new Array<number>(batch.shape.length - ownBatch.length).fill(1);
    const total = sumToSize(sums, [...missing, ...ownBatch, rows, v.dim], { dtype, choices });
    return [v, reshape(total, [...ownBatch, rows, v.dim])] as const;
  });
  const value = outputs === undefined ? null : runOf(outputs[0]);
  for (const [over, runs] of passes) {
    shareWithValue(over === axis ? value : null, runs, valuesAreWanted());
  }
  const found = new Map(gradients);
  return variables.map((v) => found.get(v) ?? null);
}

function fit(cotangent: Node, dim: number): Node {
  return cotangent.dim === dim ? cotangent : build.sumT(cotangent, dim);
}
