// The tensors behind a symbolic matrix, and what people may pass for them.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Axis, type Node, type NumberKind, variable } from "../formula/mod.ts";
import { sizeOf, Tensor, tensor, type TensorLike } from "../tensor/mod.ts";

/** A tensor in a formula. Numbers given by hand take on the dtype of the others. */
export interface Input {
  readonly tensor: Tensor;
  readonly isNumber: boolean;
}

/** Everything that a symbolic matrix is over. */
export interface Inputs {
  /** By tensor id, which is the slot of its variables. */
  readonly byId: ReadonlyMap<number, Input>;
  /** Rows along each axis; null while no tensor says. */
  readonly M: number | null;
  readonly N: number | null;
}

/** Nothing. */
export const NO_INPUTS: Inputs = { byId: new Map(), M: null, N: null };

/** One tensor, as points of an axis or as a parameter. */
export function inputOf(
  t: Tensor,
  axis: Axis | "p",
  isNumber = false,
  rows: number = t.shape[0],
): Inputs {
  return {
    byId: new Map([[t.id, { tensor: t, isNumber }]]),
    M: axis === "i" ? rows : null,
    N: axis === "j" ? rows : null,
  };
}

function sameRows(op: string, axis: string, a: number | null, b: number | null): number | null {
  if (a !== null && b !== null && a !== b) {
    throw new PairfoldError(
      "shape",
      `${op}: got ${a} and ${b} rows along ${axis}; expected the same number`,
    );
  }
  return a ?? b;
}

/** The inputs of an op on several symbolic matrices. */
export function mergeInputs(op: string, all: readonly Inputs[]): Inputs {
  if (all.length === 1) return all[0];
  const byId = new Map<number, Input>();
  let M: number | null = null;
  let N: number | null = null;
  for (const inputs of all) {
    for (const [id, input] of inputs.byId) byId.set(id, input);
    M = sameRows(op, "i", M, inputs.M);
    N = sameRows(op, "j", N, inputs.N);
  }
  const merged = { byId, M, N };
  floatTypeOf(op, merged);
  return merged;
}

/** The float type of all tensors; float32 where there are only numbers. */
export function floatTypeOf(op: string, inputs: Inputs): "float32" | "float64" {
  let found: "float32" | "float64" | null = null;
  for (const { tensor: t, isNumber } of inputs.byId.values()) {
    if (isNumber || t.dtype === "int32") continue;
    if (found !== null && found !== t.dtype) {
      throw new PairfoldError(
        "dtype",
        `${op}: got float32 and float64 tensors; expected one of them throughout`,
      );
    }
    found = t.dtype;
  }
  return found ?? "float32";
}

/** Points of an axis: rank 2, or a flat array with its dim. */
export function pointsOf(op: string, data: TensorLike, dim?: number): Tensor {
  const isFlat = ArrayBuffer.isView(data);
  if (isFlat && dim !== undefined) {
    const flat = data as NumberArray;
    if (!Number.isInteger(dim) || dim < 1 || flat.length % dim !== 0) {
      throw new PairfoldError(
        "dim",
        `${op}: got ${flat.length} numbers and dim ${dim}; expected a dim that divides them`,
      );
    }
    return tensor(flat, [flat.length / dim, dim]);
  }
  const t = tensor(data);
  const isVector = t.shape.length === 1 && data instanceof Tensor && dim === 1;
  if (t.shape.length !== 2 && !isVector) {
    const hint = isFlat ? `; a flat array needs its dim, ${op}(x, dim)` : "";
    throw new PairfoldError("shape", `${op}: got shape [${t.shape}]; expected [rows, dim]${hint}`);
  }
  const own = t.shape[1] ?? 1;
  if (dim !== undefined && own !== dim) {
    throw new PairfoldError("dim", `${op}: got points of dim ${own}; expected ${dim}`);
  }
  if (own < 1) throw new PairfoldError("dim", `${op}: got points of dim 0; expected at least 1`);
  return t;
}

/** A parameter: a vector (rank 0 or 1). */
export function parameterOf(data: TensorLike | number): { tensor: Tensor; isNumber: boolean } {
  const isNumber = typeof data === "number" || Array.isArray(data);
  const t = tensor(data, undefined, isNumber ? { dtype: "float64" } : {});
  if (t.shape.length > 1 || sizeOf(t.shape) < 1) {
    throw new PairfoldError("shape", `Pm: got shape [${t.shape}]; expected a number or a vector`);
  }
  return { tensor: t, isNumber };
}

/** A formula with the tensors behind it. */
export interface Term {
  /** The slots of its variables are ids of tensors. */
  readonly formula: Node;
  readonly inputs: Inputs;
}

/** Points of an axis as a term. */
export function pointsTerm(op: string, axis: Axis, data: TensorLike, dim?: number): Term {
  const t = pointsOf(op, data, dim);
  const formula = variable(t.id, axis, t.shape[1] ?? 1, numberOf(t));
  return { formula, inputs: inputOf(t, axis) };
}

/** A parameter as a term. */
export function parameterTerm(data: TensorLike | number): Term {
  const { tensor: t, isNumber } = parameterOf(data);
  return { formula: variable(t.id, "p", t.size), inputs: inputOf(t, "p", isNumber) };
}

/**
 * A tensor that stands beside a symbolic matrix: rank 0 and 1 are parameters; [M, 1, D] are points
 * of i, [1, N, D] of j, [1, 1, D] a parameter. Rank 2 does not say its axis.
 */
export function tensorTerm(op: string, t: Tensor): Term {
  const { shape } = t;
  if (shape.length <= 1) return parameterTerm(t);
  if (shape.length !== 3 || (shape[0] !== 1 && shape[1] !== 1)) {
    const expected = shape.length === 2
      ? "its axis said, by Vi(tensor) for rows i or Vj(tensor) for columns j"
      : "rank 0 or 1 (a parameter), [M, 1, D] (rows i) or [1, N, D] (columns j)";
    throw new PairfoldError(
      "shape",
      `${op}: got a Tensor of shape [${shape}]; expected ${expected}`,
    );
  }
  const [M, N, D] = shape;
  if (D < 1) throw new PairfoldError("dim", `${op}: got a Tensor of dim 0; expected at least 1`);
  const axis = M !== 1 ? "i" : N !== 1 ? "j" : "p";
  const number = axis === "p" ? "float" : numberOf(t);
  return { formula: variable(t.id, axis, D, number), inputs: inputOf(t, axis, false, M * N) };
}

const numberOf = (t: Tensor): NumberKind => t.dtype === "int32" ? "index" : "float";
