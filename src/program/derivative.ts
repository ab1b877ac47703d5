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
import { type Batch, NO_BATCH } from "./batch.ts";
import { fold } from "./lists.ts";
import { countsOf, keptRanges } from "./ranges.ts";
import type { FoldRequest } from "./request.ts";

/** A reduction's rules, and what they may use. */
export interface Rules {
  readonly derivatives: Derivatives;
  readonly context: DerivativeContext;
  /** The tensors of the fold and of all variables made here; may grow. */
  readonly inputs: Map<number, Tensor>;
  /** The fold's leading dims, and those of all inputs; may grow. */
  readonly batch: Batch;
  /**
   * A tensor of leading dims (default the fold's), rows of the kept axis, or of any other, and
   * vectors of a dim (default all that is left), as a variable.
   */
  readonly asVariable: (t: Tensor, place?: Place) => Node;
}

/** What a tensor's leading dims and rows are. */
interface Place {
  readonly axis: Axis | "p";
  readonly batch: readonly number[];
  readonly dim: number;
}

/** A slot of a variable's own: its tensor may have another role, with other leading dims. */
const newSlot = (): number => tensor(0).id;

/**
 * Throws `PairfoldError` (shape, dtype) unless a tensor has the fold's type and a shape, in which
 * only the vectors' dims may be cut otherwise.
 */
export function checkPart(
  what: string,
  { reduction, dtype }: FoldRequest,
  t: Tensor,
  shape: readonly number[],
  rank = 1,
): void {
  const isSame = shape.slice(0, rank).every((length, k) => t.shape[k] === length);
  if (t.size !== sizeOf(shape) || !isSame) {
    throw new PairfoldError(
      "shape",
      `${what} of ${reduction}: got shape [${t.shape}]; expected [${shape}]`,
    );
  }
  if (t.dtype !== dtype) {
    throw new PairfoldError("dtype", `${what} of ${reduction}: got ${t.dtype}; expected ${dtype}`);
  }
}

/** Reductions whose second output is what another one gives. */
const SECOND: Partial<Record<ReductionName, ReductionName>> = {
  minArgMin: "argMin",
  maxArgMax: "argMax",
  kMinArgKMin: "argKMin",
};

/**
 * The rules of a fold's reduction; `outputs` are the fold's, where they are known, so that no rule
 * computes them again. Throws `PairfoldError` (dtype) where there are none.
 */
export function rulesOf(
  what: "grad" | "diff",
  request: FoldRequest,
  outputs: readonly Tensor[] = [],
): Rules {
  const { formula, weight = null, reduction, axis, k, M, N, dtype } = request;
  const { shape: batchShape, of } = request.batch ?? NO_BATCH;
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
  const batches = new Map(of);
  const batch: Batch = { shape: batchShape, of: batches };
  const asVariable = (t: Tensor, place?: Place): Node => {
    const { axis: on, batch: own, dim } = place ??
      { axis: kept, batch: batchShape, dim: sizeOf(t.shape.slice(batchShape.length + 1)) };
    const slot = newSlot();
    inputs.set(slot, t);
    if (own.length > 0) batches.set(slot, own);
    return variable(slot, on, dim, t.dtype === "int32" ? "index" : "float");
  };
  const made = new Map<string, Node>();
  const result = (name: ReductionName, output = 0): Node => {
    const key = `${name}:${output}`;
    let node = made.get(key);
    const known = name === reduction
      ? outputs[output]
      : name === SECOND[reduction]
      ? outputs[1]
      : undefined;
    if (node === undefined && known !== undefined) {
      made.set(key, node = asVariable(known));
    } else if (node === undefined) {
      const takesWeight = reductions[name].takes === "scalar and weight";
      const others = fold({ ...request, reduction: name, weight: takesWeight ? weight : null });
      made.set(key, node = asVariable(others[output]));
    }
    return node;
  };
  const [rows, length] = axis === "j" ? [M, N] : [N, M];
  const ranges = keptRanges(request);
  const counts = ranges === null ? [length] : countsOf(ranges, rows);
  const lengths = dtype === "float32" ? Float32Array.from(counts) : Float64Array.from(counts);
  const context: DerivativeContext = {
    formula,
    weight: weight ?? build.constant(1),
    foldedIndex: index(axis),
    count: asVariable(tensor(lengths, [lengths.length, 1], { copy: false }), {
      axis: ranges === null ? "p" : kept,
      batch: [],
      dim: 1,
    }),
    k,
    result,
  };
  return { derivatives, context, inputs, batch, asVariable };
}
