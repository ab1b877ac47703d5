// What chosen schedules come to in machine code: the table that tests/cuda/machine_code.test.ts
// holds compiled kernels against, and the bounds that follow from it. A change that costs an
// instruction of an inner loop fails there; one that saves some is written down here.

/**
 * What one turn of a kernel's inner loop takes, on the shortest way through it; of kernels that
 * work in patches, a whole tile, from one to the next.
 */
export interface TurnCode {
  /** Pairs of a turn; of loops over long vectors, pairs times components. */
  readonly perTurn: number;
  /** Instructions of every kind, per architecture; tensor cores are asked from sm_80 on. */
  readonly instructions: {
    readonly sm_75?: number;
    readonly sm_90: number;
    readonly sm_100: number;
  };
  /** Floats that a thread gets from shared memory. */
  readonly shared: number;
  /** Loads and stores of local memory, four floats each. */
  readonly local: number;
  /** Registers of a thread, at most. */
  readonly registers: number;
  /** A thread's share of products on tensor cores, from sm_80 on. */
  readonly products?: number;
  /** Sums, products and comparisons of doubles. */
  readonly doubles?: number;
}

/**
 * Kernels by name: exp(−p |x − y|²) b in 3 dimensions or D, with one weight or so many, and other
 * folds of |x − y|² in 3 dimensions; a million rows. Up to 16 dimensions p is in the points, as it
 * is by default where these were given, but for "direct". "With itself" meets pairs once: each of
 * its pairs is two. Where "centred" or tensor cores' numbers (TF32) are named, |x − y|² is a dot
 * product. Of the gradient in 100 dimensions it is the loop that adds to its sums; the one before
 * adds up |x − y|², also for 8 columns. "f64" is in doubles. Counted with NVRTC 13.5 and nvdisasm
 * (2026-11-23).
 */
export const MACHINE_CODE = {
  "gaussian": {
    perTurn: 32,
    instructions: { sm_75: 268, sm_90: 267, sm_100: 268 },
    shared: 32,
    local: 0,
    registers: 80,
  },
  "gaussian, direct": {
    perTurn: 32,
    instructions: { sm_75: 301, sm_90: 299, sm_100: 300 },
    shared: 32,
    local: 0,
    registers: 80,
  },
  "gaussian, with itself": {
    perTurn: 16,
    instructions: { sm_75: 179, sm_90: 175, sm_100: 176 },
    shared: 17,
    local: 0,
    registers: 72,
  },
  "gaussian, with itself, direct": {
    perTurn: 16,
    instructions: { sm_75: 195, sm_90: 191, sm_100: 191 },
    shared: 17,
    local: 0,
    registers: 64,
  },
  "gaussian f64": {
    perTurn: 16,
    instructions: { sm_75: 511, sm_90: 519, sm_100: 519 },
    shared: 32,
    local: 0,
    registers: 93,
    doubles: 384,
  },
  "gradient": {
    perTurn: 16,
    instructions: { sm_75: 217, sm_90: 217, sm_100: 216 },
    shared: 16,
    local: 0,
    registers: 110,
  },
  "logsumexp": {
    perTurn: 16,
    instructions: { sm_75: 180, sm_90: 179, sm_100: 163 },
    shared: 16,
    local: 0,
    registers: 80,
  },
  "argmin": {
    perTurn: 16,
    instructions: { sm_75: 127, sm_90: 126, sm_100: 126 },
    shared: 16,
    local: 0,
    registers: 64,
  },
  "10-smallest": {
    perTurn: 8,
    instructions: { sm_75: 73, sm_90: 69, sm_100: 68 },
    shared: 16,
    local: 0,
    registers: 96,
  },
  "50-smallest": {
    perTurn: 8,
    instructions: { sm_75: 70, sm_90: 69, sm_100: 67 },
    shared: 16,
    local: 0,
    registers: 64,
  },
  "D=16": {
    perTurn: 4,
    instructions: { sm_75: 146, sm_90: 146, sm_100: 146 },
    shared: 17,
    local: 0,
    registers: 128,
  },
  "D=16, direct": {
    perTurn: 4,
    instructions: { sm_75: 150, sm_90: 150, sm_100: 150 },
    shared: 17,
    local: 0,
    registers: 123,
  },
  "D=64": {
    perTurn: 2,
    instructions: { sm_75: 285, sm_90: 284, sm_100: 283 },
    shared: 66,
    local: 0,
    registers: 168,
  },
  "D=300": {
    perTurn: 256,
    instructions: { sm_75: 541, sm_90: 541, sm_100: 539 },
    shared: 64,
    local: 4,
    registers: 180,
  },
  "D=3000": {
    perTurn: 128,
    instructions: { sm_75: 282, sm_90: 282, sm_100: 281 },
    shared: 0,
    local: 2,
    registers: 144,
  },
  "D=16, centred": {
    perTurn: 4,
    instructions: { sm_75: 102, sm_90: 101, sm_100: 102 },
    shared: 18,
    local: 0,
    registers: 128,
  },
  "D=64, centred": {
    perTurn: 64,
    instructions: { sm_75: 5339, sm_90: 5383, sm_100: 5325 },
    shared: 1216,
    local: 18,
    registers: 168,
  },
  "D=64, tf32x3": {
    perTurn: 64,
    instructions: { sm_90: 2040, sm_100: 2020 },
    shared: 384,
    local: 14,
    registers: 168,
    products: 12288,
  },
  "D=64, tf32": {
    perTurn: 64,
    instructions: { sm_90: 1162, sm_100: 1166 },
    shared: 384,
    local: 14,
    registers: 168,
    products: 4096,
  },
  "D=512, centred": {
    perTurn: 64,
    instructions: { sm_75: 37483, sm_90: 37751, sm_100: 37357 },
    shared: 8384,
    local: 130,
    registers: 168,
  },
  "D=512, tf32x3": {
    perTurn: 64,
    instructions: { sm_90: 10748, sm_100: 10476 },
    shared: 1728,
    local: 126,
    registers: 168,
    products: 98304,
  },
  "wide 16": {
    perTurn: 4,
    instructions: { sm_75: 102, sm_90: 101, sm_100: 101 },
    shared: 20,
    local: 0,
    registers: 128,
  },
  "wide 16, direct": {
    perTurn: 4,
    instructions: { sm_75: 106, sm_90: 105, sm_100: 105 },
    shared: 20,
    local: 0,
    registers: 128,
  },
  "attention 16": {
    perTurn: 4,
    instructions: { sm_75: 183, sm_90: 181, sm_100: 181 },
    shared: 64,
    local: 0,
    registers: 222,
  },
  "gradient, D=100": {
    perTurn: 128,
    instructions: { sm_75: 294, sm_90: 287, sm_100: 285 },
    shared: 32,
    local: 12,
    registers: 112,
  },
  "D=64 f64": {
    perTurn: 128,
    instructions: { sm_75: 288, sm_90: 288, sm_100: 287 },
    shared: 64,
    local: 8,
    registers: 244,
    doubles: 256,
  },
  "wide 16 f64": {
    perTurn: 2,
    instructions: { sm_75: 109, sm_90: 129, sm_100: 135 },
    shared: 38,
    local: 0,
    registers: 128,
    doubles: 78,
  },
} as const satisfies Record<string, TurnCode>;

/** What a multiprocessor does in a clock, for 32-bit floats unless said. */
export interface Rates {
  /** Instructions, of all lanes together. */
  readonly slots: number;
  /** Floats that come from shared or local memory. */
  readonly loads: number;
  /** Exponentials, roots, reciprocals. */
  readonly special: number;
  /** Products of TF32 on tensor cores. */
  readonly products: number;
  /** Operations on doubles. */
  readonly doubles: number;
}

/**
 * sm_75 to sm_90 and later: four schedulers, 128 bytes of memory near by, 16 special functions.
 * Tensor cores: the rate in NVIDIA's H100 white paper (495 TFLOPS dense at 1.83 GHz), of which
 * `mma.sync` alone is said to reach two thirds; later cards are taken to do as much by that
 * instruction.
 */
export const RATES: Readonly<Record<"sm_75" | "sm_90" | "sm_100", Rates>> = {
  sm_75: { slots: 128, loads: 32, special: 16, products: 0, doubles: 2 },
  sm_90: { slots: 128, loads: 32, special: 16, products: 1024, doubles: 64 },
  sm_100: { slots: 128, loads: 32, special: 16, products: 1024, doubles: 64 },
};

/** Floats of one access to local memory, which is vectors of four in unrolled loops. */
export const LOCAL_FLOATS = 4;

/**
 * The most units of `perTurn` that a multiprocessor can do in a clock, by what is scarcest. No
 * kernel reaches it: waits are not counted.
 */
export function boundPerClock(
  code: TurnCode,
  special: number,
  architecture: "sm_75" | "sm_90" | "sm_100",
): number {
  const rates = RATES[architecture];
  const clocks = Math.max(
    (code.instructions[architecture] ?? NaN) / rates.slots,
    (code.shared + code.local * LOCAL_FLOATS) / rates.loads,
    special / rates.special,
    code.products === undefined ? 0 : code.products / rates.products,
    (code.doubles ?? 0) / rates.doubles,
  );
  return code.perTurn / clocks;
}
