// The deferred graph of tensors: folds, their gradients and their differentials.

export { dense, type DenseRequest } from "./dense.ts";
export { type DifferentialRequest, foldDifferential, type Tangent } from "./differential.ts";
export { fold, type FoldChoices, type FoldRequest, shapeOf, transpose } from "./fold.ts";
export { foldGradient, type GradientRequest } from "./gradient.ts";
