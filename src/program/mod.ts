// The deferred graph of tensors: folds and their gradients.

export { fold, type FoldChoices, type FoldRequest } from "./fold.ts";
export { foldGradient, type GradientRequest } from "./gradient.ts";
