// Tensors, dtypes and shapes.

export { broadcastShapes, broadcastStrides } from "./broadcast.ts";
export { escapeHtml, previewOf } from "./display.ts";
export type { DType } from "../engine/engine.ts";
export { allocate, dtypeOf } from "../engine/host.ts";
export {
  type NormalOptions,
  philox,
  randomNormal,
  type RandomOptions,
  randomUniform,
  type UniformOptions,
} from "./random.ts";
export { SharedRun } from "./shared_run.ts";
export { freeLostCopies, freeSpareCopies, type Origin, TensorStorage } from "./storage.ts";
export { type Deferred, reshaped, storageOf, Tensor, tensor, type TensorLike } from "./tensor.ts";
export { arange, type CreateOptions, eye, full, linspace, ones, zeros } from "./create.ts";
export { checkFloats, type ElementwiseOperand, TensorElementwise } from "./elementwise.ts";
export { TensorMethods } from "./methods.ts";
export {
  type Axes,
  type AxisOptions,
  TensorReductions,
  type VarianceOptions,
} from "./reductions.ts";
export {
  type AxisReduction,
  type Distinct,
  type IndicesOf,
  type NestedNumbers,
  type OperandOf,
  type Operations,
  provideOperations,
  type ReadOptions,
  type Slice,
} from "./operations.ts";
export {
  axesFrom,
  axisFrom,
  broadcastedShape,
  checkedShape,
  sameShape,
  sizeOf,
  stridesOf,
} from "./shapes.ts";
