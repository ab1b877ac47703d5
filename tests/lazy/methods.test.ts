// Every op of the tables has a method on symbolic matrices, and the method computes that op.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { ComplexLazyTensor, lazy, LazyTensor, type Readable, tensor, Vi, Vj } from "../../mod.ts";
import {
  ALL_OPS,
  apply,
  drawn,
  entryOf,
  layoutOf,
  type OpName,
  type Sample,
  samplesOf,
} from "../../src/formula/mod.ts";
import { checkDense } from "../support/dense.ts";
import { type Random, randomFor } from "../support/random.ts";

type Method = (args: readonly LazyTensor[], attributes: readonly number[]) => Readable;

/** Ops that only gradients and definitions of others bring forth. */
const INTERNAL = ["iota", "softDtwTable", "gridScan", "gridScanT"] as const;
type InternalOp = typeof INTERNAL[number];

const isInternal = (op: OpName): op is InternalOp => INTERNAL.some((name) => name === op);

/** How each op is written; complex ones read their arguments as pairs. */
const METHODS: Readonly<Record<Exclude<OpName, InternalOp>, Method>> = {
  add: ([a, b]) => a.add(b),
  sub: ([a, b]) => a.sub(b),
  mul: ([a, b]) => a.mul(b),
  div: ([a, b]) => a.div(b),
  neg: ([x]) => x.neg(),
  inv: ([x]) => x.inv(),
  square: ([x]) => x.square(),
  pow: ([x], [exponent]) => x.pow(exponent),
  powr: ([x, y]) => x.pow(y),
  sqrt: ([x]) => x.sqrt(),
  rsqrt: ([x]) => x.rsqrt(),
  exp: ([x]) => x.exp(),
  log: ([x]) => x.log(),
  sin: ([x]) => x.sin(),
  cos: ([x]) => x.cos(),
  abs: ([x]) => x.abs(),
  sign: ([x]) => x.sign(),
  step: ([x]) => x.step(),
  relu: ([x]) => x.relu(),
  min: ([a, b]) => a.minimum(b),
  max: ([a, b]) => a.maximum(b),
  floor: ([x]) => x.floor(),
  round: ([x], [decimals]) => x.round(decimals),
  mod: ([x, modulus, offset]) => x.mod(modulus, offset),
  clamp: ([x, low, high]) => x.clamp(low, high),
  clampInt: ([x], [low, high]) => x.clampInt(low, high),
  expm1: ([x]) => x.expm1(),
  exp2: ([x]) => x.exp2(),
  log1p: ([x]) => x.log1p(),
  log2: ([x]) => x.log2(),
  log10: ([x]) => x.log10(),
  xLogX: ([x]) => x.xLogX(),
  sinXDivX: ([x]) => x.sinXDivX(),
  asin: ([x]) => x.asin(),
  acos: ([x]) => x.acos(),
  atan: ([x]) => x.atan(),
  atan2: ([y, x]) => y.atan2(x),
  sinh: ([x]) => x.sinh(),
  cosh: ([x]) => x.cosh(),
  tanh: ([x]) => x.tanh(),
  asinh: ([x]) => x.asinh(),
  acosh: ([x]) => x.acosh(),
  atanh: ([x]) => x.atanh(),
  erf: ([x]) => x.erf(),
  erfc: ([x]) => x.erfc(),
  sigmoid: ([x]) => x.sigmoid(),
  softplus: ([x]) => x.softplus(),
  cbrt: ([x]) => x.cbrt(),
  hypot: ([a, b]) => a.hypot(b),
  lt: ([a, b]) => a.lt(b),
  le: ([a, b]) => a.le(b),
  gt: ([a, b]) => a.gt(b),
  ge: ([a, b]) => a.ge(b),
  eq: ([a, b]) => a.eq(b),
  ne: ([a, b]) => a.ne(b),
  ifElse: ([x, a, b]) => x.ifElse(a, b),
  where: ([x, a, b]) => x.where(a, b),
  sum: ([x]) => x.sum("d"),
  sumT: ([x], [dim]) => x.sumT(dim),
  dot: ([a, b]) => a.dot(b),
  sqNorm2: ([x]) => x.sqNorm2(),
  norm2: ([x]) => x.norm2(),
  sqDist: ([a, b]) => a.sqDist(b),
  normalize: ([x]) => x.normalize(),
  concat: ([x, ...others]) => x.concat(...others),
  elem: ([x], [m]) => x.elem(m),
  elemT: ([x], [dim, m]) => x.elemT(dim, m),
  extract: ([x], [start, dim]) => x.extract(start, dim),
  extractT: ([x], [dim, start]) => x.extractT(dim, start),
  strided: ([x], [start, step, dim]) => x.strided(start, step, dim),
  stridedT: ([x], [dim, start, step]) => x.stridedT(dim, start, step),
  interleave: ([a, b]) => a.interleave(b),
  sqNormIso: ([s, x]) => x.sqNormIso(s),
  sqNormDiag: ([s, x]) => x.sqNormDiag(s),
  symSqNorm: ([A, x]) => x.symSqNorm(A),
  weightedSqNorm: ([s, x]) => x.weightedSqNorm(s),
  weightedSqDist: ([s, x, y]) => x.weightedSqDist(y, s),
  maxOf: ([x]) => x.max("d"),
  minOf: ([x]) => x.min("d"),
  argMaxOf: ([x]) => x.argMax("d"),
  argMinOf: ([x]) => x.argMin("d"),
  oneHot: ([x], [dim]) => x.oneHot(dim),
  bSpline: ([knots, x], [order]) => knots.bSpline(x, order),
  matVecMult: ([A, b]) => A.matVecMult(b),
  vecMatMult: ([b, A]) => b.vecMatMult(A),
  tensorProd: ([a, b]) => a.tensorProd(b),
  kron: ([a, b], [rank, ...dims]) => a.kron(b, dims.slice(0, rank), dims.slice(rank)),
  tensorDot: ([a, b], attributes) => a.tensorDot(b, layoutOf(attributes)),
  cross: ([a, b]) => a.cross(b),
  det3: ([A]) => A.det3(),
  inv3: ([A]) => A.inv3(),
  softDtwSqDist: ([x, y, gamma]) => x.softDtwSqDist(y, gamma),
  complexReal: ([z]) => z.toComplex().real,
  complexImag: ([z]) => z.toComplex().imag,
  realToComplex: ([x]) => x.realToComplex(),
  imagToComplex: ([x]) => x.imagToComplex(),
  conj: ([z]) => z.toComplex().conj(),
  complexAbs: ([z]) => z.toComplex().abs(),
  complexSquareAbs: ([z]) => z.toComplex().squareAbs(),
  complexAngle: ([z]) => z.toComplex().angle(),
  complexSum: ([z]) => z.toComplex().sum("d"),
  complexSumT: ([z], [dim]) => z.toComplex().sumT(dim / 2),
  complexAdd: ([a, b]) => a.toComplex().add(b.toComplex()),
  complexSubtract: ([a, b]) => a.toComplex().sub(b.toComplex()),
  complexMult: ([a, b]) => a.toComplex().mul(b.toComplex()),
  complexScal: ([a, b]) => a.toComplex().mul(b.toComplex()),
  complexRealScal: ([a, b]) => a.dim === 1 ? b.toComplex().mul(a) : a.toComplex().mul(b),
  complexDivide: ([a, b]) => a.toComplex().div(b.toComplex()),
  complexExp: ([z]) => z.toComplex().exp(),
  complexExp1j: ([x]) => x.exp1j(),
};

/** Arguments for an op: the first of rows i, the others of columns j. */
function argumentsFor(op: OpName, { dims }: Sample, random: Random): LazyTensor[] {
  return dims.map((dim, k) => {
    const rows = k === 0 ? 3 : 5;
    const values = Float64Array.from(
      { length: rows * dim },
      (_, n) => drawn(entryOf(op), k, n % dim, random.next()),
    );
    const data = tensor(values, [rows, dim]);
    return k === 0 ? Vi(data) : Vj(data);
  });
}

/** The op itself on the same arguments. */
function applied(op: OpName, args: readonly LazyTensor[], attributes: readonly number[]): Readable {
  const [first, ...others] = args;
  const { inputs } = others.reduce((all, x) => all.concat(x), first); // all of their tensors
  return new LazyTensor(apply(op, args.map((x) => x.formula), attributes), inputs);
}

async function checkMethod(op: OpName, method: Method): Promise<void> {
  const random = randomFor(`method ${op}`);
  for (const sample of samplesOf(entryOf(op))) {
    const args = argumentsFor(op, sample, random);
    const got = method(args, sample.attributes).dense();
    await checkDense(got, applied(op, args, sample.attributes), 1e-13, `${op} of ${sample.dims}`);
  }
}

for (const op of ALL_OPS) {
  if (isInternal(op)) continue;
  Deno.test(`op ${op} is a method`, async () => {
    assert(op in METHODS, `no method of LazyTensor or ComplexLazyTensor for op ${op}`);
    await checkMethod(op, METHODS[op]);
  });
}

Deno.test("the check of methods sees one that computes something else", async () => {
  await assertRejects(() => checkMethod("add", ([a, b]) => a.sub(b)), Error, "entry 0");
  await assertRejects(() => checkMethod("sum", ([x]) => x.elem(0)), Error, "entry 0");
});

Deno.test("ops with complex results give complex matrices, others real ones", () => {
  const random = randomFor("kinds");
  const complexResults = ALL_OPS.filter((op) => {
    if (isInternal(op)) return false;
    const [sample] = samplesOf(entryOf(op));
    const result = METHODS[op](argumentsFor(op, sample, random), sample.attributes);
    assert(result instanceof (result.isComplex ? ComplexLazyTensor : LazyTensor));
    return result.isComplex;
  });
  assert(complexResults.includes("complexExp1j") && !complexResults.includes("complexAbs"));
});

Deno.test("ceil is the smallest integer that is not smaller, as a method and in templates", async () => {
  const x = Vi(new Float64Array([-1.5, -0.25, 0, 0.25, 2, Infinity]), 1);
  const want = [-1, -0, 0, 1, 2, Infinity];
  assertEquals([...await x.ceil().sum("j").data()], want);
  assertEquals([...await lazy`ceil(${x})`.sum("j").data()], want);
});
