// Linear operators and what is solved with them.

export {
  type Action,
  type ApplyControl,
  checkAborted,
  type Points,
  type Precision,
} from "./action.ts";
export {
  type ActionBatch,
  actionOfBatch,
  type BatchedBlock,
  type BatchedPlaces,
  together,
} from "./batches.ts";
export type { EigenOptions, EigenResult } from "./lanczos.ts";
export type { LobpcgOptions } from "./lobpcg.ts";
export { LinearOperator, type OperatorLike } from "./operator.ts";
export {
  blockOperator,
  denseOperator,
  diagonalOperator,
  identityOperator,
  linearOperator,
  lowRankOperator,
  type OperatorFunctions,
} from "./operators.ts";
export type { Factor, Preconditioner } from "./preconditioner.ts";
export {
  type PreconditionerChoice,
  rightHandSide,
  type SolveOptions,
  type SolvePrecision,
  type SolveProgress,
} from "./settings.ts";
export { Solution, solveAction, type SolveReport, type SystemReport } from "./solve.ts";
export { solveBatches } from "./solve_batches.ts";
export {
  type Estimate,
  type LogDeterminant,
  type LogDeterminantOptions,
  Probes,
  stochasticLogDeterminant,
  type TraceOptions,
} from "./stochastic.ts";
