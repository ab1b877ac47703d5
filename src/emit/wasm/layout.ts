// How a WebAssembly kernel sees memory: what the emitter assumes and the engine provides.

import {
  bytesOf,
  type Kernel,
  lengthOf,
  type LocalArray,
  type Type,
  typeOf,
} from "../../loop/mod.ts";

/** Bytes of a vector register. */
export const VECTOR_BYTES = 16;

/**
 * Constants stand at fixed addresses, below the memory's least size: V8 checks every other address
 * against the memory's size, which costs four instructions per load in the inner loop.
 */
export const CONSTANTS_ADDRESS = 4096;
export const CONSTANTS_END = 65536;
/** Pages that a kernel's memory has at least. */
export const MINIMUM_PAGES = 16;

/** 32-bit fields at the start of a job block; input pointers follow, then output pointers. */
export const JOB = { uniforms: 0, rowIndex: 4, columnCount: 8, inputs: 12 } as const;

/** Bits of a fold call's flags. */
export const FLAGS = { resume: 1, save: 2 } as const;

/** Parameters of the exported functions, in order. */
export const PARAMETERS = {
  pack: ["job", "count", "index", "record", "scratch"],
  fold: ["job", "row", "rowEnd", "record", "count", "index", "state", "flags", "scratch"],
  combine: ["job", "row", "rowEnd", "state", "splitStride", "splits", "scratch"],
} as const;

/** Sizes and addresses of one emitted kernel. */
export interface Layout {
  /** Rows of one vector. */
  readonly lanes: number;
  /** Rows that a tile folds together. */
  readonly groupRows: number;
  /** Bytes of a column's packed record. */
  readonly recordBytes: number;
  /** Bytes of a group's saved state. */
  readonly stateBytes: number;
  /** Bytes of scratch that each thread needs. */
  readonly scratchBytes: number;
  /** Bytes of scratch that packing needs. */
  readonly packScratchBytes: number;
  /** Vectors of the uniform record. */
  readonly uniforms: number;
}

/** Registers that a value takes: float64 values of float32 kernels take two. */
export function registersOf(type: Type, kernel: Kernel): number {
  return bytesOf(type, kernel.float) / bytesOf(kernel.float, kernel.float) === 2 ? 2 : 1;
}

/** Where local arrays stand in a thread's scratch, after the row records. */
export class Scratch {
  readonly #offsets = new Map<LocalArray, number>();
  readonly #waiting: number[] = [];
  #bytes: number;
  readonly #kernel: Kernel;

  constructor(kernel: Kernel, rowVectors: number) {
    this.#kernel = kernel;
    this.#bytes = kernel.records.row.length * rowVectors * VECTOR_BYTES;
  }
  offsetOf(array: LocalArray): number {
    let offset = this.#offsets.get(array);
    if (offset === undefined) {
      offset = this.#bytes;
      this.#offsets.set(array, offset);
      this.#bytes += array.length * registersOf(array.type, this.#kernel) * VECTOR_BYTES;
    }
    return offset;
  }
  /** Where the k-th vector of an append waits to be taken apart. */
  waiting(k: number): number {
    while (this.#waiting.length <= k) {
      this.#waiting.push(this.#bytes);
      this.#bytes += VECTOR_BYTES;
    }
    return this.#waiting[k];
  }
  get bytes(): number {
    return this.#bytes;
  }
}

/** The sizes that do not depend on what was emitted. */
export function sizesOf(
  kernel: Kernel,
  rowVectors: number,
): Omit<Layout, "scratchBytes" | "packScratchBytes"> {
  const size = bytesOf(kernel.float, kernel.float);
  const lanes = VECTOR_BYTES / size;
  const registers = kernel.state.reduce(
    (total, item) => total + lengthOf(item) * registersOf(typeOf(item), kernel),
    0,
  );
  return {
    lanes,
    groupRows: lanes * rowVectors,
    recordBytes: Math.max(1, kernel.records.column.length) * size,
    stateBytes: registers * rowVectors * VECTOR_BYTES,
    uniforms: kernel.records.uniform.length,
  };
}
