// What people pass to a formula's function, as tensors of the declared dims.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import type { InputDeclaration } from "../syntax/mod.ts";
import { Tensor, tensor, type TensorLike } from "../tensor/mod.ts";

/** What may stand for an input. */
export type GenredInput = TensorLike | number;

/** One input as a tensor: [...batch, rows, dim] for Vi and Vj, [...batch, dim] for Pm. */
export function inputTensor(
  { name, variable: { axis, dim } }: InputDeclaration,
  position: number,
  value: GenredInput,
  dtype: "float32" | "float64",
): Tensor {
  const title = name === null ? `input ${position}` : `input ${position} (${name})`;
  const refuse = (code: "shape" | "dtype", got: string, expected: string): never => {
    throw new PairfoldError(code, `genred: got ${got} as ${title}; expected ${expected}`);
  };
  const isFlat = ArrayBuffer.isView(value);
  if (!(value instanceof Tensor) && !isFlat && !Array.isArray(value) && typeof value !== "number") {
    refuse("dtype", value === null ? "null" : typeof value, "a tensor or an array");
  }
  const t = isFlat
    ? flatTensor(value as NumberArray, axis === "p" ? null : dim)
    : tensor(value, undefined, value instanceof Tensor ? {} : { dtype });
  if (t.dtype !== dtype) refuse("dtype", t.dtype, dtype);
  const { shape } = t;
  if (axis === "p") {
    const isScalar = shape.length === 0 && dim === 1;
    if (!isScalar && shape.at(-1) !== dim) {
      refuse("shape", `shape [${shape}]`, `[${dim}] or [...batch, ${dim}]`);
    }
    return t;
  }
  const isColumn = dim === 1 && shape.length === 1;
  const isEmpty = shape.length === 1 && shape[0] === 0;
  const isMatrix = shape.length >= 2 && shape.at(-1) === dim;
  if (!isColumn && !isEmpty && !isMatrix) {
    refuse("shape", `shape [${shape}]`, `[rows, ${dim}] or [...batch, rows, ${dim}]`);
  }
  return t;
}

/** The leading dims of an input. A parameter [1, dim] is a vector, as in KeOps. */
export function batchOf(
  { variable: { axis } }: InputDeclaration,
  { shape }: Tensor,
): readonly number[] {
  if (axis !== "p") return shape.slice(0, -2);
  return shape.length === 2 && shape[0] === 1 ? [] : shape.slice(0, -1);
}

/** A flat array, cut into rows where it can be. */
function flatTensor(flat: NumberArray, dim: number | null): Tensor {
  if (dim === null || flat.length % dim !== 0) return tensor(flat);
  return tensor(flat, [flat.length / dim, dim]);
}
