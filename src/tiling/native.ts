// Schedules of native kernels: how many vectors of rows and columns an inner loop takes at a time.
// Plain values; a schedule changes speed, never a bit of the result.

import { PairfoldError } from "../error.ts";
import { bytesOf, type Kernel, type Region, visit } from "../loop/mod.ts";
import { type Cost, costOf, recallCost } from "./schedule.ts";
import { type MirrorFacts, mirrorFacts, recallMirror } from "./symmetric.ts";

/** Cuts of a native kernel. */
export interface NativeSchedule {
  /** Vectors of rows that a tile folds together. */
  readonly rowVectors: number;
  /** How many of them are folded operation by operation at a time. */
  readonly interleave: number;
  /** Columns that one turn of the inner loop folds. */
  readonly columns: number;
  /**
   * Components of a tile of wide sums, which wait until a block of columns is done; default 0: they
   * do not.
   */
  readonly components?: number;
  /** Whether a kernel that has a survey makes it; default no. */
  readonly surveys?: boolean;
}

/** One row vector, one column: always legal, and the oracle for the others. */
export const UNTILED_NATIVE: NativeSchedule = { rowVectors: 1, interleave: 1, columns: 1 };

const MAX_ROW_VECTORS = 16;
/** Components of a tile: more than there are registers for. */
const MAX_COMPONENTS = 16;
/** Groups of more rows would not divide 128, a unit of columns. */
const MAX_MIRRORED = 8;
/** Columns per turn: divisors of a block of 64. */
const COLUMNS: readonly number[] = [1, 2, 4, 8];

/** Refuses a schedule that no kernel can have, with the reason. */
export function checkNativeSchedule(
  { rowVectors, interleave, columns, components = 0 }: NativeSchedule,
): void {
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
  if (!Number.isInteger(components) || components < 0 || components > MAX_COMPONENTS) {
    refuse(`tiles of ${components} components`, `an integer from 0 to ${MAX_COMPONENTS}`);
  }
}

/** The schedule for a kernel with a mirror: groups of rows divide its blocks. */
export function mirroredSchedule(schedule: NativeSchedule): NativeSchedule {
  const rowVectors = 2 ** Math.floor(Math.log2(Math.min(MAX_MIRRORED, schedule.rowVectors)));
  return { ...schedule, rowVectors, interleave: Math.min(rowVectors, schedule.interleave) };
}

/** What a schedule may count on. */
export interface NativeRegisters {
  /** Bytes of a vector. */
  readonly vectorBytes: number;
  /** Vector registers. */
  readonly registers: number;
}

type Cut = Omit<NativeSchedule, "interleave" | "surveys">;

/**
 * What measured best (Zen 4, gcc 12, one thread, D = 3, Gpairs/s of processor time, 2026-11-23).
 * Every copy is compiled, so that what gains little is left out.
 */
const CUTS = {
  /** Gaussian 4.35 (two columns 4.35, eight vectors 4.33), in float64 1.3. */
  chains: { rowVectors: 4, columns: 1 },
  /** Gradient 2.8 (four vectors 2.6): sums of several components take registers. */
  sums: { rowVectors: 3, columns: 1 },
  /**
   * Long vectors: what is loaded of rows meets four columns. Against four vectors and two columns
   * (Intel Xeon, AVX-512, 2026-11-23, taking turns, bests): sums of dot products of 33 components
   * 1.32 times as fast, 48 and 64 1.45, 128 1.07 to 1.1, 256 1.37, 1000 1.25; distances of 33 to
   * 1000 0.99 to 1.16.
   */
  long: { rowVectors: 3, columns: 4 },
  /**
   * Where a state changes behind branches only: argMin in 64-D takes 17.1 ms, by four vectors and
   * two columns 21.9, by three and four 25 (the same machine, one run).
   */
  longGuarded: { rowVectors: 8, columns: 1 },
  /** Many operations without loops. */
  heavy: { rowVectors: 4, columns: 2 },
  /** 16 weights 1.35 (three vectors 0.9): they fill the registers of one vector of rows. */
  many: { rowVectors: 1, columns: 2 },
  /** 64 weights: each sum that is loaded takes the terms of four columns. */
  wide: { rowVectors: 2, columns: 4 },
  /**
   * Wide sums that are products wait: 64 weights 1.08 times as fast as with `wide`, 512 1.4 times
   * (Intel Xeon, AVX-512, 2026-11-23); 24 sums, what four vectors of rows hold, and a weight fill
   * the registers.
   */
  product: { rowVectors: 4, columns: 2, components: 6 },
  /**
   * Pairs of points once: Gaussian 1.7 times as many pairs as twice, 10-D 1.8 (one column 1.65), 4
   * weights 1.5 (two vectors 1.45), gradient 1.3 (1.15).
   */
  mirrored: { rowVectors: 4, columns: 2 },
  /**
   * The same for vectors of few operations: gravity 1.35 times (four vectors of rows 1.25, one
   * 1.2).
   */
  mirroredSums: { rowVectors: 2, columns: 2 },
  /**
   * Both while compiling takes longer than the fold: a tenth slower, and the code of a fourth (at
   * 10,000 points Gaussian 1.6 times, Laplacian 1.6, gradient 1.3).
   */
  mirroredShort: { rowVectors: 1, columns: 2 },
  /** min 11.3 (four vectors and two columns 10.6), 10-smallest 6.7 (6.5), Cauchy 8.5 (8.3). */
  light: { rowVectors: 8, columns: 1 },
} as const satisfies Record<string, Cut>;

/** Operations per pair below which a loop is light: no exponential, few coordinates. */
const LIGHT = 16;
/**
 * Operations per pair from which sums of several components gain by more rows in a mirror's loop.
 */
const SOME = 20;
/** Operations per pair from which what is loaded of rows meets two columns. */
const HEAVY = 100;
/** Components of a sum from which fewer rows fit into registers. */
const SEVERAL = 3;
/** Components from which only one vector of rows does. */
const MANY = 8;

function mirroredCut({ operations, state }: Cost, isShort: boolean): Cut {
  if (isShort) return CUTS.mirroredShort;
  return state >= SEVERAL && operations < SOME ? CUTS.mirroredSums : CUTS.mirrored;
}

function cutOf({ operations, state, isWide, isLong, isProduct }: Cost): Cut {
  if (isWide) return isProduct ? CUTS.product : CUTS.wide;
  if (operations < LIGHT) return CUTS.light;
  if (isLong) return state === 0 ? CUTS.longGuarded : CUTS.long;
  if (operations > HEAVY) return CUTS.heavy;
  if (state >= MANY) return CUTS.many;
  return state >= SEVERAL ? CUTS.sums : CUTS.chains;
}

/**
 * Statements of a source, all copies, for about 0.1 s of compiling; folds of so many operations
 * that they take longer themselves may have more.
 */
const CODE_BUDGET = 480;
/** Loops over components are short code, and take most of the time. */
const LONG_BUDGET = 640;
const LONG_FOLD = 2e10;
const LONG_FOLD_BUDGET = 4 * CODE_BUDGET;
/**
 * Four times the code in a mirror takes 60 ms to compile; folds of so many operations take as long.
 */
const MIRRORED_FOLD = 5e9;
const MIRRORED_FOLD_BUDGET = 2 * CODE_BUDGET;
/**
 * Wide sums that wait compile in the time of `wide` all the same: four vectors of rows and two
 * columns have as many pairs as two and four.
 */
const PRODUCT_BUDGET = 2 * CODE_BUDGET;
/**
 * Vectors of rows that look at the keys of a column together. Two are as fast as one in 3-D, 1.2
 * times in 10-D (Intel Xeon, AVX-512, 2026-11-24, taking turns).
 */
const KEYED_ROWS = 2;
/**
 * Operations of folds that a survey halves by more than the 0.1 s that its code takes to compile:
 * 50-smallest of 1e4² points 0.10 s without, 0.05 s with it.
 */
const SURVEYED_FOLD = 5e8;
/** State vectors of a tile; beyond, more rows gain nothing. */
const STATE_BUDGET = 64;

/** Statements of a region, with those inside. */
function statementsOf(region: Region | null): number {
  let count = 0;
  if (region !== null) visit(region, () => count++);
  return count;
}

/** Statements of one row vector beside the inner loop, and of the inner loop. */
interface Size {
  readonly around: number;
  readonly pair: number;
  readonly hasSurvey: boolean;
}

/** Each kernel is counted once: a schedule is chosen at every launch. */
const sizes = new WeakMap<Kernel, Size>();

function sizeOf(kernel: Kernel): Size {
  let size = sizes.get(kernel);
  if (size === undefined) {
    const { row, init, pair, close, careful, mirror, finish } = kernel;
    // where there is a mirror, states are finished apart
    const others = mirror === null ? [careful?.test ?? null, careful?.pair ?? null, finish] : [];
    const regions = [row, init, close, ...others];
    const around = regions.reduce((sum, region) => sum + statementsOf(region), 0);
    size = {
      around,
      pair: statementsOf(mirror?.pair ?? pair),
      hasSurvey: kernel.survey !== null,
    };
    sizes.set(kernel, size);
  }
  return size;
}

/**
 * All that schedules of a kernel are chosen by, beside its header: plain data, so that it can be
 * kept.
 */
export interface NativeFacts {
  readonly cost: Cost;
  readonly size: Size;
  readonly mirror: MirrorFacts | null;
}

export function nativeFacts(kernel: Kernel): NativeFacts {
  return { cost: costOf(kernel), size: sizeOf(kernel), mirror: mirrorFacts(kernel) };
}

/** Says what was found for an equal kernel, before this one is lowered. */
export function recallFacts(kernel: Kernel, { cost, size, mirror }: NativeFacts): void {
  recallCost(kernel, cost);
  recallMirror(kernel, mirror);
  sizes.set(kernel, size);
}

/**
 * Chooses a schedule from the inner loop's operations, and by how many rows and columns there are.
 */
export function chooseNativeSchedule(
  kernel: Kernel,
  rows: number,
  folded: number,
  { vectorBytes, registers }: NativeRegisters,
): NativeSchedule {
  const cost = costOf(kernel);
  const lanes = vectorBytes / bytesOf(kernel.float, kernel.float);
  const operations = rows * folded * cost.operations;
  const isShort = operations < MIRRORED_FOLD;
  const hasMirror = mirrorFacts(kernel) !== null;
  const cut: Cut = hasMirror ? mirroredCut(cost, isShort) : cutOf(cost);
  const short = cut.components !== undefined
    ? PRODUCT_BUDGET
    : hasMirror && !isShort
    ? MIRRORED_FOLD_BUDGET
    : cost.isLong
    ? LONG_BUDGET
    : CODE_BUDGET;
  const budget = operations >= LONG_FOLD ? LONG_FOLD_BUDGET : short;
  const { around, pair, hasSurvey } = sizeOf(kernel);
  // a turn of several columns has a copy of the loop for those that are left
  const copies = (columns: number): number =>
    Math.floor(budget / (around + pair * (columns === 1 ? 1 : columns + 1)));
  const columns = copies(cut.columns) >= 1 ? cut.columns : 1;
  const fitting = Math.floor(STATE_BUDGET / Math.max(1, cost.state));
  const there = Math.ceil(rows / lanes);
  const wanted = registers < 32 ? Math.ceil(cut.rowVectors / 2) : cut.rowVectors;
  const rowVectors = Math.max(1, Math.min(wanted, fitting, there, copies(columns)));
  // a span that any row of a tile wants is looked into for all of them: few rows then
  const surveys = kernel.hasKeys === true || (hasSurvey && operations >= SURVEYED_FOLD);
  if (surveys) {
    const rows = kernel.hasKeys === true ? KEYED_ROWS : 1;
    return { columns: 1, rowVectors: rows, interleave: rows, surveys };
  }
  const { components } = cut;
  const tiles = components === undefined ? {} : { components };
  return { columns, rowVectors, interleave: rowVectors, ...tiles };
}
