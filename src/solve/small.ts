// Small dense linear algebra on the host, float64, row-major: Cholesky factors with their
// triangular solves, eigenpairs of symmetric and of tridiagonal matrices. Enters: matrices of a few
// hundred rows. Leaves: factors and eigenpairs, eigenvalues ascending.

import { PairfoldError } from "../error.ts";

/**
 * Overwrites the lower triangle of a symmetric matrix [n, n] by its Cholesky factor L, A = L Lᵀ.
 * The strict upper triangle is neither read nor written. Gives the row where a pivot was not above
 * `floor`, and −1 where all were.
 */
export function cholesky(a: Float64Array, n: number, floor = 0): number {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j <= i; j++) {
      const other = j * n;
      let sum = a[row + j];
      for (let k = 0; k < j; k++) sum -= a[row + k] * a[other + k];
      if (i !== j) a[row + j] = sum / a[other + j];
      else if (sum > floor) a[row + i] = Math.sqrt(sum);
      else return i;
    }
  }
  return -1;
}

/** Overwrites a block [n, width], whose first row is `from`, by L⁻¹ times it. */
export function solveLower(
  l: Float64Array,
  n: number,
  block: Float64Array,
  width: number,
  from = 0,
): void {
  for (let i = 0; i < n; i++) {
    const own = (from + i) * width;
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k], other = (from + k) * width;
      for (let c = 0; c < width; c++) block[own + c] -= factor * block[other + c];
    }
    const scale = 1 / l[i * n + i];
    for (let c = 0; c < width; c++) block[own + c] *= scale;
  }
}

/** Overwrites a block [n, width], whose first row is `from`, by L⁻ᵀ times it. */
export function solveLowerTransposed(
  l: Float64Array,
  n: number,
  block: Float64Array,
  width: number,
  from = 0,
): void {
  for (let i = n - 1; i >= 0; i--) {
    const own = (from + i) * width;
    const scale = 1 / l[i * n + i];
    for (let c = 0; c < width; c++) block[own + c] *= scale;
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k], other = (from + k) * width;
      for (let c = 0; c < width; c++) block[other + c] -= factor * block[own + c];
    }
  }
}

/** Eigenvalues, ascending, and their vectors: vector k is the column k of [n, n], row-major. */
export interface Eigenpairs {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/** QL sweeps per eigenvalue; two or three are usual. */
const MAX_SWEEPS = 60;

/**
 * Eigenpairs of a symmetric tridiagonal matrix by QL with implicit shifts (EISPACK's tql2). `basis`
 * [rows, n] is turned along: the identity gives the eigenvectors, one row of it their components.
 */
export function tridiagonalEigen(
  diagonal: Float64Array,
  offDiagonal: Float64Array,
  basis: Float64Array,
): Eigenpairs {
  const n = diagonal.length;
  const rows = n === 0 ? 0 : basis.length / n;
  const d = diagonal.slice();
  const e = new Float64Array(n);
  e.set(offDiagonal.subarray(0, Math.max(0, n - 1)));
  const z = basis.slice();
  for (let l = 0; l < n; l++) {
    for (let sweep = 0;; sweep++) {
      let m = l;
      while (m < n - 1) {
        if (Math.abs(e[m]) <= Number.EPSILON * (Math.abs(d[m]) + Math.abs(d[m + 1]))) break;
        m++;
      }
      if (m === l) break;
      if (sweep === MAX_SWEEPS || Number.isNaN(d[l])) {
        throw new PairfoldError(
          "convergence",
          `eigenvalues of a tridiagonal matrix [${n}, ${n}]: got no convergence after ${sweep} ` +
            "sweeps; expected finite entries",
        );
      }
      let g = (d[l + 1] - d[l]) / (2 * e[l]);
      g = d[m] - d[l] + e[l] / (g + (g < 0 ? -1 : 1) * Math.hypot(g, 1));
      let s = 1, c = 1, p = 0;
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i], b = c * e[i];
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const t = (d[i] - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        for (let row = 0; row < rows; row++) {
          const at = row * n + i, next = z[at + 1];
          z[at + 1] = s * z[at] + c * next;
          z[at] = c * z[at] - s * next;
        }
      }
      if (i >= l) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return sorted(d, z, rows);
}

/** Eigenpairs in ascending order. */
function sorted(values: Float64Array, vectors: Float64Array, rows: number): Eigenpairs {
  const n = values.length;
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const out = new Float64Array(rows * n);
  for (let row = 0; row < rows; row++) {
    order.forEach((from, to) => out[row * n + to] = vectors[row * n + from]);
  }
  return { values: Float64Array.from(order, (k) => values[k]), vectors: out };
}

/** The identity [n, n]. */
export function identity(n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) out[i * n + i] = 1;
  return out;
}

/**
 * Eigenpairs of a symmetric matrix [n, n]: Householder's reduction to tridiagonal form (Golub & Van
 * Loan, 8.3.1), then QL.
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigenpairs {
  const a = matrix.slice();
  const q = identity(n);
  const v = new Float64Array(n), w = new Float64Array(n);
  for (let k = 0; k < n - 2; k++) {
    // the reflection I − 2 v vᵀ / vᵀv that takes column k below the diagonal to its first entry
    let norm = 0;
    for (let i = k + 1; i < n; i++) norm = Math.hypot(norm, v[i] = a[i * n + k]);
    if (norm === 0) continue;
    v[k + 1] += v[k + 1] < 0 ? -norm : norm;
    let squared = 0;
    for (let i = k + 1; i < n; i++) squared += v[i] * v[i];
    if (squared === 0) continue;
    reflect(a, q, v, w, k + 1, n, 2 / squared);
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]);
  const offDiagonal = Float64Array.from(
    { length: n },
    (_, i) => i + 1 < n ? a[(i + 1) * n + i] : 0,
  );
  return tridiagonalEigen(diagonal, offDiagonal, q);
}

/** a = H a H and q = q H for H = I − scale · v vᵀ, where v is 0 before `from`. */
function reflect(
  a: Float64Array,
  q: Float64Array,
  v: Float64Array,
  w: Float64Array,
  from: number,
  n: number,
  scale: number,
): void {
  for (let i = 0; i < n; i++) {
    let own = 0, turned = 0;
    for (let j = from; j < n; j++) {
      own += a[i * n + j] * v[j];
      turned += q[i * n + j] * v[j];
    }
    w[i] = scale * own;
    for (let j = from; j < n; j++) q[i * n + j] -= scale * turned * v[j];
  }
  let vw = 0;
  for (let i = from; i < n; i++) vw += v[i] * w[i];
  for (let i = 0; i < n; i++) if (i >= from) w[i] -= 0.5 * scale * vw * v[i];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const vi = i < from ? 0 : v[i], vj = j < from ? 0 : v[j];
      a[i * n + j] -= vi * w[j] + w[i] * vj;
    }
  }
}
