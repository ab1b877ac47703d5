// Programs of tensors: deferred folds and tensor operations, and derivatives through both.

import "./fold_rule.ts";

export { type Batch, NO_BATCH } from "./batch.ts";
export { dense, type DenseRequest } from "./dense.ts";
export { type DifferentialRequest, foldDifferential, type Tangent } from "./differential.ts";
export { elementwise, type TensorOperand } from "./elementwise.ts";
export { transpose } from "./canonical.ts";
export { shapeOf } from "./fold.ts";
export { fold } from "./lists.ts";
export { foldGradient, foldGradients, type GradientRequest } from "./gradient.ts";
export { take, type TensorIndices } from "./gather.ts";
export { alias, broadcastTo, reshape } from "./linear.ts";
export { concatenate, stack } from "./movement.ts";
export { matmul, where } from "./operations.ts";
export { checkRanges, countsOf, keptRanges } from "./ranges.ts";
export type { FoldChoices, FoldRequest, RangedChoices } from "./request.ts";
export { isTraced, record, type Rule, withValues } from "./trace.ts";
export {
  grad,
  type Gradients,
  type GradOptions,
  hvp,
  jvp,
  likeTensor,
  pulled,
  stopGradient,
  valueAndGrad,
  watched,
} from "./transforms.ts";
export { sumToSize } from "./sum_to_size.ts";
