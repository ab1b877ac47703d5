// The gradient of a fold with respect to one of its variables, as folds again.

import { gradient } from "../autodiff/mod.ts";
import { build, type Node, type VariableNode } from "../formula/mod.ts";
import { reshaped, type Tensor } from "../tensor/mod.ts";
import { checkPart, rulesOf } from "./derivative.ts";
import { fold, type FoldRequest, shapeOf } from "./fold.ts";
import { sumToSize } from "./sum_to_size.ts";

/** A fold, a variable of its formulas, and the cotangent of its (first) output, of its shape. */
export interface GradientRequest extends FoldRequest {
  readonly variable: VariableNode;
  readonly cotangent: Tensor;
}

/**
 * (∂ result / ∂ variable)ᵀ · cotangent, of the shape of the variable's tensor: [...batch, rows, dim],
 * a parameter having one row. The reduction says which cotangents each pair's formula and weight
 * get; their gradients are then summed over the axis that the variable does not have, over both for
 * a parameter, and over the batch dims that the variable was broadcast along.
 *
 * Throws `PairfoldError`: `dtype` for reductions to integers, `shape` or `dtype` for a
 * cotangent that does not fit.
 */
export function foldGradient(request: GradientRequest): Tensor {
  const { formula, weight = null, axis, variable: v, cotangent, M, N, dtype, choices } = request;
  const { derivatives, context, inputs, batch, asVariable } = rulesOf("grad", request);
  checkPart("cotangent", request, cotangent, shapeOf(request), batch.shape.length + 1);
  const cotangents = derivatives.vjp({ ...context, cotangent: asVariable(cotangent) });
  const terms: Node[] = [];
  for (const [part, g] of [[formula, cotangents.formula], [weight, cotangents.weight]] as const) {
    if (part !== null && g !== null) terms.push(gradient(part, v, fit(g, part.dim)));
  }
  const g = terms.reduce((total, term) => build.add(total, term));
  const sumOver = v.axis === "i" ? "j" : v.axis === "j" ? "i" : axis;
  const sumsOf = { ...request, weight: null, reduction: "sum", k: 1 } as const;
  const [sums] = fold({ ...sumsOf, formula: g, inputs, batch, axis: sumOver });
  const own = batch.of.get(v.slot) ?? [];
  const rows = v.axis === "i" ? M : v.axis === "j" ? N : 1;
  const missing = new Array<number>(batch.shape.length - own.length).fill(1);
  const total = sumToSize(sums, [...missing, ...own, rows, v.dim], { dtype, choices });
  return reshaped(total, [...own, rows, v.dim]);
}

function fit(cotangent: Node, dim: number): Node {
  return cotangent.dim === dim ? cotangent : build.sumT(cotangent, dim);
}
