// Symmetric positive definite systems: conjugate gradients on residuals that are recomputed in
// float64 until they are as small as was asked for. Enters: a matrix, right-hand sides, settings.
// Leaves: solutions with what they reached, or an error that says so.

import { PairfoldError } from "../error.ts";
import { record } from "../program/mod.ts";
import { SharedRun, Tensor } from "../tensor/mod.ts";
import { type Action, type ApplyControl, checkAborted, type Precision } from "./action.ts";
import { addColumns, columnNorms, takeColumns } from "./blocks.ts";
import { conjugateGradient } from "./conjugate_gradient.ts";
import type { Preconditioner } from "./preconditioner.ts";
import { RandomStream } from "./random.ts";
import {
  preconditionerOf,
  type Settings,
  settingsOf,
  type SolveOptions,
  type SolvePrecision,
} from "./settings.ts";

/** What the solve of one system reached. */
export interface SystemReport {
  /** Whether every right-hand side reached the tolerance. */
  readonly converged: boolean;
  /** Largest relative residual. */
  readonly residual: number;
  /**
   * True relative residuals |b − (K + alpha I) x| / |b| of each right-hand side, computed in
   * float64 from the solution; 0 for right-hand sides that are 0.
   */
  readonly residuals: Float64Array;
  /**
   * The same of the solution as it is handed over: rounded to the right-hand side's float32, it
   * misses more than before.
   */
  readonly roundedResiduals: Float64Array;
  readonly tol: number;
  /** Iterations, over all refinements. */
  readonly iterations: number;
  /** Times that a residual was recomputed and what remained solved for. */
  readonly refinements: number;
  /** Products with the matrix, by precision. */
  readonly products: Readonly<Record<Precision, number>>;
  readonly precision: SolvePrecision;
  readonly preconditioner: string;
}

/**
 * What a solve reached. With batch dims: `residuals` are [...batch, right-hand sides], row-major,
 * `iterations` and `refinements` those of the batch that took most, `products` those of all.
 */
export interface SolveReport extends SystemReport {
  /**
   * What each batch of the solution reached, row-major; one report where there are no batch dims.
   */
  readonly batches: readonly SystemReport[];
}

/** A system with its right-hand sides [n, width]. */
export interface SolveRequest {
  readonly matrix: Action;
  readonly b: Float64Array;
  readonly width: number;
  readonly settings: Settings;
  /** Type of the solution that is handed over. */
  readonly dtype: Precision;
}

/** How far corrections in float32 go before the residual is recomputed. */
const MIXED_REDUCTION = 1e-3;
/** Of the tolerance: the recurrence's residual and the true one differ a little. */
const MARGIN = 0.7;
/** A refinement that leaves more than this share of the residual does not get on. */
const STALLED = 0.5;
/** Shares of the largest curvature that rounding explains. */
const FLATNESS: Readonly<Record<Precision, number>> = { float32: 1e-5, float64: 1e-11 };
const SYMMETRY_SAMPLES = 64;

/** Holds some entries against those on the other side of the diagonal. */
async function checkSymmetric(matrix: Action, control: ApplyControl): Promise<void> {
  const { rows: n } = matrix;
  if (!matrix.hasEntries || n < 2) return;
  const random = new RandomStream(n);
  const draw = (): Int32Array =>
    Int32Array.from({ length: SYMMETRY_SAMPLES }, () => Math.floor(random.uniform() * n));
  const i = draw();
  // near ones too: far entries of kernels are often 0
  const j = draw().map((other, k) => k % 2 === 0 ? other : (i[k] + 1) % n);
  const above = await matrix.entries(i, j, control), below = await matrix.entries(j, i, control);
  const scale = above.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const bad = above.findIndex((value, k) => Math.abs(value - below[k]) > 1e-9 * scale);
  if (bad < 0) return;
  throw new PairfoldError(
    "shape",
    `solve: got entries (${i[bad]}, ${j[bad]}) = ${above[bad]} and (${j[bad]}, ${i[bad]}) = ` +
      `${below[bad]}; expected a symmetric matrix`,
  );
}

function indefinite(curvature: number, iteration: number, alpha: number): PairfoldError {
  return new PairfoldError(
    "indefinite",
    `solve: got a direction p with pᵀ (K + alpha I) p = ${curvature.toExponential(2)} |p|² in ` +
      `iteration ${iteration}, alpha ${alpha}; expected a positive definite matrix`,
  );
}

function notFinite(): PairfoldError {
  return new PairfoldError(
    "convergence",
    "solve: got a product that is not finite; expected a matrix and a right-hand side of finite " +
      "numbers, in the precision of the products",
  );
}

/** (K + alpha · I) times blocks, counted. */
class Products {
  readonly counts: Record<Precision, number> = { float32: 0, float64: 0 };
  readonly #matrix: Action;
  readonly #alpha: number;
  readonly #control: ApplyControl;

  constructor(matrix: Action, alpha: number, control: ApplyControl) {
    [this.#matrix, this.#alpha, this.#control] = [matrix, alpha, control];
  }

  async of(block: Float64Array, width: number, precision: Precision): Promise<Float64Array> {
    checkAborted("solve", this.#control);
    this.counts[precision]++;
    const out = await this.#matrix.apply(block, width, { ...this.#control, precision });
    const alpha = this.#alpha;
    if (alpha !== 0) { for (let k = 0; k < out.length; k++) out[k] += alpha * block[k]; }
    return out;
  }

  /** b − (K + alpha · I) x. */
  async residual(
    b: Float64Array,
    x: Float64Array,
    width: number,
    precision: Precision,
  ): Promise<Float64Array> {
    const out = await this.of(x, width, precision);
    for (let k = 0; k < out.length; k++) out[k] = b[k] - out[k];
    return out;
  }
}

/** Solutions [n, width], and what they reached. */
export interface Solved<Report extends SystemReport = SystemReport> {
  readonly x: Float64Array;
  readonly report: Report;
}

/** The largest of some residuals; NaN is larger than all. */
export const worstOf = (residuals: ArrayLike<number>): number =>
  Array.from(residuals).reduce((most, value) => most >= value || most !== most ? most : value, 0);

/** Solves as far as it can. Throws where the matrix is not symmetric positive definite. */
export async function solveSystem(
  request: SolveRequest,
  control: ApplyControl,
): Promise<Solved> {
  const { matrix, b, width, settings, dtype } = request;
  const { alpha, tol, maxIterations, precision } = settings;
  await checkSymmetric(matrix, control);
  const prepared = await preconditionerOf(settings.preconditioner, { matrix, alpha, control });
  const precondition: Preconditioner["apply"] = prepared === null
    ? (block) => block
    : (block, count) => prepared.apply(block, count);
  const products = new Products(matrix, alpha, control);
  const lengths = columnNorms(b, width);
  if (!lengths.every(Number.isFinite)) {
    throw new PairfoldError(
      "convergence",
      "solve: got a right-hand side that is not finite; expected finite numbers",
    );
  }
  const x = new Float64Array(b.length);
  const outer: Precision = precision === "float32" ? "float32" : "float64";
  let inner: Precision = precision === "float64" ? "float64" : "float32";
  let iterations = 0, refinements = 0;
  /** Of a float32 trial that ended by itself and was taken back: float64 has the whole limit. */
  let wasted = 0;
  // what goes on: its columns, their residuals and the lengths of those
  let columns = Array.from(lengths.keys()).filter((c) => lengths[c] > 0);
  let r = takeColumns(b, width, columns);
  let left = columns.map((c) => lengths[c]);
  const reached = lengths.map((value) => value > 0 ? 1 : 0);
  while (columns.length > 0 && iterations - wasted < maxIterations) {
    const limit = maxIterations - (iterations - wasted);
    const count = columns.length;
    // residuals of length 1, so that float32 has room below
    const scaled = r.map((value, k) => value / left[k % count]);
    const reduction = inner === "float32" && outer === "float64" ? MIXED_REDUCTION : 0;
    const targets = columns.map((c, k) => Math.max(MARGIN * tol * lengths[c] / left[k], reduction));
    const descended = await conjugateGradient({
      multiply: (block, some) => products.of(block, some, inner),
      precondition,
      residual: scaled,
      width: count,
      targets,
      maxIterations: limit,
      flatness: FLATNESS[inner],
      onIteration: (iteration, residuals) => {
        let worst = 0;
        for (const [k, value] of residuals) {
          worst = Math.max(worst, value * left[k] / lengths[columns[k]]);
        }
        settings.onProgress?.({ iteration: iterations + iteration, residual: worst });
      },
    });
    iterations += descended.iterations;
    refinements++;
    const { correction, endings, curvatures } = descended;
    const isTrial = inner !== outer;
    const negative = endings.indexOf("indefinite");
    if (negative >= 0 && !isTrial) throw indefinite(curvatures[negative], iterations, alpha);
    if (endings.includes("broken") && !isTrial) throw notFinite();
    for (let k = 0; k < correction.length; k++) correction[k] *= left[k % count];
    addColumns(x, width, columns, correction);
    const rest = await products.residual(
      takeColumns(b, width, columns),
      takeColumns(x, width, columns),
      count,
      outer,
    );
    const now = columnNorms(rest, count);
    // corrections in float32 that made matters worse are taken back
    const worse = columns.map((_, k) => isTrial && !(now[k] < left[k]));
    for (let at = 0; at < correction.length; at++) {
      if (worse[at % count]) rest[at] = r[at];
      correction[at] = worse[at % count] ? -correction[at] : 0;
    }
    if (worse.includes(true)) addColumns(x, width, columns, correction);
    const isVain = !worse.includes(false) && descended.iterations < limit;
    if (isVain) wasted += descended.iterations;
    const isDone = (k: number): boolean => now[k] <= tol * lengths[columns[k]];
    const isStalled = (k: number): boolean => !(now[k] < STALLED * left[k]) && !isDone(k);
    const stalled = columns.some((_, k) => isStalled(k));
    if (stalled && isTrial) inner = "float64";
    columns.forEach((c, k) => reached[c] = (worse[k] ? left[k] : now[k]) / lengths[c]);
    const kept = columns.flatMap((_, k) => isDone(k) || (!isTrial && isStalled(k)) ? [] : [k]);
    r = takeColumns(rest, count, kept);
    left = kept.map((k) => worse[k] ? left[k] : now[k]);
    columns = kept.map((k) => columns[k]);
  }
  const handed = dtype === "float64" ? x : Float64Array.from(Float32Array.from(x));
  let [residuals, roundedResiduals] = [reached, reached];
  if (dtype === "float32") {
    const rest = await products.residual(b, handed, width, "float64");
    roundedResiduals = columnNorms(rest, width).map((v, c) =>
      lengths[c] === 0 ? v : v / lengths[c]
    );
    if (precision === "float32") residuals = roundedResiduals;
  }
  const report: SystemReport = {
    converged: residuals.every((value) => value <= tol),
    residual: worstOf(residuals),
    residuals,
    roundedResiduals,
    tol,
    iterations,
    refinements,
    products: products.counts,
    precision,
    preconditioner: prepared?.name ?? "none",
  };
  return { x: handed, report };
}

/**
 * A solution that is computed once it is read: the tensor, and what was reached. Reading either
 * rejects with `PairfoldError`: `convergence` where the tolerance was not reached (unless
 * `allowUnconverged`), `indefinite` where the matrix is not positive definite.
 */
export class Solution {
  /** The solution, of the right-hand side's shape; deferred. */
  readonly x: Tensor;
  readonly #join: (control: ApplyControl) => Promise<Solved<SolveReport>>;

  /** Use `solve`. */
  constructor(x: Tensor, join: (control: ApplyControl) => Promise<Solved<SolveReport>>) {
    this.x = x;
    this.#join = join;
  }

  /** Residuals, iterations and products. */
  async report(options: Pick<ApplyControl, "signal"> = {}): Promise<SolveReport> {
    return (await this.#join(options)).report;
  }

  /** The same with its solution in another shape. */
  reshaped(shape: readonly number[]): Solution {
    return new Solution(this.x.reshape(shape), this.#join);
  }
}

/** A relative residual for people. */
const scientific = (value: number): string => value.toExponential(2);

/** The error of a system that did not reach its tolerance. */
export function unconverged(report: SystemReport, batch = ""): PairfoldError {
  const { residuals, tol, iterations, precision } = report;
  const bad = residuals.findIndex((value) => !(value <= tol));
  const side = residuals.length === 1 ? "" : ` for right-hand side ${bad} of ${residuals.length}`;
  const which = batch === "" ? side : `${side} in ${batch}`;
  const hint = precision === "float32"
    ? `precision "mixed" reaches what float32 alone does not`
    : `a preconditioner such as "vecchia", a larger alpha, or more maxIterations may help`;
  return new PairfoldError(
    "convergence",
    `solve: got a relative residual of ${scientific(residuals[bad])} after ${iterations} ` +
      `iterations${which}; expected at most ${tol} (${hint}; allowUnconverged hands over what was ` +
      "reached)",
  );
}

/** A solve that runs once its solution or its report is read. */
export interface Deferred {
  readonly shape: readonly number[];
  readonly dtype: Precision;
  readonly b: Tensor;
  readonly options: SolveOptions;
  /** Solves for the numbers of b. */
  readonly solve: (b: Float64Array, control: ApplyControl) => Promise<Solved<SolveReport>>;
  readonly explain: () => string;
}

/** The solution of a deferred solve, whose run all its readers share. */
export function deferredSolution(
  { shape, dtype, b, options: { signal }, solve, explain }: Deferred,
): Solution {
  let running: SharedRun<Solved<SolveReport>> | null = null;
  const start = (): SharedRun<Solved<SolveReport>> =>
    new SharedRun(async (shared) => {
      const signals = [signal, shared.signal].flatMap((one) => one === undefined ? [] : [one]);
      const control = { signal: AbortSignal.any(signals) };
      return await solve(Float64Array.from(await b.resolve(control)), control);
    });
  const join = (control: ApplyControl): Promise<Solved<SolveReport>> => {
    if (running === null || running.isLost) running = start();
    return running.join({ signal: control.signal });
  };
  const x = new Tensor(shape, dtype, {
    resolve: async (control) => {
      const solved = await join(control);
      return dtype === "float32" ? Float32Array.from(solved.x) : solved.x.slice();
    },
    explain,
  });
  return new Solution(x, join);
}

/**
 * The solution of (matrix + alpha · I) x = b, for a symmetric positive definite matrix and b of
 * shape [n] or [n, width], of a float type; the solution has its shape and `dtype`.
 */
export function solveAction(
  matrix: Action,
  b: Tensor,
  dtype: Precision,
  options: SolveOptions,
): Solution {
  const settings = settingsOf(matrix.rows, options);
  const width = b.shape[1] ?? 1;
  const type = settings.precision === "float32" ? "float32" : dtype;
  const solution = deferredSolution({
    shape: b.shape,
    dtype: type,
    b,
    options,
    solve: async (numbers, control) => {
      const request = { matrix, b: numbers, width, settings, dtype: type };
      const { x, report } = await solveSystem(request, control);
      if (!report.converged && !settings.allowUnconverged) throw unconverged(report);
      return { x, report: { ...report, batches: [report] } };
    },
    explain: () =>
      `conjugate gradients for (${matrix.describe()}) + ${settings.alpha} · identity, ` +
      `${width} right-hand sides, precision ${settings.precision}, tol ${settings.tol}`,
  });
  // the matrix is symmetric and constant: derivatives by b are solves too
  const again = (other: Tensor): Tensor =>
    solveAction(matrix, other.astype(dtype), dtype, options).x.astype(b.dtype);
  record([b], [solution.x], () => ({
    vjp: ([g]) => [g === null ? null : again(g)],
    jvp: ([t]) => [t === null ? null : again(t).astype(type)],
  }));
  return solution;
}
