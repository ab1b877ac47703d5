// What all optimisers share: an objective over parameters, its evaluation as vectors, a run that
// steps, and the loop with its stop rule.

import { checkOptions, PairfoldError, shown } from "../error.ts";
import { Tensor } from "../tensor/mod.ts";
import { type Params, type Structure, structureOf } from "./params.ts";

/** A value and its gradient: named, or as a pair (what `valueAndGrad` gives). */
export type ValueAndGradient<P> =
  | { readonly value: number | Tensor; readonly gradient: P }
  | readonly [value: number | Tensor, gradient: P];

/** What is minimised: parameters to the value and its gradient, of the parameters' structure. */
export type Objective<P extends Params> = (
  params: P,
) => ValueAndGradient<P> | Promise<ValueAndGradient<P>>;

/** An objective's value and gradient, or a vector's. */
export interface Evaluation {
  readonly value: number;
  readonly gradient: Float64Array;
}

/** An objective over vectors. */
export type VectorObjective = (x: Float64Array) => Promise<Evaluation>;

/** What one step saw and did. */
export interface Step {
  /** Where it leads. */
  readonly x: Float64Array;
  /**
   * An evaluation that the step made at `at`: before the move, or after it where that was needed.
   */
  readonly evaluation: Evaluation;
  readonly at: Float64Array;
  readonly evaluations: number;
}

/** The rule of an optimiser, with the state of one run. */
export interface Rule {
  /** Steps from x. A `known` evaluation there spares one. */
  step(f: VectorObjective, x: Float64Array, known: Evaluation | null): Promise<Step>;
}

/** An optimiser: makes runs. */
export interface Optimiser {
  /** A line for people. */
  readonly name: string;
  /** The rule of a new run over so many numbers. */
  start(size: number): Rule;
  /** A run from parameters. */
  init<P extends Params>(params: P): OptimiserRun<P>;
}

/** What a step of a run gives. */
export interface RunStep<P extends Params> {
  /** The parameters after the step. */
  readonly params: P;
  /**
   * The parameters that `value` and `gradientSize` belong to: those before the step (gradient
   * descent, Adam), or after it (L-BFGS, whose line search evaluates there).
   */
  readonly at: P;
  readonly value: number;
  /** Largest component of the gradient, by absolute value. */
  readonly gradientSize: number;
  /** Evaluations of the objective in this step. */
  readonly evaluations: number;
}

/** Largest absolute value. */
export function largest(x: Float64Array): number {
  let most = 0;
  for (const value of x) if (!(Math.abs(value) <= most)) most = Math.abs(value);
  return most;
}

/** A run of an optimiser: holds the parameters, and what the optimiser remembers. */
export class OptimiserRun<P extends Params> {
  readonly #params: P;
  readonly #structure: Structure<P>;
  readonly #rule: Rule;
  #x: Float64Array | null = null;
  #known: Evaluation | null = null;
  #objective: Objective<P> | null = null;

  /** Use `init`. */
  constructor(optimiser: Pick<Optimiser, "start">, params: P) {
    this.#params = params;
    this.#structure = structureOf(params);
    this.#rule = optimiser.start(this.#structure.size);
  }

  /** The parameters now, of the structure, shapes and dtypes that they began with. */
  get params(): P {
    return this.#x === null ? this.#params : this.#structure.restore(this.#x);
  }

  #vectorObjective(objective: Objective<P>): VectorObjective {
    if (typeof objective !== "function") {
      throw new PairfoldError(
        "dtype",
        `objective: got ${shown(objective)}; expected a function of the parameters`,
      );
    }
    return async (x) => {
      const result = await objective(this.#structure.restore(x)) ?? {};
      const isPair = Array.isArray(result);
      const [value, gradient] = isPair
        ? result as readonly [number | Tensor, P]
        : [(result as { value: number | Tensor }).value, (result as { gradient: P }).gradient];
      const number = value instanceof Tensor ? await value.item() : value;
      if (typeof number !== "number") {
        throw new PairfoldError(
          "dtype",
          `objective: got ${typeof number} as its value; expected a number or a tensor of one, with ` +
            "the gradient: { value, gradient } or [value, gradient]",
        );
      }
      return { value: number, gradient: await this.#structure.flatten("gradient", gradient) };
    };
  }

  /**
   * Takes one step; the objective may differ from step to step. Rejects with `PairfoldError`:
   * `shape` for a gradient that does not fit, `convergence` where the value or the gradient is not
   * finite or a line search fails. The run then stays where it was.
   */
  async step(objective: Objective<P>): Promise<RunStep<P>> {
    const structure = this.#structure;
    const x = this.#x ?? await structure.flatten("params", this.#params);
    const known = this.#objective === objective ? this.#known : null;
    const step = await this.#rule.step(this.#vectorObjective(objective), x, known);
    const { evaluation, at, evaluations } = step;
    this.#x = step.x;
    this.#objective = objective;
    this.#known = at === step.x ? evaluation : null;
    return {
      params: this.params,
      get at() {
        return structure.restore(at);
      },
      value: evaluation.value,
      gradientSize: largest(evaluation.gradient),
      evaluations,
    };
  }
}

/** Throws `PairfoldError` (convergence) for what is not finite. */
export function checkFinite(op: string, { value, gradient }: Evaluation): void {
  if (Number.isFinite(value) && gradient.every(Number.isFinite)) return;
  throw new PairfoldError(
    "convergence",
    `${op}: got the value ${value} and a gradient of size ${largest(gradient)}; expected finite ` +
      "numbers (a smaller rate or another start may help)",
  );
}

/** An optimiser by its rule. */
export function optimiserOf(name: string, start: (size: number) => Rule): Optimiser {
  return { name, start, init: (params) => new OptimiserRun({ start }, params) };
}

/** Options of {@linkcode minimise}. */
export interface MinimiseOptions<P extends Params> {
  /** Default 1000. */
  readonly maxSteps?: number;
  /** Ends once no component of the gradient is larger; default 1e-6. */
  readonly gradientTolerance?: number;
  /** Ends once a step changes the value by less than this share of it; default 0: never. */
  readonly valueTolerance?: number;
  readonly signal?: AbortSignal;
  /** Called after each step; `true` ends the loop. */
  readonly onStep?: (step: RunStep<P>, count: number) => boolean | void;
}

/** What a minimisation found. */
export interface MinimiseResult<P extends Params> {
  /** Where the last value was evaluated, so that what follows belongs to it. */
  readonly params: P;
  readonly value: number;
  /** Largest component of the gradient, by absolute value. */
  readonly gradientSize: number;
  readonly steps: number;
  readonly evaluations: number;
  /** Why it ended: a small gradient, a small change, `onStep`, or the number of steps. */
  readonly ending: "gradient" | "value" | "asked" | "steps";
}

/**
 * Minimises an objective from given parameters: steps of an optimiser until the gradient is small
 * or another rule of `options` says so. Parameters are numbers, float arrays and tensors, alone or
 * in nested arrays and objects; the gradient has their structure.
 *
 * Rejects with `PairfoldError`: `convergence` where values are not finite or a line search fails,
 * `shape` for a gradient that does not fit, `aborted` by the signal.
 *
 * ```ts
 * import { lbfgs, minimise } from "pairfold";
 * const bowl = ({ x, y }: { x: number; y: number }) => ({
 *   value: (x - 1) ** 2 + 10 * y ** 2,
 *   gradient: { x: 2 * (x - 1), y: 20 * y },
 * });
 * const { params, steps } = await minimise(bowl, { x: 0, y: 3 }, lbfgs());
 * console.log(params, steps); // x 1, y 0
 * ```
 */
export async function minimise<P extends Params>(
  objective: Objective<P>,
  params: P,
  optimiser: Optimiser,
  options: MinimiseOptions<P> = {},
): Promise<MinimiseResult<P>> {
  checkOptions("minimise", options);
  const { maxSteps = 1000, gradientTolerance = 1e-6, valueTolerance = 0, signal, onStep } = options;
  if (onStep !== undefined && typeof onStep !== "function") {
    throw new PairfoldError("dtype", `minimise: got onStep ${shown(onStep)}; expected a function`);
  }
  if (typeof optimiser?.init !== "function") {
    throw new PairfoldError(
      "dtype",
      `minimise: got ${shown(optimiser)}; expected an optimiser, as lbfgs()`,
    );
  }
  if (typeof maxSteps !== "number") {
    throw new PairfoldError(
      "dtype",
      `minimise: got maxSteps ${shown(maxSteps)}; expected a number`,
    );
  }
  const run = optimiser.init(params);
  let evaluations = 0;
  let last: RunStep<P> | null = null;
  const found = (
    step: RunStep<P>,
    steps: number,
    ending: MinimiseResult<P>["ending"],
  ): MinimiseResult<P> => {
    const { at: own, value, gradientSize } = step;
    return { params: own, value, gradientSize, steps, evaluations, ending };
  };
  for (let count = 1; count <= maxSteps; count++) {
    if (signal?.aborted) {
      throw new PairfoldError("aborted", "minimise: the signal was aborted", {
        cause: signal.reason,
      });
    }
    const step = await run.step(objective);
    evaluations += step.evaluations;
    const isAsked = onStep?.(step, count) === true;
    if (step.gradientSize <= gradientTolerance) return found(step, count, "gradient");
    if (isAsked) return found(step, count, "asked");
    const change = last === null ? Infinity : Math.abs(step.value - last.value);
    if (change < valueTolerance * Math.abs(step.value)) return found(step, count, "value");
    last = step;
  }
  if (last !== null) return found(last, Math.floor(maxSteps), "steps");
  throw new PairfoldError("shape", `minimise: got maxSteps ${maxSteps}; expected at least 1`);
}
