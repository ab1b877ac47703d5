// The deferred graph of tensors: folds and their gradients.

export { dense, type DenseRequest } from "./dense.ts";
export { fold, type FoldChoices, type FoldRequest, transpose } from "./fold.ts";
export { foldGradient, type GradientRequest } from "./gradient.ts";
