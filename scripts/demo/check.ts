// Random rows against direct sums. Enters: the points as the folds saw them, sigma, the folds'
// results and some rows. Leaves: the largest errors.

import { uniform } from "../../src/pointcloud/random.ts";

/** Seed of the rows that are checked. */
export const checkSeed = 32;
/** Relative error that a checked row may have. */
export const errorLimit = 1e-5;
const checkedRows = 32;
/**
 * A point far from all others has terms in the tail of the exponential, where float32 exponents
 * cost digits and at last underflow. Below this part of the greatest length that one term can
 * have, about 1 / sigma, errors are relative to that bound.
 */
export const leastTerms = 1e-5;

/** The largest errors of some rows. */
export interface RowErrors {
  /** |got − want| / |want|. The terms are positive: it is relative to their sum, too. */
  readonly density: number;
  /** |got − want| / Σ_j |term_j|: the terms cancel, so this is what rounding can be held to. */
  readonly gradient: number;
  /** |got − want| / |want| of the gradient. */
  readonly plainGradient: number;
}

/** Rows to check, different ones in order: 32 at random, or all if there are no more. */
export function chooseRows(n: number, seed: number = checkSeed): number[] {
  const rows = new Set<number>();
  for (let k = 0; rows.size < Math.min(n, checkedRows); k++) {
    rows.add(n <= checkedRows ? k : Math.floor(uniform(seed, k, 0) * n));
  }
  return [...rows].sort((a, b) => a - b);
}

/** Sums the rows over all points in float64 and compares. NaN in a result gives NaN or infinity. */
export function checkRows(
  points: Float32Array,
  sigma: number,
  density: ArrayLike<number>,
  gradient: ArrayLike<number>,
  rows: readonly number[],
): RowErrors {
  const errors = rows.map((i) => {
    const want = directRow(points, i, sigma);
    const away = Math.hypot(...want.gradient.map((value, axis) => gradient[3 * i + axis] - value));
    return {
      density: ratio(Math.abs(density[i] - want.density), want.density),
      gradient: away / Math.max(want.lengths, leastTerms / sigma),
      plainGradient: ratio(away, Math.hypot(...want.gradient)),
    };
  });
  // Math.max gives NaN where one of its arguments is NaN.
  return {
    density: Math.max(...errors.map((error) => error.density)),
    gradient: Math.max(...errors.map((error) => error.gradient)),
    plainGradient: Math.max(...errors.map((error) => error.plainGradient)),
  };
}

function ratio(away: number, size: number): number {
  return away === 0 ? 0 : away / size;
}

/** Density and gradient of point i, and the sum of the lengths of the gradient's terms. */
function directRow(
  points: Float32Array,
  i: number,
  sigma: number,
): { density: number; gradient: readonly number[]; lengths: number } {
  const scale = 1 / (sigma * sigma);
  const [x, y, z] = points.subarray(3 * i, 3 * i + 3);
  let [density, gx, gy, gz, lengths] = [0, 0, 0, 0, 0];
  for (let j = 0; j < points.length; j += 3) {
    const dx = x - points[j];
    const dy = y - points[j + 1];
    const dz = z - points[j + 2];
    const squared = dx * dx + dy * dy + dz * dz;
    const weight = Math.exp(-0.5 * scale * squared);
    density += weight;
    gx -= scale * weight * dx;
    gy -= scale * weight * dy;
    gz -= scale * weight * dz;
    lengths += scale * weight * Math.sqrt(squared);
  }
  return { density, gradient: [gx, gy, gz], lengths };
}
