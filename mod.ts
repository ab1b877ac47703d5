/**
 * Pairfold: sums, soft minima, nearest neighbours and their gradients over all pairs of points,
 * without the matrix.
 *
 * ```ts
 * import { Vi, Vj } from "pairfold";
 * const points = Float32Array.from({ length: 3 * 1000 }, () => Math.random());
 * const x = Vi(points, 3), y = Vj(points, 3);
 * const density = x.sqDist(y).mul(-1 / (2 * 0.1 ** 2)).exp().sum("j"); // deferred
 * console.log((await density.data()).length); // 1000
 * ```
 *
 * @module
 */
export { type ErrorCode, PairfoldError } from "./src/error.ts";
export type { DType, NestedNumbers, ReadOptions, TensorLike } from "./src/tensor/mod.ts";
export type {
  Axes,
  AxisOptions,
  Distinct,
  ElementwiseOperand,
  IndicesOf,
  OperandOf,
  Slice,
  VarianceOptions,
} from "./src/tensor/mod.ts";
export { Tensor, tensor } from "./src/tensor/mod.ts";
// the classes that Tensor's methods come from
export { TensorElementwise, TensorMethods, TensorReductions } from "./src/tensor/mod.ts";
export { randomNormal, randomUniform } from "./src/tensor/mod.ts";
export type {
  CreateOptions,
  NormalOptions,
  RandomOptions,
  UniformOptions,
} from "./src/tensor/mod.ts";
export { arange, eye, full, linspace, ones, zeros } from "./src/tensor/mod.ts";
export type { Gradients, GradOptions, TensorOperand } from "./src/program/mod.ts";
export { grad, hvp, jvp, stopGradient, valueAndGrad } from "./src/program/mod.ts";
export { concatenate, matmul, stack, where } from "./src/program/mod.ts";
export type { FoldAxis, Operand } from "./src/lazy/mod.ts";
export { indexOf, LazyTensor, Pm, Vi, Vj } from "./src/lazy/mod.ts";
export type { FoldChoices, RangedChoices } from "./src/program/mod.ts";
export type {
  ClustersOptions,
  KeepMatrix,
  KeopsRanges,
  PointTable,
  RangeList,
} from "./src/sparse/mod.ts";
export { BlockRanges, Clusters, gridCluster } from "./src/sparse/mod.ts";
export type { ReductionName, SumScheme } from "./src/reduction/mod.ts";
export type {
  Device,
  DeviceArray,
  DeviceName,
  Engine,
  EngineMemory,
  Held,
  MemoryUse,
  NativeOptions,
  NumberArray,
  Progress,
  TuneMode,
  WasmOptions,
} from "./src/engine/mod.ts";
export {
  cuda,
  CudaEngine,
  doctor,
  memory,
  native,
  NativeEngine,
  wasm,
  WasmEngine,
} from "./src/engine/mod.ts";
export type {
  GenredCallOptions,
  GenredFunction,
  GenredInput,
  GenredOptions,
  GenredResult,
  KeopsPairs,
  KeopsReduction,
  LazyValue,
  VjpOutput,
} from "./src/lazy/mod.ts";
export { genred, lazy, vjp } from "./src/lazy/mod.ts";
export type { DenseOptions, Indices, Inputs, ReduceOptions } from "./src/lazy/mod.ts";
export type { Input, Term, Value, VectorAxis } from "./src/lazy/mod.ts";
// the classes that LazyTensor's methods come from
export { Derivatives, ElementwiseOps, Functions, Readable, TensorOps } from "./src/lazy/mod.ts";
export { Reductions, Symbolic, VectorOps } from "./src/lazy/mod.ts";
export { ComplexLazyTensor, ComplexOps, imagPart, realPart } from "./src/lazy/mod.ts";
export type { ComplexNumber, ComplexOperand } from "./src/lazy/mod.ts";
export type { TensorDotLayout } from "./src/formula/mod.ts";
export type { WeightOptions } from "./src/lazy/mod.ts";
export { Solvable } from "./src/lazy/mod.ts";
export type { LazyLogDeterminantOptions, LazySolveOptions } from "./src/lazy/mod.ts";
export type {
  Action,
  ApplyControl,
  EigenOptions,
  EigenResult,
  Estimate,
  Factor,
  LobpcgOptions,
  LogDeterminant,
  LogDeterminantOptions,
  OperatorFunctions,
  OperatorLike,
  Points,
  Precision,
  Preconditioner,
  PreconditionerChoice,
  SolveOptions,
  SolvePrecision,
  SolveProgress,
  SolveReport,
  SystemReport,
  TraceOptions,
} from "./src/solve/mod.ts";
export {
  blockOperator,
  denseOperator,
  diagonalOperator,
  identityOperator,
  LinearOperator,
  linearOperator,
  lowRankOperator,
  Solution,
} from "./src/solve/mod.ts";
export type {
  AdamOptions,
  GradientDescentOptions,
  LbfgsOptions,
  Leaf,
  MinimiseOptions,
  MinimiseResult,
  Objective,
  Optimiser,
  Params,
  Rate,
  RunStep,
  ValueAndGradient,
  WolfeOptions,
} from "./src/optimise/mod.ts";
export { adam, gradientDescent, lbfgs, minimise, OptimiserRun } from "./src/optimise/mod.ts";
