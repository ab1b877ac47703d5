// Schedules of CUDA kernels: how rows are dealt to threads and columns to tiles. Plain values; a
// schedule changes speed, never a bit of the result.

import { PairfoldError } from "../error.ts";
import {
  bytesOf,
  type Kernel,
  lengthOf,
  MATH_OPERATIONS,
  type Region,
  type StateItem,
  typeOf,
  type Value,
  visit,
} from "../loop/mod.ts";

/** Cuts of a CUDA kernel. */
export interface CudaSchedule {
  /** Rows that one thread folds together. */
  readonly rows: number;
  /** Threads of a block. */
  readonly threads: number;
  /** Columns of a tile in shared memory; 0: every thread reads them where they were packed. */
  readonly tile: number;
  /** Turns of the inner loop that stand side by side. */
  readonly unroll: number;
}

/** One row per thread, columns read where they stand: always legal, and the oracle for the others. */
export const UNTILED_CUDA: CudaSchedule = { rows: 1, threads: 64, tile: 0, unroll: 1 };

/** Bytes of shared memory that every device gives a block without being asked. */
const SHARED_BYTES = 48 * 1024;
const MAX_ROWS = 8;
const MAX_THREADS = 1024;

const isPowerOfTwo = (n: number): boolean => Number.isInteger(n) && n > 0 && (n & (n - 1)) === 0;

/**
 * Numbers between the records of two packed columns: 16 bytes are one load, so that three numbers
 * take the room of four.
 */
export function recordStride(kernel: Kernel): number {
  const slots = kernel.records.column.length;
  const widest = 16 / bytesOf(kernel.float, kernel.float);
  if (slots <= 1) return slots;
  const width = Math.min(widest, slots === 2 ? 2 : widest);
  return Math.ceil(slots / width) * width;
}

/** Bytes of a tile. */
function tileBytes(kernel: Kernel, columns: number): number {
  return columns * recordStride(kernel) * bytesOf(kernel.float, kernel.float);
}

/** Refuses a schedule that a kernel cannot have, with the reason. */
export function checkCudaSchedule(kernel: Kernel, schedule: CudaSchedule): void {
  const { rows, threads, tile, unroll } = schedule;
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
  const bytes = tileBytes(kernel, tile);
  if (bytes > SHARED_BYTES) {
    refuse(`a tile of ${bytes} bytes`, `at most ${SHARED_BYTES} (shared memory of a block)`);
  }
  if (!Number.isInteger(unroll) || unroll < 1) refuse(`unroll ${unroll}`, "an integer from 1");
}

/** Elements of arrays up to which their loops are unrolled wholly, so that they stay in registers. */
export const REGISTER_ARRAY = 64;

/** Turns side by side of loops over longer arrays. */
export const PARTLY_UNROLLED = 4;

/** 32-bit registers that an item of state takes while it is in registers. */
function registersOf(item: StateItem): number {
  const length = lengthOf(item);
  const type = typeOf(item);
  if (length > REGISTER_ARRAY) return 0;
  return length * (type === "f64" || type === "i64" ? 2 : 1);
}

/** Slots of the row record that the inner loop reads, where few enough to stay in registers. */
function rowSlotsOf(pair: Region): number {
  const slots = new Set<number>();
  visit(pair, (s) => {
    if (s.kind !== "let" || s.value.kind !== "load") return;
    const { memory, place } = s.value;
    if (memory.kind !== "record" || memory.section !== "row") return;
    const [term] = place.terms;
    const count = term === undefined ? 1 : term.counter.count;
    if (count > REGISTER_ARRAY) return;
    for (let k = 0; k < count; k++) slots.add(place.offset + k * (term?.step ?? 0));
  });
  return slots.size;
}

/** Registers that rows may take together; with as many again for columns and values between. */
const ROW_REGISTERS = 96;
/** Registers of a row for values between. */
const ROW_TEMPORARIES = 4;
/** Statements of an inner loop, all rows together, beyond which compiling costs more than it gains. */
const CODE_BUDGET = 2000;
/** Statements of a turn, all rows together, beyond which turns do not stand side by side. */
const UNROLL_BUDGET = 200;
/** Blocks that keep a large device busy (132 multiprocessors with 4 each). */
const BUSY_BLOCKS = 528;
const THREADS = 128;
/** Columns of a tile where they are short: 256 of 16 bytes are 4 KB. */
const TILE = 256;

/** Statements that a math function counts as: it is a page of instructions. */
const MATH_STATEMENTS = 25;

/** Math functions but 2^x in single precision, which is one instruction. */
const isLongFunction = (value: Value): boolean =>
  value.kind === "operation" && value.operation in MATH_OPERATIONS &&
  (value.operation !== "exp2" || value.type === "f64");

/** Statements of a region as they stand once its short loops are unrolled. */
export function unrolledStatements(region: Region): number {
  let count = 0;
  for (const s of region.statements) {
    count += s.kind === "let" && isLongFunction(s.value) ? MATH_STATEMENTS : 1;
    if (s.kind === "for") {
      const turns = s.count <= REGISTER_ARRAY ? s.count : PARTLY_UNROLLED;
      count += turns * unrolledStatements(s.body);
    } else if (s.kind === "when") {
      count += unrolledStatements(s.body);
      if (s.otherwise !== undefined) count += unrolledStatements(s.otherwise);
    }
  }
  return count;
}

/**
 * Chooses a schedule by a register estimate and by how many rows there are, column splits counted.
 * Four rows per thread take most of what rows can gain: 8.6 instructions per pair of a Gaussian in
 * 3-D against 10 with one row and 8.3 with eight (sm_90, counted in machine code).
 */
export function chooseCudaSchedule(kernel: Kernel, rows: number): CudaSchedule {
  const width = kernel.float === "f64" ? 2 : 1;
  const state = kernel.state.reduce((total, item) => total + registersOf(item), 0);
  const perRow = state + width * (rowSlotsOf(kernel.pair) + ROW_TEMPORARIES);
  const statements = unrolledStatements(kernel.pair);
  const isLong = kernel.state.some((item) => lengthOf(item) > REGISTER_ARRAY);
  const fits = (r: number): boolean =>
    !isLong && r * perRow <= ROW_REGISTERS && r * statements <= CODE_BUDGET &&
    Math.ceil(rows / (r * THREADS)) >= BUSY_BLOCKS;
  const perThread = [4, 2].find(fits) ?? 1;
  let tile = kernel.records.column.length === 0 ? 0 : TILE;
  while (tile > 1 && tileBytes(kernel, tile) > SHARED_BYTES / 4) tile /= 2;
  if (tileBytes(kernel, tile) > SHARED_BYTES) tile = 0;
  return {
    rows: perThread,
    threads: THREADS,
    tile,
    unroll: perThread * statements > UNROLL_BUDGET ? 1 : 4,
  };
}
