// What chosen schedules with panels come to in machine code, and the bounds that follow from it.
// tests/cuda/panel_code.test.ts holds compiled kernels against the table.

import { RATES } from "./cuda_code.ts";
import { PATCH } from "./cuda_patch.ts";

/** Columns that a turn of the walk and a turn of the product take. */
const TURN = 4;

/** What the loops of a kernel with panels take, on the shortest way through them. */
export interface PanelCode {
  /** Blocks of threads that work for the same rows. */
  readonly slices: number;
  /** Chunks of the contraction behind it; 0 where pairs compute their own values. */
  readonly chunks: number;
  /**
   * Instructions of a chunk (64 pairs; all of its loop), of a turn of the walk, and of the product
   * (4 pairs each).
   */
  readonly instructions: Readonly<
    Record<
      "sm_75" | "sm_90" | "sm_100",
      { readonly chunk: number; readonly walk: number; readonly product: number }
    >
  >;
  /** Floats that a thread gets from shared memory in a turn of the walk, and of the product. */
  readonly shared: { readonly walk: number; readonly product: number };
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
  shared: { walk: 16, product: 64 },
  local: 0,
  registers: 168,
} as const satisfies PanelCode;

/**
 * Kernels by name: exp(−p |x − y|²) b in 3 dimensions or 64 with so many components of b, and
 * attention of 64 by 64; a million rows. Counted with NVRTC 13.5 and nvdisasm (2026-11-23). Closing
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
    shared: { walk: 16, product: 84 },
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
    shared: { walk: 4, product: 64 },
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
    shared: { walk: 4, product: 64 },
    local: 0,
    registers: 255,
  },
} as const satisfies Record<string, PanelCode>;

/** Pairs that a multiprocessor can do in a clock, by what is scarcest. */
export function panelBoundPerClock(
  { slices, chunks, instructions, shared }: PanelCode,
  architecture: "sm_75" | "sm_90" | "sm_100",
): number {
  const { chunk, walk, product } = instructions[architecture];
  const { slots, loads } = RATES[architecture];
  const perPair = chunks * chunk / PATCH ** 2 + (walk + product) / TURN;
  const floats = (shared.walk + shared.product) / TURN;
  return 1 / (slices * Math.max(perPair / slots, floats / loads));
}
