// Schedules: how a kernel's loops are cut for a target. Plain values; a schedule changes speed, never
// a bit of the result.

import { PairfoldError } from "../error.ts";
import type { Kernel } from "../loop/mod.ts";
import { lengthOf, type Region, visit } from "../loop/mod.ts";

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
    if (item.kind === "array" || written.has(item.cell)) state += lengthOf(item);
  }
  return { operations, divisions, state };
}

/** Registers that 4 row vectors of state may take before the inner loop spills too much. */
const STATE_BUDGET = 16;

/**
 * Chooses a schedule. Four row vectors hide the latency of float32 chains, three of float64
 * (Zen 4, Deno 2.9.6, 2026-11: 1.36 times one vector); fewer where the state of several would not
 * fit, or where there are not that many rows.
 */
export function chooseSchedule(kernel: Kernel, rows: number): WasmSchedule {
  const lanes = kernel.float === "f32" ? 4 : 2;
  const { state } = costOf(kernel);
  const wanted = kernel.float === "f32" ? 4 : 3;
  const fitting = Math.max(1, Math.floor(STATE_BUDGET / Math.max(1, state)));
  const there = Math.max(1, Math.ceil(rows / lanes));
  const rowVectors = Math.min(wanted, fitting, there);
  return { rowVectors, interleave: rowVectors, operands: "memory" };
}
