// Every function of the language: KeOps' names are all there, and each builds what it should.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import * as autodiff from "../../src/autodiff/mod.ts";
import {
  apply,
  build as f,
  constant,
  type Node,
  type OpName,
  variable,
} from "../../src/formula/mod.ts";
import {
  KEOPS_FUNCTIONS,
  LAZY_FUNCTIONS,
  readTemplate,
  resolveTemplate,
} from "../../src/syntax/mod.ts";
import { read, s, t, x, y } from "./support.ts";

/**
 * What the functions of keopscore 2.3 are called: everything that `keopscore.formulas` exports and
 * a formula may call, without classes of its own making (Operation, …), reductions and the
 * gradients of reductions. ComplexScal is documented and was never built.
 */
const KEOPS_NAMES =
  ("Abs Acos Add AdjointOperator ArgMax ArgMin Asin Atan Atan2 AutoFactorize BSpline " +
    "Clamp ClampInt ComplexAbs ComplexAdd ComplexAngle ComplexDivide ComplexExp ComplexExp1j " +
    "ComplexImag ComplexMult ComplexReal ComplexRealScal ComplexScal ComplexSquareAbs ComplexSubtract " +
    "ComplexSum ComplexSumT Concat Conj Cos Diff DiffClampInt Divergence Divide Elem ElemT Equal Exp " +
    "Extract ExtractT Factorize Floor Grad GradMatrix IfElse Imag2Complex IntCst IntInv Inv Kron " +
    "Laplacian LessOrEqual LessThan Log MatVecMult Max Min Minus Mod Mult Norm2 Normalize NotEqual " +
    "OneHot Pow Powf RatCst ReLU Real2Complex Round Rsqrt Scalprod Sign Sin SinXDivX SoftDTW_SqDist " +
    "SqDist SqNorm2 SqNormDiag SqNormIso Sqrt Square Step Subtract Sum SumLinOperator SumT SymSqNorm " +
    "TensorDot TensorProd TraceOperator VecMatMult WeightedSqDist WeightedSqNorm XLogX Zero")
    .split(" ");

Deno.test("every function of KeOps has its entry", () => {
  assertEquals(KEOPS_NAMES.filter((name) => !KEOPS_FUNCTIONS.has(name)), []);
});

const op = (name: OpName, args: readonly Node[], attributes: readonly number[] = []): Node =>
  apply(name, args, attributes);

const z = variable(5, "i", 4); // two complex numbers, or a matrix 2 × 2
const w = variable(6, "j", 4);
const c = variable(7, "p", 2); // one complex number
const m = variable(8, "i", 9); // a matrix 3 × 3
const k = variable(9, "p", 7); // knots
const u = variable(10, "i", 6);
const ALIASES = ["x=Vi(0,3)", "y=Vj(1,3)", "s=Vi(2,1)", "t=Vj(3,1)", "p=Pm(4,1)", "z=Vi(5,4)"]
  .concat(["w=Vj(6,4)", "c=Pm(7,2)", "m=Vi(8,9)", "k=Pm(9,7)", "u=Vi(10,6)"]);

const xy = f.mul(x, y);
const scalar = f.sqDist(x, y);

/** A call of every function and what it is. */
const CALLS: Readonly<Record<string, readonly [string, () => Node]>> = {
  Add: ["Add(x,y)", () => f.add(x, y)],
  Subtract: ["Subtract(x,y)", () => f.sub(x, y)],
  Mult: ["Mult(x,y)", () => f.mul(x, y)],
  Divide: ["Divide(x,y)", () => f.div(x, y)],
  Minus: ["Minus(x)", () => f.neg(x)],
  Inv: ["Inv(x)", () => f.inv(x)],
  Square: ["Square(x)", () => f.square(x)],
  Pow: ["Pow(x,3)", () => f.pow(x, 3)],
  Powf: ["Powf(x,s)", () => f.powr(x, s)],
  Sqrt: ["Sqrt(x)", () => f.sqrt(x)],
  Rsqrt: ["Rsqrt(x)", () => f.rsqrt(x)],
  Exp: ["Exp(x)", () => f.exp(x)],
  Log: ["Log(x)", () => f.log(x)],
  XLogX: ["XLogX(x)", () => op("xLogX", [x])],
  Sin: ["Sin(x)", () => f.sin(x)],
  Cos: ["Cos(x)", () => f.cos(x)],
  SinXDivX: ["SinXDivX(x)", () => op("sinXDivX", [x])],
  Asin: ["Asin(x)", () => op("asin", [x])],
  Acos: ["Acos(x)", () => op("acos", [x])],
  Atan: ["Atan(x)", () => op("atan", [x])],
  Atan2: ["Atan2(y,x)", () => op("atan2", [y, x])],
  Abs: ["Abs(x)", () => f.abs(x)],
  Sign: ["Sign(x)", () => f.sign(x)],
  Step: ["Step(x)", () => f.step(x)],
  ReLU: ["ReLU(x)", () => f.relu(x)],
  Floor: ["Floor(x)", () => op("floor", [x])],
  Round: ["Round(x,2)", () => op("round", [x], [2])],
  Mod: ["Mod(x,s,t)", () => op("mod", [x, s, t])],
  Clamp: ["Clamp(x,s,t)", () => op("clamp", [x, s, t])],
  ClampInt: ["ClampInt(x,-1,2)", () => op("clampInt", [x], [-1, 2])],
  DiffClampInt: [
    "DiffClampInt(x,-1,2)",
    () => {
      const [zero, one] = [constant(0), constant(1)];
      return f.where(f.lt(x, constant(-1)), zero, f.where(f.gt(x, constant(2)), zero, one));
    },
  ],
  Equal: ["Equal(x,y)", () => f.eq(x, y)],
  NotEqual: ["NotEqual(x,y)", () => f.ne(x, y)],
  LessThan: ["LessThan(x,y)", () => f.lt(x, y)],
  LessOrEqual: ["LessOrEqual(x,y)", () => f.le(x, y)],
  IfElse: ["IfElse(s,x,y)", () => f.ifElse(s, x, y)],
  IntCst: ["IntCst(7)", () => constant(7)],
  IntInv: ["IntInv(-4)", () => constant(-0.25)],
  RatCst: ["RatCst(3,4)", () => constant(0.75)],
  Zero: ["x+Zero(3)", () => read("Zero(3)+x") && f.add(x, read("Zero(3)"))],
  Sum: ["Sum(x)", () => f.sum(x)],
  SumT: ["SumT(s,4)", () => f.sumT(s, 4)],
  Scalprod: ["Scalprod(x,y)", () => f.dot(x, y)],
  SqNorm2: ["SqNorm2(x)", () => f.sqNorm2(x)],
  Norm2: ["Norm2(x)", () => f.norm2(x)],
  Normalize: ["Normalize(x)", () => f.normalize(x)],
  SqDist: ["SqDist(x,y)", () => f.sqDist(x, y)],
  WeightedSqNorm: ["WeightedSqNorm(m,x)", () => op("weightedSqNorm", [m, x])],
  WeightedSqDist: ["WeightedSqDist(s,x,y)", () => op("weightedSqDist", [s, x, y])],
  SymSqNorm: ["SymSqNorm(m,x)", () => op("symSqNorm", [m, x])],
  SqNormIso: ["SqNormIso(s,x)", () => op("sqNormIso", [s, x])],
  SqNormDiag: ["SqNormDiag(x,y)", () => op("sqNormDiag", [x, y])],
  Max: ["Max(x)", () => op("maxOf", [x])],
  Min: ["Min(x)", () => op("minOf", [x])],
  ArgMax: ["ArgMax(x)", () => op("argMaxOf", [x])],
  ArgMin: ["ArgMin(x)", () => op("argMinOf", [x])],
  Elem: ["Elem(x,2)", () => f.elem(x, 2)],
  ElemT: ["ElemT(s,4,1)", () => f.elemT(s, 4, 1)],
  Extract: ["Extract(x,1,2)", () => f.extract(x, 1, 2)],
  ExtractT: ["ExtractT(x,2,6)", () => f.extractT(x, 6, 2)],
  Concat: ["Concat(x,s)", () => f.concat(x, s)],
  OneHot: ["OneHot(s,4)", () => op("oneHot", [s], [4])],
  BSpline: ["BSpline(k,s,2)", () => op("bSpline", [k, s], [2])],
  MatVecMult: ["MatVecMult(m,x)", () => op("matVecMult", [m, x])],
  VecMatMult: ["VecMatMult(x,m)", () => op("vecMatMult", [x, m])],
  TensorProd: ["TensorProd(x,z)", () => op("tensorProd", [x, z])],
  Kron: ["Kron(u,z,[2,3],[2,2])", () => op("kron", [u, z], [2, 2, 3, 2, 2])],
  TensorDot: [
    "TensorDot(u,x,[2,3],[3],[1],[0])",
    () => op("tensorDot", [u, x], [2, 1, 1, 2, 3, 3, 1, 0, 0]),
  ],
  SoftDTW_SqDist: ["SoftDTW_SqDist(x,z,s)", () => op("softDtwSqDist", [x, z, s])],
  ComplexReal: ["ComplexReal(z)", () => op("complexReal", [z])],
  ComplexImag: ["ComplexImag(z)", () => op("complexImag", [z])],
  Real2Complex: ["Real2Complex(x)", () => op("realToComplex", [x])],
  Imag2Complex: ["Imag2Complex(x)", () => op("imagToComplex", [x])],
  Conj: ["Conj(z)", () => op("conj", [z])],
  ComplexAbs: ["ComplexAbs(z)", () => op("complexAbs", [z])],
  ComplexSquareAbs: ["ComplexSquareAbs(z)", () => op("complexSquareAbs", [z])],
  ComplexAngle: ["ComplexAngle(z)", () => op("complexAngle", [z])],
  ComplexSum: ["ComplexSum(z)", () => op("complexSum", [z])],
  ComplexSumT: ["ComplexSumT(c,6)", () => op("complexSumT", [c], [6])],
  ComplexAdd: ["ComplexAdd(z,w)", () => op("complexAdd", [z, w])],
  ComplexSubtract: ["ComplexSubtract(z,w)", () => op("complexSubtract", [z, w])],
  ComplexMult: ["ComplexMult(z,w)", () => op("complexMult", [z, w])],
  ComplexScal: ["ComplexScal(c,z)", () => op("complexScal", [c, z])],
  ComplexRealScal: ["ComplexRealScal(s,z)", () => op("complexRealScal", [s, z])],
  ComplexDivide: ["ComplexDivide(z,w)", () => op("complexDivide", [z, w])],
  ComplexExp: ["ComplexExp(z)", () => op("complexExp", [z])],
  ComplexExp1j: ["ComplexExp1j(x)", () => op("complexExp1j", [x])],
  Grad: ["Grad(x*y,x,y)", () => autodiff.gradient(xy, asVariable(x), y)],
  Diff: ["Diff(x*y,x,y)", () => autodiff.differential(xy, asVariable(x), y)],
  GradMatrix: ["GradMatrix(x*y,x)", () => autodiff.gradMatrix(xy, asVariable(x))],
  Divergence: ["Divergence(x*y,x)", () => autodiff.divergence(xy, asVariable(x))],
  Laplacian: ["Laplacian(SqDist(x,y),x)", () => autodiff.laplacian(scalar, asVariable(x))],
  TraceOperator: ["TraceOperator(x*y,x)", () => autodiff.traceOperator(xy, asVariable(x))],
  AdjointOperator: [
    "AdjointOperator(x*y,x,y)",
    () => autodiff.adjointOperator(xy, asVariable(x), y),
  ],
  SumLinOperator: [
    "SumLinOperator(x*y,x,y,s)",
    () => f.dot(y, autodiff.differential(xy, asVariable(x), f.sumT(s, 3))),
  ],
  Factorize: ["Factorize(Exp(x),x)", () => f.exp(x)],
  AutoFactorize: ["AutoFactorize(Exp(x))", () => f.exp(x)],
  Tanh: ["Tanh(x)", () => op("tanh", [x])],
  Sinh: ["Sinh(x)", () => op("sinh", [x])],
  Cosh: ["Cosh(x)", () => op("cosh", [x])],
  Erf: ["Erf(x)", () => op("erf", [x])],
  Erfc: ["Erfc(x)", () => op("erfc", [x])],
  Sigmoid: ["Sigmoid(x)", () => op("sigmoid", [x])],
  Softplus: ["Softplus(x)", () => op("softplus", [x])],
  Expm1: ["Expm1(x)", () => op("expm1", [x])],
  Log1p: ["Log1p(x)", () => op("log1p", [x])],
  Asinh: ["Asinh(x)", () => op("asinh", [x])],
  Acosh: ["Acosh(x)", () => op("acosh", [x])],
  Atanh: ["Atanh(x)", () => op("atanh", [x])],
  Exp2: ["Exp2(x)", () => op("exp2", [x])],
  Log2: ["Log2(x)", () => op("log2", [x])],
  Log10: ["Log10(x)", () => op("log10", [x])],
  Cbrt: ["Cbrt(x)", () => op("cbrt", [x])],
  Hypot: ["Hypot(x,y)", () => op("hypot", [x, y])],
  Ceil: ["Ceil(x)", () => f.neg(op("floor", [f.neg(x)]))],
  Maximum: ["Maximum(x,y)", () => f.max(x, y)],
  Minimum: ["Minimum(x,y)", () => f.min(x, y)],
  GreaterThan: ["GreaterThan(x,y)", () => f.gt(x, y)],
  GreaterOrEqual: ["GreaterOrEqual(x,y)", () => f.ge(x, y)],
  Where: ["Where(s,x,y)", () => f.where(s, x, y)],
  Cross: ["Cross(x,y)", () => op("cross", [x, y])],
  Det3: ["Det3(m)", () => op("det3", [m])],
  Inv3: ["Inv3(m)", () => op("inv3", [m])],
  Sinc: ["Sinc(x)", () => op("sinXDivX", [f.mul(constant(Math.PI), x)])],
};

function asVariable(node: Node): Node & { readonly kind: "variable" } {
  assert(node.kind === "variable");
  return node;
}

Deno.test("every function is tried", () => {
  assertEquals([...KEOPS_FUNCTIONS.keys()].filter((name) => !Object.hasOwn(CALLS, name)), []);
  assertEquals(Object.keys(CALLS).filter((name) => !KEOPS_FUNCTIONS.has(name)), []);
});

for (const [name, signature] of KEOPS_FUNCTIONS) {
  const [text, expected] = CALLS[name];
  Deno.test(`${name}: ${text} builds what it says, in KeOps' order of arguments`, () => {
    assert(read(text, ALIASES) === expected());
  });
  Deno.test(`${name}: too few and too many arguments are errors that show how it is called`, () => {
    const shape = `${name}(${signature.text})`;
    for (const wrong of [`${name}()`, `${name}(x,1,1,1,1,1,1,1,1)`]) {
      const error = assertThrows(() => read(wrong, ALIASES), Error, "arguments; expected");
      assertStringIncludes(error.message, shape);
    }
  });
}

Deno.test("lists are [2,3], Ind(2,3) or (2,3); empty ones too", () => {
  const forms = ["[2,3],[3],[1],[0]", "Ind(2,3),Ind(3),Ind(1),Ind(0)", "(2,3),(3,),(1,),(0,)"];
  for (const lists of [...forms, "[2,3,],[3],[1],[0],[0]", "[2,3],[3],[],[]"]) {
    const text = `TensorDot(u,x,${lists})`;
    const permutation = text.endsWith("[],[])") ? [0, 1, 2] : [0];
    const contracted = permutation.length === 1 ? [1, 0] : [];
    const counts = [2, 1, contracted.length / 2];
    assert(
      read(text, ALIASES) === op("tensorDot", [u, x], [
        ...counts,
        ...[2, 3, 3],
        ...contracted,
        ...permutation,
      ]),
    );
  }
});

// ------------------------------------------------------------------------------------------------
// The names of templates

/** A template's formula, its values the usual variables. */
function template(parts: readonly string[], ...values: readonly Node[]): Node {
  return resolveTemplate(
    readTemplate(parts),
    (index) => ({ kind: "formula", node: () => values[index] }),
    constant,
  );
}

/** Spellings of the LazyTensor methods of pykeops and of ours, and what they are. */
const SPELLINGS: readonly (readonly [readonly string[], string, Node])[] = [
  [["sqDist", "sqdist", "SqDist"], "(${},${})", f.sqDist(x, y)],
  [["sqNorm2", "sqnorm2", "SqNorm2"], "(${})", f.sqNorm2(x)],
  [["norm2", "Norm2", "norm"], "(${})", f.norm2(x)],
  [["exp", "Exp"], "(${})", f.exp(x)],
  [["relu", "reLU", "ReLU"], "(${})", f.relu(x)],
  [["ifElse", "ifelse", "IfElse"], "(${},${},1)", f.ifElse(x, y, constant(1))],
  [["add", "Add"], "(${},${})", f.add(x, y)],
  [["sub", "subtract", "Subtract"], "(${},${})", f.sub(x, y)],
  [["mul", "mult"], "(${},${})", f.mul(x, y)],
  [["div", "divide"], "(${},${})", f.div(x, y)],
  [["neg", "minus"], "(${})", f.neg(x)],
  [["dot", "scalprod", "Scalprod"], "(${},${})", f.dot(x, y)],
  [["lt", "lessThan", "lessthan"], "(${},${})", f.lt(x, y)],
  [["ge", "greaterOrEqual"], "(${},${})", f.ge(x, y)],
  [["maximum", "Maximum"], "(${},${})", f.max(x, y)],
  [["where", "Where"], "(${}<0,${},1)", f.where(f.lt(x, constant(0)), y, constant(1))],
  [["pow"], "(${},3)", f.pow(x, 3)],
  [["power"], "(${},2)", f.square(x)],
  [["pow"], "(${},${})", f.powr(x, y)],
  [["powf", "powr"], "(${},${})", f.powr(x, y)],
  [["concat"], "(${},${},${})", f.concat(x, y, s)],
  [["extractT"], "(${},5,1)", f.extractT(x, 5, 1)],
  [["ExtractT"], "(${},1,5)", f.extractT(x, 5, 1)],
  [["elem"], "(${},2)", f.elem(x, 2)],
  [["sum"], "(${})", f.sum(x)],
];

for (const [names, call, node] of SPELLINGS) {
  for (const name of names) {
    Deno.test(`template: ${name}${call}`, () => {
      assert(template(`${name}${call}`.split("${}"), x, y, s) === node);
    });
  }
}

Deno.test("templates: i and j are the indices, ^ and ** are powers", () => {
  const order = template(["(i < j) * ", "^2 - ", "**3"], x, y);
  const i = template(["i"]);
  assertEquals([i.kind, i.domain, template(["j"]).domain], ["index", "i", "j"]);
  assert(order === f.sub(f.mul(f.lt(i, template(["j"])), f.square(x)), f.pow(y, 3)));
});

Deno.test("templates: lower-case names have the methods' order of arguments", () => {
  for (const name of ["weightedSqNorm", "weightedsqnorm"]) {
    const call = LAZY_FUNCTIONS.get(name);
    assertEquals(call?.text, "x, s");
  }
  assertEquals(LAZY_FUNCTIONS.get("WeightedSqNorm")?.text, "s, x");
  assertEquals(LAZY_FUNCTIONS.get("weightedsqdist")?.text, "x, y, s");
});

Deno.test("templates: a derivative by a value, its cotangent 1 when left out", () => {
  const got = template(["grad(sqdist(", ", ", "), ", ")"], x, y, x);
  assert(got === autodiff.gradient(f.sqDist(x, y), asVariable(x), constant(1)));
  assert(template(["grad(", ", ", ", ", ")"], f.exp(x), x, t) !== got);
});
