// One constructor per op, for rules and for code that builds formulas by hand. They only apply.

import { flatten, type TensorDotLayout } from "./contraction.ts";
import { apply, type Node, type OpNode } from "./node.ts";

export { constant } from "./node.ts";

export const add = (a: Node, b: Node): OpNode => apply("add", [a, b]);
export const sub = (a: Node, b: Node): OpNode => apply("sub", [a, b]);
export const mul = (a: Node, b: Node): OpNode => apply("mul", [a, b]);
export const div = (a: Node, b: Node): OpNode => apply("div", [a, b]);
export const neg = (x: Node): OpNode => apply("neg", [x]);
export const inv = (x: Node): OpNode => apply("inv", [x]);
export const square = (x: Node): OpNode => apply("square", [x]);
export const pow = (x: Node, exponent: number): OpNode => apply("pow", [x], [exponent]);
export const powr = (x: Node, y: Node): OpNode => apply("powr", [x, y]);
export const sqrt = (x: Node): OpNode => apply("sqrt", [x]);
export const rsqrt = (x: Node): OpNode => apply("rsqrt", [x]);
export const exp = (x: Node): OpNode => apply("exp", [x]);
export const log = (x: Node): OpNode => apply("log", [x]);
export const sin = (x: Node): OpNode => apply("sin", [x]);
export const cos = (x: Node): OpNode => apply("cos", [x]);
export const abs = (x: Node): OpNode => apply("abs", [x]);
export const sign = (x: Node): OpNode => apply("sign", [x]);
export const step = (x: Node): OpNode => apply("step", [x]);
export const relu = (x: Node): OpNode => apply("relu", [x]);
export const min = (a: Node, b: Node): OpNode => apply("min", [a, b]);
export const max = (a: Node, b: Node): OpNode => apply("max", [a, b]);
export const lt = (a: Node, b: Node): OpNode => apply("lt", [a, b]);
export const le = (a: Node, b: Node): OpNode => apply("le", [a, b]);
export const gt = (a: Node, b: Node): OpNode => apply("gt", [a, b]);
export const ge = (a: Node, b: Node): OpNode => apply("ge", [a, b]);
export const eq = (a: Node, b: Node): OpNode => apply("eq", [a, b]);
export const ne = (a: Node, b: Node): OpNode => apply("ne", [a, b]);
export const ifElse = (f: Node, a: Node, b: Node): OpNode => apply("ifElse", [f, a, b]);
export const where = (m: Node, a: Node, b: Node): OpNode => apply("where", [m, a, b]);
export const sum = (x: Node): OpNode => apply("sum", [x]);
export const sumT = (x: Node, dim: number): OpNode => apply("sumT", [x], [dim]);
export const dot = (a: Node, b: Node): OpNode => apply("dot", [a, b]);
export const sqNorm2 = (x: Node): OpNode => apply("sqNorm2", [x]);
export const norm2 = (x: Node): OpNode => apply("norm2", [x]);
export const sqDist = (a: Node, b: Node): OpNode => apply("sqDist", [a, b]);
export const normalize = (x: Node): OpNode => apply("normalize", [x]);
export const concat = (...parts: readonly Node[]): OpNode => apply("concat", parts);
export const elem = (x: Node, m: number): OpNode => apply("elem", [x], [m]);
export const elemT = (x: Node, dim: number, m: number): OpNode => apply("elemT", [x], [dim, m]);
export const extract = (x: Node, start: number, dim: number): OpNode =>
  apply("extract", [x], [start, dim]);
export const extractT = (x: Node, dim: number, start: number): OpNode =>
  apply("extractT", [x], [dim, start]);
export const strided = (x: Node, start: number, step: number, dim: number): OpNode =>
  apply("strided", [x], [start, step, dim]);
export const stridedT = (x: Node, dim: number, start: number, step: number): OpNode =>
  apply("stridedT", [x], [dim, start, step]);
export const interleave = (a: Node, b: Node): OpNode => apply("interleave", [a, b]);
export const sqNormIso = (s: Node, x: Node): OpNode => apply("sqNormIso", [s, x]);
export const sqNormDiag = (s: Node, x: Node): OpNode => apply("sqNormDiag", [s, x]);
export const symSqNorm = (a: Node, x: Node): OpNode => apply("symSqNorm", [a, x]);
export const weightedSqNorm = (s: Node, x: Node): OpNode => apply("weightedSqNorm", [s, x]);
export const weightedSqDist = (s: Node, x: Node, y: Node): OpNode =>
  apply("weightedSqDist", [s, x, y]);
export const maxOf = (x: Node): OpNode => apply("maxOf", [x]);
export const minOf = (x: Node): OpNode => apply("minOf", [x]);
export const argMaxOf = (x: Node): OpNode => apply("argMaxOf", [x]);
export const argMinOf = (x: Node): OpNode => apply("argMinOf", [x]);
export const iota = (dim: number): OpNode => apply("iota", [], [dim]);
export const oneHot = (x: Node, dim: number): OpNode => apply("oneHot", [x], [dim]);
export const bSpline = (knots: Node, x: Node, order: number): OpNode =>
  apply("bSpline", [knots, x], [order]);
export const matVecMult = (a: Node, b: Node): OpNode => apply("matVecMult", [a, b]);
export const vecMatMult = (b: Node, a: Node): OpNode => apply("vecMatMult", [b, a]);
export const tensorProd = (a: Node, b: Node): OpNode => apply("tensorProd", [a, b]);
export const kron = (
  a: Node,
  b: Node,
  dimsA: readonly number[],
  dimsB: readonly number[],
): OpNode => apply("kron", [a, b], [dimsA.length, ...dimsA, ...dimsB]);
export const tensorDot = (a: Node, b: Node, layout: TensorDotLayout): OpNode =>
  apply("tensorDot", [a, b], flatten(layout));
export const cross = (a: Node, b: Node): OpNode => apply("cross", [a, b]);
export const det3 = (a: Node): OpNode => apply("det3", [a]);
export const inv3 = (a: Node): OpNode => apply("inv3", [a]);
export const softDtwSqDist = (x: Node, y: Node, gamma: Node): OpNode =>
  apply("softDtwSqDist", [x, y, gamma]);
export const softDtwTable = (costs: Node, gamma: Node, n: number, m: number): OpNode =>
  apply("softDtwTable", [costs, gamma], [n, m]);
export const gridScan = (a: Node, b: Node, c: Node, s: Node, n: number, m: number): OpNode =>
  apply("gridScan", [a, b, c, s], [n, m]);
export const gridScanT = (a: Node, b: Node, c: Node, s: Node, n: number, m: number): OpNode =>
  apply("gridScanT", [a, b, c, s], [n, m]);
export const complexReal = (z: Node): OpNode => apply("complexReal", [z]);
export const complexImag = (z: Node): OpNode => apply("complexImag", [z]);
export const realToComplex = (x: Node): OpNode => apply("realToComplex", [x]);
export const imagToComplex = (x: Node): OpNode => apply("imagToComplex", [x]);
export const conj = (z: Node): OpNode => apply("conj", [z]);
export const complexAbs = (z: Node): OpNode => apply("complexAbs", [z]);
export const complexSquareAbs = (z: Node): OpNode => apply("complexSquareAbs", [z]);
export const complexAngle = (z: Node): OpNode => apply("complexAngle", [z]);
export const complexSum = (z: Node): OpNode => apply("complexSum", [z]);
export const complexSumT = (z: Node, dim: number): OpNode => apply("complexSumT", [z], [dim]);
export const complexAdd = (a: Node, b: Node): OpNode => apply("complexAdd", [a, b]);
export const complexSubtract = (a: Node, b: Node): OpNode => apply("complexSubtract", [a, b]);
export const complexMult = (a: Node, b: Node): OpNode => apply("complexMult", [a, b]);
export const complexScal = (a: Node, b: Node): OpNode => apply("complexScal", [a, b]);
export const complexRealScal = (a: Node, b: Node): OpNode => apply("complexRealScal", [a, b]);
export const complexDivide = (a: Node, b: Node): OpNode => apply("complexDivide", [a, b]);
export const complexExp = (z: Node): OpNode => apply("complexExp", [z]);
export const complexExp1j = (x: Node): OpNode => apply("complexExp1j", [x]);
export const floor = (x: Node): OpNode => apply("floor", [x]);
export const round = (x: Node, decimals: number): OpNode => apply("round", [x], [decimals]);
export const mod = (x: Node, modulus: Node, offset: Node): OpNode =>
  apply("mod", [x, modulus, offset]);
export const clamp = (x: Node, low: Node, high: Node): OpNode => apply("clamp", [x, low, high]);
export const clampInt = (x: Node, low: number, high: number): OpNode =>
  apply("clampInt", [x], [low, high]);
export const expm1 = (x: Node): OpNode => apply("expm1", [x]);
export const exp2 = (x: Node): OpNode => apply("exp2", [x]);
export const log1p = (x: Node): OpNode => apply("log1p", [x]);
export const log2 = (x: Node): OpNode => apply("log2", [x]);
export const log10 = (x: Node): OpNode => apply("log10", [x]);
export const xLogX = (x: Node): OpNode => apply("xLogX", [x]);
export const sinXDivX = (x: Node): OpNode => apply("sinXDivX", [x]);
export const asin = (x: Node): OpNode => apply("asin", [x]);
export const acos = (x: Node): OpNode => apply("acos", [x]);
export const atan = (x: Node): OpNode => apply("atan", [x]);
export const atan2 = (y: Node, x: Node): OpNode => apply("atan2", [y, x]);
export const sinh = (x: Node): OpNode => apply("sinh", [x]);
export const cosh = (x: Node): OpNode => apply("cosh", [x]);
export const tanh = (x: Node): OpNode => apply("tanh", [x]);
export const asinh = (x: Node): OpNode => apply("asinh", [x]);
export const acosh = (x: Node): OpNode => apply("acosh", [x]);
export const atanh = (x: Node): OpNode => apply("atanh", [x]);
export const erf = (x: Node): OpNode => apply("erf", [x]);
export const erfc = (x: Node): OpNode => apply("erfc", [x]);
export const sigmoid = (x: Node): OpNode => apply("sigmoid", [x]);
export const softplus = (x: Node): OpNode => apply("softplus", [x]);
export const cbrt = (x: Node): OpNode => apply("cbrt", [x]);
export const hypot = (a: Node, b: Node): OpNode => apply("hypot", [a, b]);
