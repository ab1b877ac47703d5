// The gradient of a fold with respect to one of its variables, as folds again.

import { gradient } from "../autodiff/mod.ts";
import { PairfoldError } from "../error.ts";
import {
  apply,
  build,
  type Node,
  type OpName,
  type OpNode,
  topological,
  transform,
  type VariableNode,
} from "../formula/mod.ts";
import type { Tensor } from "../tensor/mod.ts";
import { checkPart, rulesOf } from "./derivative.ts";
import { fold, type FoldRequest, shapeOf, transpose } from "./fold.ts";
import { reshape } from "./linear.ts";
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
  { outputs, cotangent, ...request }: GradientsRequest,
  variables: readonly VariableNode[],
): (Tensor | null)[] {
  const { formula, weight = null, axis, M, N, dtype, choices } = request;
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
  const joined = new Set<VariableNode>();
  return variables.map((v) => {
    if (joined.has(v)) return null;
    let g = gradientBy(v);
    const sumOver = v.axis === "i" ? "j" : v.axis === "j" ? "i" : axis;
    const twin = v.axis === "p" || M !== N
      ? undefined
      : variables.find((w) => w.slot === v.slot && w.axis === sumOver);
    if (twin !== undefined) {
      joined.add(twin);
      g = build.add(g, sharing(transpose(gradientBy(twin)), g));
    }
    const [sums] = fold({ ...sumsOf, formula: g, axis: sumOver });
    const own = batch.of.get(v.slot) ?? [];
    const rows = v.axis === "i" ? M : v.axis === "j" ? N : 1;
    const missing = new Array<number>(batch.shape.length - own.length).fill(1);
    const total = sumToSize(sums, [...missing, ...own, rows, v.dim], { dtype, choices });
    return reshape(total, [...own, rows, v.dim]);
  });
}

/** Ops of two arguments that may change places, bit for bit. */
const SYMMETRIC: ReadonlySet<OpName> = new Set(["add", "mul", "dot", "sqDist", "eq", "ne"]);
/** Ops that give the same for −x, bit for bit. */
const EVEN: ReadonlySet<OpName> = new Set(["square", "abs", "cos", "sqNorm2", "norm2"]);

/** A formula with what is the same in another written as there, so that it is computed once. */
function sharing(formula: Node, other: Node): Node {
  const known = new Set(topological(other));
  const spellings = ({ op, attributes }: OpNode, args: readonly Node[]): Node[] => {
    const [a, b] = args;
    const list: Node[] = [apply(op, args, attributes)];
    if (SYMMETRIC.has(op)) list.push(apply(op, [b, a]));
    if (EVEN.has(op) && a.kind === "op" && a.op === "sub") {
      list.push(apply(op, [apply("sub", [a.args[1], a.args[0]])]));
    }
    return list;
  };
  return transform(formula, (leaf) => leaf, (node, args) => {
    const list = spellings(node, args);
    return list.find((spelling) => known.has(spelling)) ?? list[0];
  });
}

function fit(cotangent: Node, dim: number): Node {
  return cotangent.dim === dim ? cotangent : build.sumT(cotangent, dim);
}
