// Tensors, dtypes and shapes.

export {
  allocate,
  type Deferred,
  type DType,
  dtypeOf,
  type NestedNumbers,
  type ReadOptions,
  sizeOf,
  Tensor,
  tensor,
  type TensorLike,
} from "./tensor.ts";
