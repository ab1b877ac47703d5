// How a native kernel sees memory: tables of float64 words that the engine fills (addresses and
// indices are integers below 2^53), packed columns, states of groups of rows.

import { bytesOf, type Kernel, lengthOf, type Type, typeOf } from "../../loop/mod.ts";

/**
 * Words of a task, a rectangle of pairs. Addresses of inputs are those of row (or column) 0, as the
 * task's offsets place it; addresses of the outputs follow.
 */
export const TASK = {
  /** Address of the uniform record. */
  uniforms: 0,
  /** Address of the packed record of column j0, and j0. */
  records: 1,
  j0: 2,
  /** First row, and one beyond the last. */
  i0: 3,
  i1: 4,
  /** Columns that the whole segment folds. */
  count: 5,
  /** Address of the kept states, bytes between those of two splits, and number of splits. */
  state: 6,
  splitStride: 7,
  splits: 8,
  addresses: 9,
} as const;

/** Words of a task of a kernel. */
export const taskWords = (kernel: Kernel): number =>
  TASK.addresses + kernel.inputs.length + kernel.outputs.length;

/**
 * Words of an item that packs columns: its task, first column, one beyond the last, and the record
 * of the first one.
 */
export const PACK_WORDS = 4;
/**
 * Words of an item that folds: its task, first row and one beyond the last (counted from i0), first
 * column, number of columns, split, flags, the split of what rows add to columns.
 */
export const FOLD_WORDS = 8;
/** Words of an item that joins states: its task, first row and one beyond the last (from i0). */
export const COMBINE_WORDS = 3;

/**
 * What happens at the ends of an item: it goes on from kept states; it keeps them. Whether its rows
 * add to its columns, which are rows too.
 */
export const FOLD_FLAGS = { resume: 1, save: 2, mirror: 4 } as const;

/**
 * Words of a call: addresses of the tasks, of the items that pack and of those that fold or join,
 * how many there are, the control block, the thread's scratch memory, which thread it is. One
 * argument, because the host compiles a function around those of each library.
 */
export const CALL = {
  tasks: 0,
  packs: 1,
  packCount: 2,
  items: 3,
  count: 4,
  control: 5,
  scratch: 6,
  thread: 7,
} as const;
export const CALL_WORDS = 8;

/** 32-bit words of the control block that threads share. */
export const CONTROL = {
  /** Items claimed and done, by kind. */
  nextPack: 0,
  donePack: 1,
  next: 2,
  done: 3,
  /** Set to stop. */
  abort: 4,
  /** Items that each thread has done. */
  perThread: 16,
} as const;

/** Alignment of what vectors are moved from and to. */
export const ALIGNMENT = 128;

/** Sizes of one emitted kernel. */
export interface CLayout {
  /** Rows of one vector. */
  readonly lanes: number;
  /** Rows that a tile folds together. */
  readonly groupRows: number;
  /** Bytes of a column's packed record. */
  readonly recordBytes: number;
  /** Bytes of a group's kept state. */
  readonly stateBytes: number;
  /** Slots of the uniform record. */
  readonly uniforms: number;
  readonly taskWords: number;
}

/** Bytes of a vector of values of a type. */
export function vectorBytesOf(type: Type, kernel: Kernel, vectorBytes: number): number {
  return vectorBytes * bytesOf(type, kernel.float) / bytesOf(kernel.float, kernel.float);
}

/** The sizes of a kernel whose tiles have so many vectors of rows. */
export function layoutOf(kernel: Kernel, rowVectors: number, vectorBytes: number): CLayout {
  const size = bytesOf(kernel.float, kernel.float);
  const lanes = vectorBytes / size;
  const state = kernel.state.reduce(
    (total, item) => total + lengthOf(item) * vectorBytesOf(typeOf(item), kernel, vectorBytes),
    0,
  );
  return {
    lanes,
    groupRows: lanes * rowVectors,
    recordBytes: kernel.records.column.length * size,
    stateBytes: Math.ceil(state * rowVectors / ALIGNMENT) * ALIGNMENT,
    uniforms: kernel.records.uniform.length,
    taskWords: taskWords(kernel),
  };
}
