// Schedules: how a kernel's loops are cut for a target. Plain values; a schedule changes speed, never
// a bit of the result.

import { PairfoldError } from "../error.ts";
import type { Kernel } from "../loop/mod.ts";
import { type Region, visit } from "../loop/mod.ts";

/** Cuts of a WebAssembly kernel. */
export interface WasmSchedule {
  /** Vectors of rows (4 rows in float32, 2 in float64) that a tile folds together. */
  readonly rowVectors: number;
  /** How many of them are folded operation by operation at a time. */
  readonly interleave: number;
  /** Where constants and row values wait in the inner loop: reloaded by each use, or in locals. */
  readonly operands: "memory" | "locals";
}

/** One row vector, nothing interleaved: always legal, and the oracle for the others. */
export const UNTILED: WasmSchedule = { rowVectors: 1, interleave: 1, operands: "memory" };

const MAX_ROW_VECTORS = 8;

/** Refuses a schedule that no kernel can have, with the reason. */
export function checkSchedule(schedule: WasmSchedule): void {
  const { rowVectors } = schedule;
  if (!Number.isInteger(rowVectors) || rowVectors < 1 || rowVectors > MAX_ROW_VECTORS) {
    throw new PairfoldError(
      "compile",
      `schedule: got ${rowVectors} row vectors; expected an integer from 1 to ${MAX_ROW_VECTORS}`,
    );
  }
}

/** What a kernel's inner loop costs, per column and row vector. */
export interface Cost {
  readonly operations: number;
  /** Divisions and square roots, which the divider serialises. */
  readonly divisions: number;
  /** Values that live across columns. */
  readonly state: number;
}

/** Counts a region's operations; loops count their length. */
export function costOf(kernel: Kernel): Cost {
  let operations = 0;
  let divisions = 0;
  const count = (region: Region, times: number): void => {
    for (const s of region.statements) {
      if (s.kind === "for") count(s.body, times * s.count);
      if (s.kind !== "let" || s.value.kind !== "operation") continue;
      operations += times;
      if (s.value.operation === "div" || s.value.operation === "sqrt") divisions += times;
    }
  };
  count(kernel.pair, 1);
  let state = 0;
  const written = new Set<unknown>();
  visit(kernel.pair, (s) => {
    if (s.kind === "set") written.add(s.cell);
  });
  for (const item of kernel.state) {
    if (item.kind === "cell" && written.has(item.cell)) state++;
  }
  return { operations, divisions, state };
}

/** Vectors of rows that pay on Zen 4 (Deno 2.9.6, 2026-11): 1.75 times one vector, more gain nothing. */
const ROW_VECTORS = 4;

/** State vectors of a tile: four times 16 still gain 1.3, though most of them live in memory. */
const STATE_BUDGET = 64;

/** Chooses a schedule: four row vectors hide the latency of a formula's chain of operations. */
export function chooseSchedule(kernel: Kernel, rows: number): WasmSchedule {
  const lanes = kernel.float === "f32" ? 4 : 2;
  const { state } = costOf(kernel);
  const fitting = Math.max(1, Math.floor(STATE_BUDGET / Math.max(1, state)));
  const there = Math.max(1, Math.ceil(rows / lanes));
  const rowVectors = Math.min(ROW_VECTORS, fitting, there);
  return { rowVectors, interleave: rowVectors, operands: "memory" };
}
