// KeOps' golden formulas in our vocabulary, by `group: name`, and what we do otherwise on purpose.
// Arguments come in the order of the case's aliases.

import type { LazyTensor } from "../../mod.ts";
import type { Answer } from "./cases.ts";

/** A formula of the inputs by position. */
export type Formula = (args: LazyTensor[]) => LazyTensor;

const gaussian: Formula = ([x, y, g, b]) => g.neg().mul(x.sqDist(y)).exp().mul(b);
const distance: Formula = ([x, y]) => x.sqDist(y);
const sine: Formula = ([x, y]) => x.mul(y).sin();
const plus: Formula = ([x, y]) => x.add(y);

const OPS: Readonly<Record<string, Formula>> = {
  "add": plus,
  "add broadcasts a scalar": plus,
  "subtract by name from a scalar": ([s, y]) => s.sub(y),
  "mult by name, scalar parameter": ([x, y, g]) => g.mul(x.sub(y)),
  "divide": ([x, y]) => x.div(y),
  "divide by name, scalar denominator": ([x, s]) => x.div(s),
  "divide by an integer": ([x, y]) => x.div(3).add(y),
  "minus": ([x, y]) => x.neg().mul(y),
  "inv": ([x, y]) => x.add(y).inv(),
  "square": ([x, y]) => x.sub(y).square(),
  "pow 3": ([x, y]) => x.sub(y).pow(3),
  "pow -2": ([x, y]) => x.add(y).pow(-2),
  "powf": ([x, y, p]) => x.add(y).pow(p),
  "sqrt": ([x, y]) => x.add(y).sqrt(),
  "rsqrt": ([x, y]) => x.add(y).rsqrt(),
  "exp": ([x, y]) => x.sub(y).exp(),
  "log": ([x, y]) => x.add(y).log(),
  "sin": ([x, y]) => x.sub(y).sin(),
  "cos": ([x, y]) => x.sub(y).cos(),
  "abs": ([x, y]) => x.sub(y).abs(),
  "sign": ([x, y]) => x.sub(y).sign().mul(y),
  "step": ([x, y]) => x.sub(y).step().mul(y),
  "relu": ([x, y]) => x.sub(y).relu(),
  "equal": ([x, y, z]) => x.eq(y).mul(z),
  "not equal": ([x, y, z]) => x.ne(y).mul(z),
  "less than": ([x, y, z]) => x.lt(y).mul(z),
  "less or equal": ([x, y, z]) => x.le(y).mul(z),
  "infix comparisons": ([x, y, z]) => x.lt(y).mul(z).add(x.ge(y).mul(2).mul(z)),
  "ifelse": ([x, y, a, b]) => x.sub(y).ifElse(a, b),
  "ifelse with a scalar condition": ([s, a, b]) => s.ifElse(a, b),
  "max of two by ifelse": ([x, y]) => x.sub(y).ifElse(x, y),
  "min of two by ifelse": ([x, y]) => y.sub(x).ifElse(x, y),
  "sum": ([x, y]) => x.mul(y).add(y).sum("d"),
  "scalprod": ([x, y]) => x.dot(y),
  "scalprod binds weaker than plus": ([x, y, z]) => x.dot(y.add(z)),
  "sqnorm2": ([x, y]) => x.add(y).sqNorm2(),
  "norm2": ([x, y]) => x.sub(y).norm2(),
  "sqdist": distance,
  "normalize": ([x, y]) => x.sub(y).normalize(),
  "concat": ([x, s]) => x.concat(s),
  "elem": ([x, y]) => x.mul(y).elem(1),
  "extract": ([x, y]) => x.mul(y).extract(1, 2),
  "elemT": ([s, t]) => s.mul(t).elemT(3, 1),
  "extractT": ([x, y]) => x.mul(y).extractT(5, 1), // KeOps: start, dim
  "sumT": ([s, t]) => s.mul(t).sumT(3),
  "gaussian sum": gaussian,
  "no j variable: one column": ([x, g]) => x.exp().mul(g),
  "no j variable, folded over i": ([x, g]) => x.exp().mul(g),
};

const GRADIENTS: Readonly<Record<string, Formula>> = {
  "gaussian wrt x": (args) => gaussian(args).grad(args[0], args[4]),
  "gaussian wrt y": (args) => gaussian(args).grad(args[1], args[4]),
  "gaussian wrt b": (args) => gaussian(args).grad(args[3], args[4]),
  "gaussian wrt the parameter, rows": (args) => gaussian(args).grad(args[2], args[4]),
  "gaussian wrt x, then x": (args) => gaussian(args).grad(args[0], args[4]).grad(args[0], args[5]),
  "gaussian wrt x, then y": (args) => gaussian(args).grad(args[0], args[4]).grad(args[1], args[5]),
  "gaussian wrt x, then the cotangent": (args) =>
    gaussian(args).grad(args[0], args[4]).grad(args[4], args[5]),
  "cauchy wrt x": ([x, y, b, e]) => b.div(x.sqDist(y).add(1)).grad(x, e),
  "energy distance wrt x": ([x, y, b, e]) => x.sub(y).norm2().mul(b).grad(x, e),
  "rsqrt": ([x, y, e]) => x.add(y).rsqrt().grad(x, e),
  "sqrt": ([x, y, e]) => x.add(y).sqrt().grad(x, e),
  "log": ([x, y, e]) => x.add(y).log().grad(y, e),
  "sin": ([x, y, e]) => x.sub(y).sin().grad(x, e),
  "abs": ([x, y, e]) => x.sub(y).abs().grad(x, e),
  "relu": ([x, y, e]) => x.sub(y).relu().grad(y, e),
  "pow 3": ([x, y, e]) => x.sub(y).pow(3).grad(x, e),
  "powf wrt the base": ([x, y, p, e]) => x.add(y).pow(p).grad(x, e),
  "powf wrt the exponent": ([x, y, p, e]) => x.add(y).pow(p).grad(p, e),
  "divide wrt the denominator": ([x, y, e]) => x.div(y).grad(y, e),
  "divide wrt a scalar denominator": ([x, s, e]) => x.div(s).grad(s, e),
  "divide wrt a scalar numerator": ([s, y, e]) => s.div(y).grad(s, e),
  "mult wrt a broadcast scalar": ([s, y, e]) => s.mul(y).grad(s, e),
  "scalprod": ([x, y, e]) => x.dot(y).pow(2).grad(x, e),
  "ifelse wrt a branch": ([x, y, a, b, e]) => x.sub(y).ifElse(a.mul(a), b.mul(a)).grad(a, e),
  "ifelse wrt the condition": ([x, y, e]) => x.sub(y).ifElse(x.sin(), x.mul(y)).grad(x, e),
  "normalize": ([x, y, e]) => x.sub(y).normalize().grad(x, e),
  "concat, elem and extract": ([x, y, e]) =>
    x.mul(x).extract(1, 2).concat(x.mul(y).elem(0)).grad(x, e),
  "step: zero": ([x, y, e]) => x.sub(y).step().grad(x, e),
  // KeOps counts columns of every argument; our matrix has only the columns of its formula's
  "a variable: the cotangent": ([x, y, e]) => x.grad(x, e.add(y.mul(0))),
};

const REDUCTIONS: Readonly<Record<string, Formula>> = {
  "LogSumExp, axis 1": distance,
  "LogSumExp, axis 0": distance,
  "Min, axis 1": distance,
  "Min, axis 0": distance,
  "Max, axis 1": distance,
  "Max, axis 0": distance,
  "ArgMin, axis 1": distance,
  "ArgMin, axis 0": distance,
  "ArgMax, axis 1": distance,
  "ArgMax, axis 0": distance,
  "KMin, axis 1": distance,
  "KMin, axis 0": distance,
  "ArgKMin, axis 1": distance,
  "ArgKMin, axis 0": distance,
  "Min of a vector": sine,
  "ArgMax of a vector": sine,
  "KMin of a vector": sine,
  "ArgKMin of a vector": sine,
  "Min_ArgMin": distance,
  "Max_ArgMax": sine,
  "KMin_ArgKMin": distance,
};

const EDGES: Readonly<Record<string, Formula>> = {
  "rsqrt at 0, inf, NaN": ([x]) => x.rsqrt(),
  "sqrt at 0, inf, NaN": ([x]) => x.sqrt(),
  "log at 0, inf, NaN": ([x]) => x.log(),
  "exp at 0, inf, NaN, overflow": ([x]) => x.exp(),
  "sign at 0, inf, NaN": ([x]) => x.sign(),
  "step at 0, inf, NaN": ([x]) => x.step(),
  "relu at 0, inf, NaN": ([x]) => x.relu(),
  "abs at 0, inf, NaN": ([x]) => x.abs(),
  "ifelse at 0, inf, NaN": ([x, a, b]) => x.ifElse(a, b),
  "division by 0": ([x, y]) => x.div(y),
  "comparisons with NaN and -0": ([x, y]) => x.eq(y).concat(x.ne(y), x.lt(y), x.le(y)),
  "pow 0 at 0, inf, NaN": ([x]) => x.pow(0),
  "pow -2 at 0, inf, NaN": ([x]) => x.pow(-2),
  "powf(0,0), powf(-1,1/2) …": ([x, y]) => x.pow(y),
  "normalize at 0": ([x]) => x.normalize(),
  "sqrt gradient at 0": ([x, e]) => x.sqrt().grad(x, e),
  "rsqrt gradient at 0": ([x, e]) => x.rsqrt().grad(x, e),
  "abs gradient at 0": ([x, e]) => x.abs().grad(x, e),
  "relu gradient at 0": ([x, e]) => x.relu().grad(x, e),
  "log gradient at 0": ([x, e]) => x.log().grad(x, e),
  "pow 3 gradient at 0": ([x, e]) => x.pow(3).grad(x, e),
  "pow 0 gradient at 0": ([x, e]) => x.mul(x.pow(0)).grad(x, e),
  "powf gradient wrt the base at 0": ([x, p, e]) => x.pow(p).grad(x, e),
  "powf gradient wrt the exponent at 0": ([x, p, e]) => x.pow(p).grad(p, e),
  "norm2 gradient at distance 0": ([x, y, e]) => x.sub(y).norm2().grad(x, e),
  "normalize gradient at distance 0": ([x, y, e]) => x.sub(y).normalize().grad(x, e),
  "Min with NaN, inf and ties": plus,
  "Max with NaN, inf and ties": plus,
  "ArgMin with NaN, inf and ties": plus,
  "ArgMax with NaN, inf and ties": plus,
  "KMin_ArgKMin with NaN, inf and ties": plus,
  "KMin_ArgKMin, K larger than N": plus,
  "LogSumExp of large, infinite and NaN values": plus,
};

function grouped(group: string, table: Readonly<Record<string, Formula>>): [string, Formula][] {
  return Object.entries(table).map(([name, formula]) => [`${group}: ${name}`, formula]);
}

/** Every case that we can say. */
export const FORMULAS: ReadonlyMap<string, Formula> = new Map([
  ...grouped("op", OPS),
  ...grouped("gradient", GRADIENTS),
  ...grouped("reduction", REDUCTIONS),
  ...grouped("edge", EDGES),
]);

/** Cases that need what Pairfold does not have yet, with what that is. */
export const NOT_YET: ReadonlyMap<string, string> = new Map([
  ["reduction: LogSumExp with a vector weight", "weighted LogSumExp"],
  ["reduction: SumSoftMaxWeight", "SumSoftMaxWeight"],
]);

/** A convention that differs from KeOps' on purpose, and the values that it gives. */
export interface Difference {
  readonly reason: string;
  readonly answer: Answer;
}

const INF = Infinity;

/** Where our answer differs from KeOps' and from numpy's. */
export const DIFFERENCES: ReadonlyMap<string, Difference> = new Map([
  ["edge: sign at 0, inf, NaN", {
    reason: "sign(NaN) is NaN, not 0: a NaN is not lost",
    answer: [[0, 0, 1, -1, 1, -1, NaN]],
  }],
  ["edge: step at 0, inf, NaN", {
    reason: "step(NaN) is NaN, not 1: a NaN is not lost",
    answer: [[1, 1, 1, 0, 1, 0, NaN]],
  }],
  ["edge: powf(0,0), powf(-1,1/2) …", {
    reason: "a real power is e^(y ln x): NaN below 0 for integer y too, and 1^NaN is NaN",
    answer: [[1, NaN, 0, INF, 1, 1, NaN, NaN]],
  }],
  ["edge: powf gradient wrt the base at 0", {
    reason: "the derivative of x^y at x = 0 counts as 0 where it is infinite or 0 · ∞",
    answer: [[0, 0, 0, 0.25]],
  }],
  ["edge: powf gradient wrt the exponent at 0", {
    reason: "the derivative of x^y by y counts as 0 at x = 0, for y = 0 too",
    answer: [[0, 0, 0]],
  }],
  ["edge: KMin_ArgKMin, K larger than N", {
    reason: "a missing neighbour has index -1, not 0",
    answer: [[-1, 2, INF, 0, 3, INF], [1, 0, -1, 1, 0, -1]],
  }],
]);
