// Derivatives of formulas, as formulas.

export { differential, differentials } from "./differential.ts";
export { gradient, gradients } from "./gradient.ts";
export { isLinear } from "./linear.ts";
export { adjointOperator, divergence, gradMatrix, laplacian, traceOperator } from "./operators.ts";
