// L-BFGS: steps along the inverse of a Hessian that the last steps tell.

import { checkOptions } from "../error.ts";
import { checkedNumber } from "./first_order.ts";
import { strongWolfe, type WolfeOptions } from "./line_search.ts";
import {
  checkFinite,
  type Evaluation,
  largest,
  type Optimiser,
  optimiserOf,
  type Rule,
  type VectorObjective,
} from "./optimiser.ts";

/** Options of {@linkcode lbfgs}. */
export interface LbfgsOptions {
  /** Steps that are remembered; default 10. */
  readonly memory?: number;
  /** Conditions of the line search. */
  readonly lineSearch?: WolfeOptions;
}

/** A step s and how the gradient changed along it, y. */
interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly sy: number;
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
};

const addScaled = (a: Float64Array, factor: number, b: Float64Array): void => {
  for (let k = 0; k < a.length; k++) a[k] += factor * b[k];
};

/** −H g by the two-loop recursion (Nocedal and Wright 2006, algorithm 7.4). */
function descent(pairs: readonly Pair[], gradient: Float64Array): Float64Array {
  const q = gradient.slice();
  const alphas = new Array<number>(pairs.length).fill(0);
  for (let k = pairs.length - 1; k >= 0; k--) {
    alphas[k] = dot(pairs[k].s, q) / pairs[k].sy;
    addScaled(q, -alphas[k], pairs[k].y);
  }
  const last = pairs[pairs.length - 1];
  const scale = last === undefined ? 1 : last.sy / dot(last.y, last.y);
  const r = q.map((value) => scale * value);
  pairs.forEach(({ s, y, sy }, k) => addScaled(r, alphas[k] - dot(y, r) / sy, s));
  return r.map((value) => -value);
}

/**
 * Limited-memory BFGS with a line search for the strong Wolfe conditions (Nocedal and Wright 2006,
 * algorithms 7.5 and 3.5): for smooth objectives that are the same at every step. (SciPy's
 * "L-BFGS-B" without bounds.)
 *
 * Its steps reject with `PairfoldError` (convergence) where the line search fails, as with a
 * gradient that does not belong to the value.
 *
 * ```ts
 * import { lbfgs, minimise } from "pairfold";
 * const rosenbrock = ([x, y]: readonly number[]) => ({
 *   value: (1 - x) ** 2 + 100 * (y - x * x) ** 2,
 *   gradient: [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
 * });
 * const { params } = await minimise(rosenbrock, [-1.2, 1], lbfgs());
 * console.log(params); // near [ 1, 1 ]
 * ```
 */
export function lbfgs(options: LbfgsOptions = {}): Optimiser {
  checkOptions("lbfgs", options);
  const { memory = 10, lineSearch = {} } = options;
  checkOptions("lbfgs: lineSearch", lineSearch);
  const { decrease = 1e-4, curvature = 0.9, maxEvaluations = 30 } = lineSearch;
  checkedNumber("lbfgs: got memory", memory, 0, 1e4);
  checkedNumber("lbfgs: got decrease", decrease, 0, 1);
  checkedNumber("lbfgs: got curvature", curvature, decrease, 1);
  checkedNumber("lbfgs: got maxEvaluations", maxEvaluations, 1, 1e6);
  return optimiserOf("lbfgs", (): Rule => {
    const pairs: Pair[] = [];
    return {
      step: async (f: VectorObjective, x: Float64Array, known: Evaluation | null) => {
        const start = known ?? await f(x);
        checkFinite("lbfgs", start);
        const own = known === null ? 1 : 0;
        if (largest(start.gradient) === 0) {
          return { x, evaluation: start, at: x, evaluations: own };
        }
        let direction = descent(pairs, start.gradient);
        if (!(dot(direction, start.gradient) < 0)) {
          // another objective, or rounding: what was remembered does not help
          pairs.length = 0;
          direction = descent(pairs, start.gradient);
        }
        const isFirst = pairs.length === 0;
        const length = isFirst ? Math.min(1, 1 / Math.sqrt(dot(direction, direction))) : 1;
        const found = await strongWolfe(f, x, start, direction, length, {
          decrease,
          curvature,
          maxEvaluations,
        });
        const s = found.x.map((value, k) => value - x[k]);
        const y = found.evaluation.gradient.map((value, k) => value - start.gradient[k]);
        const sy = dot(s, y);
        if (sy > Number.EPSILON * dot(y, y)) pairs.push({ s, y, sy });
        if (pairs.length > memory) pairs.shift();
        const { evaluation } = found;
        return { x: found.x, evaluation, at: found.x, evaluations: own + found.evaluations };
      },
    };
  });
}
