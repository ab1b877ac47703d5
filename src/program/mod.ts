// The deferred graph of tensors: folds, their gradients and their differentials.

export { type Batch, NO_BATCH } from "./batch.ts";
export { dense, type DenseRequest } from "./dense.ts";
export { type DifferentialRequest, foldDifferential, type Tangent } from "./differential.ts";
export { fold, type FoldChoices, type FoldRequest, shapeOf, transpose } from "./fold.ts";
export { foldGradient, type GradientRequest } from "./gradient.ts";
export { sumToSize } from "./sum_to_size.ts";
