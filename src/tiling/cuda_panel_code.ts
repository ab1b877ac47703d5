// What chosen schedules with panels come to in machine code, and the bounds that follow from it.
// tests/cuda/panel_code.test.ts holds compiled kernels against the table.

import { RATES } from "./cuda_code.ts";
import { PATCH, PATCHES } from "./cuda_patch.ts";

/** Columns that a turn of the walk takes; one of the product takes a vector of numbers. */
const TURN = 4;

/** What the loops of a kernel with panels take, on the shortest way through them. */
export interface PanelCode {
  /** Blocks of threads that work for the same rows. */
  readonly slices: number;
  /** Chunks of the contraction behind it; 0 where pairs compute their own values. */
  readonly chunks: number;
  /**
   * Instructions of a chunk (64 pairs, 32 of doubles; all of its loop), of a turn of the walk
   * (4 pairs), and of the product (4 pairs, 2 of doubles).
   */
  readonly instructions: Readonly<
    Record<
      "sm_75" | "sm_90" | "sm_100",
      { readonly chunk: number; readonly walk: number; readonly product: number }
    >
  >;
  /** Floats that a thread gets from shared memory there; a double is two. */
  readonly shared: { readonly chunk: number; readonly walk: number; readonly product: number };
  /** Sums, products and comparisons of doubles there; absent where there are none. */
  readonly doubles?: { readonly chunk: number; readonly walk: number; readonly product: number };
  /** Loads and stores of local memory in these turns. */
  readonly local: number;
  /** Registers of a thread, at most. */
  readonly registers: number;
}

/** Sums of 64 components; of 512, each slice is one of these. */
const WIDE_64 = {
  slices: 1,
  chunks: 0,
  instructions: {
    sm_75: { chunk: 0, walk: 44, product: 279 },
    sm_90: { chunk: 0, walk: 46, product: 280 },
    sm_100: { chunk: 0, walk: 44, product: 277 },
  },
  shared: { chunk: 0, walk: 16, product: 64 },
  local: 0,
  registers: 168,
} as const satisfies PanelCode;

/** The same in doubles. */
const WIDE_64_F64 = {
  slices: 1,
  chunks: 0,
  instructions: {
    sm_75: { chunk: 0, walk: 145, product: 150 },
    sm_90: { chunk: 0, walk: 164, product: 152 },
    sm_100: { chunk: 0, walk: 161, product: 149 },
  },
  shared: { chunk: 0, walk: 24, product: 64 },
  doubles: { chunk: 0, walk: 92, product: 128 },
  local: 0,
  registers: 255,
} as const satisfies PanelCode;

/**
 * Kernels by name: exp(−p |x − y|²) b in 3 dimensions or 64 with so many components of b, one of
 * them under a row's factor, and attention of 64 by 64 or 32 by 32; "f64" in doubles; a million
 * rows. Counted with NVRTC 13.5 and nvdisasm (2026-11-23). Closing
 * a block of 64 columns takes 8 instructions per component of a pair's 64 more, staging 2 to 4 per
 * pair.
 */
export const PANEL_CODE = {
  "wide 64": WIDE_64,
  "wide 100": {
    slices: 1,
    chunks: 0,
    instructions: {
      sm_75: { chunk: 0, walk: 49, product: 483 },
      sm_90: { chunk: 0, walk: 46, product: 463 },
      sm_100: { chunk: 0, walk: 45, product: 456 },
    },
    shared: { chunk: 0, walk: 16, product: 84 },
    local: 0,
    registers: 168,
  },
  "wide 512": { ...WIDE_64, slices: 8 },
  "D=64, wide 64": {
    slices: 1,
    chunks: 4,
    instructions: {
      sm_75: { chunk: 2213, walk: 17, product: 283 },
      sm_90: { chunk: 2235, walk: 17, product: 284 },
      sm_100: { chunk: 2223, walk: 15, product: 277 },
    },
    shared: { chunk: 256, walk: 4, product: 64 },
    local: 0,
    registers: 255,
  },
  "attention 64": {
    slices: 1,
    chunks: 4,
    instructions: {
      sm_75: { chunk: 1193, walk: 61, product: 280 },
      sm_90: { chunk: 1211, walk: 80, product: 282 },
      sm_100: { chunk: 1203, walk: 78, product: 277 },
    },
    shared: { chunk: 256, walk: 4, product: 64 },
    local: 0,
    registers: 255,
  },
  "attention 32": {
    slices: 1,
    chunks: 2,
    instructions: {
      sm_75: { chunk: 1182, walk: 61, product: 147 },
      sm_90: { chunk: 1202, walk: 80, product: 148 },
      sm_100: { chunk: 1187, walk: 78, product: 145 },
    },
    shared: { chunk: 256, walk: 4, product: 48 },
    local: 0,
    registers: 255,
  },
  "D=64, wide 16": {
    slices: 1,
    chunks: 4,
    instructions: {
      sm_75: { chunk: 2231, walk: 17, product: 78 },
      sm_90: { chunk: 2249, walk: 17, product: 79 },
      sm_100: { chunk: 2226, walk: 15, product: 77 },
    },
    shared: { chunk: 256, walk: 4, product: 32 },
    local: 0,
    registers: 255,
  },
  "wide 64 under a factor": {
    slices: 1,
    chunks: 0,
    instructions: {
      sm_75: { chunk: 0, walk: 48, product: 279 },
      sm_90: { chunk: 0, walk: 50, product: 280 },
      sm_100: { chunk: 0, walk: 48, product: 277 },
    },
    shared: { chunk: 0, walk: 16, product: 64 },
    local: 0,
    registers: 168,
  },
  "wide 64 f64": WIDE_64_F64,
  "wide 512 f64": { ...WIDE_64_F64, slices: 8 },
  "D=64, wide 64 f64": {
    slices: 1,
    chunks: 8,
    instructions: {
      sm_75: { chunk: 666, walk: 114, product: 192 },
      sm_90: { chunk: 684, walk: 129, product: 193 },
      sm_100: { chunk: 690, walk: 125, product: 184 },
    },
    shared: { chunk: 192, walk: 8, product: 64 },
    doubles: { chunk: 512, walk: 68, product: 128 },
    local: 0,
    registers: 255,
  },
  "attention 64 f64": {
    slices: 1,
    chunks: 8,
    instructions: {
      sm_75: { chunk: 410, walk: 157, product: 155 },
      sm_90: { chunk: 445, walk: 168, product: 156 },
      sm_100: { chunk: 485, walk: 160, product: 149 },
    },
    shared: { chunk: 192, walk: 8, product: 64 },
    doubles: { chunk: 256, walk: 80, product: 128 },
    local: 0,
    registers: 255,
  },
} as const satisfies Record<string, PanelCode>;

/** Pairs that a multiprocessor can do in a clock, by what is scarcest. */
export function panelBoundPerClock(
  { slices, chunks, instructions, shared, doubles }: PanelCode,
  architecture: "sm_75" | "sm_90" | "sm_100",
): number {
  const rates = RATES[architecture];
  const { columns, width } = PATCHES[doubles === undefined ? "f32" : "f64"];
  const perPair = ({ chunk, walk, product }: PanelCode["shared"]): number =>
    chunks * chunk / (PATCH * columns) + walk / TURN + product / width;
  const clocks = Math.max(
    perPair(instructions[architecture]) / rates.slots,
    perPair(shared) / rates.loads,
    doubles === undefined ? 0 : perPair(doubles) / rates.doubles,
  );
  return 1 / (slices * clocks);
}
