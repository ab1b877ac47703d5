// Every function of KeOps' formula language, by KeOps' spelling, and what people ask for beside.
//
// Argument orders are KeOps 2.3's. What each function computes stands in the op tables.

import * as autodiff from "../autodiff/mod.ts";
import { PairfoldError } from "../error.ts";
import { apply, build as f, type Node, type VariableNode, zero } from "../formula/mod.ts";
import { declareFunction, op, type Signature } from "./signature.ts";

/** A scalar cotangent or tangent stands for a vector of equal components. */
function fit(cotangent: Node, dim: number): Node {
  return cotangent.dim === 1 && dim > 1 ? f.sumT(cotangent, dim) : cotangent;
}

/** The quotient of two integers of the text. */
function ratio(p: number, q: number): number {
  if (q === 0) throw new PairfoldError("syntax", "got the denominator 0; expected another integer");
  return p / q;
}

/** A function whose arguments are integers alone. */
function fromIntegers(text: string, value: (integers: readonly number[]) => number): Signature {
  return declareFunction(text, ({ integers, number }) => number(value(integers)));
}

/** Another spelling of what other ops say. */
function composed(text: string, build: (...formulas: readonly Node[]) => Node): Signature {
  return declareFunction(text, ({ formulas }) => build(...formulas));
}

type Derivative = (formula: Node, variable: VariableNode, ...rest: Node[]) => Node;

/** A derivative of a formula by a variable. */
function derivative(text: string, take: Derivative): Signature {
  return declareFunction(
    text,
    ({ formulas: [formula, ...rest], variables: [v] }) => take(formula, v, ...rest),
  );
}

const scalars: Readonly<Record<string, Signature>> = {
  Add: op("add", "a, b"),
  Subtract: op("sub", "a, b"),
  Mult: op("mul", "a, b"),
  Divide: op("div", "a, b"),
  Minus: op("neg", "x"),
  Inv: op("inv", "x"),
  Square: op("square", "x"),
  Pow: op("pow", "x, m:integer"),
  Powf: op("powr", "x, y"),
  Sqrt: op("sqrt", "x"),
  Rsqrt: op("rsqrt", "x"),
  Exp: op("exp", "x"),
  Log: op("log", "x"),
  XLogX: op("xLogX", "x"),
  Sin: op("sin", "x"),
  Cos: op("cos", "x"),
  SinXDivX: op("sinXDivX", "x"),
  Asin: op("asin", "x"),
  Acos: op("acos", "x"),
  Atan: op("atan", "x"),
  Atan2: op("atan2", "y, x"),
  Abs: op("abs", "x"),
  Sign: op("sign", "x"),
  Step: op("step", "x"),
  ReLU: op("relu", "x"),
  Floor: op("floor", "x"),
  Round: op("round", "x, decimals:integer"),
  Mod: op("mod", "x, modulus, offset"),
  Clamp: op("clamp", "x, low, high"),
  ClampInt: op("clampInt", "x, low:integer, high:integer"),
  // the derivative of ClampInt: 1 from low to high
  DiffClampInt: declareFunction(
    "x, low:integer, high:integer",
    ({ formulas: [x], integers: [low, high], number }) => {
      const below = f.where(f.gt(x, number(high)), number(0), number(1));
      return f.where(f.lt(x, number(low)), number(0), below);
    },
  ),
  Equal: op("eq", "a, b"),
  NotEqual: op("ne", "a, b"),
  LessThan: op("lt", "a, b"),
  LessOrEqual: op("le", "a, b"),
  IfElse: op("ifElse", "f, a, b"),
  IntCst: fromIntegers("n:integer", ([n]) => n),
  IntInv: fromIntegers("n:integer", ([n]) => ratio(1, n)),
  RatCst: fromIntegers("p:integer, q:integer", ([p, q]) => ratio(p, q)),
  Zero: declareFunction("dim:integer", ({ integers: [dim] }) => zero(dim)),
};

const vectors: Readonly<Record<string, Signature>> = {
  Sum: op("sum", "x"),
  SumT: op("sumT", "x, dim:integer"),
  Scalprod: op("dot", "a, b"),
  SqNorm2: op("sqNorm2", "x"),
  Norm2: op("norm2", "x"),
  Normalize: op("normalize", "x"),
  SqDist: op("sqDist", "a, b"),
  WeightedSqNorm: op("weightedSqNorm", "s, x"),
  WeightedSqDist: op("weightedSqDist", "s, a, b"),
  SymSqNorm: op("symSqNorm", "s, x"),
  SqNormIso: op("sqNormIso", "s, x"),
  SqNormDiag: op("sqNormDiag", "s, x"),
  Max: op("maxOf", "x"),
  Min: op("minOf", "x"),
  ArgMax: op("argMaxOf", "x"),
  ArgMin: op("argMinOf", "x"),
  Elem: op("elem", "x, m:integer"),
  ElemT: op("elemT", "x, dim:integer, m:integer"),
  Extract: op("extract", "x, start:integer, dim:integer"),
  // KeOps has the place before the dim
  ExtractT: declareFunction(
    "x, start:integer, dim:integer",
    ({ formulas: [x], integers: [start, dim] }) => f.extractT(x, dim, start),
  ),
  Concat: op("concat", "a, b"),
  OneHot: op("oneHot", "x, dim:integer"),
  BSpline: op("bSpline", "knots, x, order:integer"),
};

const tensors: Readonly<Record<string, Signature>> = {
  MatVecMult: op("matVecMult", "matrix, x"),
  VecMatMult: op("vecMatMult", "x, matrix"),
  TensorProd: op("tensorProd", "a, b"),
  Kron: declareFunction(
    "a, b, dimsA:list, dimsB:list",
    ({ formulas, lists: [dimsA, dimsB] }) =>
      apply("kron", formulas, [dimsA.length, ...dimsA, ...dimsB]),
  ),
  TensorDot: declareFunction(
    "a, b, dimsA:list, dimsB:list, contractA:list, contractB:list, permutation:list?",
    ({ formulas, lists }) => apply("tensorDot", formulas, tensorDotAttributes(lists)),
  ),
  SoftDTW_SqDist: op("softDtwSqDist", "x, y, gamma"),
};

/** KeOps' lists as the attributes of tensorDot: counts first, a permutation always. */
function tensorDotAttributes(lists: readonly (readonly number[])[]): number[] {
  const [dimsA, dimsB, contractA, contractB, order] = lists;
  const contractions = contractA.length;
  if (contractB.length !== contractions) {
    throw new PairfoldError(
      "dim",
      `tensorDot: got ${contractions} contracted axes of a and ${contractB.length} of b; ` +
        "expected as many",
    );
  }
  const rest = Math.max(0, dimsA.length + dimsB.length - 2 * contractions);
  const permutation = order ?? Array.from({ length: rest }, (_, k) => k);
  const counts = [dimsA.length, dimsB.length, contractions];
  return [...counts, ...dimsA, ...dimsB, ...contractA, ...contractB, ...permutation];
}

const complexes: Readonly<Record<string, Signature>> = {
  ComplexReal: op("complexReal", "z"),
  ComplexImag: op("complexImag", "z"),
  Real2Complex: op("realToComplex", "x"),
  Imag2Complex: op("imagToComplex", "x"),
  Conj: op("conj", "z"),
  ComplexAbs: op("complexAbs", "z"),
  ComplexSquareAbs: op("complexSquareAbs", "z"),
  ComplexAngle: op("complexAngle", "z"),
  ComplexSum: op("complexSum", "z"),
  ComplexSumT: op("complexSumT", "z, dim:integer"),
  ComplexAdd: op("complexAdd", "a, b"),
  ComplexSubtract: op("complexSubtract", "a, b"),
  ComplexMult: op("complexMult", "a, b"),
  ComplexScal: op("complexScal", "a, z"),
  ComplexRealScal: op("complexRealScal", "x, z"),
  ComplexDivide: op("complexDivide", "a, b"),
  ComplexExp: op("complexExp", "z"),
  ComplexExp1j: op("complexExp1j", "x"),
};

const derivatives: Readonly<Record<string, Signature>> = {
  // without a cotangent it is one more input, of the other axis
  Grad: declareFunction(
    "f, v:variable, cotangent?",
    ({ formulas: [formula, g], variables: [v], cotangent }) =>
      autodiff.gradient(formula, v, fit(g ?? cotangent(formula, v), formula.dim)),
  ),
  // along one tangent, or along a tuple of them
  Diff: declareFunction(
    "f, v:variables, tangent:formulas",
    ({ formulas: [formula, ...tangents], variables }) =>
      autodiff.differentials(
        formula,
        variables,
        tangents.map((u, k) => fit(u, variables.at(k)?.dim ?? 1)),
      ),
  ),
  GradMatrix: { ...derivative("f, v:variable", autodiff.gradMatrix), isJacobian: true },
  Divergence: derivative("f, v:variable", autodiff.divergence),
  Laplacian: derivative("f, v:variable", autodiff.laplacian),
  TraceOperator: derivative("f, v:variable, weight=1", autodiff.traceOperator),
  AdjointOperator: declareFunction(
    "f, v:variable, u",
    ({ formulas: [formula, u], variables: [v] }) =>
      autodiff.adjointOperator(formula, v, fit(u, formula.dim)),
  ),
  // Σ left_i M_ij right_j for a formula M·v
  SumLinOperator: declareFunction(
    "f, v:variable, left=1, right=1",
    ({ formulas: [formula, left, right], variables: [v] }) => {
      if (!autodiff.isLinear(formula, v)) {
        throw new PairfoldError(
          "syntax",
          "SumLinOperator: got a formula that is not linear in v; expected a linear one",
        );
      }
      return f.dot(left, autodiff.differential(formula, v, fit(right, v.dim)));
    },
  ),
  // Equal parts are computed once anyhow.
  Factorize: composed("f, g", (formula) => formula),
  AutoFactorize: composed("f", (formula) => formula),
};

/** What KeOps lacks, or spells only as infix. */
const extras: Readonly<Record<string, Signature>> = {
  Tanh: op("tanh", "x"),
  Sinh: op("sinh", "x"),
  Cosh: op("cosh", "x"),
  Asinh: op("asinh", "x"),
  Acosh: op("acosh", "x"),
  Atanh: op("atanh", "x"),
  Erf: op("erf", "x"),
  Erfc: op("erfc", "x"),
  Sigmoid: op("sigmoid", "x"),
  Softplus: op("softplus", "x"),
  Expm1: op("expm1", "x"),
  Log1p: op("log1p", "x"),
  Exp2: op("exp2", "x"),
  Log2: op("log2", "x"),
  Log10: op("log10", "x"),
  Cbrt: op("cbrt", "x"),
  Hypot: op("hypot", "a, b"),
  Ceil: composed("x", (x) => f.neg(f.floor(f.neg(x)))),
  Maximum: op("max", "a, b"),
  Minimum: op("min", "a, b"),
  GreaterThan: op("gt", "a, b"),
  GreaterOrEqual: op("ge", "a, b"),
  Where: op("where", "m, a, b"),
  Cross: op("cross", "a, b"),
  Det3: op("det3", "matrix"),
  Inv3: op("inv3", "matrix"),
  Sinc: declareFunction(
    "x",
    ({ formulas: [x], number }) => f.sinXDivX(f.mul(number(Math.PI), x)),
  ),
};

/** Functions of formula strings, by KeOps' spelling. */
export const KEOPS_FUNCTIONS: ReadonlyMap<string, Signature> = new Map(
  [scalars, vectors, tensors, complexes, derivatives, extras].flatMap((t) => Object.entries(t)),
);
