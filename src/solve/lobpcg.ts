// Extreme eigenpairs by LOBPCG. Enters: products with a symmetric matrix, an approximate inverse, a
// block of starts. Leaves: as many eigenpairs, multiple eigenvalues included.

import { PairfoldError } from "../error.ts";
import { type Action, type ApplyControl, checkAborted } from "./action.ts";
import { dot, norm } from "./blocks.ts";
import type { EigenOptions, EigenResult } from "./lanczos.ts";
import { RandomStream } from "./random.ts";
import { inRange, type PreconditionerChoice, preconditionerOf } from "./settings.ts";
import { symmetricEigen } from "./small.ts";

/** Options of {@linkcode LinearOperator.lobpcg}. */
export interface LobpcgOptions extends EigenOptions {
  /** An approximate inverse, for the smallest eigenvalues; default "none". */
  readonly preconditioner?: PreconditionerChoice;
  /** The preconditioner is made for the matrix with this on its diagonal; default 0. */
  readonly alpha?: number;
}

type Vectors = Float64Array[];

const MAX_ITERATIONS = 500;
/** A direction that keeps less of its length off the others is none. */
const DEPENDENT = 1e-10;

/** Columns of a row-major block, and back. */
function split(block: Float64Array, width: number): Vectors {
  return Array.from(
    { length: width },
    (_, c) =>
      Float64Array.from({ length: block.length / width }, (_, row) => block[row * width + c]),
  );
}

function joined(vectors: Vectors, n: number): Float64Array {
  const width = vectors.length;
  const out = new Float64Array(n * width);
  vectors.forEach((v, c) => v.forEach((value, row) => out[row * width + c] = value));
  return out;
}

/** Σ_s coefficients[s · stride + column] · vectors[s]. */
function combination(
  vectors: Vectors,
  coefficients: Float64Array,
  stride: number,
  column: number,
  from = 0,
): Float64Array {
  const out = new Float64Array(vectors[0].length);
  for (let s = from; s < vectors.length; s++) {
    const factor = coefficients[s * stride + column];
    if (factor !== 0) { for (let k = 0; k < out.length; k++) out[k] += factor * vectors[s][k]; }
  }
  return out;
}

/**
 * Appends to an orthonormal basis what a vector adds, twice orthogonalised, with its product
 * carried along if there is one.
 */
function append(basis: Vectors, products: Vectors, v: Float64Array, av: Float64Array | null): void {
  const x = v.slice(), ax = av?.slice() ?? null;
  const before = norm(x);
  if (!(before > 0)) return;
  for (let round = 0; round < 2; round++) {
    basis.forEach((b, s) => {
      const part = dot(x, b);
      for (let k = 0; k < x.length; k++) x[k] -= part * b[k];
      if (ax !== null) { for (let k = 0; k < x.length; k++) ax[k] -= part * products[s][k]; }
    });
  }
  const length = norm(x);
  if (!(length > DEPENDENT * before)) return;
  basis.push(x.map((value) => value / length));
  if (ax !== null) products.push(ax.map((value) => value / length));
}

/**
 * Locally optimal block preconditioned conjugate gradients (Knyazev 2001): each step minimises (or
 * maximises) Rayleigh's quotient over the span of the pairs, their preconditioned residuals and the
 * last directions, which is kept orthonormal.
 */
export async function lobpcgEigen(matrix: Action, options: LobpcgOptions): Promise<EigenResult> {
  const n = matrix.rows;
  const {
    which = "largest",
    tol = 1e-8,
    maxIterations = MAX_ITERATIONS,
    precision = "float64",
    seed = 0,
    alpha = 0,
    preconditioner = "none",
    allowUnconverged = false,
    signal,
  } = options;
  const k = inRange("lobpcg: got k", options.k ?? Math.min(6, n), 1, n, true);
  inRange("lobpcg: got tol", tol, 0, Infinity);
  const control: ApplyControl = { precision, signal };
  const prepared = await preconditionerOf(preconditioner, { matrix, alpha, control: { signal } });
  const random = new RandomStream(seed);
  const multiplied = async (vectors: Vectors): Promise<Vectors> => {
    checkAborted("lobpcg", control);
    const { length } = vectors;
    return length === 0
      ? []
      : split(await matrix.apply(joined(vectors, n), length, control), length);
  };
  let basis: Vectors = [];
  while (basis.length < k) {
    append(basis, [], Float64Array.from({ length: n }, () => random.normal()), null);
  }
  let products = await multiplied(basis);
  let directions: Vectors = [], directionProducts: Vectors = [];
  for (let iteration = 0;; iteration++) {
    // Rayleigh and Ritz
    const m = basis.length;
    const gram = new Float64Array(m * m);
    for (let a = 0; a < m; a++) {
      for (let b = 0; b <= a; b++) {
        const value = (dot(basis[a], products[b]) + dot(basis[b], products[a])) / 2;
        gram[a * m + b] = gram[b * m + a] = value;
      }
    }
    if (!gram.every(Number.isFinite)) {
      throw new PairfoldError(
        "convergence",
        "lobpcg: got a product that is not finite; expected a matrix of finite numbers",
      );
    }
    const pairs = symmetricEigen(gram, m);
    const chosen = Array.from({ length: k }, (_, c) => which === "largest" ? m - 1 - c : c);
    const values = Float64Array.from(chosen, (c) => pairs.values[c]);
    const vectors = chosen.map((c) => combination(basis, pairs.vectors, m, c));
    const images = chosen.map((c) => combination(products, pairs.vectors, m, c));
    if (m > k) {
      directions = chosen.map((c) => combination(basis, pairs.vectors, m, c, k));
      directionProducts = chosen.map((c) => combination(products, pairs.vectors, m, c, k));
    }
    const spread = Math.max(...pairs.values.map(Math.abs), Number.MIN_VALUE);
    const rests = vectors.map((v, c) => images[c].map((value, row) => value - values[c] * v[row]));
    const residuals = Float64Array.from(rests, norm);
    const isOpen = (c: number): boolean => residuals[c] > tol * spread;
    const open = rests.filter((_, c) => isOpen(c));
    if (open.length === 0 || iteration >= maxIterations || m === n) {
      if (open.length > 0 && m < n && !allowUnconverged) {
        const worst = Math.max(...residuals) / spread;
        throw new PairfoldError(
          "convergence",
          `lobpcg: got a residual of ${worst.toExponential(2)} of the largest eigenvalue after ` +
            `${iteration} iterations; expected at most ${tol} (more maxIterations or a ` +
            "preconditioner may help)",
        );
      }
      const converged = open.length === 0 || m === n;
      const block = joined(vectors, n);
      return { values, vectors: block, residuals, iterations: iteration, converged };
    }
    const searched = prepared === null
      ? open
      : split(await prepared.apply(joined(open, n), open.length), open.length);
    // [X, P] with products at hand, then what the residuals add
    [basis, products] = [[], []];
    vectors.forEach((v, c) => append(basis, products, v, images[c]));
    while (basis.length < k) {
      // pairs that fell together: a fresh start keeps their number
      const drawn = Float64Array.from({ length: n }, () => random.normal());
      const [image] = await multiplied([drawn]);
      append(basis, products, drawn, image);
    }
    directions.forEach((v, c) => append(basis, products, v, directionProducts[c]));
    const known = basis.length;
    for (const v of searched) {
      if (basis.length < n) append(basis, products, v, null);
    }
    products.push(...await multiplied(basis.slice(known)));
  }
}
