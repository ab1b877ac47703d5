// The names of all ops, by family. Every table over ops is total over these unions.

/** Ops that act on each component on its own; arguments of dim 1 broadcast. */
export const ELEMENTWISE_OPS = [
  "add",
  "sub",
  "mul",
  "div",
  "neg",
  "inv",
  "square",
  "pow",
  "powr",
  "sqrt",
  "rsqrt",
  "exp",
  "log",
  "sin",
  "cos",
  "abs",
  "sign",
  "step",
  "relu",
  "min",
  "max",
  "floor",
  "round",
  "mod",
  "clamp",
  "clampInt",
] as const;

/** Elementwise ops that are functions of analysis. */
export const SPECIAL_OPS = [
  "expm1",
  "exp2",
  "log1p",
  "log2",
  "log10",
  "xLogX",
  "sinXDivX",
  "asin",
  "acos",
  "atan",
  "atan2",
  "sinh",
  "cosh",
  "tanh",
  "asinh",
  "acosh",
  "atanh",
  "erf",
  "erfc",
  "sigmoid",
  "softplus",
  "cbrt",
  "hypot",
] as const;

/** Elementwise ops that compare or choose. */
export const COMPARISON_OPS = [
  "lt",
  "le",
  "gt",
  "ge",
  "eq",
  "ne",
  "ifElse",
  "where",
] as const;

/** Ops that read or build whole vectors. */
export const VECTOR_OPS = [
  "sum",
  "sumT",
  "dot",
  "sqNorm2",
  "norm2",
  "sqDist",
  "normalize",
  "concat",
  "elem",
  "elemT",
  "extract",
  "extractT",
  "strided",
  "stridedT",
  "interleave",
] as const;

/** Norms with weights, matrices and tensors, extrema and bases of vectors. */
export const TENSOR_OPS = [
  "sqNormIso",
  "sqNormDiag",
  "symSqNorm",
  "weightedSqNorm",
  "weightedSqDist",
  "maxOf",
  "minOf",
  "argMaxOf",
  "argMinOf",
  "iota",
  "oneHot",
  "bSpline",
  "matVecMult",
  "vecMatMult",
  "tensorProd",
  "kron",
  "tensorDot",
  "cross",
  "det3",
  "inv3",
  "softDtwSqDist",
  "softDtwTable",
  "gridScan",
  "gridScanT",
] as const;

/** Ops on complex vectors, stored interleaved: re₀ im₀ re₁ im₁ …, so that their dims are even. */
export const COMPLEX_OPS = [
  "complexReal",
  "complexImag",
  "realToComplex",
  "imagToComplex",
  "conj",
  "complexAbs",
  "complexSquareAbs",
  "complexAngle",
  "complexSum",
  "complexSumT",
  "complexAdd",
  "complexSubtract",
  "complexMult",
  "complexScal",
  "complexRealScal",
  "complexDivide",
  "complexExp",
  "complexExp1j",
] as const;

export type ElementwiseOp = typeof ELEMENTWISE_OPS[number];
export type SpecialOp = typeof SPECIAL_OPS[number];
export type ComparisonOp = typeof COMPARISON_OPS[number];
export type TensorOp = typeof TENSOR_OPS[number];
/** Those with tables of their own: B-splines and time warping. */
export type CurveOp = "bSpline" | "softDtwSqDist" | "softDtwTable" | "gridScan" | "gridScanT";
/** Norms with weights. */
export type WeightedOp =
  | "sqNormIso"
  | "sqNormDiag"
  | "symSqNorm"
  | "weightedSqNorm"
  | "weightedSqDist";
export type VectorOp = typeof VECTOR_OPS[number] | TensorOp;
export type ComplexOp = typeof COMPLEX_OPS[number];
/** Ops with a scalar definition, applied component by component. */
export type ScalarOp = ElementwiseOp | SpecialOp | ComparisonOp;
/** The name of any op. */
export type OpName = ScalarOp | VectorOp | ComplexOp;

export const SCALAR_OPS: readonly ScalarOp[] = [
  ...ELEMENTWISE_OPS,
  ...SPECIAL_OPS,
  ...COMPARISON_OPS,
];
export const ALL_OPS: readonly OpName[] = [
  ...SCALAR_OPS,
  ...VECTOR_OPS,
  ...TENSOR_OPS,
  ...COMPLEX_OPS,
];

const scalarOps: ReadonlySet<string> = new Set(SCALAR_OPS);

/** Whether an op acts component by component. */
export function isScalarOp(op: OpName): op is ScalarOp {
  return scalarOps.has(op);
}
