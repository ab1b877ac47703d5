// What the code of a section stands in: names of rows, columns and memory, as the kernel around has
// them.

import { bytesOf, type FloatType, type Kernel } from "../../loop/mod.ts";
import { TYPES } from "./spelling.ts";

/** What the code of a section stands in: how it names its rows, columns and memory. */
export interface Surroundings {
  /** Name of the index of a row of the thread (in the pack kernel: of its column). */
  readonly index: (axis: "row" | "column", row: number) => string;
  /** Number of columns folded. */
  readonly count: string;
  /** Element 0 of the input's row that a thread's row reads. */
  readonly input: (slot: number, row: number) => string;
  readonly output: (slot: number, row: number) => string;
  /** Pointer to the column's record, as numbers. */
  readonly column: string;
  /** Where a slot stands in it, and numbers from one record to the next. */
  readonly columnPlace: (slot: number) => number;
  readonly staged: number;
  /** Slots of the row record that stand in an array of their own, for patches. */
  readonly vector?: {
    readonly name: string;
    readonly first: number;
    readonly length: number;
    /** Elements of the array. */
    readonly padded: number;
  };
  /** What a pair holds of a turn's column. */
  readonly held?: (column: number) => string;
}

/** Numbers of a type as they are loaded from shared memory, 16 bytes at a time. */
export interface Numbers {
  readonly float: FloatType;
  /** C++ types of one and of a vector. */
  readonly one: string;
  readonly vector: string;
  readonly width: number;
  /** A fused product and sum. */
  readonly fma: string;
}

/** How numbers of a type are spelt and loaded. */
export function numbersOf(float: FloatType): Numbers {
  const width = 16 / bytesOf(float, float);
  const one = TYPES[float];
  return { float, one, vector: `${one}${width}`, width, fma: float === "f32" ? "fmaf" : "fma" };
}

/** The vector type that records are read by, and its width. */
export function vectorOf(
  kernel: Kernel,
  stride: number,
): { readonly type: string; readonly width: number } {
  const scalar = TYPES[kernel.float];
  const width = [16 / bytesOf(kernel.float, kernel.float), 2].find((w) => stride % w === 0) ?? 1;
  return { type: width === 1 ? scalar : `${scalar}${width}`, width };
}
