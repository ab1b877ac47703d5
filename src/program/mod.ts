// The deferred graph of tensors: folds, their gradients and their differentials.

export { type DifferentialRequest, foldDifferential, type Tangent } from "./differential.ts";
export { fold, type FoldChoices, type FoldRequest } from "./fold.ts";
export { foldGradient, type GradientRequest } from "./gradient.ts";
