// Symbolic matrices: what people write against. Building is immediate and computes nothing; a
// reduction over an axis gives a deferred tensor.

import { gradient } from "../autodiff/mod.ts";
import { PairfoldError } from "../error.ts";
import {
  apply,
  type Axis,
  build,
  index,
  type Node,
  type OpName,
  print,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import { fold, type FoldChoices, foldGradient } from "../program/mod.ts";
import { type ReductionName, resultShape } from "../reduction/mod.ts";
import { Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import {
  floatTypeOf,
  inputOf,
  type Inputs,
  mergeInputs,
  NO_INPUTS,
  parameterOf,
  pointsOf,
} from "./inputs.ts";

/** The axis that a reduction folds: rows i, columns j, as letters or as NumPy's 0 and 1. */
export type FoldAxis = "i" | "j" | 0 | 1;

/** What an op takes beside a symbolic matrix: another one, a number, or a parameter vector. */
export type Operand = LazyTensor | number | readonly number[];

/** A fold's choices, with K for the K-smallest reductions. */
interface ReduceOptions extends FoldChoices {
  readonly k?: number;
}

function axisOf(op: string, axis: FoldAxis): Axis {
  if (axis === "i" || axis === 0) return "i";
  if (axis === "j" || axis === 1) return "j";
  throw new PairfoldError("shape", `${op}: got axis ${String(axis)}; expected "i", "j", 0 or 1`);
}

/**
 * A symbolic matrix of vectors, of shape [M, N, D]: entry (i, j) is a formula of row i of some
 * tensors, row j of others, and parameters. It is never stored. (KeOps' `LazyTensor`.)
 *
 * Ops throw `PairfoldError`: `dim` for vectors that do not broadcast, `shape` for row counts that
 * disagree, `dtype` where float32 meets float64.
 *
 * ```ts
 * import { Vi, Vj } from "pairfold";
 * const x = [[0, 0, 0], [1, 0, 0]];
 * const y = [[0, 0, 1], [2, 0, 0], [0, 3, 0]];
 * const K = Vi(x).sqDist(Vj(y)).mul(-0.5).exp(); // [2, 3, 1], nothing computed
 * console.log(await K.sum("j").array()); // row sums, [2, 1]
 * ```
 */
export class LazyTensor {
  /** The formula; the slots of its variables are ids of tensors. */
  readonly formula: Node;
  readonly #inputs: Inputs;

  /** Use {@linkcode Vi}, {@linkcode Vj} and {@linkcode Pm}. */
  constructor(formula: Node, inputs: Inputs) {
    this.formula = formula;
    this.#inputs = inputs;
  }

  /** The tensors of the formula, and how many rows they have. */
  get inputs(): Inputs {
    return this.#inputs;
  }

  /** [M, N, D]; an axis without tensors counts 1. */
  get shape(): readonly [M: number, N: number, D: number] {
    return [this.#inputs.M ?? 1, this.#inputs.N ?? 1, this.formula.dim];
  }

  /** The float type of its tensors. */
  get dtype(): "float32" | "float64" {
    return floatTypeOf("dtype", this.#inputs);
  }

  #apply(op: OpName, others: readonly Operand[], attributes: readonly number[] = []): LazyTensor {
    const all = [this, ...others.map((x) => STRUCTURAL[op]?.has(x) ? structural(x) : operand(x))];
    const inputs = mergeInputs(op, all.map((t) => t.#inputs));
    return new LazyTensor(apply(op, all.map((t) => t.formula), attributes), inputs);
  }

  /** this + other. */
  add(other: Operand): LazyTensor {
    return this.#apply("add", [other]);
  }
  /** this − other. */
  sub(other: Operand): LazyTensor {
    return this.#apply("sub", [other]);
  }
  /** this · other, component by component. */
  mul(other: Operand): LazyTensor {
    return this.#apply("mul", [other]);
  }
  /** this / other, component by component. */
  div(other: Operand): LazyTensor {
    return this.#apply("div", [other]);
  }
  /** −this. */
  neg(): LazyTensor {
    return this.#apply("neg", []);
  }
  /** 1 / this. */
  inv(): LazyTensor {
    return this.#apply("inv", []);
  }
  /** this², component by component. */
  square(): LazyTensor {
    return this.#apply("square", []);
  }
  /**
   * this to a power. Integers are part of the formula (KeOps' `Pow`), ½ and −½ are `sqrt` and
   * `rsqrt`, other numbers and symbolic exponents are real powers (KeOps' `Powf`).
   */
  pow(exponent: Operand): LazyTensor {
    if (exponent === 0.5) return this.sqrt();
    if (exponent === -0.5) return this.rsqrt();
    if (typeof exponent === "number" && Number.isInteger(exponent) && Math.abs(exponent) <= 1024) {
      return this.#apply("pow", [], [exponent]);
    }
    return this.#apply("powr", [exponent]);
  }
  /** √this; its derivative at 0 counts as 0. */
  sqrt(): LazyTensor {
    return this.#apply("sqrt", []);
  }
  /** 1 / √this; 0 at 0 (KeOps' `Rsqrt`). */
  rsqrt(): LazyTensor {
    return this.#apply("rsqrt", []);
  }
  /** Exponential. */
  exp(): LazyTensor {
    return this.#apply("exp", []);
  }
  /** Natural logarithm. */
  log(): LazyTensor {
    return this.#apply("log", []);
  }
  /** Sine of radians; NaN beyond |x| = 1,647,099. */
  sin(): LazyTensor {
    return this.#apply("sin", []);
  }
  /** Cosine of radians; NaN beyond |x| = 1,647,099. */
  cos(): LazyTensor {
    return this.#apply("cos", []);
  }
  /** |this|, component by component. */
  abs(): LazyTensor {
    return this.#apply("abs", []);
  }
  /** −1, 0 or 1. */
  sign(): LazyTensor {
    return this.#apply("sign", []);
  }
  /** 0 below 0, else 1 (KeOps' `Step`). */
  step(): LazyTensor {
    return this.#apply("step", []);
  }
  /** max(this, 0) (KeOps' `ReLU`). */
  relu(): LazyTensor {
    return this.#apply("relu", []);
  }
  /** The smaller of two, component by component; NaN never wins. */
  minimum(other: Operand): LazyTensor {
    return this.#apply("min", [other]);
  }
  /** The larger of two, component by component; NaN never wins. */
  maximum(other: Operand): LazyTensor {
    return this.#apply("max", [other]);
  }
  /** 1 where this < other, else 0. */
  lt(other: Operand): LazyTensor {
    return this.#apply("lt", [other]);
  }
  /** 1 where this ≤ other, else 0. */
  le(other: Operand): LazyTensor {
    return this.#apply("le", [other]);
  }
  /** 1 where this > other, else 0. */
  gt(other: Operand): LazyTensor {
    return this.#apply("gt", [other]);
  }
  /** 1 where this ≥ other, else 0. */
  ge(other: Operand): LazyTensor {
    return this.#apply("ge", [other]);
  }
  /** 1 where this = other, else 0. */
  eq(other: Operand): LazyTensor {
    return this.#apply("eq", [other]);
  }
  /** 1 where this ≠ other, else 0. */
  ne(other: Operand): LazyTensor {
    return this.#apply("ne", [other]);
  }
  /** a where this ≥ 0, else b (KeOps' `IfElse`). */
  ifElse(a: Operand, b: Operand): LazyTensor {
    return this.#apply("ifElse", [a, b]);
  }
  /** a where this ≠ 0, else b: chooses by a comparison. */
  where(a: Operand, b: Operand): LazyTensor {
    return this.#apply("where", [a, b]);
  }
  /** Scalar product along the vector (KeOps' `|`). */
  dot(other: Operand): LazyTensor {
    return this.#apply("dot", [other]);
  }
  /** Squared Euclidean norm of the vector. */
  sqNorm2(): LazyTensor {
    return this.#apply("sqNorm2", []);
  }
  /** Euclidean norm of the vector; its gradient at 0 counts as 0. */
  norm2(): LazyTensor {
    return this.#apply("norm2", []);
  }
  /** Squared Euclidean distance. */
  sqDist(other: Operand): LazyTensor {
    return this.#apply("sqDist", [other]);
  }
  /** The vector divided by its norm; 0 stays 0. */
  normalize(): LazyTensor {
    return this.#apply("normalize", []);
  }
  /** The vectors one after another. */
  concat(...others: readonly Operand[]): LazyTensor {
    return this.#apply("concat", others);
  }
  /** Component m of the vector, counted from 0. */
  elem(m: number): LazyTensor {
    return this.#apply("elem", [], [m]);
  }
  /** A scalar as component m of a vector of zeros of a dim (KeOps' `ElemT`). */
  elemT(dim: number, m: number): LazyTensor {
    return this.#apply("elemT", [], [dim, m]);
  }
  /** Components start … start + dim − 1 of the vector. */
  extract(start: number, dim: number): LazyTensor {
    return this.#apply("extract", [], [start, dim]);
  }
  /** The vector placed at start in a vector of zeros of a dim (KeOps' `ExtractT`). */
  extractT(dim: number, start: number): LazyTensor {
    return this.#apply("extractT", [], [dim, start]);
  }
  /** A scalar repeated dim times (KeOps' `SumT`). */
  sumT(dim: number): LazyTensor {
    return this.#apply("sumT", [], [dim]);
  }

  #reduce(reduction: ReductionName, axis: FoldAxis, options: ReduceOptions = {}): Tensor[] {
    const { k = 1, ...choices } = options;
    if (!Number.isInteger(k) || k < 1) {
      throw new PairfoldError("shape", `${reduction}: got k ${k}; expected an integer from 1`);
    }
    return fold({ ...this.#request(reduction, axis), reduction, k, choices });
  }

  #request(
    op: string,
    axis: FoldAxis,
  ): {
    formula: Node;
    inputs: Map<number, Tensor>;
    axis: Axis;
    M: number;
    N: number;
    dtype: "float32" | "float64";
  } {
    const [M, N] = this.shape;
    const inputs = new Map([...this.#inputs.byId].map(([id, input]) => [id, input.tensor]));
    const dtype = floatTypeOf(op, this.#inputs);
    return { formula: this.formula, inputs, axis: axisOf(op, axis), M, N, dtype };
  }

  /** Sum along the vector; stays symbolic. */
  sum(axis: "d"): LazyTensor;
  /** Sum over an axis: a tensor [M, D] for "j", [N, D] for "i". */
  sum(axis: FoldAxis, choices?: FoldChoices): Tensor;
  sum(axis: FoldAxis | "d", choices: FoldChoices = {}): LazyTensor | Tensor {
    if (axis === "d") return this.#apply("sum", []);
    return this.#reduce("sum", axis, choices)[0];
  }
  /** Mean over an axis; NaN over nothing. */
  mean(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    const [M, N] = this.shape;
    return this.mul(1 / (axisOf("mean", axis) === "j" ? N : M)).sum(axis, choices);
  }
  /** log Σ exp over an axis, safe for large values; −∞ over nothing. */
  logSumExp(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("logSumExp", axis, choices)[0];
  }
  /** Smallest value over an axis; NaN never wins. */
  min(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("min", axis, choices)[0];
  }
  /** Largest value over an axis; NaN never wins. */
  max(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("max", axis, choices)[0];
  }
  /** Index of the smallest value, int32; ties go to the lower index, −1 where all are NaN. */
  argMin(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("argMin", axis, choices)[0];
  }
  /** Index of the largest value, int32; ties go to the lower index, −1 where all are NaN. */
  argMax(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("argMax", axis, choices)[0];
  }
  /** Smallest value and its index, from one pass. */
  minArgMin(axis: FoldAxis, choices: FoldChoices = {}): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("minArgMin", axis, choices);
    return [values, indices];
  }
  /** Largest value and its index, from one pass. */
  maxArgMax(axis: FoldAxis, choices: FoldChoices = {}): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("maxArgMax", axis, choices);
    return [values, indices];
  }
  /** The k smallest values, sorted: [rows, k], or [rows, k, D] for D > 1; +∞ where missing. */
  kMin(k: number, axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("kMin", axis, { ...choices, k })[0];
  }
  /** Indices of the k smallest values, int32, as {@linkcode kMin}; −1 where missing. */
  argKMin(k: number, axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#reduce("argKMin", axis, { ...choices, k })[0];
  }
  /** The k smallest values and their indices, from one pass. */
  kMinArgKMin(
    k: number,
    axis: FoldAxis,
    choices: FoldChoices = {},
  ): [values: Tensor, indices: Tensor] {
    const [values, indices] = this.#reduce("kMinArgKMin", axis, { ...choices, k });
    return [values, indices];
  }
  /** Σ_j this_ij · b_j for a tensor b [N, E]: a tensor [M, max(D, E)]. */
  matmul(b: TensorLike, choices: FoldChoices = {}): Tensor {
    return this.mul(Vj(b)).sum("j", choices);
  }

  /**
   * Symbolic gradient (KeOps' `Grad`): (∂ this / ∂ v)ᵀ · cotangent at every pair, of v's dim, where v
   * is a variable made by Vi, Vj or Pm. The cotangent has this matrix's D; a number stands for a
   * vector of equal components.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0], [1, 2]]);
   * const y = Vj([[1, 1], [3, 0], [0, 2]]);
   * const K = x.sqDist(y).neg().exp();
   * console.log(await K.grad(x).sum("j").array()); // gradient of each row's sum, [2, 2]
   * ```
   */
  grad(v: LazyTensor, cotangent: Operand = 1): LazyTensor {
    const g = operand(cotangent);
    const { dim } = this.formula;
    const fitted = g.formula.dim === dim || g.formula.dim !== 1
      ? g.formula
      : build.sumT(g.formula, dim);
    const inputs = mergeInputs("grad", [this.#inputs, v.#inputs, g.#inputs]);
    return new LazyTensor(gradient(this.formula, variableOf("grad", v), fitted), inputs);
  }

  /**
   * Gradient of a reduction of this matrix with respect to one of its variables: a tensor of the
   * variable's shape, (∂ reduction / ∂ v)ᵀ · cotangent. The cotangent is a tensor of the reduction's
   * shape; default ones.
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const x = Vi([[0, 0], [1, 2]]);
   * const y = Vj([[1, 1], [3, 0], [0, 2]]);
   * console.log(await x.sqDist(y).vjp("min", "j", y).array()); // [3, 2]
   * ```
   */
  vjp(
    reduction: ReductionName,
    axis: FoldAxis,
    v: LazyTensor,
    cotangent?: TensorLike,
    choices: FoldChoices & { readonly k?: number } = {},
  ): Tensor {
    const { k = 1, ...rest } = choices;
    const request = { ...this.#request("vjp", axis), reduction, k, choices: rest };
    const rows = request.axis === "j" ? request.M : request.N;
    const shape = resultShape(reduction, rows, this.formula.dim, k);
    const Ones = request.dtype === "float32" ? Float32Array : Float64Array;
    const g = cotangent === undefined
      ? tensor(new Ones(shape.reduce((p, n) => p * n, 1)).fill(1), shape, { copy: false })
      : tensor(cotangent);
    if (g.shape.join() !== shape.join()) {
      throw new PairfoldError(
        "shape",
        `vjp: got a cotangent of shape [${g.shape}]; expected [${shape}]`,
      );
    }
    if (g.dtype !== request.dtype) {
      throw new PairfoldError(
        "dtype",
        `vjp: got a cotangent of ${g.dtype}; expected ${request.dtype}`,
      );
    }
    return foldGradient({ ...request, variable: variableOf("vjp", v), cotangent: g });
  }

  /** The formula with its variables, for people. */
  explain(): string {
    const [M, N, D] = this.shape;
    const lines = [`LazyTensor [${M}, ${N}, ${D}] ${this.dtype}`, `formula   ${this.#text()}`];
    for (const { tensor: t, isNumber } of this.#inputs.byId.values()) {
      const kind = isNumber ? "number" : t.dtype;
      lines.push(`input     ${t.id}: ${kind} [${t.shape}]`);
    }
    return lines.join("\n");
  }

  #text(): string {
    return print(this.formula);
  }

  toString(): string {
    return `LazyTensor [${this.shape.join(", ")}] ${this.#text()}`;
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

function variableOf(op: string, v: LazyTensor): VariableNode {
  if (v.formula.kind === "variable") return v.formula;
  throw new PairfoldError(
    "shape",
    `${op}: got the formula ${print(v.formula)}; expected a variable made by Vi, Vj or Pm`,
  );
}

/**
 * Numbers that belong to the formula, as in 1 + x². Others are parameters, so that a formula
 * compiles once for all of them.
 */
const STRUCTURAL: Partial<Record<OpName, ReadonlySet<Operand>>> = {
  add: new Set([1, -1]),
  sub: new Set([1, -1]),
};

function structural(x: Operand): LazyTensor {
  return new LazyTensor(build.constant(Number(x)), NO_INPUTS);
}

function operand(x: Operand): LazyTensor {
  if (x instanceof LazyTensor) return x;
  if (typeof x === "number" || Array.isArray(x)) return Pm(x);
  const got = x instanceof Tensor ? "a Tensor" : typeof x;
  throw new PairfoldError("dtype", `got ${got}; expected a LazyTensor (Vi, Vj, Pm) or a number`);
}

function points(op: string, axis: Axis, data: TensorLike, dim?: number): LazyTensor {
  const t = pointsOf(op, data, dim);
  const number = t.dtype === "int32" ? "index" : "float";
  return new LazyTensor(variable(t.id, axis, t.shape[1] ?? 1, number), inputOf(t, axis));
}

/**
 * Points of the rows i: a symbolic matrix [M, 1, D] from a tensor or nested arrays [M, D], or from a
 * flat typed array with its dim. (KeOps' `Vi`.)
 *
 * Throws `PairfoldError`: `shape` unless the rank is 2, `dim` where the dim does not fit.
 */
export function Vi(data: TensorLike, dim?: number): LazyTensor {
  return points("Vi", "i", data, dim);
}

/** Points of the columns j: a symbolic matrix [1, N, D]; as {@linkcode Vi}. (KeOps' `Vj`.) */
export function Vj(data: TensorLike, dim?: number): LazyTensor {
  return points("Vj", "j", data, dim);
}

/**
 * A parameter, the same for all pairs: a number or a vector. Its value is no part of the compiled
 * kernel; a thousand values compile once. (KeOps' `Pm`.)
 */
export function Pm(data: TensorLike | number): LazyTensor {
  const { tensor: t, isNumber } = parameterOf(data);
  return new LazyTensor(variable(t.id, "p", t.size), inputOf(t, "p", isNumber));
}

/** The global index of the row i, or the column j, as a symbolic scalar. */
export function indexOf(axis: Axis): LazyTensor {
  return new LazyTensor(index(axis), NO_INPUTS);
}
