// Optimisers over nested parameters.

export {
  adam,
  type AdamOptions,
  gradientDescent,
  type GradientDescentOptions,
  type Rate,
} from "./first_order.ts";
export { lbfgs, type LbfgsOptions } from "./lbfgs.ts";
export type { WolfeOptions } from "./line_search.ts";
export {
  minimise,
  type MinimiseOptions,
  type MinimiseResult,
  type Objective,
  type Optimiser,
  OptimiserRun,
  type RunStep,
  type ValueAndGradient,
} from "./optimiser.ts";
export type { Leaf, Params } from "./params.ts";
