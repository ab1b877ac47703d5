// The differential of a fold: how its result moves when its variables do, as a fold again.

import { differential } from "../autodiff/mod.ts";
import { build, type Node, type VariableNode, zero } from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { NO_BATCH } from "./batch.ts";
import { checkPart, rulesOf } from "./derivative.ts";
import { fold, runOf, shapeOf } from "./fold.ts";
import { shareOnePass } from "./joint.ts";
import { reshape } from "./linear.ts";
import type { FoldRequest } from "./request.ts";
import { withoutRule } from "./scale_rule.ts";
import { valuesAreWanted } from "./trace.ts";

/** A variable of a fold's formulas and a tensor of its shape: the direction in which it moves. */
export interface Tangent {
  readonly variable: VariableNode;
  readonly tangent: Tensor;
}

/** A fold and the directions in which its variables move; those that are not named stay. */
export interface DifferentialRequest extends FoldRequest {
  readonly tangents: readonly Tangent[];
  /** What the fold gave, where that is known. */
  readonly outputs?: readonly Tensor[];
}

/**
 * Σ_v (∂ result / ∂ v) · tangent of v, of the shape of the fold's (first) output. The reduction
 * says which formula of a pair's tangents has to be summed over the folded axis.
 *
 * Throws `PairfoldError`: `dtype` for reductions to integers, `shape` or `dtype` for a tangent
 * that does not fit.
 */
export function foldDifferential(
  { outputs, tangents, ...asked }: DifferentialRequest,
): Tensor {
  const request = withoutRule(asked);
  const { formula, weight = null, M, N } = request;
  const { derivatives, context, inputs, batch, asVariable } = rulesOf("diff", request, outputs);
  const shape = shapeOf(request);
  const directions = tangents.map(({ variable: v, tangent }) => {
    const own = (request.batch ?? NO_BATCH).of.get(v.slot) ?? [];
    const rows = v.axis === "i" ? [M] : v.axis === "j" ? [N] : [1];
    checkPart("tangent", request, tangent, [...own, ...rows, v.dim], own.length + 1);
    return { v, direction: asVariable(tangent, { axis: v.axis, batch: own, dim: v.dim }) };
  });
  const along = (part: Node): Node => {
    const parts = directions.map(({ v, direction }) => differential(part, v, direction));
    return parts.length === 0 ? zero(part.dim) : parts.reduce((a, b) => build.add(a, b));
  };
  const rule = derivatives.jvp({
    ...context,
    tangent: along(formula),
    weightTangent: weight === null ? zero(1) : along(weight),
  });
  const sumOf = {
    ...request,
    formula: rule,
    weight: null,
    inputs,
    batch,
    reduction: "sum",
    k: 1,
  } as const;
  const [sums] = fold(sumOf);
  const runs = [outputs?.[0], sums].map((t) => t === undefined ? null : runOf(t));
  if (valuesAreWanted()) shareOnePass(runs.filter((run) => run !== null));
  return reshape(sums, shape);
}
