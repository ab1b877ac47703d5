// Conjugate gradients with a preconditioner, for several right-hand sides. Enters: products with a
// symmetric positive definite matrix and with an approximate inverse, residuals. Leaves:
// corrections that reduce them, and why each column ended.

import { PairfoldError } from "../error.ts";
import { addColumns, addScaled, columnDots, combine, takeColumns } from "./blocks.ts";

/** Why a column ended: target, limit, negative or no curvature, a product that is not finite. */
export type Ending = "converged" | "limit" | "indefinite" | "flat" | "broken";

/** What is to be solved. */
export interface Descent {
  multiply(block: Float64Array, width: number): Promise<Float64Array>;
  precondition(block: Float64Array, width: number): Float64Array | Promise<Float64Array>;
  /** [n, width]: what remains of the right-hand sides. */
  readonly residual: Float64Array;
  readonly width: number;
  /** Lengths below which each column's residual has to come. */
  readonly targets: ArrayLike<number>;
  readonly maxIterations: number;
  /** Curvature below −this, as a share of the largest that was met, is negative. */
  readonly flatness: number;
  /** Called after each iteration, with the column's residuals as the recurrence has them. */
  onIteration?(iteration: number, residuals: ReadonlyMap<number, number>): void;
}

/** What became of it. */
export interface Descended {
  /** [n, width]. */
  readonly correction: Float64Array;
  readonly iterations: number;
  readonly endings: readonly Ending[];
  /** pᵀ A p / pᵀ p where curvature was negative. */
  readonly curvatures: readonly number[];
}

/** Frozen columns leave the products once they are this share of them. */
const COMPACTED_SHARE = 0.25;

/**
 * Preconditioned conjugate gradients (Hestenes and Stiefel 1952; Saad 2003, algorithm 9.1). Every
 * column has its own scalars: converged ones stay as they are while others go on.
 */
export async function conjugateGradient(descent: Descent): Promise<Descended> {
  const { width, targets, maxIterations } = descent;
  const correction = new Float64Array(descent.residual.length);
  const endings: Ending[] = new Array<Ending>(width).fill("limit");
  const curvatures = new Array<number>(width).fill(0);
  // the columns that the blocks hold, and which of them go on
  let columns = Array.from({ length: width }, (_, c) => c);
  let going = columns.map(() => true);
  let r: Float64Array = descent.residual.slice();
  let x = new Float64Array(r.length);
  let p: Float64Array = new Float64Array(0);
  let rz: Float64Array = new Float64Array(width);
  let largest = 0;
  let iteration = 0;

  const end = (k: number, ending: Ending): void => {
    going[k] = false;
    endings[columns[k]] = ending;
  };
  const settle = (): void => {
    const norms = columnDots(r, r, columns.length).map(Math.sqrt);
    const told = new Map(columns.flatMap((c, k) => going[k] ? [[c, norms[k]] as const] : []));
    if (iteration > 0) descent.onIteration?.(iteration, told);
    norms.forEach((norm, k) => {
      if (going[k] && norm <= targets[columns[k]]) end(k, "converged");
    });
  };
  /** Takes ended columns out of the blocks, where they are many. */
  const compact = (): void => {
    const kept = going.flatMap((goes, k) => goes ? [k] : []);
    if (kept.length > 0 && columns.length - kept.length < COMPACTED_SHARE * columns.length) return;
    addColumns(correction, width, columns, x);
    [r, p] = [r, p].map((block) => takeColumns(block, columns.length, kept));
    x = new Float64Array(r.length);
    rz = Float64Array.from(kept, (k) => rz[k]);
    columns = kept.map((k) => columns[k]);
    going = columns.map(() => true);
  };

  settle();
  compact();
  while (columns.length > 0 && iteration < maxIterations) {
    const count = columns.length;
    const z = await descent.precondition(r, count);
    const next = columnDots(r, z, count);
    next.forEach((value, k) => {
      if (going[k] && !(value > 0)) throw badPreconditioner(value);
    });
    if (iteration === 0) p = z.slice();
    else combine(p, next.map((value, k) => going[k] ? value / rz[k] : 0), z, count);
    rz = next;
    // ended columns stand still
    if (going.includes(false)) p.forEach((_, at) => going[at % count] ? 0 : p[at] = 0);
    const q = await descent.multiply(p, count);
    const pq = columnDots(p, q, count), pp = columnDots(p, p, count), qq = columnDots(q, q, count);
    const steps = new Float64Array(count);
    for (let k = 0; k < count; k++) {
      if (!going[k]) continue;
      if (!Number.isFinite(pq[k])) {
        end(k, "broken");
        continue;
      }
      largest = Math.max(largest, Math.sqrt(qq[k] / pp[k]));
      if (pq[k] > 0) steps[k] = rz[k] / pq[k];
      else {
        curvatures[columns[k]] = pq[k] / pp[k];
        end(k, pq[k] / pp[k] < -descent.flatness * largest ? "indefinite" : "flat");
      }
    }
    addScaled(x, steps, p, count);
    addScaled(r, steps.map((step) => -step), q, count);
    iteration++;
    settle();
    compact();
  }
  addColumns(correction, width, columns, x);
  return { correction, iterations: iteration, endings, curvatures };
}

function badPreconditioner(value: number): PairfoldError {
  return new PairfoldError(
    Number.isFinite(value) ? "indefinite" : "convergence",
    `solve: got rᵀ P r = ${value} from the preconditioner P; expected a symmetric positive ` +
      "definite one",
  );
}
