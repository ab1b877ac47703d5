// Schedules: how a kernel's loops are cut for a target. Plain values; a schedule changes speed, never
// a bit of the result.

import { PairfoldError } from "../error.ts";
import type { Kernel, Region } from "../loop/mod.ts";

/** Cuts of a WebAssembly kernel. */
export interface WasmSchedule {
  /** Vectors of rows (4 rows in float32, 2 in float64) that a tile folds together. */
  readonly rowVectors: number;
  /** How many of them are folded operation by operation at a time. */
  readonly interleave: number;
  /** Columns that one turn of the inner loop folds. */
  readonly columns: number;
  /** Where constants and row values wait in the inner loop: reloaded by each use, or in locals. */
  readonly operands: "memory" | "locals";
}

/** One row vector, nothing interleaved: always legal, and the oracle for the others. */
export const UNTILED: WasmSchedule = {
  rowVectors: 1,
  interleave: 1,
  columns: 1,
  operands: "memory",
};

const MAX_ROW_VECTORS = 8;
/** Columns per turn: divisors of a block of 64. */
const COLUMNS: readonly number[] = [1, 2, 4, 8];

/** Refuses a schedule that no kernel can have, with the reason. */
export function checkSchedule(schedule: WasmSchedule): void {
  const { rowVectors, columns } = schedule;
  if (!COLUMNS.includes(columns)) {
    throw new PairfoldError(
      "compile",
      `schedule: got ${columns} columns per turn; expected one of ${COLUMNS}`,
    );
  }
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
  /** How many of them wait for what the row remembers. */
  readonly stateful: number;
  /** Divisions and square roots, which the divider serialises. */
  readonly divisions: number;
  /** Vectors that are written for every column. */
  readonly state: number;
}

/** Counts the operations of a kernel's inner loop; loops count their length. */
export function costOf(kernel: Kernel): Cost {
  let operations = 0;
  let stateful = 0;
  let divisions = 0;
  const state = new Set<unknown>();
  for (const item of kernel.state) state.add(item.kind === "cell" ? item.cell : item.array);
  const written = new Set<unknown>();
  let isAfter = false;
  const count = (region: Region, times: number): void => {
    for (const s of region.statements) {
      if (s.kind === "when") isAfter = true;
      if (s.kind === "for") count(s.body, times * s.count);
      if (s.kind === "set" && state.has(s.cell)) written.add(s.cell);
      if (s.kind !== "let") continue;
      if (s.value.kind === "get" && state.has(s.value.cell)) isAfter = true;
      if (s.value.kind !== "operation") continue;
      operations += times;
      if (isAfter) stateful += times;
      if (s.value.operation === "div" || s.value.operation === "sqrt") divisions += times;
    }
  };
  count(kernel.pair, 1);
  return { operations, stateful, divisions, state: written.size };
}

type Cut = Pick<WasmSchedule, "rowVectors" | "columns">;

/**
 * What measured best (Zen 4, Deno 2.9.6, 2026-11-22, one thread, D = 3, Gpairs/s against one row
 * vector and one column). Two columns make six independent chains with three sums to keep.
 */
const CUTS = {
  /** Gaussian 1.62 (0.89), its gradient 1.18 (0.76), argmin 3.3 (1.8). */
  chains: { rowVectors: 3, columns: 2 },
  /** logSumExp 1.08 (0.65): most of its work follows the state, column by column. */
  sequential: { rowVectors: 6, columns: 1 },
  /** Laplacian 1.20 (0.76), Cauchy 3.1 (1.8), energy 2.6 (2.2): bound by the divider. */
  divisions: { rowVectors: 4, columns: 1 },
  /** Gaussian in float64 0.54 (0.29). */
  float64: { rowVectors: 6, columns: 1 },
} as const satisfies Record<string, Cut>;

/** State vectors of a tile; beyond, more rows gain nothing. */
const STATE_BUDGET = 48;

/** Chooses a schedule from the inner loop's operations, and by how many rows there are. */
export function chooseSchedule(kernel: Kernel, rows: number): WasmSchedule {
  const { operations, stateful, divisions, state } = costOf(kernel);
  const cut: Cut = divisions > 0
    ? CUTS.divisions
    : kernel.float === "f64"
    ? CUTS.float64
    : stateful > operations / 3
    ? CUTS.sequential
    : CUTS.chains;
  const lanes = kernel.float === "f32" ? 4 : 2;
  const fitting = Math.max(1, Math.floor(STATE_BUDGET / Math.max(1, state)));
  const there = Math.max(1, Math.ceil(rows / lanes));
  const rowVectors = Math.min(cut.rowVectors, fitting, there);
  return { rowVectors, interleave: rowVectors, columns: cut.columns, operands: "memory" };
}
