// What tensors' methods call. Tensors come before the programs that compute them in the order of
// the folders, so that the program folder hands its operations over here, when it is loaded.

import type { DType, NumberArray, Progress } from "../engine/engine.ts";
import { PairfoldError } from "../error.ts";
import type { ScalarOp } from "../formula/mod.ts";

/** Nested arrays of numbers: what `array()` gives and `tensor()` takes. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** What may stand beside a tensor of type T: another one, a number, numbers in arrays. */
export type OperandOf<T> = T | number | NumberArray | readonly NestedNumbers[];

/** Reductions of a tensor over axes. */
export type AxisReduction =
  | "sum"
  | "mean"
  | "min"
  | "max"
  | "logSumExp"
  | "argMin"
  | "argMax";

/** A part of an axis: from `start`, every `step`-th, up to `stop` (exclusive), as in NumPy. */
export interface Slice {
  readonly start?: number;
  readonly stop?: number;
  /** Default 1; negative steps walk backwards. */
  readonly step?: number;
}

/** Some entries of an axis: integers in an array, or an int32 tensor. */
export type IndicesOf<T> = T | Int32Array | readonly NestedNumbers[];

/** The entries of a tensor that differ, and where they are. */
export interface Distinct<T> {
  /** Each entry once, ascending: rows by their first numbers that differ; NaN last. */
  readonly values: T;
  /** int32: where each of them stands first. */
  readonly indices: T;
  /** int32: for each entry its place among the values; of all numbers, in the tensor's shape. */
  readonly inverse: T;
  /** int32: how often each of them occurs. */
  readonly counts: T;
}

/** What may watch and stop the computation behind a read. */
export interface ReadOptions {
  /** Stops the computation, unless others wait for it too. */
  readonly signal?: AbortSignal;
  /** Called with pairs done and in all, about every 25 ms, first with 0, last with all. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Operations on tensors of type T. */
export interface Operations<T> {
  elementwise(
    op: ScalarOp,
    args: readonly OperandOf<T>[],
    attributes?: readonly number[],
  ): T;
  cast(x: T, dtype: DType): T;
  reduce(name: AxisReduction, x: T, axes: readonly number[], keepDims: boolean): T;
  cumSum(x: T, axis: number): T;
  matmul(a: T, b: OperandOf<T>): T;
  reshape(x: T, shape: readonly number[]): T;
  permute(x: T, axes: readonly number[]): T;
  broadcastTo(x: T, shape: readonly number[]): T;
  slice(x: T, ranges: readonly (number | Slice | null)[]): T;
  take(x: T, indices: IndicesOf<T>, axis: number): T;
  takeAlongAxis(x: T, indices: IndicesOf<T>, axis: number): T;
  scatterAdd(x: T, indices: IndicesOf<T>, values: OperandOf<T>, axis: number): T;
  argSort(x: T, axis: number): T;
  cross(a: T, b: OperandOf<T>): T;
  nonZero(x: T, options: ReadOptions): Promise<T>;
  unique(x: T, axis: number | null, options: ReadOptions): Promise<Distinct<T>>;
}

let provided: unknown = null;

/** Hands over the operations; called once, by the program folder. */
export function provideOperations<T>(operations: Operations<T>): void {
  provided = operations;
}

/** The operations on tensors of a type. */
export function operations<T>(): Operations<T> {
  if (provided === null) throw new PairfoldError("internal", "tensors have no operations yet");
  return provided as Operations<T>;
}
