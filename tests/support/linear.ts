// Dense linear algebra for tests, row-major float64, slow and plain: elimination with pivoting,
// Jacobi's eigenvalues. Shares no code with the solvers.

import { assert } from "@std/assert";
import type { Random } from "./random.ts";

export type Matrix = readonly (readonly number[])[];

/** A row-major array as rows. */
export const rowsOf = (data: ArrayLike<number>, rows: number): number[][] => {
  const columns = data.length / rows;
  return Array.from(
    { length: rows },
    (_, i) => Array.from({ length: columns }, (_, j) => data[i * columns + j]),
  );
};

export const transposeOf = (a: Matrix): number[][] =>
  a.length === 0 ? [] : a[0].map((_, j) => a.map((row) => row[j]));

export const productOf = (a: Matrix, b: Matrix): number[][] => {
  const turned = transposeOf(b);
  return a.map((row) => turned.map((column) => row.reduce((sum, v, k) => sum + v * column[k], 0)));
};

export const sumOf = (a: Matrix, b: Matrix, factor = 1): number[][] =>
  a.map((row, i) => row.map((v, j) => v + factor * b[i][j]));

export const identityMatrix = (n: number, factor = 1): number[][] =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => i === j ? factor : 0));

/** Solutions of a x = b by Gauss' elimination with partial pivoting, and log |det a|. */
export function eliminate(a: Matrix, b: Matrix): { x: number[][]; logDeterminant: number } {
  const n = a.length;
  const work = a.map((row, i) => Float64Array.from([...row, ...b[i]]));
  let logDeterminant = 0;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(work[i][k]) > Math.abs(work[pivot][k])) pivot = i;
    [work[k], work[pivot]] = [work[pivot], work[k]];
    logDeterminant += Math.log(Math.abs(work[k][k]));
    for (let i = k + 1; i < n; i++) {
      const factor = work[i][k] / work[k][k];
      if (factor !== 0) {
        for (let j = k; j < work[i].length; j++) work[i][j] -= factor * work[k][j];
      }
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = n; j < work[k].length; j++) {
      for (let i = k + 1; i < n; i++) work[k][j] -= work[k][i] * work[i][j];
      work[k][j] /= work[k][k];
    }
  }
  return { x: work.map((row) => [...row.slice(n)]), logDeterminant };
}

/** Eigenvalues of a symmetric matrix, ascending, by Jacobi's rotations. */
export function eigenvaluesOf(matrix: Matrix): number[] {
  const n = matrix.length;
  const a = matrix.map((row) => Float64Array.from(row));
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0, all = 0;
    for (let p = 0; p < n; p++) {
      for (let q = 0; q < n; q++) {
        all += a[p][q] ** 2;
        if (p !== q) off += a[p][q] ** 2;
      }
    }
    if (off <= 1e-30 * all) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, p, q);
  }
  return a.map((row, k) => row[k]).sort((x, y) => x - y);
}

function rotate(a: Float64Array[], p: number, q: number): void {
  if (a[p][q] === 0) return;
  const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1), s = t * c;
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k][p], a[k][q]];
    [a[k][p], a[k][q]] = [c * x - s * y, s * x + c * y];
  }
  const [row, other] = [a[p].slice(), a[q].slice()];
  for (let k = 0; k < a.length; k++) {
    a[p][k] = c * row[k] - s * other[k];
    a[q][k] = s * row[k] + c * other[k];
  }
}

/** The dense Gaussian kernel of points [n, dim]. */
export function gaussianMatrix(x: ArrayLike<number>, dim: number, sigma: number): number[][] {
  const n = x.length / dim;
  return Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => {
      let q = 0;
      for (let d = 0; d < dim; d++) q += (x[i * dim + d] - x[j * dim + d]) ** 2;
      return Math.exp(-q / (2 * sigma * sigma));
    }));
}

/** Points on a wavy surface in space, so that neighbours are two-dimensional as a scan's are. */
export function surface(random: Random, n: number): Float64Array {
  const out = new Float64Array(3 * n);
  for (let k = 0; k < n; k++) {
    const [u, v] = [random.next(), random.next()];
    out.set([u, v, 0.1 * Math.sin(5 * u) * Math.cos(4 * v)], 3 * k);
  }
  return out;
}

/** |b − a x| / |b| of each column, of row-major x and b [n, width]. */
export function relativeResiduals(
  a: Matrix,
  x: ArrayLike<number>,
  b: ArrayLike<number>,
): number[] {
  const n = a.length;
  const product = transposeOf(productOf(a, rowsOf(x, n)));
  return transposeOf(rowsOf(b, n)).map((column, c) => {
    const rest = column.map((value, k) => value - product[c][k]);
    const length = Math.hypot(...column);
    return length === 0 ? Math.hypot(...rest) : Math.hypot(...rest) / length;
  });
}

/** Throws unless numbers agree by the error's length relative to the wanted one's. */
export function checkClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  assert(got.length === want.length, `${what}: got ${got.length} numbers, want ${want.length}`);
  let error = 0, length = 0;
  for (let k = 0; k < want.length; k++) {
    error += (got[k] - want[k]) ** 2;
    length += want[k] ** 2;
  }
  const relative = length === 0 ? Math.sqrt(error) : Math.sqrt(error / length);
  assert(relative <= tolerance, `${what}: relative error ${relative}, want at most ${tolerance}`);
}
