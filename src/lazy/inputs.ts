// The tensors behind a symbolic matrix, and what people may pass for them.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Axis, type Node, type NumberKind, variable } from "../formula/mod.ts";
import { broadcastShapes, sizeOf, Tensor, tensor, type TensorLike } from "../tensor/mod.ts";

/** A tensor in a formula. Numbers given by hand take on the dtype of the others. */
export interface Input {
  readonly tensor: Tensor;
  readonly isNumber: boolean;
  /** Its leading dims: all but its rows and their dim. */
  readonly batch: readonly number[];
}

/** Everything that a symbolic matrix is over. */
export interface Inputs {
  /** By the slot of its variables: the tensor's id, or another (several roles, numbers). */
  readonly byId: ReadonlyMap<number, Input>;
  /** What the leading dims of all broadcast to. */
  readonly batch: readonly number[];
  /** Rows along each axis; null while no tensor says. */
  readonly M: number | null;
  readonly N: number | null;
}

/** Nothing. */
export const NO_INPUTS: Inputs = { byId: new Map(), batch: [], M: null, N: null };

/** What a tensor is in a formula. */
interface Role {
  readonly axis: Axis | "p";
  readonly dim: number;
  readonly batch: readonly number[];
  readonly isNumber: boolean;
}

/** Slots of tensors whose leading dims are not those that the first axes of points have. */
const otherSlots = new WeakMap<Tensor, Map<string, number>>();

/** The slot of a tensor in a role: its id, unless the role reads its axes in an unusual way. */
function slotOf(t: Tensor, batch: readonly number[]): number {
  if (batch.length === Math.max(0, t.shape.length - 2)) return t.id;
  let slots = otherSlots.get(t);
  if (slots === undefined) otherSlots.set(t, slots = new Map());
  const key = batch.join();
  let slot = slots.get(key);
  if (slot === undefined) slots.set(key, slot = tensor(0).id);
  return slot;
}

/** A tensor in a role as a term. */
function termIn({ axis, dim, batch, isNumber }: Role, t: Tensor): Term {
  const slot = slotOf(t, batch);
  const rows = t.shape.length === 1 ? t.shape[0] : sizeOf(t.shape.slice(batch.length, -1));
  const number = axis === "p" ? "float" : numberOf(t);
  return {
    formula: variable(slot, axis, dim, number),
    inputs: {
      byId: new Map([[slot, { tensor: t, isNumber, batch }]]),
      batch,
      M: axis === "i" ? rows : null,
      N: axis === "j" ? rows : null,
    },
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

/** What leading dims broadcast to. Throws `PairfoldError` (shape) where they do not. */
export function commonBatch(
  op: string,
  a: readonly number[],
  b: readonly number[],
): readonly number[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const common = broadcastShapes(a, b);
  if (common !== null) return common;
  throw new PairfoldError(
    "shape",
    `${op}: got batch shapes [${a}] and [${b}]; expected ones that broadcast (equal, or 1)`,
  );
}

/** The inputs of an op on several symbolic matrices. */
export function mergeInputs(op: string, all: readonly Inputs[]): Inputs {
  if (all.length === 1) return all[0];
  const byId = new Map<number, Input>();
  let batch: readonly number[] = [];
  let M: number | null = null;
  let N: number | null = null;
  for (const inputs of all) {
    for (const [slot, input] of inputs.byId) {
      const before = byId.get(slot);
      if (before !== undefined && before.tensor !== input.tensor) {
        throw new PairfoldError("internal", `${op}: two tensors in one slot`);
      }
      byId.set(slot, input);
    }
    M = sameRows(op, "i", M, inputs.M);
    N = sameRows(op, "j", N, inputs.N);
    batch = commonBatch(op, batch, inputs.batch);
  }
  const merged = { byId, batch, M, N };
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

/** Points of an axis: [...batch, rows, dim], or a flat array with its dim. */
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
  if (t.shape.length < 2 && !isVector) {
    const hint = isFlat ? `; a flat array needs its dim, ${op}(x, dim)` : "";
    throw new PairfoldError(
      "shape",
      `${op}: got shape [${t.shape}]; expected [...batch, rows, dim]${hint}`,
    );
  }
  const own = isVector ? 1 : t.shape[t.shape.length - 1];
  if (dim !== undefined && own !== dim) {
    throw new PairfoldError("dim", `${op}: got points of dim ${own}; expected ${dim}`);
  }
  if (own < 1) throw new PairfoldError("dim", `${op}: got points of dim 0; expected at least 1`);
  return t;
}

/** A formula with the tensors behind it. */
export interface Term {
  /** The slots of its variables are those of its inputs. */
  readonly formula: Node;
  readonly inputs: Inputs;
}

/** Points of an axis as a term. */
export function pointsTerm(op: string, axis: Axis, data: TensorLike, dim?: number): Term {
  const t = pointsOf(op, data, dim);
  const own = t.shape.length === 1 ? 1 : t.shape[t.shape.length - 1];
  return termIn({ axis, dim: own, batch: t.shape.slice(0, -2), isNumber: false }, t);
}

/** A parameter as a term: a number or a vector. */
export function parameterTerm(data: TensorLike | number): Term {
  return parametersTerm(data, 1, "a number or a vector");
}

/** Parameters as a term: a number or a vector for all, or [...batch, dim]. */
export function parametersTerm(
  data: TensorLike | number,
  maxRank = Infinity,
  expected = "a number, a vector or [...batch, dim], with a dim from 1",
): Term {
  const isNumber = typeof data === "number" || Array.isArray(data);
  const t = tensor(data, undefined, isNumber ? { dtype: "float64" } : {});
  const { shape } = t;
  if (shape.length > maxRank || shape.at(-1) === 0) {
    throw new PairfoldError("shape", `Pm: got shape [${shape}]; expected ${expected}`);
  }
  return termIn({ axis: "p", dim: shape.at(-1) ?? 1, batch: shape.slice(0, -1), isNumber }, t);
}

/**
 * A tensor that stands beside a symbolic matrix: rank 0 and 1 are parameters; [...batch, M, 1, D]
 * are points of i, [...batch, 1, N, D] of j, [...batch, 1, 1, D] parameters. Rank 2 does not say
 * its axis.
 */
export function tensorTerm(op: string, t: Tensor): Term {
  const { shape } = t;
  if (shape.length <= 1) return parameterTerm(t);
  const [M, N, D] = shape.slice(-3);
  if (shape.length < 3 || (M !== 1 && N !== 1)) {
    const expected = shape.length === 2
      ? "its axis said, by Vi(tensor) for rows i or Vj(tensor) for columns j"
      : "rank 0 or 1 (a parameter), [...batch, M, 1, D] (rows i) or [...batch, 1, N, D] (columns j)";
    throw new PairfoldError(
      "shape",
      `${op}: got a Tensor of shape [${shape}]; expected ${expected}`,
    );
  }
  if (D < 1) throw new PairfoldError("dim", `${op}: got a Tensor of dim 0; expected at least 1`);
  const axis = M !== 1 ? "i" : N !== 1 ? "j" : "p";
  return termIn({ axis, dim: D, batch: shape.slice(0, -3), isNumber: false }, t);
}

const numberOf = (t: Tensor): NumberKind => t.dtype === "int32" ? "index" : "float";
