// Gradient descent with momentum, and Adam.

import { checkOptions, PairfoldError, shown } from "../error.ts";
import {
  checkFinite,
  type Evaluation,
  type Optimiser,
  optimiserOf,
  type VectorObjective,
} from "./optimiser.ts";

/** A number in an interval, its ends included where they are named so. */
export function checkedNumber(what: string, value: number, low: number, high: number): number {
  if (typeof value === "number" && value >= low && value <= high) return value;
  throw new PairfoldError(
    "shape",
    `${what} ${shown(value)}; expected a number from ${low} to ${high}`,
  );
}

/** A rate, or one by the step, counted from 0. */
export type Rate = number | ((step: number) => number);

function rateOf(op: string, rate: Rate): (step: number) => number {
  if (typeof rate === "number") checkedNumber(`${op}: got rate`, rate, 0, Number.MAX_VALUE);
  return (step) => {
    const value = typeof rate === "number" ? rate : rate(step);
    return checkedNumber(`${op}: got rate`, value, 0, Number.MAX_VALUE);
  };
}

/** An optimiser that moves along what it makes of each gradient. */
function along(
  name: string,
  start: (size: number) => (x: Float64Array, gradient: Float64Array, step: number) => Float64Array,
): Optimiser {
  return optimiserOf(name, (size) => {
    const move = start(size);
    let count = 0;
    return {
      step: async (f: VectorObjective, x: Float64Array, known: Evaluation | null) => {
        const evaluation = known ?? await f(x);
        checkFinite(name, evaluation);
        const next = move(x, evaluation.gradient, count++);
        return { x: next, evaluation, at: x, evaluations: known === null ? 1 : 0 };
      },
    };
  });
}

/** Options of {@linkcode gradientDescent}. */
export interface GradientDescentOptions {
  /** Step length per gradient, or one by the step. */
  readonly rate: Rate;
  /** Share of the last move that goes on; default 0. */
  readonly momentum?: number;
  /** Whether momentum looks ahead (Nesterov 1983); default false. */
  readonly nesterov?: boolean;
}

/**
 * Gradient descent: v ← momentum · v + g, x ← x − rate · v, with Nesterov's look ahead
 * x ← x − rate · (g + momentum · v). (PyTorch's `SGD`.)
 *
 * Throws `PairfoldError` (shape) for a negative rate or a momentum outside [0, 1].
 *
 * ```ts
 * import { gradientDescent } from "pairfold";
 * const run = gradientDescent({ rate: 0.1, momentum: 0.5 }).init([4, -2]);
 * for (let step = 0; step < 100; step++) {
 *   await run.step(([x, y]) => ({ value: x * x + y * y, gradient: [2 * x, 2 * y] }));
 * }
 * console.log(run.params); // near [ 0, 0 ]
 * ```
 */
export function gradientDescent(options: GradientDescentOptions): Optimiser {
  checkOptions("gradientDescent", options);
  const { momentum = 0, nesterov = false } = options;
  const rate = rateOf("gradientDescent", options.rate);
  checkedNumber("gradientDescent: got momentum", momentum, 0, 1);
  return along("gradientDescent", (size) => {
    const velocity = new Float64Array(size);
    return (x, gradient, step) => {
      const length = rate(step);
      return x.map((value, k) => {
        velocity[k] = momentum * velocity[k] + gradient[k];
        const direction = nesterov ? gradient[k] + momentum * velocity[k] : velocity[k];
        return value - length * direction;
      });
    };
  });
}

/** Options of {@linkcode adam}. */
export interface AdamOptions {
  /** Step length, or one by the step; default 1e-3. */
  readonly rate?: Rate;
  /** Decay of the mean gradient; default 0.9. */
  readonly beta1?: number;
  /** Decay of the mean squared gradient; default 0.999. */
  readonly beta2?: number;
  /** Added to the root of the mean square; default 1e-8. */
  readonly epsilon?: number;
  /** Share of the parameters taken off per rate, apart from the gradient (AdamW); default 0. */
  readonly weightDecay?: number;
}

/**
 * Adam (Kingma and Ba 2015): steps along mean gradients over roots of mean squared ones, both freed
 * of the bias of their start. (optax' `adam`, `adamw`.)
 *
 * Throws `PairfoldError` (shape) for options out of range.
 */
export function adam(options: AdamOptions = {}): Optimiser {
  checkOptions("adam", options);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
  const rate = rateOf("adam", options.rate ?? 1e-3);
  const belowOne = 1 - Number.EPSILON;
  checkedNumber("adam: got beta1", beta1, 0, belowOne);
  checkedNumber("adam: got beta2", beta2, 0, belowOne);
  checkedNumber("adam: got epsilon", epsilon, 0, Number.MAX_VALUE);
  checkedNumber("adam: got weightDecay", weightDecay, 0, Number.MAX_VALUE);
  return along("adam", (size) => {
    const mean = new Float64Array(size), square = new Float64Array(size);
    return (x, gradient, step) => {
      const length = rate(step);
      const scale1 = 1 / (1 - beta1 ** (step + 1)), scale2 = 1 / (1 - beta2 ** (step + 1));
      return x.map((value, k) => {
        const g = gradient[k];
        mean[k] = beta1 * mean[k] + (1 - beta1) * g;
        square[k] = beta2 * square[k] + (1 - beta2) * g * g;
        const direction = mean[k] * scale1 / (Math.sqrt(square[k] * scale2) + epsilon);
        // 0 / 0 where a gradient has always been 0 and epsilon is
        return value - length * ((Number.isNaN(direction) ? 0 : direction) + weightDecay * value);
      });
    };
  });
}
