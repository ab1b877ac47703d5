// Symbolic matrices.

export { type FoldAxis, indexOf, LazyTensor, type Operand, Pm, Vi, Vj } from "./lazy_tensor.ts";
export {
  genred,
  type GenredFunction,
  type GenredOptions,
  type GenredResult,
  type KeopsPairs,
  type KeopsReduction,
} from "./genred.ts";
export type { GenredInput } from "./genred_inputs.ts";
export { lazy, type LazyValue } from "./template.ts";
export { vjp, type VjpOutput } from "./vjp.ts";
