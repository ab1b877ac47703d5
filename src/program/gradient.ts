// The gradient of a fold with respect to one of its variables, as folds again.

import { gradient } from "../autodiff/mod.ts";
import { PairfoldError } from "../error.ts";
import { build, index, type Node, variable, type VariableNode } from "../formula/mod.ts";
import { type ReductionName, reductions } from "../reduction/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { fold, type FoldRequest } from "./fold.ts";

/** A fold, a variable of its formula, and the cotangent of its result (rows, dim). */
export interface GradientRequest extends FoldRequest {
  readonly variable: VariableNode;
  readonly cotangent: Tensor;
}

/**
 * (∂ result / ∂ variable)ᵀ · cotangent, one row per row of the variable. The reduction says which
 * cotangent each pair's formula value gets; the formula's gradient is then summed over the axis that
 * the variable does not have, and over both for a parameter.
 */
export function foldGradient(request: GradientRequest): Tensor {
  const { formula, reduction, axis, variable: v, cotangent } = request;
  const { vjp } = reductions[reduction];
  if (vjp === null) {
    throw new PairfoldError(
      "dtype",
      `grad of ${reduction}: its result holds indices; expected a reduction to floats`,
    );
  }
  const kept = axis === "j" ? "i" : "j";
  const inputs = new Map(request.inputs);
  const asVariable = (t: Tensor, number: "float" | "index"): Node => {
    inputs.set(t.id, t);
    return variable(t.id, kept, t.size / Math.max(1, t.shape[0]) || formula.dim, number);
  };
  const result = (name: ReductionName): Node => {
    const [t] = fold({ ...request, reduction: name });
    return asVariable(t, reductions[name].outputs[0]);
  };
  const pairCotangent = vjp({
    formula,
    foldedIndex: index(axis),
    cotangent: asVariable(cotangent, "float"),
    result,
  });
  const g = gradient(formula, v, fit(pairCotangent, formula.dim));
  const sumOver = v.axis === "i" ? "j" : v.axis === "j" ? "i" : axis;
  const [sums] = fold({ ...request, formula: g, inputs, reduction: "sum", axis: sumOver, k: 1 });
  if (v.axis !== "p") return sums;
  // a parameter: the second axis too
  const rows = variable(sums.id, "j", v.dim);
  const [total] = fold({
    ...request,
    formula: rows,
    inputs: new Map([[sums.id, sums]]),
    reduction: "sum",
    axis: "j",
    M: 1,
    N: sums.shape[0],
    k: 1,
  });
  return total;
}

function fit(cotangent: Node, dim: number): Node {
  return cotangent.dim === dim ? cotangent : build.sumT(cotangent, dim);
}
