// Tensors, dtypes and shapes.

export { escapeHtml, previewOf } from "./display.ts";
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
