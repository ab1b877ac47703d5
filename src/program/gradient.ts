// The gradient of a fold with respect to one of its variables, as folds again.

import { gradient } from "../autodiff/mod.ts";
import { build, type Node, variable, type VariableNode } from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkPart, rulesOf } from "./derivative.ts";
import { fold, type FoldRequest, shapeOf } from "./fold.ts";

/** A fold, a variable of its formulas, and the cotangent of its (first) output, of its shape. */
export interface GradientRequest extends FoldRequest {
  readonly variable: VariableNode;
  readonly cotangent: Tensor;
}

/**
 * (∂ result / ∂ variable)ᵀ · cotangent, one row per row of the variable. The reduction says which
 * cotangents each pair's formula and weight get; their gradients are then summed over the axis that
 * the variable does not have, and over both for a parameter.
 *
 * Throws `PairfoldError`: `dtype` for reductions to integers, `shape` or `dtype` for a
 * cotangent that does not fit.
 */
export function foldGradient(request: GradientRequest): Tensor {
  const { formula, weight = null, axis, variable: v, cotangent, M, N } = request;
  const { derivatives, context, inputs, asVariable } = rulesOf("grad", request);
  checkPart("cotangent", request, cotangent, shapeOf(request, axis === "j" ? M : N));
  const cotangents = derivatives.vjp({ ...context, cotangent: asVariable(cotangent) });
  const terms: Node[] = [];
  for (const [part, g] of [[formula, cotangents.formula], [weight, cotangents.weight]] as const) {
    if (part !== null && g !== null) terms.push(gradient(part, v, fit(g, part.dim)));
  }
  const g = terms.reduce((total, term) => build.add(total, term));
  const sumOver = v.axis === "i" ? "j" : v.axis === "j" ? "i" : axis;
  const sumsOf = { ...request, weight: null, reduction: "sum", k: 1 } as const;
  const [sums] = fold({ ...sumsOf, formula: g, inputs, axis: sumOver });
  if (v.axis !== "p") return sums;
  // a parameter: the second axis too
  const [total] = fold({
    ...sumsOf,
    formula: variable(sums.id, "j", v.dim),
    inputs: new Map([[sums.id, sums]]),
    axis: "j",
    M: 1,
    N: sums.shape[0],
  });
  return total;
}

function fit(cotangent: Node, dim: number): Node {
  return cotangent.dim === dim ? cotangent : build.sumT(cotangent, dim);
}
