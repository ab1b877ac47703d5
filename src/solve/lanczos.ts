// Lanczos' method with full reorthogonalisation. Enters: products with a symmetric matrix, a start.
// Leaves: an orthonormal basis in which the matrix is tridiagonal, extreme eigenpairs.

import { PairfoldError } from "../error.ts";
import { type Action, type ApplyControl, checkAborted, type Precision } from "./action.ts";
import { dot, norm } from "./blocks.ts";
import { RandomStream } from "./random.ts";
import { inRange } from "./settings.ts";
import { identity, tridiagonalEigen } from "./small.ts";

/** Options of {@linkcode LinearOperator.eigsh}. */
export interface EigenOptions {
  /** Eigenpairs wanted; default 6. */
  readonly k?: number;
  /** From which end of the spectrum; default "largest". (SciPy's "LA" and "SA".) */
  readonly which?: "largest" | "smallest";
  /** Largest residual |A v − λ v| as a share of the largest |λ| met; default 1e-8. */
  readonly tol?: number;
  /** Steps at most, one product each; default what n allows, at most 1000. */
  readonly maxIterations?: number;
  readonly precision?: Precision;
  /** Seed of the start; default 0. */
  readonly seed?: number;
  /** Hands over pairs that did not reach `tol`; default false. */
  readonly allowUnconverged?: boolean;
  readonly signal?: AbortSignal;
}

/** Eigenpairs, the wanted end of the spectrum first. */
export interface EigenResult {
  readonly values: Float64Array;
  /** [n, k], row-major: vector c is column c, of length 1. */
  readonly vectors: Float64Array;
  /** |A v − λ v| of each pair. */
  readonly residuals: Float64Array;
  readonly iterations: number;
  readonly converged: boolean;
}

/** An orthonormal basis that grows by products, and the matrix in it. */
export class LanczosBasis {
  readonly vectors: Float64Array[] = [];
  readonly diagonal: number[] = [];
  readonly offDiagonal: number[] = [];
  /** Whether a new start had to be drawn: the basis before is an invariant subspace. */
  isExhausted = false;
  #next: Float64Array | null;
  readonly #random: RandomStream;

  constructor(start: Float64Array, random: RandomStream) {
    const length = norm(start);
    this.#next = start.map((value) => value / length);
    this.#random = random;
  }

  /** The vector to multiply next; null once the basis spans all. */
  get next(): Float64Array | null {
    return this.#next;
  }

  /** Takes the product of `next` and finds the following vector. */
  extend(product: Float64Array): void {
    const own = this.#next;
    if (own === null) throw new PairfoldError("internal", "Lanczos: the basis is complete");
    const { vectors } = this;
    vectors.push(own);
    const alpha = dot(own, product);
    const scale = norm(product);
    if (!Number.isFinite(scale)) {
      throw new PairfoldError(
        "convergence",
        "eigsh: got a product that is not finite; expected a matrix of finite numbers",
      );
    }
    this.diagonal.push(alpha);
    const rest = orthogonal(product.slice(), vectors);
    let beta = norm(rest);
    this.#next = null;
    if (vectors.length === own.length) return void this.offDiagonal.push(0);
    if (beta > 1e-13 * scale) {
      this.#next = rest.map((value) => value / beta);
    } else {
      // an invariant subspace: go on in its complement, for eigenvalues met once too little
      beta = 0;
      this.isExhausted = true;
      for (let attempt = 0; attempt < 5 && this.#next === null; attempt++) {
        const drawn = orthogonal(own.map(() => this.#random.normal()), vectors);
        const length = norm(drawn);
        if (length > 1e-8) this.#next = drawn.map((value) => value / length);
      }
    }
    this.offDiagonal.push(beta);
  }
}

/** Takes the parts along orthonormal vectors away, twice (Kahan: twice is enough). */
export function orthogonal(x: Float64Array, basis: readonly Float64Array[]): Float64Array {
  for (let round = 0; round < 2; round++) {
    for (const v of basis) {
      const part = dot(x, v);
      for (let k = 0; k < x.length; k++) x[k] -= part * v[k];
    }
  }
  return x;
}

/** Steps between looks at the residuals. */
const CHECK_EVERY = 5;
const MAX_STEPS = 1000;

/** Extreme eigenpairs of a symmetric matrix. */
export async function lanczosEigen(matrix: Action, options: EigenOptions): Promise<EigenResult> {
  const n = matrix.rows;
  const {
    which = "largest",
    tol = 1e-8,
    maxIterations = MAX_STEPS,
    precision = "float64",
    seed = 0,
    allowUnconverged = false,
    signal,
  } = options;
  const k = inRange("eigsh: got k", options.k ?? Math.min(6, n), 1, n, true);
  inRange("eigsh: got tol", tol, 0, Infinity);
  inRange("eigsh: got maxIterations", maxIterations, k, Infinity);
  inRange("eigsh: got seed", seed, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, true);
  if (which !== "largest" && which !== "smallest") {
    throw new PairfoldError(
      "shape",
      `eigsh: got which ${String(which)}; expected "largest" or "smallest"`,
    );
  }
  const control: ApplyControl = { precision, signal };
  const random = new RandomStream(seed);
  const basis = new LanczosBasis(Float64Array.from({ length: n }, () => random.normal()), random);
  const limit = Math.min(n, Math.floor(maxIterations));
  for (;;) {
    const { next } = basis;
    if (next !== null && basis.vectors.length < limit) {
      checkAborted("eigsh", control);
      basis.extend(await matrix.apply(next, 1, control));
    }
    const m = basis.vectors.length;
    const isLast = basis.next === null || m >= limit;
    if (m < k || (m % CHECK_EVERY !== 0 && !isLast)) continue;
    const pairs = tridiagonalEigen(
      Float64Array.from(basis.diagonal),
      Float64Array.from(basis.offDiagonal.slice(0, m - 1)),
      identity(m),
    );
    const chosen = Array.from({ length: k }, (_, c) => which === "largest" ? m - 1 - c : c);
    const beta = basis.offDiagonal[m - 1];
    const spread = Math.max(...pairs.values.map(Math.abs), Number.MIN_VALUE);
    const estimates = chosen.map((c) => Math.abs(beta * pairs.vectors[(m - 1) * m + c]));
    const isGood = estimates.every((value) => value <= tol * spread);
    if (!isLast && (!isGood || basis.isExhausted && m < Math.min(n, 2 * k))) continue;
    if (!isGood && !allowUnconverged) {
      const worst = Math.max(...estimates) / spread;
      throw new PairfoldError(
        "convergence",
        `eigsh: got a residual of ${worst.toExponential(2)} of the largest eigenvalue after ${m} ` +
          `steps; expected at most ${tol} (more maxIterations, or lobpcg with a preconditioner for ` +
          "the smallest)",
      );
    }
    const vectors = new Float64Array(n * k);
    chosen.forEach((from, c) => {
      basis.vectors.forEach((v, step) => {
        const part = pairs.vectors[step * m + from];
        for (let row = 0; row < n; row++) vectors[row * k + c] += part * v[row];
      });
    });
    return {
      values: Float64Array.from(chosen, (c) => pairs.values[c]),
      vectors,
      residuals: Float64Array.from(estimates),
      iterations: m,
      converged: isGood,
    };
  }
}
