// The tensors behind a symbolic matrix, and what people may pass for them.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import type { Axis } from "../formula/mod.ts";
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
export function inputOf(t: Tensor, axis: Axis | "p", isNumber = false): Inputs {
  const rows = axis === "p" ? null : t.shape[0];
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
