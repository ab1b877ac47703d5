// Schedules: how a kernel's loops are cut for a target. Plain values; a schedule changes speed,
// never a bit of the result.

import { PairfoldError } from "../error.ts";
import {
  type Deferred,
  deferredOf,
  hasAppends,
  hasLoops,
  type Kernel,
  type Region,
  type Statement,
  type Value,
} from "../loop/mod.ts";

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
  /** Whether a kernel that has a survey makes it; default no. */
  readonly surveys?: boolean;
  /** Whether a kernel that has a search makes it; default no. */
  readonly searches?: boolean;
  /**
   * Components of wide state that stay in registers while the columns of a block pass, after what
   * every pair computes was done for the whole block; default none: pair by pair.
   */
  readonly components?: number;
  /**
   * Whether loops over the components of rows are written out, up to a length, or with wide state
   * the columns of a block, which are packed for it then; default no.
   */
  readonly writesOut?: boolean;
  /** Whether rare branches compute again what led to them, instead of keeping it; default no. */
  readonly again?: boolean;
}

/** One row vector, nothing interleaved: always legal, and the oracle for the others. */
export const UNTILED: WasmSchedule = {
  rowVectors: 1,
  interleave: 1,
  columns: 1,
  operands: "memory",
};

const MAX_ROW_VECTORS = 8;
/** Beyond, a tile's sums do not fit into registers. */
const MAX_COMPONENTS = 8;
/** Columns per turn: divisors of a block of 64. */
const COLUMNS: readonly number[] = [1, 2, 4, 8, 16];

/** Refuses a schedule that no kernel can have, with the reason. */
export function checkSchedule(schedule: WasmSchedule): void {
  const { rowVectors, columns, components = 0 } = schedule;
  if (!Number.isInteger(components) || components < 0 || components > MAX_COMPONENTS) {
    throw new PairfoldError(
      "compile",
      `schedule: got ${components} components of wide state; ` +
        `expected an integer from 0 to ${MAX_COMPONENTS}`,
    );
  }
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

/** Groups of more rows would not divide blocks of points that meet themselves. */
const MAX_MIRRORED = 8;

/** The schedule for a kernel with a mirror: groups of rows divide its blocks. */
export function mirroredWasm(schedule: WasmSchedule): WasmSchedule {
  const rowVectors = 2 ** Math.floor(Math.log2(Math.min(MAX_MIRRORED, schedule.rowVectors)));
  const { components: _, writesOut: __, ...cut } = schedule;
  return { ...cut, rowVectors, interleave: Math.min(rowVectors, schedule.interleave) };
}

/** What a kernel's inner loop costs, per column and row vector. */
export interface Cost {
  readonly operations: number;
  /** Divisions and square roots, which the divider serialises. */
  readonly divisions: number;
  /** Vectors that are written for every column, short state only. */
  readonly state: number;
  /** How many of them take a product with a number of the column. */
  readonly products: number;
  /** Whether long vectors of state are written by loops. */
  readonly isWide: boolean;
  /** Whether most operations are those of loops, over the components of long vectors. */
  readonly isLong: boolean;
  /** Components of state whose updates may wait for a block of columns; 0: none worth it. */
  readonly deferred: number;
  /** Whether each of them is one operation on what a pair holds and a number of the column. */
  readonly isProduct: boolean;
  /** Statements, those of loops counted once: what the code's size grows with. */
  readonly statements: number;
  /** What rarely changes the state: branches that compare with a bound, of short code; appends. */
  readonly rare: "contest" | "appends" | null;
}

/** Each kernel is counted once: a schedule is chosen at every launch. */
const costs = new WeakMap<Kernel, Cost>();

/** The operations of a kernel's inner loop; loops count their length. */
export function costOf(kernel: Kernel): Cost {
  let cost = costs.get(kernel);
  if (cost === undefined) costs.set(kernel, cost = countCost(kernel));
  return cost;
}

/** Says what a kernel costs that has not been lowered yet. */
export function recallCost(kernel: Kernel, cost: Cost): void {
  costs.set(kernel, cost);
}

/** About the operations of a region, its loops run to the end: known soon, where that matters. */
export function operationsIn({ statements }: Region): number {
  let operations = 0;
  for (const s of statements) {
    operations += s.kind === "for" ? s.count * operationsIn(s.body) : 1;
  }
  return operations;
}

function countCost(kernel: Kernel): Cost {
  const deferred = deferredOf(kernel);
  return {
    ...costOfLoop(kernel, kernel.pair),
    deferred: deferred?.components ?? 0,
    isProduct: deferred !== null && isProduct(deferred),
  };
}

/**
 * Loops over wide updates that are written out for a block of columns: code for more takes too
 * long.
 */
const PRODUCTS = 2;

/**
 * Whether deferred updates are those of a matrix product: one operation each, on one held value.
 */
function isProduct({ held, updates }: Deferred): boolean {
  const isOperation = (s: Statement): boolean => s.kind === "let" && s.value.kind === "operation";
  return held.length === 1 && updates.length <= PRODUCTS &&
    updates.every(({ statements }) => statements.filter(isOperation).length === 1);
}

/** What one inner loop of a kernel costs, less what may wait. */
export function costOfLoop(kernel: Kernel, pair: Region): Omit<Cost, "deferred" | "isProduct"> {
  let operations = 0;
  let looped = 0;
  let divisions = 0;
  let statements = 0;
  let products = 0;
  let isWide = false;
  const state = new Set<unknown>();
  for (const item of kernel.state) state.add(item.kind === "cell" ? item.cell : item.array);
  const written = new Set<unknown>();
  const count = (region: Region, times: number): void => {
    for (const s of region.statements) {
      statements++;
      if (s.kind === "when") count(s.body, 0); // rare: only its size counts
      const isLong = s.kind === "store" && s.memory.kind === "array" && s.place.terms.length > 0;
      if (times > 0 && isLong && state.has(s.memory.array)) isWide = true;
      if (s.kind === "for") count(s.body, times * s.count);
      if (times > 0 && s.kind === "set" && state.has(s.cell)) {
        written.add(s.cell);
        if (addsColumn(s.value)) products++;
      }
      if (s.kind !== "let") continue;
      if (s.value.kind !== "operation") continue;
      operations += times;
      if (times > 1) looped += times;
      if (s.value.operation === "div" || s.value.operation === "sqrt") divisions += times;
    }
  };
  count(pair, 1);
  const rare = rareOf(pair);
  const isLong = looped > operations / 2;
  return { operations, divisions, state: written.size, products, isWide, isLong, statements, rare };
}

/** Whether a value is a sum with a product of a number of the column. */
const addsColumn = (value: Value): boolean =>
  value.kind === "operation" && value.operation === "madd" &&
  value.args.slice(0, 2).some((a) =>
    a.kind === "load" && a.memory.kind === "record" && a.memory.section === "column"
  );

type Cut = Omit<WasmSchedule, "interleave"> & {
  /** Vectors of rows that are folded operation by operation at a time; default all. */
  readonly interleave?: number;
};

/**
 * What measured best (Zen 4, Deno 2.9.6, 2026-11-22, one thread, D = 3, Gpairs/s against one row
 * vector and one column). Two columns make six independent chains with three sums to keep.
 */
const CUTS = {
  /** Gaussian 1.77 (0.95), its gradient 1.36 (0.8), logSumExp 1.59 (0.8). */
  chains: { rowVectors: 3, columns: 2, operands: "memory" },
  /**
   * Some sums of one value with numbers of the column: four columns meet what is loaded of a sum, two
   * vectors of rows at a time. Against `chains` (Intel Xeon, AVX-512, 2026-11-24, taking turns, bests,
   * Gaussians): 16 weights of 3-D 1.1 times as fast, 8, 24 and 32 1.01 to 1.05, in 1-D to 6-D 1.01
   * to 1.1, in 8-D 1.0 to 1.03; from 12-D on what rows hold takes the registers, 0.9 to 1.0, as it
   * does in gradients. Its code takes 6 ms more to make.
   */
  sums: { rowVectors: 4, interleave: 2, columns: 4, operands: "memory" },
  /** Laplacian 1.45 (0.8): the divider or the square root beside an exponential. */
  divisions: { rowVectors: 2, columns: 2, operands: "memory" },
  /** Gaussian in float64 0.54 (0.29). */
  float64: { rowVectors: 6, columns: 1, operands: "memory" },
  /**
   * 64 weights 0.25 (0.04): each sum that is loaded takes the terms of four columns, whose eight
   * factors stay in registers; twelve of them do not, and cost a fifth more.
   */
  wide: { rowVectors: 2, columns: 4, operands: "memory" },
  /**
   * The columns of whole blocks are written out: two sums of six vectors stay in registers while 64
   * columns pass, what the pairs hold is loaded from fixed addresses of the worker's own memory,
   * which V8 does not check, and columns are packed in blocks, whose numbers come in order. Against
   * `deferred` (2026-11-23, taking turns, medians on a machine that others use): 64 weights 1.16
   * and 1.25 times as fast with 10⁴ columns, 1.18 and 1.2 with 6000 (by bests 1.05 to 1.1), 128 of
   * 16-D 1.24, 256 1.2, 65 1.1, 64 of 64-D 1.1. Batches of few columns fill no block: of 40 it
   * still is 1.27 times as fast, of 7 only 0.77.
   *
   * A tile's block is closed beside the next tile (`emit/wasm/later.ts`). On an Intel Xeon with
   * AVX-512 (2026-11-23, taking turns, medians) that, columns that are not loaded four at a time,
   * and no blends are 1.14 to 1.15 times as fast as without with 64 weights, 1.11 with 48, 1.12
   * with 65 and 256. What is left: 64 multiplications of sums and 13 of a distance and its
   * exponential for four pairs take 2.65 ns per pair, at two of 128 bits per clock (a bare loop of
   * the 64 takes 2.2); this takes 2.9.
   */
  product: {
    rowVectors: 6,
    interleave: 3,
    columns: 2,
    operands: "memory",
    components: 2,
    writesOut: true,
  },
  /**
   * Nine sums of three vectors stay in registers beside three factors, while 64 columns pass. Six
   * vectors, three at a time, meet a block's columns while these are in the cache: 1.04 times as
   * fast as three vectors with 64 weights, 1.22 to 1.26 times with 256 (2026-11-23, taking turns).
   */
  deferred: { rowVectors: 6, interleave: 3, columns: 2, operands: "memory", components: 3 },
  /**
   * The same for the first calls, whose code is made sooner. 64 weights 0.275, 256 weights 0.072;
   * two vectors of six sums 0.265 and 0.071, `wide` in the same runs 0.242 and 0.062. Twelve sums
   * beside three factors do not fit: 0.172 and 0.044.
   */
  deferredSoon: { rowVectors: 3, columns: 2, operands: "memory", components: 3 },
  /**
   * Long distances: eight chains, one after another. Against `chains` with its chains side by side
   * (2026-11-23, one run, taking turns): Gaussian of 64 components 1.06 times as fast, 128 1.05,
   * 1000 1.34, 64 in float64 1.24; 10-smallest of 64 components 1.13.
   */
  long: { rowVectors: 4, columns: 2, operands: "memory" },
  /** 10-smallest 2.4 (1.3), Cauchy 3.6 (1.8), energy 2.8 (2.2): registers to spare for the rows. */
  light: { rowVectors: 2, columns: 2, operands: "locals" },
  /**
   * min 5.6 (1.9), argmin 5.6 (1.8): the best of a turn's columns is compared once. Sixteen columns
   * whose branch computes again what it needs are 1.09 to 1.12 times as fast as eight whose
   * distances are kept for it, in float64 1.13 (medians, taking turns); three vectors of rows no
   * more (1.10) and less in four dimensions (0.99 against 1.05).
   *
   * Extrema of scalars search groups of as many columns, without a branch. Intel Xeon, AVX-512
   * (2026-11-23, medians, turn about): 3e4 columns 1.06, 10⁴ 1.13 (1-D 1.22, each nearer than those
   * before 2.1), 1000 1.7. A bare minimum is 1.04 times as fast; more rows, or no checks of
   * addresses, no more.
   */
  contest: { rowVectors: 2, columns: 16, operands: "locals", again: true },
  /**
   * 32 pairs for every branch where nothing is surveyed: 50-smallest 1.3, 100-smallest 0.9 (the
   * bare minimum 5.1), because entering is dear (by estimate 70 cycles, 600 times for each of
   * 50-smallest's rows). A survey (2026-11-23) finds the bound first, by a pass without branches at
   * the minimum's speed, and few groups are entered then, from lists: a branch for each of them
   * made 50- and 100-smallest take 1.1 times as long (Intel Xeon, AVX-512, medians, turn about).
   * The minimum itself is bound by its operations: three row vectors are no faster, four are slower
   * (0.85), and so are columns loaded four numbers at a time and spread by shuffles (0.86).
   */
  appends: { rowVectors: 2, columns: 4, operands: "locals" },
  /**
   * Surveys that look at keys; few columns are folded otherwise. Against surveys and searches of
   * distances (Intel Xeon, AVX-512, 2026-11-24, taking turns, bests, 2·10⁴ points): 1 smallest 1.3
   * in 3-D, 1.45 in 4-D, 1.6 in 6-D, 2.2 in 10-D, 1.4 beyond 16-D; 10 smallest alike, 50 smallest
   * 1.2, 1.3, 1.4 and 2.3. One vector of rows takes 1.3 to 1.4 times as long, three or four take no
   * less.
   */
  keyed: { rowVectors: 2, columns: 1, operands: "locals" },
  /**
   * Beyond 32 components: 1 and 10 smallest of 10⁴ points 1.2 to 1.4 times as fast as contests of 33
   * and 64 components, 1.3 to 1.6 of 100 and 256; two vectors of rows and four columns 1.2 to 1.3.
   */
  keyedLong: { rowVectors: 4, columns: 1, operands: "locals", writesOut: true },
  /**
   * Points with themselves (2026-11-23, one thread, once against twice): Gaussian 1.75 times (four
   * vectors and one column 1.55), in float64 1.65 (1.4), its gradient 1.2, Laplacian 1.65 (1.35).
   */
  mirrored: { rowVectors: 2, columns: 2, operands: "memory" },
  /** Cauchy 1.4 (operands in memory 1.3), energy 1.75. */
  mirroredLight: { rowVectors: 2, columns: 2, operands: "locals" },
  /** 4 weights 1.4 (two columns 1.15): what is loaded of the rows meets four columns. */
  mirroredSums: { rowVectors: 2, columns: 4, operands: "memory" },
  /** 64-D 1.5 (two vectors of rows 1.2). */
  mirroredLong: { rowVectors: 4, columns: 2, operands: "memory" },
} as const satisfies Record<string, Cut>;

/** Operations per pair below which a loop is light: no exponential, few coordinates. */
const LIGHT = 16;

/** What the inner loop does rarely, where it does nothing else to the state. */
function rareOf(pair: Region): Cost["rare"] {
  const { statements } = pair;
  if (hasLoops(pair) || statements.some((s) => s.kind === "set" || s.kind === "store")) return null;
  if (hasAppends(pair)) return "appends";
  const branches = statements.filter((s) => s.kind === "when");
  const isContest = branches.length > 0 &&
    branches.every((s) => s.skipsNaN && !hasLoops(s.body));
  return isContest ? "contest" : null;
}

/** Sums of one value with numbers of the column that are some, and operations of that value at most. */
const LEAST_SUMS = 6;
const SUMMED = 30;

const isSums = ({ products, state, operations }: Cost): boolean =>
  products === state && products >= LEAST_SUMS && operations - state <= SUMMED;

/** Columns of a fold from which on blocks are worth writing out. */
const HALF_BLOCK = 32;

function cutOf(kernel: Kernel, cost: Cost, isLarge: boolean, columns: number): Cut {
  const { operations, divisions, isWide, isLong, deferred, isProduct, rare } = cost;
  if (deferred > 0) {
    if (!isLarge) return CUTS.deferredSoon;
    return isProduct && columns >= HALF_BLOCK ? CUTS.product : CUTS.deferred;
  }
  if (kernel.hasKeys === true) return isLong ? CUTS.keyedLong : CUTS.keyed;
  if (isWide) return CUTS.wide;
  if (isLong) return CUTS.long;
  if (operations < LIGHT) return CUTS[rare ?? "light"];
  if (divisions > 0) return CUTS.divisions;
  if (kernel.float === "f64") return CUTS.float64;
  return isLarge && isSums(cost) ? CUTS.sums : CUTS.chains;
}

/** Components of sums from which a mirror takes more columns. */
const SEVERAL = 4;

function mirroredCutOf({ operations, isLong }: Cost, sums: number): Cut {
  if (isLong) return CUTS.mirroredLong;
  if (sums >= SEVERAL) return CUTS.mirroredSums;
  return operations < LIGHT ? CUTS.mirroredLight : CUTS.mirrored;
}

/**
 * State vectors of a tile; beyond, more rows gain nothing. They are on the stack then, where V8
 * checks no address: against two vectors of rows, three are 1.13 times as fast with 18 weights,
 * 1.17 times with 20, 1.1 times for gradients of 18 to 32 components (2026-11-23, one run, taking
 * turns).
 */
const STATE_BUDGET = 96;
/** The same where four columns meet each of them. */
const SUMS_BUDGET = 128;

/** Statements of a tile, all copies; beyond, compiling takes longer than it gains. */
const CODE_BUDGET = 3000;

/**
 * Operations of sorted lists from which on they are surveyed. Its code makes the first call 8 to 20
 * ms longer, and saves so much while a tenth of a second's work is done (10-smallest, Zen 4,
 * 2026-11-23). Loops that are written out, and twice the rows of wide sums, take as long to make.
 */
export const SURVEYED_OPERATIONS = 2e9;

/** Whether a kernel's survey is worth its code, after so many operations of folds. */
function surveys(kernel: Kernel, { operations, rare }: Cost, done: number): boolean {
  if (kernel.survey === null) return false;
  if (kernel.hasKeys === true) return true; // it is what such a kernel is for
  if (operations >= LIGHT) return false;
  return rare === "appends" || done >= SURVEYED_OPERATIONS;
}

/**
 * Whether a kernel's search is worth its code: it takes no more than the turns that it replaces.
 */
function searches(kernel: Kernel, { operations, rare }: Cost): boolean {
  return rare === "contest" && operations < LIGHT && kernel.search !== null;
}

/**
 * Chooses a schedule from the inner loop's operations, by how many rows there are, by the
 * operations of the kernel's folds so far, this one's included, and by the columns that one batch
 * folds.
 */
export function chooseSchedule(
  kernel: Kernel,
  rows: number,
  done = Infinity,
  folded = Infinity,
): WasmSchedule {
  const cost = costOf(kernel);
  const { mirror } = kernel;
  const isLarge = done >= SURVEYED_OPERATIONS;
  const chosen = mirror === null
    ? cutOf(kernel, cost, isLarge, folded)
    : mirroredCutOf(cost, mirror.sums.length);
  const cut: Cut = {
    ...chosen,
    ...(surveys(kernel, cost, done) ? { surveys: true } : {}),
    ...(searches(kernel, cost) ? { searches: true } : {}),
    ...(isLarge && chosen === CUTS.long ? { writesOut: true } : {}),
  };
  const lanes = kernel.float === "f32" ? 4 : 2;
  const state = (cut.components ?? 0) > 0 ? 1 : cost.state; // a tile's sums are few
  const fitting = Math.max(
    1,
    Math.floor(
      (chosen === CUTS.sums ? SUMS_BUDGET : STATE_BUDGET) / Math.max(1, state),
    ),
  );
  const there = Math.max(1, Math.ceil(rows / lanes));
  const copies = Math.max(1, Math.floor(CODE_BUDGET / cost.statements));
  const columns = copies < cut.columns ? 1 : cut.columns;
  const affordable = Math.max(1, Math.floor(copies / columns));
  const rowVectors = Math.min(cut.rowVectors, fitting, there, affordable);
  const interleave = Math.min(cut.interleave ?? rowVectors, rowVectors);
  return { ...cut, columns, rowVectors, interleave };
}

/** Whether a kernel that goes on may get code that takes longer to make than what it has. */
export function mayImprove(kernel: Kernel, schedule: WasmSchedule): boolean {
  if (schedule === UNTILED) return true;
  if (kernel.mirror !== null) return false;
  if (kernel.survey !== null) return !schedule.surveys;
  const cost = costOf(kernel);
  const { deferred, isWide, isLong } = cost;
  if (deferred > 0) return schedule.rowVectors <= CUTS.deferredSoon.rowVectors;
  if (!isWide && isLong) return schedule.writesOut !== true;
  return isSums(cost) && schedule.columns < CUTS.sums.columns;
}
