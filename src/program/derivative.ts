// What the gradient and the differential of a fold have in common: the results, lengths and indices
// that a reduction's rules speak of, as formulas over tensors.

import { PairfoldError } from "../error.ts";
import { type Axis, build, index, type Node, variable } from "../formula/mod.ts";
import {
  checkFormulas,
  type DerivativeContext,
  type Derivatives,
  type ReductionName,
  reductions,
} from "../reduction/mod.ts";
import { sizeOf, type Tensor, tensor } from "../tensor/mod.ts";
import { fold, type FoldRequest } from "./fold.ts";

/** A reduction's rules, and what they may use. */
export interface Rules {
  readonly derivatives: Derivatives;
  readonly context: DerivativeContext;
  /** The tensors of the fold and of all variables made here; may grow. */
  readonly inputs: Map<number, Tensor>;
  /** A tensor of the kept axis, or of any other, as a variable. */
  readonly asVariable: (t: Tensor, axis?: Axis | "p") => Node;
}

/** Throws `PairfoldError` (shape, dtype) unless a tensor has a shape's rows and the fold's type. */
export function checkPart(
  what: string,
  { reduction, dtype }: FoldRequest,
  t: Tensor,
  shape: readonly number[],
): void {
  if (t.size !== sizeOf(shape) || t.shape[0] !== shape[0]) {
    throw new PairfoldError(
      "shape",
      `${what} of ${reduction}: got shape [${t.shape}]; expected [${shape}]`,
    );
  }
  if (t.dtype !== dtype) {
    throw new PairfoldError("dtype", `${what} of ${reduction}: got ${t.dtype}; expected ${dtype}`);
  }
}

/** The rules of a fold's reduction. Throws `PairfoldError` (dtype) where there are none. */
export function rulesOf(what: "grad" | "diff", request: FoldRequest): Rules {
  const { formula, weight = null, reduction, axis, k, M, N, dtype } = request;
  checkFormulas(reduction, formula, weight);
  const { derivatives } = reductions[reduction];
  if (derivatives === null) {
    throw new PairfoldError(
      "dtype",
      `${what} of ${reduction}: its result holds integers; expected a reduction to floats`,
    );
  }
  const kept: Axis = axis === "j" ? "i" : "j";
  const inputs = new Map(request.inputs);
  const asVariable = (t: Tensor, on: Axis | "p" = kept): Node => {
    inputs.set(t.id, t);
    const dim = sizeOf(t.shape.slice(1));
    return variable(t.id, on, dim, t.dtype === "int32" ? "index" : "float");
  };
  const made = new Map<string, Node>();
  const result = (name: ReductionName, output = 0): Node => {
    const key = `${name}:${output}`;
    let node = made.get(key);
    if (node === undefined) {
      const takesWeight = reductions[name].takes === "scalar and weight";
      const others = fold({ ...request, reduction: name, weight: takesWeight ? weight : null });
      made.set(key, node = asVariable(others[output]));
    }
    return node;
  };
  const length = axis === "j" ? N : M;
  const lengths = dtype === "float32" ? Float32Array.of(length) : Float64Array.of(length);
  const context: DerivativeContext = {
    formula,
    weight: weight ?? build.constant(1),
    foldedIndex: index(axis),
    count: asVariable(tensor(lengths, [1, 1], { copy: false }), "p"),
    k,
    result,
  };
  return { derivatives, context, inputs, asVariable };
}
