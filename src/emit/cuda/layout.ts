// Where things stand in device memory: records of packed columns, states of rows, the table of
// segments that a launch runs over.

import { bytesOf, type Kernel, lengthOf, type StateItem, typeOf } from "../../loop/mod.ts";
import { columnRecord, type CudaSchedule } from "../../tiling/mod.ts";

/**
 * 64-bit words of one entry of the segment table: a rectangle of pairs whose rows are dealt to
 * blocks of threads. `columns` is the packed record of column j0, `uniforms` the first slot of its
 * uniform record, `state` the row of its states where they are kept. An entry of the combining
 * kernel joins `splits` states, `stride` rows apart. Points that meet themselves are cut into
 * blocks of
 * `block`; their splits are `stride` rows apart, too. Offsets of all inputs follow.
 */
export const SEGMENT = {
  firstUnit: 0,
  i0: 1,
  i1: 2,
  j0: 3,
  j1: 4,
  count: 5,
  output: 6,
  columns: 7,
  uniforms: 8,
  state: 9,
  flags: 10,
  splits: 11,
  stride: 12,
  block: 13,
  offsets: 14,
} as const;

/** What happens at the ends of an entry: it goes on from kept states; it keeps them. */
export const SEGMENT_FLAGS = { resume: 1, save: 2 } as const;

/** Words of one entry for a kernel. */
export const segmentWords = (kernel: Kernel): number => SEGMENT.offsets + kernel.inputs.length;

/**
 * One item of a row's state in memory: items stand one after another, rows of each side by side.
 */
export interface StatePlace {
  readonly item: StateItem;
  /** Bytes per row of all items before. */
  readonly before: number;
  readonly bytes: number;
}

/** What the engine has to know of an emitted kernel. */
export interface CudaLayout {
  /** Bytes of a float. */
  readonly size: number;
  /** Numbers of a packed column. */
  readonly recordStride: number;
  /** Rows that one block of threads folds. */
  readonly blockRows: number;
  /** Blocks of threads that work for the same rows, each for some components. */
  readonly slices: number;
  /** Bytes of a row's kept state; rows are kept in multiples of STATE_ROWS. */
  readonly stateBytes: number;
  /** Slots of the uniform record. */
  readonly uniforms: number;
  readonly segmentWords: number;
}

/** Kept states of a launch are this many rows, or a multiple: so all items are aligned. */
export const STATE_ROWS = 64;

/** Bytes of one number in memory: masks are kept as bytes of an integer. */
const keptBytes = (kernel: Kernel, item: StateItem): number => bytesOf(typeOf(item), kernel.float);

/** The places of items of state. */
export function statePlaces(kernel: Kernel, items: readonly StateItem[]): StatePlace[] {
  let before = 0;
  return items.map((item) => {
    const bytes = keptBytes(kernel, item);
    const place = { item, before, bytes };
    before += bytes * lengthOf(item);
    return place;
  });
}

/** The layout of a kernel under a schedule. */
export function layoutOf(
  kernel: Kernel,
  { rows, threads, slice, chunk }: CudaSchedule,
): CudaLayout {
  const { stride, slices } = columnRecord(kernel, slice, chunk);
  const last = statePlaces(kernel, kernel.state).at(-1);
  return {
    size: bytesOf(kernel.float, kernel.float),
    recordStride: stride,
    blockRows: rows * threads,
    slices,
    stateBytes: last === undefined ? 0 : last.before + last.bytes * lengthOf(last.item),
    uniforms: kernel.records.uniform.length,
    segmentWords: segmentWords(kernel),
  };
}
