// What all symbolic matrices share: a formula over tensors, its shape, how ops make new ones, the
// transpose, and how a matrix shows itself.

import { PairfoldError, shown } from "../error.ts";
import {
  apply,
  type Axis,
  checkDepth,
  constant,
  isHalfPower,
  type Node,
  type OpName,
  type VariableNode,
} from "../formula/mod.ts";
import type { NumberArray } from "../engine/mod.ts";
import { transpose } from "../program/mod.ts";
import { sizeOf, Tensor } from "../tensor/mod.ts";
import {
  floatTypeOf,
  type Inputs,
  mergeInputs,
  NO_INPUTS,
  parameterTerm,
  tensorTerm,
  type Term,
} from "./inputs.ts";
import { allApart, numberTerm } from "./slots.ts";
import { displayOf, type Shown, summaryOf, textOf } from "./show.ts";

/**
 * The axis that a reduction folds: rows i, columns j, as letters or as NumPy counts the axes of the
 * shape. From the end: −3 and −2; from the start, where there are no batch dims: 0 and 1.
 */
export type FoldAxis = "i" | "j" | 0 | 1 | -3 | -2;

/** The vector axis of a symbolic matrix: its components. Reductions along it stay symbolic. */
export type VectorAxis = "d" | 2 | -1;

/** Letters and numbers of the three axes. */
const AXES: ReadonlyMap<unknown, Axis | "d"> = new Map<unknown, Axis | "d">([
  ["i", "i"],
  ["j", "j"],
  ["d", "d"],
  [0, "i"],
  [1, "j"],
  [2, "d"],
  [-3, "i"],
  [-2, "j"],
  [-1, "d"],
]);

/**
 * What may stand beside a symbolic matrix without being one: a number, a vector of numbers (both
 * parameters), a tensor. Tensors of rank 0 and 1 are parameters, [...batch, M, 1, D] are points of
 * i, [...batch, 1, N, D] of j and [...batch, 1, 1, D] parameters, as NumPy broadcasts them; rank 2
 * is ambiguous and wants `Vi`, `Vj` or `Pm`.
 */
export type Value = number | readonly number[] | NumberArray | Tensor;

/**
 * Numbers that belong to the formula, as in 1 + x². Others are parameters, so that a formula
 * compiles once for all of them.
 */
const STRUCTURAL: Readonly<Record<string, ReadonlySet<unknown>>> = {
  add: new Set([1, -1]),
  sub: new Set([1, -1]),
  powr: new Set(Array.from({ length: 64 }, (_, k) => k / 2 - 16).filter(isHalfPower)),
};

/** A symbolic matrix, or what may stand beside one, as a formula with its tensors. */
export function termOf(op: string, x: Symbolic | Value): Term {
  if (x instanceof Symbolic) return x;
  if (x instanceof Tensor) return tensorTerm(op, x);
  if (typeof x === "number" || Array.isArray(x) || ArrayBuffer.isView(x)) {
    return parameterTerm(x as number | readonly number[] | NumberArray);
  }
  const got = x === null ? "null" : typeof x;
  throw new PairfoldError(
    "dtype",
    `${op}: got ${got}; expected a LazyTensor (Vi, Vj, Pm), a number, a vector or a Tensor`,
  );
}

/** The variable that a derivative is taken by. */
export function variableOf(op: string, v: Symbolic): VariableNode {
  if (!(v instanceof Symbolic)) {
    const got = v as unknown instanceof Tensor ? "a tensor" : shown(v);
    throw new PairfoldError(
      "dtype",
      `${op}: got ${got}; expected the variable of the formula that Vi, Vj or Pm made`,
    );
  }
  if (v.formula.kind === "variable") {
    // numbers of templates have the slots of their places, which may be others in other formulas
    const { slot } = v.formula;
    const input = v.inputs.byId.get(slot);
    if (input === undefined || !input.isNumber || input.tensor.id === slot) return v.formula;
  }
  throw new PairfoldError(
    "shape",
    `${op}: got the formula ${textOf(v).formula}; expected a variable made by Vi, Vj or Pm`,
  );
}

/**
 * A matrix [M, N, D] of vectors that is a formula: entry (i, j) is computed from row i of some
 * tensors, row j of others, and parameters, when a reduction needs it. Leading dims of the tensors
 * make it many, [...batch, M, N, D]. Base of {@linkcode LazyTensor} and
 * {@linkcode ComplexLazyTensor}.
 */
export abstract class Symbolic implements Term {
  /** The formula; the slots of its variables are those of its inputs. */
  readonly formula: Node;
  /** The tensors of the formula, and how many rows they have. */
  readonly inputs: Inputs;
  /** Whether its components are complex numbers. */
  abstract readonly isComplex: boolean;

  /** Use `Vi`, `Vj` and `Pm`. */
  constructor(formula: Node, inputs: Inputs) {
    checkDepth(formula);
    this.formula = formula;
    this.inputs = inputs;
  }

  /** [...batch, M, N, D]; an axis without tensors counts 1. */
  get shape(): readonly [...batch: number[], M: number, N: number, D: number] {
    const { batch, M, N } = this.inputs;
    return [...batch, M ?? 1, N ?? 1, this.dim];
  }

  /** The leading dims: what those of its tensors broadcast to. (KeOps' `batchdims`.) */
  get batchShape(): readonly number[] {
    return this.inputs.batch;
  }

  /** Length of the vectors: D of the shape. (KeOps' `ndim`.) */
  get dim(): number {
    return this.formula.dim;
  }

  /** Number of axes: 3 and the batch dims. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of entries that the matrix would have: M · N · D for each batch. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** The float type of its tensors. */
  get dtype(): "float32" | "float64" {
    return floatTypeOf("dtype", this.inputs);
  }

  /** The axis to fold, as a letter. Throws `PairfoldError` (shape) for what is not one. */
  protected foldAxis(op: string, axis: FoldAxis): Axis {
    const found = this.#axis(op, axis);
    if (found !== "d") return found;
    throw new PairfoldError("shape", `${op}: got axis ${axis}, the vector's; expected "i" or "j"`);
  }

  /** Whether an axis is the vector's. Throws `PairfoldError` (shape) for what is no axis. */
  protected isVectorAxis(op: string, axis: FoldAxis | VectorAxis): axis is VectorAxis {
    return this.#axis(op, axis) === "d";
  }

  #axis(op: string, axis: FoldAxis | VectorAxis): Axis | "d" {
    const found = AXES.get(axis);
    const { length } = this.batchShape;
    const isOfBatch = length > 0 && typeof axis === "number" && axis >= 0;
    if (found !== undefined && !isOfBatch) return found;
    const expected = length === 0
      ? '"i", "j", 0 or 1, or "d" where a vector\'s may stand'
      : `"i", "j", −3 or −2, for the first ${length} axes are batch dims`;
    throw new PairfoldError("shape", `${op}: got axis ${shown(axis)}; expected ${expected}`);
  }

  /** Another matrix of the same kind. */
  protected derive({ formula, inputs }: Term): this {
    const Own = this.constructor as new (formula: Node, inputs: Inputs) => this;
    return new Own(formula, inputs);
  }

  /** What stands beside this matrix as a term; complex ones stand beside complex ones only. */
  protected beside(op: string, x: Symbolic | Value): Term {
    if (STRUCTURAL[op]?.has(x)) return { formula: constant(Number(x)), inputs: NO_INPUTS };
    if (!(x instanceof Symbolic) || !x.isComplex || this.isComplex) return termOf(op, x);
    throw new PairfoldError(
      "dtype",
      `${op}: got a ComplexLazyTensor beside a real one; expected real ones, or the complex ` +
        "one first (realToComplex() makes one)",
    );
  }

  /** An op as a term; numbers and tensors among its arguments become parameters. */
  protected term(
    op: OpName,
    args: readonly (Symbolic | Value)[] = [this],
    attributes: readonly number[] = [],
  ): Term {
    const terms = allApart(
      args.map((x, k) =>
        typeof x === "number" && !STRUCTURAL[op]?.has(x)
          ? numberTerm(x, this.formula, `${op}${k}`)
          : this.beside(op, x)
      ),
    );
    const formula = apply(op, terms.map((t) => t.formula), attributes);
    return { formula, inputs: mergeInputs(op, terms.map((t) => t.inputs)) };
  }

  /**
   * The matrix with i and j exchanged, [...batch, N, M, D]; no tensor is touched. (KeOps' `t`,
   * `T`.)
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const K = Vi([[0], [1]]).sub(Vj([[1], [2], [5]])); // [2, 3, 1]
   * console.log(K.transpose().shape); // [ 3, 2, 1 ]
   * console.log(await K.transpose().sum("j").array()); // what K.sum("i") gives
   * ```
   */
  transpose(): this {
    const { M, N } = this.inputs;
    const inputs = { ...this.inputs, M: N, N: M };
    return this.derive({ formula: transpose(this.formula), inputs });
  }

  /** The transpose, as NumPy spells it. */
  get T(): this {
    return this.transpose();
  }

  /** What the texts and pictures of this matrix say. */
  #shown(): Shown {
    return { title: this.title(), ...textOf(this) };
  }

  /** Its first line. */
  protected title(): string {
    return `LazyTensor [${this.shape.join(", ")}] ${this.dtype}`;
  }

  /** The formula with its variables, for people; folds of it have an `explain()` of their own. */
  explain(): string {
    return displayOf(this.#shown())["text/plain"];
  }

  /** Shape, formula and variables in a line. */
  toString(): string {
    return summaryOf(this.#shown());
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.explain();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.explain();
  }

  [Symbol.for("Jupyter.display")](): Record<"text/plain" | "text/html", string> {
    return displayOf(this.#shown());
  }
}
