// How a WebAssembly kernel sees memory: what the emitter assumes and the engine provides.

import {
  bytesOf,
  type Kernel,
  lengthOf,
  type LocalArray,
  type Type,
  typeOf,
} from "../../loop/mod.ts";
import { VECTOR_BYTES } from "./addresses.ts";

export * from "./addresses.ts";

/**
 * How columns are packed: record after record; or in blocks, slot after slot, the columns of a
 * block side by side, so that tiles which meet a block's columns by a few slots at a time read
 * memory in order, as the host's caches foresee.
 */
export interface ColumnRecords {
  /** Numbers of a column. */
  readonly slots: number;
  /** Bytes from a column to the next of its block, and from a slot to the next. */
  readonly step: number;
  readonly slot: number;
  /** Columns of a block, and bytes from one block to the next. */
  readonly block: number;
  readonly blockBytes: number;
}

/** How a kernel's columns are packed. */
function recordsOf(kernel: Kernel, inBlocks: boolean): ColumnRecords {
  const { block } = kernel;
  const size = bytesOf(kernel.float, kernel.float);
  const slots = Math.max(1, kernel.records.column.length);
  const blockBytes = block * slots * size;
  return inBlocks
    ? { slots, step: size, slot: block * size, block, blockBytes }
    : { slots, step: slots * size, slot: size, block, blockBytes };
}

/** Bytes that so many columns, whole blocks before the last, take before another one. */
export function columnBytes({ step, block, blockBytes }: ColumnRecords, columns: number): number {
  const rest = columns % block;
  return (columns - rest) / block * blockBytes + rest * step;
}

/** Bytes from the last column's next place in a block to the next block. */
export function jumpOf({ step, block, blockBytes }: ColumnRecords): number {
  return blockBytes - block * step;
}

/** Whether columns of one block are followed by those of the next without a jump. */
export function isLinear(records: ColumnRecords): boolean {
  return jumpOf(records) === 0;
}

/** Sizes and addresses of one emitted kernel. */
export interface Layout {
  /** Rows of one vector. */
  readonly lanes: number;
  /** Rows that a tile folds together. */
  readonly groupRows: number;
  /** How columns are packed. */
  readonly records: ColumnRecords;
  /** Bytes of a group's saved state. */
  readonly stateBytes: number;
  /** Bytes of scratch that each thread needs. */
  readonly scratchBytes: number;
  /** Bytes of scratch that packing needs. */
  readonly packScratchBytes: number;
  /** How strips of points with themselves are walked; null where the kernel has no mirror. */
  readonly mirror: MirrorWalk | null;
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
  #bytes: number;
  readonly #kernel: Kernel;
  /** Elements of room behind each array. */
  readonly #behind: number;

  constructor(kernel: Kernel, rowVectors: number, behind = 0) {
    this.#kernel = kernel;
    this.#behind = behind;
    this.#bytes = kernel.records.row.length * rowVectors * VECTOR_BYTES;
  }
  offsetOf(array: LocalArray): number {
    let offset = this.#offsets.get(array);
    if (offset === undefined) {
      offset = this.#bytes;
      this.#offsets.set(array, offset);
      const elements = array.length + this.#behind;
      this.#bytes += elements * registersOf(array.type, this.#kernel) * VECTOR_BYTES;
    }
    return offset;
  }
  /** New room for some vectors. */
  room(vectors: number): number {
    const start = this.#bytes;
    this.#bytes += vectors * VECTOR_BYTES;
    return start;
  }
  get bytes(): number {
    return this.#bytes;
  }
}

/** The sizes that do not depend on what was emitted. */
export function sizesOf(
  kernel: Kernel,
  rowVectors: number,
  inBlocks: boolean,
): Omit<Layout, "scratchBytes" | "packScratchBytes" | "mirror"> {
  const size = bytesOf(kernel.float, kernel.float);
  const lanes = VECTOR_BYTES / size;
  const registers = kernel.state.reduce(
    (total, item) => total + lengthOf(item) * registersOf(typeOf(item), kernel),
    0,
  );
  return {
    lanes,
    groupRows: lanes * rowVectors,
    records: recordsOf(kernel, inBlocks),
    stateBytes: registers * rowVectors * VECTOR_BYTES,
    uniforms: kernel.records.uniform.length,
  };
}

/** Vectors of a column's sum: 64 bytes of lanes, as in native code. */
export const MIRROR_PHASES = 4;
/** Terms that a lane takes before it is spread: as many as a row's block. */
const TERMS = 64;
/** Bytes of the sums that a group of rows adds to: half of a core's first cache. */
const PASS_BYTES = 2 ** 14;
/** Columns of a pass: whole groups of rows and blocks of columns. */
const COLUMN_UNIT = 128;

/** How a strip of rows and columns is walked. */
export interface MirrorWalk {
  /** Rows after which a column's lanes are spread. */
  readonly rows: number;
  /** Columns that all rows meet before the next ones. */
  readonly columns: number;
  /** Bytes of a column's sums in one pass, and of all. */
  readonly columnBytes: number;
  readonly sumBytes: number;
}

/** How strips of a kernel are walked; null where it has no mirror. */
export function mirrorWalkOf({ mirror }: Kernel, lanes: number): MirrorWalk | null {
  if (mirror === null) return null;
  const columnBytes = mirror.sums.length * VECTOR_BYTES;
  const units = Math.max(1, Math.floor(PASS_BYTES / columnBytes / COLUMN_UNIT));
  const columns = units * COLUMN_UNIT;
  const sumBytes = MIRROR_PHASES * columns * columnBytes;
  return { rows: TERMS * MIRROR_PHASES * lanes, columns, columnBytes, sumBytes };
}
