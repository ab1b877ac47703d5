// Approximate inverses for conjugate gradients. Enters: a symmetric matrix K, alpha, positions of
// the rows. Leaves: r ↦ P r for a symmetric positive definite P near (K + alpha · I)⁻¹, where
// possible with a factor, P = F Fᵀ.

import { PairfoldError } from "../error.ts";
import {
  type Action,
  type ApplyControl,
  checkAborted,
  denseAction,
  type Points,
} from "./action.ts";
import { cholesky, identity, solveLower, solveLowerTransposed } from "./small.ts";
import { nearGroups } from "./points.ts";

/** An approximate inverse P of a symmetric positive definite matrix. */
export interface Preconditioner {
  /** A line for people. */
  readonly name: string;
  /** P times a block [n, width], which is not changed. */
  apply(block: Float64Array, width: number): Float64Array | Promise<Float64Array>;
  /** Where P = F Fᵀ has a factor F at hand. */
  readonly factor?: Factor;
}

/** F of P = F Fᵀ. */
export interface Factor {
  apply(block: Float64Array, width: number): Float64Array;
  applyTransposed(block: Float64Array, width: number): Float64Array;
  /** log det P. */
  readonly logDeterminant: number;
}

/** The system that is to be preconditioned: K + alpha · I. */
export interface System {
  readonly matrix: Action;
  readonly alpha: number;
  readonly control: ApplyControl;
}

/** The rows 0 … n − 1. */
export const allRows = (n: number): Int32Array => Int32Array.from({ length: n }, (_, k) => k);

/** The diagonal of K + alpha · I. Throws `indefinite` unless it is positive. */
export async function systemDiagonal({ matrix, alpha, control }: System): Promise<Float64Array> {
  const all = allRows(matrix.rows);
  const diagonal = (await matrix.entries(all, all, control)).map((value) => value + alpha);
  const bad = diagonal.findIndex((value) => !(value > 0));
  if (bad < 0) return diagonal;
  throw new PairfoldError(
    "indefinite",
    `preconditioner: got ${diagonal[bad]} at row ${bad} of the diagonal; expected a symmetric ` +
      "positive definite matrix (alpha included)",
  );
}

/** The inverse of the diagonal. */
export async function jacobi(system: System): Promise<Preconditioner> {
  const root = (await systemDiagonal(system)).map((value) => 1 / Math.sqrt(value));
  const scaled = (power: 1 | 2) => (block: Float64Array, width: number): Float64Array =>
    block.map((value, k) => value * root[Math.floor(k / width)] ** power);
  const logDeterminant = 2 * root.reduce((sum, value) => sum + Math.log(value), 0);
  return {
    name: "Jacobi",
    apply: scaled(2),
    factor: { apply: scaled(1), applyTransposed: scaled(1), logDeterminant },
  };
}

/** Entries of a symmetric matrix that are asked for at once. */
const ENTRIES_AT_ONCE = 2 ** 20;

/**
 * The lower triangles of K + alpha · I over lists of rows, [length, length] each, handed over in
 * order; the entries of many lists are asked for together.
 */
export async function eachTriangle(
  { matrix, alpha, control }: System,
  lists: readonly Int32Array[],
  use: (at: number, triangle: Float64Array) => void,
): Promise<void> {
  const triangle = (n: number): number => n * (n + 1) / 2;
  for (let from = 0; from < lists.length;) {
    let to = from, count = 0;
    do count += triangle(lists[to++].length); while (to < lists.length && count < ENTRIES_AT_ONCE);
    const i = new Int32Array(count), j = new Int32Array(count);
    let at = 0;
    for (const rows of lists.slice(from, to)) {
      for (let r = 0; r < rows.length; r++) {
        for (let c = 0; c <= r; c++, at++) {
          i[at] = rows[r];
          j[at] = rows[c];
        }
      }
    }
    const values = await matrix.entries(i, j, control);
    at = 0;
    for (; from < to; from++) {
      const n = lists[from].length;
      const block = new Float64Array(n * n);
      for (let r = 0; r < n; r++) {
        for (let c = 0; c <= r; c++) block[r * n + c] = values[at++];
        block[r * n + r] += alpha;
      }
      use(from, block);
    }
  }
}

/** Shares of the diagonal that are added, one after another, to a block that is not positive. */
const JITTERS = [0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1];

/**
 * The Cholesky factor of a block that should be positive definite: where rounding says that it is
 * not, of the block with some more on its diagonal.
 */
export function robustCholesky(triangle: Float64Array, n: number): Float64Array {
  let largest = 0;
  for (let k = 0; k < n; k++) largest = Math.max(largest, triangle[k * n + k]);
  for (const jitter of JITTERS) {
    const factor = triangle.slice();
    for (let k = 0; k < n; k++) factor[k * n + k] += jitter * largest;
    if (cholesky(factor, n, Number.EPSILON * largest) < 0) return factor;
  }
  throw new PairfoldError(
    "indefinite",
    `preconditioner: got ${n} rows whose entries are far from positive definite, or not finite; ` +
      "expected a symmetric positive definite matrix (alpha included)",
  );
}

/**
 * The inverses of diagonal blocks of near rows: groups by halving space, or runs of consecutive
 * rows where nothing is known about positions.
 */
export async function blockJacobi(
  system: System,
  size: number,
  points: Points | null,
): Promise<Preconditioner> {
  const n = system.matrix.rows;
  const all = allRows(n);
  const groups = points === null
    ? Array.from({ length: Math.ceil(n / size) }, (_, k) => all.slice(k * size, (k + 1) * size))
    : nearGroups(points, all, size);
  const factors: Float64Array[] = [];
  let logDeterminant = 0;
  await eachTriangle(system, groups, (at, triangle) => {
    const rows = groups[at].length;
    const factor = factors[at] = robustCholesky(triangle, rows);
    for (let k = 0; k < rows; k++) logDeterminant -= 2 * Math.log(factor[k * rows + k]);
  });
  const solved = (steps: readonly (typeof solveLower)[]) =>
  (
    block: Float64Array,
    width: number,
  ): Float64Array => {
    const out = new Float64Array(block.length);
    groups.forEach((rows, at) => {
      const part = new Float64Array(rows.length * width);
      rows.forEach((row, k) => {
        part.set(block.subarray(row * width, (row + 1) * width), k * width);
      });
      for (const solve of steps) solve(factors[at], rows.length, part, width);
      rows.forEach((row, k) => {
        out.set(part.subarray(k * width, (k + 1) * width), row * width);
      });
    });
    return out;
  };
  return {
    name: `block Jacobi, ${groups.length} blocks of at most ${size} rows`,
    apply: solved([solveLower, solveLowerTransposed]),
    factor: {
      apply: solved([solveLowerTransposed]),
      applyTransposed: solved([solveLower]),
      logDeterminant,
    },
  };
}

/** A low-rank approximation K ≈ L Lᵀ. */
export interface PivotedCholesky {
  /** [n, rank], row-major. */
  readonly factor: Float64Array;
  readonly rank: number;
  /** The rows that were chosen, in order. */
  readonly pivots: readonly number[];
  /** trace(K − L Lᵀ) / trace(K), which bounds the error. */
  readonly residual: number;
}

/**
 * Pivoted Cholesky decomposition, stopped at a rank or once the trace of what is left is below
 * `tolerance` of the whole (Harbrecht, Peters and Schneider 2012).
 */
export async function pivotedCholesky(
  matrix: Action,
  maxRank: number,
  tolerance: number,
  control: ApplyControl,
): Promise<PivotedCholesky> {
  const n = matrix.rows;
  const all = allRows(n);
  const left = await matrix.entries(all, all, control);
  const trace = left.reduce((sum, value) => sum + value, 0);
  const columns: Float64Array[] = [];
  const pivots: number[] = [];
  const limit = Math.min(maxRank, n);
  let rest = trace;
  while (columns.length < limit && rest > tolerance * trace) {
    let pivot = 0;
    for (let k = 1; k < n; k++) if (left[k] > left[pivot]) pivot = k;
    if (!(left[pivot] > Number.EPSILON * trace / n)) break;
    checkAborted("pivotedCholesky", control);
    const column = await matrix.entries(all, new Int32Array(n).fill(pivot), control);
    for (const earlier of columns) {
      const factor = earlier[pivot];
      if (factor !== 0) { for (let k = 0; k < n; k++) column[k] -= factor * earlier[k]; }
    }
    const scale = 1 / Math.sqrt(left[pivot]);
    rest = 0;
    for (let k = 0; k < n; k++) {
      column[k] *= scale;
      left[k] = Math.max(0, left[k] - column[k] * column[k]);
      rest += left[k];
    }
    left[pivot] = 0;
    for (const earlier of pivots) column[earlier] = 0;
    columns.push(column);
    pivots.push(pivot);
  }
  const rank = columns.length;
  const factor = new Float64Array(n * rank);
  columns.forEach((column, c) => column.forEach((value, k) => factor[k * rank + c] = value));
  return { factor, rank, pivots, residual: trace === 0 ? 0 : rest / trace };
}

/**
 * Nyström approximation by pivoted Cholesky, inverted by Woodbury's identity:
 * (L Lᵀ + alpha · I)⁻¹ = (I − L (alpha · I + Lᵀ L)⁻¹ Lᵀ) / alpha.
 */
export async function nystrom(
  { matrix, alpha, control }: System,
  rank: number,
  tolerance: number,
): Promise<Preconditioner> {
  if (!(alpha > 0)) {
    throw new PairfoldError(
      "shape",
      `preconditioner "nystrom": got alpha ${alpha}; expected one above 0 ("vecchia", ` +
        `"blockJacobi" and "jacobi" need none)`,
    );
  }
  const { factor, rank: m, residual } = await pivotedCholesky(matrix, rank, tolerance, control);
  const n = matrix.rows;
  const inner = identity(m).map((value) => alpha * value);
  for (let row = 0; row < n * m; row += m) {
    for (let a = 0; a < m; a++) {
      const value = factor[row + a];
      if (value !== 0) { for (let b = 0; b <= a; b++) inner[a * m + b] += value * factor[row + b]; }
    }
  }
  const lower = robustCholesky(inner, m);
  const thin = denseAction(factor, n, m), wide = thin.transposed();
  return {
    name: `Nyström of rank ${m}, trace left ${residual.toExponential(1)}`,
    apply: async (block, width) => {
      const small = await wide.apply(block, width, {});
      solveLower(lower, m, small, width);
      solveLowerTransposed(lower, m, small, width);
      const out = await thin.apply(small, width, {});
      for (let k = 0; k < out.length; k++) out[k] = (block[k] - out[k]) / alpha;
      return out;
    },
  };
}
