// Tensors, dtypes and shapes.

export { broadcastShapes, broadcastStrides } from "./broadcast.ts";
export { escapeHtml, previewOf } from "./display.ts";
export type { DType } from "../engine/engine.ts";
export { allocate, dtypeOf } from "../engine/host.ts";
export { SharedRun } from "./shared_run.ts";
export { freeLostCopies, freeSpareCopies, TensorStorage } from "./storage.ts";
export {
  type Deferred,
  type NestedNumbers,
  type ReadOptions,
  reshaped,
  sizeOf,
  storageOf,
  Tensor,
  tensor,
  type TensorLike,
} from "./tensor.ts";
