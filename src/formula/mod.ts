// Symbolic formulas: nodes, op tables, printing, rewrite rules.

export { isHalfPower, power } from "./elementwise.ts";
export * as build from "./build.ts";
export {
  drawn,
  type GradRule,
  type Interval,
  type Sample,
  samplesOf,
  type ScalarAlgebra,
} from "./entry.ts";
export { type ScalarEntry, type VectorEntry } from "./entry.ts";
export {
  ALL_OPS,
  COMPARISON_OPS,
  ELEMENTWISE_OPS,
  isScalarOp,
  type OpName,
  SCALAR_OPS,
  type ScalarOp,
  SPECIAL_OPS,
  VECTOR_OPS,
} from "./names.ts";
export { TENSOR_OPS, type TensorOp, type VectorOp } from "./names.ts";
export {
  axesOf,
  layoutOf,
  stridesOf,
  type TensorDotAxes,
  type TensorDotLayout,
} from "./contraction.ts";
export { erf, erfc } from "./erf.ts";
export { fingerprint } from "./fingerprint.ts";
export * from "./node.ts";
export { entryOf, scalarTable, vectorTable } from "./ops.ts";
export { print } from "./print.ts";
export { instantiate, rewrite, type Rule, type RuleClass } from "./rewrite.ts";
export { RULES, rulesOf } from "./rules.ts";
export { COMPLEX_OPS, type ComplexOp } from "./names.ts";
export { flatten as attributesOf } from "./contraction.ts";
export { checkDepth, depthOf, withinStack } from "./depth.ts";
