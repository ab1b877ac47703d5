// Schedules of native kernels: how many vectors of rows and columns an inner loop takes at a time.
// Plain values; a schedule changes speed, never a bit of the result.

import { PairfoldError } from "../error.ts";
import { bytesOf, type Kernel } from "../loop/mod.ts";
import { type Cost, costOf } from "./schedule.ts";

/** Cuts of a native kernel. */
export interface NativeSchedule {
  /** Vectors of rows that a tile folds together. */
  readonly rowVectors: number;
  /** How many of them are folded operation by operation at a time. */
  readonly interleave: number;
  /** Columns that one turn of the inner loop folds. */
  readonly columns: number;
}

/** One row vector, one column: always legal, and the oracle for the others. */
export const UNTILED_NATIVE: NativeSchedule = { rowVectors: 1, interleave: 1, columns: 1 };

const MAX_ROW_VECTORS = 16;
/** Columns per turn: divisors of a block of 64. */
const COLUMNS: readonly number[] = [1, 2, 4, 8];

/** Refuses a schedule that no kernel can have, with the reason. */
export function checkNativeSchedule({ rowVectors, interleave, columns }: NativeSchedule): void {
  const refuse = (got: string, wanted: string): never => {
    throw new PairfoldError("compile", `schedule: got ${got}; expected ${wanted}`);
  };
  if (!COLUMNS.includes(columns)) refuse(`${columns} columns per turn`, `one of ${COLUMNS}`);
  if (!Number.isInteger(rowVectors) || rowVectors < 1 || rowVectors > MAX_ROW_VECTORS) {
    refuse(`${rowVectors} row vectors`, `an integer from 1 to ${MAX_ROW_VECTORS}`);
  }
  if (!Number.isInteger(interleave) || interleave < 1) {
    refuse(`${interleave} of them at a time`, "an integer from 1");
  }
}

/** What a schedule may count on. */
export interface NativeRegisters {
  /** Bytes of a vector. */
  readonly vectorBytes: number;
  /** Vector registers. */
  readonly registers: number;
}

type Cut = Omit<NativeSchedule, "interleave">;

/**
 * What measured best (Zen 4, gcc 12, one thread, D = 3, Gpairs/s of processor time, 2026-11-23).
 * Every copy is compiled, so that what gains little is left out.
 */
const CUTS = {
  /** Gaussian 4.35 (two columns 4.35, eight vectors 4.33), in float64 1.3. */
  chains: { rowVectors: 4, columns: 1 },
  /** Gradient 2.8 (four vectors 2.6): sums of several components take registers. */
  sums: { rowVectors: 3, columns: 1 },
  /** 16 weights 1.35 (three vectors 0.9): they fill the registers of one vector of rows. */
  many: { rowVectors: 1, columns: 2 },
  /** 64 weights: each sum that is loaded takes the terms of four columns. */
  wide: { rowVectors: 2, columns: 4 },
  /** min 11.3 (four vectors and two columns 10.6), 10-smallest 6.7 (6.5), Cauchy 8.5 (8.3). */
  light: { rowVectors: 8, columns: 1 },
} as const satisfies Record<string, Cut>;

/** Operations per pair below which a loop is light: no exponential, few coordinates. */
const LIGHT = 16;
/** Components of a sum from which fewer rows fit into registers. */
const SEVERAL = 3;
/** Components from which only one vector of rows does. */
const MANY = 8;

function cutOf({ operations, state, isWide }: Cost): Cut {
  if (isWide) return CUTS.wide;
  if (operations < LIGHT) return CUTS.light;
  if (state >= MANY) return CUTS.many;
  return state >= SEVERAL ? CUTS.sums : CUTS.chains;
}

/** Statements of a tile, all copies; beyond, compiling takes longer than it gains. */
const CODE_BUDGET = 800;
/** State vectors of a tile; beyond, more rows gain nothing. */
const STATE_BUDGET = 64;

/** Chooses a schedule from the inner loop's operations, and by how many rows there are. */
export function chooseNativeSchedule(
  kernel: Kernel,
  rows: number,
  { vectorBytes, registers }: NativeRegisters,
): NativeSchedule {
  const cost = costOf(kernel);
  const cut = cutOf(cost);
  const lanes = vectorBytes / bytesOf(kernel.float, kernel.float);
  const fitting = Math.max(1, Math.floor(STATE_BUDGET / Math.max(1, cost.state)));
  const there = Math.max(1, Math.ceil(rows / lanes));
  const copies = Math.max(1, Math.floor(CODE_BUDGET / cost.statements));
  const columns = copies < cut.columns ? 1 : cut.columns;
  const affordable = Math.max(1, Math.floor(copies / columns));
  const wanted = registers < 32 ? Math.ceil(cut.rowVectors / 2) : cut.rowVectors;
  const rowVectors = Math.min(wanted, fitting, there, affordable);
  return { columns, rowVectors, interleave: rowVectors };
}
