// Folds of points with themselves on a card: how the square of pairs is cut, which kernels meet a
// pair once, and when that is worth it. Enters: a kernel, its schedule, a number of points. Leaves:
// the cut.
//
// As on the CPU (symmetric.ts), a block of points with a later one is folded once, for both. On a
// card a block of threads takes one such rectangle, so that there have to be as many as keep it
// busy.

import { bytesOf, type FloatType, type Kernel } from "../loop/mod.ts";
import { chooseCudaSchedule } from "./cuda.ts";
import { unrolledStatements } from "./cuda_estimates.ts";
import type { CudaSchedule } from "./cuda_schedule.ts";
import { SHARED_BYTES } from "./cuda_patch.ts";
import { columnRecord } from "./cuda_slices.ts";
import { type MirrorCosts, type MirrorCut, mirrorPays } from "./symmetric.ts";

/** Numbers that a point's sum takes per component: total, open block, rest. */
const STATE_VALUES = 3;
/** Bytes of all splits together, beyond which all pairs are folded. */
const MOST_BYTES = 2 ** 31;
/** Blocks are of so many points: whole blocks of threads, whatever the schedule. */
const UNIT = 1024;
/** Blocks at most: 8,128 rectangles; and at least: 2,016, four for each that a large card holds. */
const MOST_BLOCKS = 128;
const FEWEST_BLOCKS = 64;
/** Fewer points keep no large card busy. */
export const MIRRORED_POINTS: number = FEWEST_BLOCKS * UNIT;

/**
 * The cut for sums of so many components, from a number of points on; null where all pairs are to
 * be folded. By size alone, so that every card adds up in one order.
 */
export function cudaMirrorCut(
  points: number,
  dim: number,
  float: FloatType,
  least: number = MIRRORED_POINTS,
): MirrorCut | null {
  if (points < least) return null;
  const state = points * dim * STATE_VALUES * bytesOf(float, float);
  const most = Math.min(MOST_BLOCKS, Math.floor(MOST_BYTES / state));
  if (most < FEWEST_BLOCKS) return null;
  const length = Math.ceil(points / most / UNIT) * UNIT;
  const blocks = Math.ceil(points / length);
  return blocks < 2 ? null : { length, blocks, bytes: blocks * state };
}

/**
 * Bytes of a tile, and of its columns' sums, which each warp has for itself, where blocks stay
 * whole.
 */
const TILE_BYTES = 16 * 1024;
/** Columns of the largest tile. */
const TILE = 256;
/**
 * Values that a warp adds up across its lanes at a time, four instructions for each: at least so
 * many.
 */
const TURN_SUMS = 8;

/** Statements of a turn, all rows together, beyond which compiling takes longer than it gains. */
const TURN_STATEMENTS = 400;

/** How a mirrored kernel is cut. */
export interface CudaMirror {
  /**
   * Rows of a thread, which decide in which order they are added up: the same whatever is asked
   * for.
   */
  readonly rows: CudaSchedule;
  /** Columns of a tile: whole blocks of the sum. */
  readonly tile: number;
  /** Columns whose sums are added up across a warp together. */
  readonly columns: number;
}

/**
 * How a kernel meets pairs of points once; null where it has no mirror, its columns are too long,
 * or what its schedule packs is none of the mirror's.
 */
export function cudaMirrorOf(kernel: Kernel, schedule: CudaSchedule): CudaMirror | null {
  const { mirror, careful, block } = kernel;
  if (mirror === null || careful !== null || kernel.records.column.length === 0) return null;
  const chosen = chooseCudaSchedule(kernel, Infinity);
  const { rows, threads } = chosen;
  if ([schedule, chosen].some(({ slice, chunk }) => slice > 0 || chunk > 0)) return null;
  if (UNIT % (rows * threads) !== 0) return null;
  const { staged } = columnRecord(kernel, 0);
  const sums = mirror.sums.length;
  const perColumn = (staged + sums * threads / 32) * bytesOf(kernel.float, kernel.float);
  let tile = TILE;
  while (tile > block && tile * perColumn > TILE_BYTES) tile /= 2;
  if (tile % block !== 0 || tile * perColumn > SHARED_BYTES) return null;
  let columns = 2 ** Math.max(0, Math.ceil(Math.log2(TURN_SUMS / sums)));
  const statements = rows * unrolledStatements(mirror.pair);
  while (columns > 1 && columns * statements > TURN_STATEMENTS) columns /= 2;
  return { rows: chosen, tile, columns };
}

/**
 * Counted in machine code (sm_90, once against twice) and estimated: Gaussian 1.57 and 1.52, with 2
 * weights 1.35 and 1.34, with 4 1.09 and 1.14, its gradient 1.12 and 1.19, Laplacian 1.59 and 1.65,
 * gravity 1.21 and 1.47, Gaussian in 10-D 1.62 and 1.76, in 64-D 1.84 and 1.95.
 */
const CUDA_MIRROR: MirrorCosts = { perComponent: 1.2, atAll: 1, division: 4 };

/** Whether a kernel's mirror is worth it on a card. */
export const cudaMirrorPays = (kernel: Kernel): boolean => mirrorPays(kernel, CUDA_MIRROR);
