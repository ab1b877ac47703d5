// The choice of a CUDA kernel's schedule, and which schedules are legal.

import { PairfoldError } from "../error.ts";
import {
  bytesOf,
  type Counter,
  type FloatType,
  hasAppends,
  type Kernel,
  lengthOf,
} from "../loop/mod.ts";
import {
  arraysOfPair,
  hasLongRows,
  narrowOperations,
  REGISTER_ARRAY,
  registersOfFold,
  rowSlotsOf,
  slicesFit,
  sliceStatements,
  stateRegisters,
  unrolledStatements,
} from "./cuda_estimates.ts";
import {
  PATCH_TILE,
  PATCH_TURN,
  PATCH_UNROLL,
  patchBytes,
  PATCHES,
  patchOf,
  SHARED_BYTES,
  SHORT_STATE,
  TENSOR_CHUNK,
} from "./cuda_patch.ts";
import { checkPanels, choosePanels, tensorProductsOf } from "./cuda_panel_choice.ts";
import { panelBytes } from "./cuda_panel.ts";
import { type CudaSchedule, UNTILED_CUDA } from "./cuda_schedule.ts";
import { columnRecord, sliceableOf } from "./cuda_slices.ts";

/** The simplest schedule of a kernel: the oracle for its others. */
export function untiledCuda(kernel: Kernel): CudaSchedule {
  if (tensorProductsOf(kernel) === null) return UNTILED_CUDA;
  const panels = choosePanels(kernel);
  return panels === null ? patchSchedule(TENSOR_CHUNK, 64) : { ...panels, threads: 32, slice: 8 };
}

function patchSchedule(chunk: number, threads: number): CudaSchedule {
  const [columns, unroll] = [PATCH_TURN, PATCH_UNROLL];
  return { rows: 1, threads, tile: PATCH_TILE, columns, unroll, slice: 0, chunk };
}

const MAX_ROWS = 8;
const MAX_THREADS = 1024;
/** Columns per turn: divisors of a block of 64. */
const COLUMNS: readonly number[] = [1, 2, 4, 8, 16];

const isPowerOfTwo = (n: number): boolean => Number.isInteger(n) && n > 0 && (n & (n - 1)) === 0;

/** Bytes of a tile. */
function tileBytes(kernel: Kernel, columns: number, slice: number): number {
  return columns * columnRecord(kernel, slice).staged * bytesOf(kernel.float, kernel.float);
}

/** Refuses a schedule that a kernel cannot have, with the reason. */
export function checkCudaSchedule(kernel: Kernel, schedule: CudaSchedule): void {
  const { rows, threads, tile, columns, unroll, slice, chunk, panel = 0 } = schedule;
  const refuse = (got: string, wanted: string): never => {
    throw new PairfoldError("compile", `schedule: got ${got}; expected ${wanted}`);
  };
  if (!Number.isInteger(rows) || rows < 1 || rows > MAX_ROWS) {
    refuse(`${rows} rows per thread`, `an integer from 1 to ${MAX_ROWS}`);
  }
  if (!Number.isInteger(threads) || threads < 32 || threads > MAX_THREADS || threads % 32 !== 0) {
    refuse(`${threads} threads`, `a multiple of 32 up to ${MAX_THREADS}`);
  }
  if (tile !== 0 && !isPowerOfTwo(tile)) refuse(`a tile of ${tile} columns`, "0 or a power of two");
  const hasPanels = checkPanels(kernel, schedule, refuse);
  const isWhole = Number.isInteger(slice) && slice >= 0 && slice % 4 === 0;
  if (!isWhole || (slice > REGISTER_ARRAY && !hasPanels)) {
    refuse(`slices of ${slice}`, `0 or a multiple of 4 up to ${REGISTER_ARRAY}`);
  }
  if (slice > 0 && sliceableOf(kernel) === null) {
    refuse(`slices of ${slice}`, "0: this state is no array of independent components");
  }
  if (slice > 0 && tile === 0) refuse("slices without a tile", "columns staged in tiles");
  if (!hasPanels) checkPatches(kernel, schedule, refuse);
  const bytes = hasPanels
    ? panelBytes(kernel, { threads, slice, chunk, panel })
    : chunk > 0
    ? patchBytes(kernel, threads, chunk)
    : tileBytes(kernel, tile, slice);
  if (bytes > SHARED_BYTES) {
    refuse(`a tile of ${bytes} bytes`, `at most ${SHARED_BYTES} (shared memory of a block)`);
  }
  if (!COLUMNS.includes(columns) || (tile > 0 && columns > tile)) {
    refuse(`${columns} columns per turn of tiles of ${tile}`, `one of ${COLUMNS}, within a tile`);
  }
  if (!Number.isInteger(unroll) || unroll < 1) refuse(`unroll ${unroll}`, "an integer from 1");
}

/** Refuses patches that a kernel cannot have, and a schedule without those that it needs. */
function checkPatches(
  kernel: Kernel,
  { rows, tile, columns, slice, chunk }: CudaSchedule,
  refuse: (got: string, wanted: string) => never,
): void {
  const patch = patchOf(kernel);
  if (patch !== null && patch.products !== null && chunk !== TENSOR_CHUNK) {
    refuse(`chunks of ${chunk}`, `${TENSOR_CHUNK}: tensor cores give these products`);
  }
  if (chunk === 0) return;
  const { chunks } = PATCHES.f32;
  if (!chunks.includes(chunk)) refuse(`chunks of ${chunk}`, `0 or one of ${chunks}`);
  if (patch === null) refuse(`chunks of ${chunk}`, "0: no long vectors of i and j are contracted");
  if (rows !== 1 || tile !== PATCH_TILE || columns !== PATCH_TURN || slice !== 0) {
    refuse(
      `patches with ${rows} rows, tiles of ${tile}, ${columns} columns per turn, slices of ${slice}`,
      `1 row, tiles of ${PATCH_TILE}, ${PATCH_TURN} columns per turn, no slices`,
    );
  }
}

/** Registers that rows may take together; with as many again for columns and values between. */
const ROW_REGISTERS = 112;
/**
 * The same for two rows of a long vector: a column's value that is loaded should meet both. Doubles
 * want that more: one row of 32 waits for shared memory for half of its time.
 */
const PAIR_REGISTERS: Readonly<Record<FloatType, number>> = { f32: 144, f64: 160 };
/** Registers of a row for values between. */
const ROW_TEMPORARIES = 4;
/**
 * Statements of an inner loop, all rows together, beyond which compiling costs more than it gains.
 */
const CODE_BUDGET = 2000;
/** Statements of a turn, all rows together, beyond which turns do not stand side by side. */
const UNROLL_BUDGET = 200;
/**
 * Columns of a turn for which one branch asks, and statements of all its pairs beyond which they
 * are fewer: 10 smallest by 4 × 4 pairs take a tenth fewer instructions than by 2 × 4, and twice as
 * long to compile.
 */
const BRANCH_COLUMNS = 4;
const BRANCH_BUDGET = 1600;
/** Components of all rows' slices up to which branches that scale them stand for two columns. */
const SHORT_SLICES = 32;
const SCALED_COLUMNS = 2;
/** The same, all columns together, beyond which it takes one; in doubles each is several. */
const COPY_BUDGET = 4000;
/**
 * Rows of a thread that keep lists: each has its own code that narrows them, and four take two
 * seconds to compile; and pairs for which one branch asks whether any is appended (50 smallest:
 * 14.5 instructions per pair with a branch for each, 8.75 with 2 rows and 4 columns, 9.1 with one
 * row and 8).
 */
const LIST_ROWS = 2;
const LIST_PAIRS = 8;
/** Blocks that keep a large device busy (132 multiprocessors with 4 each). */
const BUSY_BLOCKS = 528;
const THREADS = 128;
/** Columns of a tile where they are short: 256 of 16 bytes are 4 KB. */
const TILE = 256;

/**
 * Bytes of rows that a thread keeps in memory: a card reserves them for all threads it can hold.
 */
const LOCAL_BYTES = 24 * 1024;
/** Components of a row that are registers beside those of a slice. */
const BESIDE_SLICE = 32;
/**
 * Statements of those loops once unrolled, all rows together, beyond which compiling takes long.
 */
const SLICE_BUDGET = 1100;
/** Rows, and components of a slice at most: their products are registers of a thread. */
const SLICES = [{ rows: 4, most: 36 }, { rows: 2, most: 64 }] as const;
/** Columns per turn of long vectors, by how many fit into a tile. */
const LONG_COLUMNS = [16, 8] as const;
/** Columns per turn where sums wait in memory beside them. */
const SUM_COLUMNS = 8;
/** Components of a slice in double precision. */
const F64_SLICE = 32;
/** Slots for instructions that pass while one float comes from shared memory. */
const SLOTS_PER_FLOAT = 4;

interface SliceChoice {
  readonly rows: number;
  readonly slice: number;
}

/** The best slices of a wide state: what comes before is computed anew for every slice. */
function chooseSlice(kernel: Kernel, length: number): SliceChoice {
  const narrow = narrowOperations(kernel);
  const slotsOf = ({ rows, slice }: SliceChoice): number => {
    const perSlice = Math.max(narrow + slice, SLOTS_PER_FLOAT * slice / rows);
    return Math.ceil(length / slice) * perSlice;
  };
  const choices = SLICES.flatMap(({ rows, most }) =>
    Array.from({ length: most / 4 }, (_, k) => ({ rows, slice: most - 4 * k }))
  );
  return choices.reduce((best, one) => slotsOf(one) < slotsOf(best) ? one : best);
}

/**
 * Columns per turn of long vectors: the more meet a row's component once it is loaded, the less its
 * memory is asked, which for long rows is beyond the multiprocessor. What no tile holds is read
 * where it stands.
 */
function longColumns(kernel: Kernel, slice: number): number {
  const [most] = LONG_COLUMNS;
  return LONG_COLUMNS.find((c) => tileBytes(kernel, c, slice) <= SHARED_BYTES) ?? most;
}

/**
 * Chooses a schedule by a register estimate and by how many rows there are, column splits counted.
 * Counted in machine code (sm_90, instructions per pair; MACHINE_CODE has all): four rows of a
 * Gaussian in 3-D take 8.3 with its exponent's scale in x and y, as it is by default where these
 * were given (`program/scale_rule.ts`), 9.3 else; one row takes 13. Long dot products are computed
 * in patches: 64 components take 84 where pairs alone take 74 and load so much that 253 Gpairs/s
 * bind. Differences take two operations per component, behind which their loads hide without
 * patches.
 */
export function chooseCudaSchedule(kernel: Kernel, rows: number): CudaSchedule {
  const patches = patchOf(kernel)?.isProduct ? choosePatches(kernel) : null;
  return patches ?? choosePanels(kernel) ?? chooseRows(kernel, rows);
}

/** Chooses how many rows and columns a thread takes, pair by pair. */
export function chooseRows(kernel: Kernel, rows: number): CudaSchedule {
  const width = kernel.float === "f64" ? 2 : 1;
  const { pair } = kernel;
  const length = sliceableOf(kernel)?.length ?? 0;
  const cut = length > SHORT_STATE && width === 1 ? chooseSlice(kernel, length) : null;
  const inDoubles = Math.min(F64_SLICE, 4 * Math.ceil(length / 4));
  const slice = cut?.slice ?? (length > SHORT_STATE ? inDoubles : 0);
  const slices = slice === 0 ? 1 : Math.ceil(length / slice);
  const components = (slice === 0 ? null : sliceableOf(kernel)?.counters) ?? new Set<Counter>();
  const hasLists = hasAppends(pair);
  const longest = registersOfFold(kernel, slice);
  const sliced = arraysOfPair(kernel, components);
  const isScaled = sliced > 1;
  const isLong = hasLongRows(kernel, slice === 0 ? longest : BESIDE_SLICE, components);
  const perSlice = slice * sliceStatements(pair, components);
  const slots = rowSlotsOf(pair, longest);
  const perRow = stateRegisters(kernel, longest) + width * (slots + ROW_TEMPORARIES);
  const statements = unrolledStatements(pair, longest);
  // lists that are appended to stand in memory, whose loads few pairs need
  const listBytes = hasLists
    ? kernel.state.reduce((sum, s) => sum + 4 * width * lengthOf(s), 0)
    : 0;
  const uncut = slice === 0 && !hasLists
    ? kernel.state.map(lengthOf).filter((length) => length > longest)
    : [];
  const isUncut = uncut.length > 0;
  const uncutBytes = uncut.reduce((sum, length) => sum + 4 * width * length, 0);
  // branches ask once for all pairs of a turn; long rows that are loaded meet several columns
  const hasBranches = slice === 0 && pair.statements.some((s) => s.kind === "when");
  const isMuch = (r: number): boolean =>
    hasBranches && BRANCH_COLUMNS * r * statements > BRANCH_BUDGET;
  const isBusy = (r: number): boolean => Math.ceil(rows / (r * THREADS)) * slices >= BUSY_BLOCKS;
  const fits = (r: number): boolean => {
    if ((isUncut && !isLong) || !isBusy(r)) return false;
    const rowBytes = isLong ? kernel.records.row.length * 4 * width : 0;
    if (r * (rowBytes + listBytes + uncutBytes) > LOCAL_BYTES) return false;
    if (hasLists) return r <= LIST_ROWS;
    if (slice > 0) {
      const held = { rows: r, slice, arrays: sliced, slots: isLong ? 0 : slots };
      return r <= (cut?.rows ?? 2) && r * perSlice <= SLICE_BUDGET && slicesFit(kernel, held);
    }
    if (r > 2 && isMuch(r)) return false;
    const registers = r === 2 ? PAIR_REGISTERS[kernel.float] : ROW_REGISTERS;
    return r * perRow <= registers && r * statements <= CODE_BUDGET;
  };
  const perThread = [4, 2].find(fits) ?? 1;
  const isCopied = isScaled || (hasBranches && width === 2);
  const wanted = isLong
    ? Math.min(
      longColumns(kernel, slice) / width,
      ...(isUncut ? [SUM_COLUMNS] : []),
      ...(isCopied ? [BRANCH_COLUMNS] : []),
    )
    : hasLists
    ? LIST_PAIRS / perThread
    : hasBranches
    ? BRANCH_COLUMNS / (perThread > 1 && isMuch(perThread) ? 2 : 1)
    : isScaled && perThread * slice <= SHORT_SLICES
    ? SCALED_COLUMNS
    : 1;
  const isSmall = perThread * statements <= UNROLL_BUDGET;
  const isTiny = 2 * perThread * statements <= UNROLL_BUDGET;
  const isAffordable = isLong || wanted * perThread * statements * width ** 2 <= COPY_BUDGET;
  const isShort = (c: number): boolean => c * perThread * perSlice <= 4 * SLICE_BUDGET;
  const most = [wanted, wanted / 2, wanted / 4].find((c) => c >= 1 && isShort(c)) ?? 1;
  // sums in memory meet several columns once they are loaded, as long rows do
  const columns = isAffordable && (isLong || !isUncut) ? most : 1;
  let tile = kernel.records.column.length === 0 ? 0 : TILE;
  while (tile > columns && tileBytes(kernel, tile, slice) > SHARED_BYTES / 4) tile /= 2;
  while (tile > 1 && tileBytes(kernel, tile, slice) > SHARED_BYTES) tile /= 2;
  if (tileBytes(kernel, tile, slice) > SHARED_BYTES || tile < columns) tile = 0;
  return {
    rows: perThread,
    threads: THREADS,
    tile,
    columns,
    unroll: columns > 1 || slice > 0 || !isSmall ? 1 : isTiny ? 8 : 4,
    slice: tile === 0 ? 0 : slice,
    chunk: 0,
  };
}

/** The best patches of a kernel, where it can have any. */
export function choosePatches(kernel: Kernel): CudaSchedule | null {
  const patch = patchOf(kernel);
  if (patch === null) return null;
  const chunks = patch.products === null ? [16, 8] : [TENSOR_CHUNK];
  for (const threads of [THREADS, THREADS / 2]) {
    for (const chunk of chunks) {
      if (patchBytes(kernel, threads, chunk) <= SHARED_BYTES) return patchSchedule(chunk, threads);
    }
  }
  return null;
}
