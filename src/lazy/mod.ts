// Symbolic matrices.

export { type FoldAxis, indexOf, LazyTensor, type Operand, Pm, Vi, Vj } from "./lazy_tensor.ts";
