// Patches of pairs for long vectors: a warp computes the contraction of 32 rows with 64 columns at a
// time, 8 × 8 pairs per thread, both vectors staged chunk by chunk in shared memory, and then each thread
// walks the columns of its own row. A component that is loaded meets 8 others, where rows alone meet 2.
//
// Enters: a kernel. Leaves: whether it has patches, what they take of shared memory.

import { type Contraction, contractionOf, type Kernel } from "../loop/mod.ts";
import { columnRecord, sliceableOf } from "./cuda_slices.ts";

/** Rows and columns of a thread's patch. */
export const PATCH = 8;
/** Columns of a tile, which all warps share; a warp's patches are as wide. */
export const PATCH_TILE = 64;
/** Columns whose values a warp hands over at a time, and floats from one row of them to the next. */
export const HANDED = 32;
export const HANDED_STRIDE = 36;
/** Columns per turn of the walk: their values are one load. */
export const PATCH_TURN = 4;
/** Components of a chunk; tensor cores take them by 16. */
export const CHUNKS: readonly number[] = [8, 16];
export const TENSOR_CHUNK = 16;

/** Bytes of shared memory that every device gives a block without being asked. */
export const SHARED_BYTES = 48 * 1024;
/** Components of a state up to which it stays in registers beside a patch. */
export const SHORT_STATE = 8;

/** Bytes of shared memory that a block of threads takes: chunks and the rest of columns twice. */
export function patchBytes(kernel: Kernel, threads: number, chunk: number): number {
  const { staged } = columnRecord(kernel, 0, chunk);
  const chunks = (threads + PATCH_TILE) * chunk;
  return 4 * (2 * chunks + threads * HANDED_STRIDE + 2 * PATCH_TILE * staged);
}

/** Each kernel is looked at once. */
const known = new WeakMap<Kernel, Contraction | null>();

/** The contraction that patches compute; null where there is none, or no room beside it. */
export function patchOf(kernel: Kernel): Contraction | null {
  let found = known.get(kernel);
  if (found === undefined) known.set(kernel, found = lookAt(kernel));
  return found;
}

function lookAt(kernel: Kernel): Contraction | null {
  const contraction = contractionOf(kernel);
  if (contraction === null || kernel.block !== PATCH_TILE) return null;
  const isWide = (sliceableOf(kernel)?.length ?? 0) > SHORT_STATE;
  const fits = patchBytes(kernel, 64, TENSOR_CHUNK) <= SHARED_BYTES;
  return isWide || !fits ? null : contraction;
}
