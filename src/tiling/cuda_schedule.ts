// Schedules of CUDA kernels: how rows are dealt to threads and columns to tiles. Plain values; a
// schedule changes speed, never a bit of the result.

import { panelText } from "./cuda_panel.ts";

/** Cuts of a CUDA kernel. */
export interface CudaSchedule {
  /** Rows that one thread folds together. */
  readonly rows: number;
  /** Threads of a block. */
  readonly threads: number;
  /** Columns of a tile in shared memory; 0: every thread reads them where they were packed. */
  readonly tile: number;
  /**
   * Columns that one turn of the inner loop folds: their values meet each row value once loaded.
   */
  readonly columns: number;
  /** Turns of the inner loop that stand side by side. */
  readonly unroll: number;
  /** Components of a wide output that a block of threads works for; 0: all. */
  readonly slice: number;
  /**
   * Components of long vectors that are staged at a time for patches of 8 × 8 pairs per thread,
   * whose values each thread then walks for one row; 0: every pair computes its own.
   */
  readonly chunk: number;
  /**
   * Columns of a panel of values that a warp multiplies with the components of a slice; absent or
   * 0: every thread adds the components of its own rows.
   */
  readonly panel?: number;
}

/**
 * One row per thread, columns read where they stand: always legal, and the oracle for the others.
 */
export const UNTILED_CUDA: CudaSchedule = {
  rows: 1,
  threads: 64,
  tile: 0,
  columns: 1,
  unroll: 1,
  slice: 0,
  chunk: 0,
};

/** A schedule in words. */
export function describeCudaSchedule(schedule: CudaSchedule): string {
  const { rows, threads, tile, columns, unroll, slice, chunk, panel = 0 } = schedule;
  return [
    `${rows} rows per thread, ${threads} threads`,
    tile === 0 ? "columns read where they stand" : `tiles of ${tile} columns`,
    ...(columns > 1 ? [`${columns} columns per turn`] : []),
    `${unroll} turns side by side`,
    ...(slice > 0 ? [`slices of ${slice} components`] : []),
    ...(chunk > 0
      ? [`patches of 8 × 8 pairs (8 × 4 of doubles), ${chunk} components at a time`]
      : []),
    ...(panel > 0 ? [panelText(slice, panel)] : []),
  ].join(", ");
}
