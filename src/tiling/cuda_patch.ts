// Patches of pairs for long vectors: a warp computes the contraction of 32 rows with 64 columns at
// a time, 8 × 8 pairs per thread, both vectors staged chunk by chunk in shared memory, and then
// each thread walks the columns of its own row. A component that is loaded meets 8 others, where
// rows alone meet 2.
//
// Enters: a kernel. Leaves: whether it has patches, what they take of shared memory.

import { type Contraction, contractionOf, type FloatType, type Kernel } from "../loop/mod.ts";
import { columnRecord, sliceableOf } from "./cuda_slices.ts";

/** Rows of a thread's patch. */
export const PATCH = 8;

/** How patches of numbers of a type are cut. */
export interface PatchShape {
  /** Numbers of a piece of 16 bytes. */
  readonly width: number;
  /** Columns of a thread's patch. */
  readonly columns: number;
  /** Columns of a tile, which all warps share; a warp's patches are as wide. */
  readonly tile: number;
  /**
   * Columns whose values a warp hands over at a time, and pieces of 16 bytes from one row to the
   * next.
   */
  readonly handed: number;
  readonly handedStride: number;
  /** Components of a chunk; tensor cores take them by 16. */
  readonly chunks: readonly number[];
}

/** Doubles are two registers each: half as many sums of pairs, beside those of a panel. */
export const PATCHES: Readonly<Record<FloatType, PatchShape>> = {
  f32: { width: 4, columns: 8, tile: 64, handed: 32, handedStride: 9, chunks: [8, 16] },
  f64: { width: 2, columns: 4, tile: 32, handed: 16, handedStride: 11, chunks: [8] },
};
/** Those of float32, which are all that stand without panels. */
export const { tile: PATCH_TILE, handed: HANDED, handedStride: HANDED_STRIDE } = PATCHES.f32;
/** Columns per turn of the walk, whose values are one load, and turns side by side. */
export const PATCH_TURN = 4;
export const PATCH_UNROLL = 2;
/** Components of a chunk of tensor cores. */
export const TENSOR_CHUNK = 16;

/** Bytes of shared memory that every device gives a block without being asked. */
export const SHARED_BYTES = 48 * 1024;
/** Components of a state up to which it stays in registers beside a patch. */
export const SHORT_STATE = 8;

const WARP = 32;

/**
 * Pieces of 16 bytes from one row or column of a chunk to the next. One more than there are: their
 * number is odd then, so that the same piece of 8 rows side by side is in different banks.
 */
export const chunkStride = (chunk: number, float: FloatType): number =>
  chunk / PATCHES[float].width + 1;

/**
 * Pieces of 16 bytes of a warp's rows, chunks twice; their place takes what is handed over, too.
 */
export function warpPieces(chunk: number, float: FloatType): number {
  return WARP * Math.max(2 * chunkStride(chunk, float), PATCHES[float].handedStride);
}

/** Bytes of shared memory that a block of threads takes: chunks and the rest of columns twice. */
export function patchBytes(kernel: Kernel, threads: number, chunk: number): number {
  const { staged } = columnRecord(kernel, 0, chunk);
  const rows = threads / WARP * warpPieces(chunk, "f32");
  return 16 * (rows + 2 * PATCH_TILE * chunkStride(chunk, "f32")) + 4 * 2 * PATCH_TILE * staged;
}

/** Each kernel is looked at once. */
const known = new WeakMap<Kernel, Contraction | null>();

/**
 * The contraction that patches compute; null where there is none, or no room beside it. Of doubles
 * it is for panels alone.
 */
export function patchOf(kernel: Kernel): Contraction | null {
  let found = known.get(kernel);
  if (found === undefined) known.set(kernel, found = lookAt(kernel));
  return found;
}

function lookAt(kernel: Kernel): Contraction | null {
  const contraction = contractionOf(kernel);
  if (contraction === null || kernel.block !== PATCH_TILE || kernel.float !== "f32") return null;
  const isWide = (sliceableOf(kernel)?.length ?? 0) > SHORT_STATE;
  const fits = patchBytes(kernel, 64, TENSOR_CHUNK) <= SHARED_BYTES;
  return isWide || !fits ? null : contraction;
}
