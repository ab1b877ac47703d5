// A step length that meets the strong Wolfe conditions. Enters: an objective along a direction.
// Leaves: the length with the evaluation there, or an error that says what is wrong.

import { PairfoldError } from "../error.ts";
import { type Evaluation, largest, type VectorObjective } from "./optimiser.ts";

/** A point along the direction. */
interface Trial {
  readonly length: number;
  readonly x: Float64Array;
  readonly evaluation: Evaluation;
  /** Derivative along the direction. */
  readonly slope: number;
}

/** Conditions of the search. */
export interface WolfeOptions {
  /** The value must fall by this share of what the slope promises; default 1e-4. */
  readonly decrease?: number;
  /** The slope must shrink to this share of what it was; default 0.9. */
  readonly curvature?: number;
  /** Evaluations at most; default 30. */
  readonly maxEvaluations?: number;
}

const product = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
};

/** The minimiser of the cubic through two values and slopes, kept off the ends of the interval. */
function cubicMinimum(a: Trial, b: Trial): number {
  const [low, high] = [Math.min(a.length, b.length), Math.max(a.length, b.length)];
  const d1 = a.slope + b.slope -
    3 * (a.evaluation.value - b.evaluation.value) / (a.length - b.length);
  const root = d1 * d1 - a.slope * b.slope;
  const d2 = Math.sign(b.length - a.length) * Math.sqrt(Math.max(0, root));
  const at = b.length -
    (b.length - a.length) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  const margin = 0.1 * (high - low);
  return root >= 0 && at >= low + margin && at <= high - margin ? at : (low + high) / 2;
}

/** Values closer than this share cannot be told apart: then slopes alone decide. */
const NOISE = 1e-14;

/**
 * Line search for the strong Wolfe conditions: brackets a minimum, then zooms in by cubic
 * interpolation (Nocedal and Wright 2006, algorithms 3.5 and 3.6).
 *
 * Rejects with `PairfoldError` (convergence): for a direction along which the value does not fall,
 * and where no length within `maxEvaluations` does, which a gradient that does not belong to the
 * value brings about.
 */
export async function strongWolfe(
  f: VectorObjective,
  x: Float64Array,
  start: Evaluation,
  direction: Float64Array,
  firstLength: number,
  options: WolfeOptions,
): Promise<{ x: Float64Array; evaluation: Evaluation; evaluations: number }> {
  const { decrease = 1e-4, curvature = 0.9, maxEvaluations = 30 } = options;
  const slope = product(start.gradient, direction);
  if (!(slope < 0)) {
    throw new PairfoldError(
      "convergence",
      `line search: got a slope of ${slope} along the direction; expected a descent`,
    );
  }
  let evaluations = 0;
  const origin: Trial = { length: 0, x, evaluation: start, slope };
  const trialAt = async (length: number): Promise<Trial> => {
    const at = x.map((value, k) => value + length * direction[k]);
    evaluations++;
    const evaluation = await f(at);
    return { length, x: at, evaluation, slope: product(evaluation.gradient, direction) };
  };
  const noise = NOISE * Math.abs(start.value);
  const falls = ({ length, evaluation }: Trial): boolean =>
    evaluation.value <= start.value + decrease * length * slope + noise;
  const isFlat = (trial: Trial): boolean => Math.abs(trial.slope) <= -curvature * slope;
  const isFinite = (trial: Trial): boolean =>
    Number.isFinite(trial.evaluation.value) && Number.isFinite(trial.slope);
  const taken = (
    trial: Trial,
  ): { x: Float64Array; evaluation: Evaluation; evaluations: number } => ({
    x: trial.x,
    evaluation: trial.evaluation,
    evaluations,
  });

  let low = origin;
  let high: Trial | null = null;
  let length = firstLength;
  while (evaluations < maxEvaluations) {
    const trial = await trialAt(length);
    if (!isFinite(trial)) {
      // beyond the domain: nearer
      length = (low.length + length) / 2;
      continue;
    }
    const isWorse = low !== origin && trial.evaluation.value >= low.evaluation.value + noise;
    if (!falls(trial) || isWorse) {
      high = trial;
      break;
    }
    if (isFlat(trial)) return taken(trial);
    if (trial.slope >= 0) {
      [low, high] = [trial, low];
      break;
    }
    low = trial;
    length *= 2;
  }
  while (high !== null && evaluations < maxEvaluations) {
    const trial = await trialAt(cubicMinimum(low, high));
    if (!falls(trial) || trial.evaluation.value >= low.evaluation.value + noise) high = trial;
    else {
      if (isFlat(trial)) return taken(trial);
      if (trial.slope * (high.length - low.length) >= 0) high = low;
      low = trial;
    }
    if (Math.abs(high.length - low.length) <= 1e-16 * low.length) break;
  }
  // some progress is progress
  if (low !== origin && low.evaluation.value < start.value - noise) return taken(low);
  const moved = high === null ? low : high;
  const measured = (moved.evaluation.value - start.value) / moved.length;
  throw new PairfoldError(
    "convergence",
    `line search: got no step that lowers the value ${start.value} in ${evaluations} evaluations; ` +
      `the gradient says a slope of ${slope.toExponential(2)}, values at distance ` +
      `${(moved.length * largest(direction)).toExponential(1)} say ${measured.toExponential(2)}; ` +
      "expected a gradient that belongs to the value (or the minimum is reached as far as rounding " +
      "lets it)",
  );
}
