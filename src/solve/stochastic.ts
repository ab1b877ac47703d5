// Traces and log-determinants from random probes. Enters: products with a square matrix, a seed.
// Leaves: estimates with their standard errors.

import { PairfoldError } from "../error.ts";
import { type Action, type ApplyControl, checkAborted, type Precision } from "./action.ts";
import { columnDots } from "./blocks.ts";
import { RandomStream } from "./random.ts";
import { inRange, type PreconditionerChoice, preconditionerOf } from "./settings.ts";
import { tridiagonalEigen } from "./small.ts";

/** Options of {@linkcode LinearOperator.trace}. */
export interface TraceOptions {
  /**
   * Random vectors; default 32. The standard error falls with the root of their number. As many as
   * rows, or more: the unit vectors instead, which leave nothing to chance.
   */
  readonly probes?: number;
  /** Seed of the probes; default 0. */
  readonly seed?: number;
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
}

/** Options of {@linkcode LinearOperator.logDeterminant}. */
export interface LogDeterminantOptions extends TraceOptions {
  /** Added to the diagonal; default 0. */
  readonly alpha?: number;
  /** Lanczos steps at most, one product each for all probes of a group; default 100. */
  readonly steps?: number;
  /** Steps end once a probe's quadrature moves by less than this share; default 1e-6. */
  readonly tol?: number;
  /**
   * One with a factor ("jacobi", "blockJacobi", "vecchia"): its own log-determinant is exact, and
   * only that of what is left is estimated, in fewer steps and with a far smaller standard error.
   */
  readonly preconditioner?: PreconditionerChoice;
}

/** An estimate from random probes. */
export interface Estimate {
  readonly value: number;
  /**
   * Standard deviation of the value over seeds, estimated from the probes; NaN for one probe, 0 for
   * as many as rows.
   */
  readonly standardError: number;
  readonly probes: number;
}

/** An estimated log-determinant. */
export interface LogDeterminant extends Estimate {
  /** Lanczos steps that the slowest probe took. */
  readonly steps: number;
  /**
   * Largest relative change of a probe's quadrature in its last step, an indication of the bias
   * that the standard error does not see.
   */
  readonly change: number;
}

/** Numbers that the bases of a group of probes may take: 256 MiB. */
const GROUP_NUMBERS = 2 ** 25;
const MAX_GROUP = 16;

/** Vectors z with mean zᵀ A z = tr A, block by block. */
export class Probes {
  readonly #n: number;
  readonly #random: RandomStream;
  /** Whether they are √n times the unit vectors, not random ones of −1 and 1. */
  readonly isExact: boolean;
  /** How many they are. */
  readonly count: number;
  #taken = 0;

  /** So many probes of length n. Throws `PairfoldError` (shape) for a number below 1. */
  constructor(op: string, n: number, { probes = 32, seed = 0 }: TraceOptions) {
    inRange(`${op}: got probes`, probes, 1, Infinity, true);
    this.#n = n;
    this.#random = new RandomStream(seed);
    this.isExact = n > 0 && probes >= n;
    this.count = this.isExact ? n : probes;
  }

  /** How many are left. */
  get left(): number {
    return this.count - this.#taken;
  }

  /** The next `width` of them, [n, width]. */
  next(width: number): Float64Array {
    const from = this.#taken, n = this.#n;
    this.#taken += width;
    if (!this.isExact) return Float64Array.from({ length: n * width }, () => this.#random.sign());
    const block = new Float64Array(n * width);
    for (let k = 0; k < width; k++) block[(from + k) * width + k] = Math.sqrt(n);
    return block;
  }

  /** What their samples say. */
  estimate(samples: readonly number[]): Estimate {
    const { length } = samples;
    const value = samples.reduce((sum, sample) => sum + sample, 0) / length;
    if (this.isExact) return { value, standardError: 0, probes: length };
    const squares = samples.reduce((sum, sample) => sum + (sample - value) ** 2, 0);
    return { value, standardError: Math.sqrt(squares / (length - 1) / length), probes: length };
  }
}

/** Trace by probes zᵀ A z of random signs (Hutchinson 1989). */
export async function hutchinsonTrace(matrix: Action, options: TraceOptions): Promise<Estimate> {
  const { precision, signal } = options;
  const probes = new Probes("trace", matrix.rows, options);
  const samples: number[] = [];
  while (probes.left > 0) {
    const width = Math.min(MAX_GROUP, probes.left);
    const block = probes.next(width);
    checkAborted("trace", { signal });
    const product = await matrix.apply(block, width, { precision, signal });
    samples.push(...columnDots(block, product, width));
  }
  return probes.estimate(samples);
}

/** Products with the matrix whose log-determinant is estimated. */
type Multiply = (block: Float64Array, width: number) => Promise<Float64Array>;

/**
 * log det(matrix + alpha · I) by stochastic Lanczos quadrature (Ubaru, Chen and Saad 2017): for
 * each probe z, zᵀ log(A) z ≈ |z|² Σ_k τ_k² log θ_k with the eigenpairs of its tridiagonal matrix.
 * With a preconditioner P = F Fᵀ, log det A = log det(Fᵀ A F) − log det P.
 */
export async function stochasticLogDeterminant(
  matrix: Action,
  options: LogDeterminantOptions,
): Promise<LogDeterminant> {
  const n = matrix.rows;
  const { alpha = 0, steps = 100, tol = 1e-6, precision, signal } = options;
  const probes = new Probes("logDeterminant", n, options);
  inRange("logDeterminant: got steps", steps, 1, Infinity, true);
  inRange("logDeterminant: got alpha", alpha, -Number.MAX_VALUE, Number.MAX_VALUE);
  const control: ApplyControl = { precision, signal };
  const choice = options.preconditioner ?? "none";
  const prepared = await preconditionerOf(choice, { matrix, alpha, control: { signal } });
  const factor = prepared?.factor;
  if (prepared !== null && factor === undefined) {
    throw new PairfoldError(
      "shape",
      `logDeterminant: got the preconditioner ${prepared.name}, which has no factor; expected ` +
        `"jacobi", "blockJacobi", "vecchia" or "none"`,
    );
  }
  const multiply: Multiply = async (block, width) => {
    checkAborted("logDeterminant", control);
    const inner = factor?.apply(block, width) ?? block;
    const out = await matrix.apply(inner, width, control);
    if (alpha !== 0) { for (let k = 0; k < out.length; k++) out[k] += alpha * inner[k]; }
    return factor?.applyTransposed(out, width) ?? out;
  };
  const limit = Math.min(steps, n);
  const group = Math.max(1, Math.min(MAX_GROUP, Math.floor(GROUP_NUMBERS / (n * limit))));
  const samples: number[] = [];
  let taken = 0, change = 0;
  while (probes.left > 0) {
    const width = Math.min(group, probes.left);
    const found = await quadratures(multiply, probes.next(width), width, limit, tol);
    samples.push(...found.map((one) => one.value));
    for (const one of found) {
      taken = Math.max(taken, one.steps);
      change = Math.max(change, one.change);
    }
  }
  const estimate = probes.estimate(samples);
  const own = factor?.logDeterminant ?? 0;
  return { ...estimate, value: estimate.value - own, steps: taken, change };
}

/** zᵀ log(A) z of one probe. */
interface Quadrature {
  readonly value: number;
  readonly steps: number;
  readonly change: number;
}

/** Steps between looks at the quadrature. */
const CHECK_EVERY = 4;

/** Lanczos for each column of a block, all in one product, fully reorthogonalised. */
async function quadratures(
  multiply: Multiply,
  start: Float64Array,
  width: number,
  limit: number,
  tol: number,
): Promise<Quadrature[]> {
  const n = start.length / width;
  const root = Math.sqrt(n);
  let v = start.map((value) => value / root);
  const basis: Float64Array[] = [];
  const diagonals = Array.from({ length: width }, (): number[] => []);
  const offDiagonals = Array.from({ length: width }, (): number[] => []);
  const found: (Quadrature | null)[] = new Array<Quadrature | null>(width).fill(null);
  const last = new Array<number>(width).fill(NaN);
  for (let step = 1; found.includes(null); step++) {
    basis.push(v);
    const w = (await multiply(v, width)).slice();
    const alphas = columnDots(v, w, width), scales = columnDots(w, w, width).map(Math.sqrt);
    for (let round = 0; round < 2; round++) {
      for (const earlier of basis) {
        const parts = columnDots(earlier, w, width);
        for (let k = 0; k < w.length; k++) w[k] -= parts[k % width] * earlier[k];
      }
    }
    const betas = columnDots(w, w, width).map(Math.sqrt);
    for (let c = 0; c < width; c++) {
      if (found[c] !== null) continue;
      diagonals[c].push(alphas[c]);
      offDiagonals[c].push(betas[c]);
      const isInvariant = !(betas[c] > 1e-13 * scales[c]);
      const isLast = step >= limit || isInvariant;
      if (!isLast && step % CHECK_EVERY !== 0) continue;
      const value = n * logQuadrature(diagonals[c], offDiagonals[c]);
      const moved = Math.abs(value - last[c]) / Math.max(Math.abs(value), Number.MIN_VALUE);
      const change = isInvariant || step >= n ? 0 : moved;
      last[c] = value;
      if (isLast || change <= tol) {
        found[c] = { value, steps: step, change: Number.isNaN(change) ? Infinity : change };
      }
    }
    // ended columns stand still
    v = w.map((value, k) => found[k % width] === null ? value / betas[k % width] : 0);
  }
  return found.flatMap((one) => one === null ? [] : [one]);
}

/** Σ τ² log θ over the eigenpairs of a tridiagonal matrix. */
function logQuadrature(diagonal: readonly number[], offDiagonal: readonly number[]): number {
  const m = diagonal.length;
  const first = new Float64Array(m);
  first[0] = 1;
  const { values, vectors } = tridiagonalEigen(
    Float64Array.from(diagonal),
    Float64Array.from(offDiagonal.slice(0, m - 1)),
    first,
  );
  if (!(values[0] > 0)) {
    throw new PairfoldError(
      "indefinite",
      `logDeterminant: got a matrix with the Ritz value ${
        values[0].toExponential(2)
      }; expected a ` +
        "positive definite one (alpha included)",
    );
  }
  return values.reduce((sum, value, k) => sum + vectors[k] * vectors[k] * Math.log(value), 0);
}
