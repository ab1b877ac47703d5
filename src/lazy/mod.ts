// Symbolic matrices.

export {
  genred,
  type GenredCallOptions,
  type GenredFunction,
  type GenredOptions,
  type GenredResult,
  type KeopsPairs,
  type KeopsReduction,
} from "./genred.ts";
export type { GenredInput } from "./genred_inputs.ts";
export { lazy, type LazyValue } from "./template.ts";
export { vjp, type VjpOutput } from "./vjp.ts";
export {
  type ComplexNumber,
  type ComplexOperand,
  ComplexOps,
  imagPart,
  realPart,
} from "./complex.ts";
export { Derivatives } from "./derivatives.ts";
export { ElementwiseOps, type Operand } from "./elementwise.ts";
export { Functions } from "./functions.ts";
export type { Input, Inputs, Term } from "./inputs.ts";
export { ComplexLazyTensor, indexOf, LazyTensor, Pm, Vi, Vj } from "./lazy_tensor.ts";
export { type DenseOptions, type Indices, Readable } from "./readable.ts";
export { type ReduceOptions, Reductions, type WeightOptions } from "./reductions.ts";
export { type LazyLogDeterminantOptions, type LazySolveOptions, Solvable } from "./solvable.ts";
export { type FoldAxis, Symbolic, type Value, type VectorAxis } from "./symbolic.ts";
export { TensorOps } from "./tensors.ts";
export { VectorOps } from "./vectors.ts";
