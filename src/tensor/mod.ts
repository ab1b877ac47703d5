// Tensors, dtypes and shapes.

export { escapeHtml, previewOf } from "./display.ts";
export type { DType } from "../engine/engine.ts";
export { allocate, dtypeOf } from "../engine/host.ts";
export {
  type Deferred,
  type NestedNumbers,
  type ReadOptions,
  sizeOf,
  Tensor,
  tensor,
  type TensorLike,
} from "./tensor.ts";
