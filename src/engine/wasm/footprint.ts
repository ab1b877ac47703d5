// What folds take of linear memory, and how their columns are split.

import { isLinear, type Layout } from "../../emit/wasm/mod.ts";
import type { Kernel } from "../../loop/mod.ts";
import { type Footprint, rowBytes, type SplitRule } from "../plan.ts";

/** Columns whose inputs are in memory while they are packed. */
export const PACK_COLUMNS = 65536;

/** 16 rows are what the widest tile folds together; splits of 4096 columns cost little to join. */
export const SPLIT: SplitRule = { rows: 16, units: 64, columns: 4096 };

/**
 * Bytes of waves of many small segments: memory that is used again is in the caches and has its
 * pages (dense 8000 × 8000 in 0.5 s, in waves of 1 GiB in 4 s; Zen 4, 2026-11).
 */
export const WAVE_BYTES = 64 * 2 ** 20;

/** What a row, and a column, of a kernel take. */
export function footprintOf(kernel: Kernel, layout: Layout): Footprint {
  const { records } = layout;
  const bytesOfAxis = (axis: string): number =>
    kernel.inputs.filter((i) => i.axis === axis).reduce((t, i) => t + rowBytes(kernel, i), 0);
  return {
    row: bytesOfAxis("row") + kernel.outputs.reduce((t, o) => t + rowBytes(kernel, o), 0),
    record: records.blockBytes / records.block,
    unit: isLinear(records) ? 1 : records.block,
    column: bytesOfAxis("column"),
    state: layout.stateBytes / layout.groupRows,
    packing: PACK_COLUMNS,
  };
}
