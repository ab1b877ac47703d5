// What all symbolic matrices share: a formula over tensors, its shape, how ops make new ones, the
// transpose, and how a matrix shows itself.

import { PairfoldError } from "../error.ts";
import {
  apply,
  type Axis,
  constant,
  type Node,
  type OpName,
  type VariableNode,
} from "../formula/mod.ts";
import type { NumberArray } from "../engine/mod.ts";
import { transpose } from "../program/mod.ts";
import { Tensor } from "../tensor/mod.ts";
import {
  floatTypeOf,
  type Inputs,
  mergeInputs,
  NO_INPUTS,
  parameterTerm,
  tensorTerm,
  type Term,
} from "./inputs.ts";
import { displayOf, type Shown, summaryOf, textOf } from "./show.ts";

/** The axis that a reduction folds: rows i, columns j, as letters or as NumPy's 0 and 1. */
export type FoldAxis = "i" | "j" | 0 | 1;

/** The vector axis of a symbolic matrix: its components. Reductions along it stay symbolic. */
export type VectorAxis = "d" | 2 | -1;

/**
 * What may stand beside a symbolic matrix without being one: a number, a vector of numbers (both
 * parameters), a tensor. Tensors of rank 0 and 1 are parameters, [M, 1, D] are points of i and
 * [1, N, D] of j, as NumPy broadcasts them; rank 2 is ambiguous and wants `Vi` or `Vj`.
 */
export type Value = number | readonly number[] | NumberArray | Tensor;

/**
 * Numbers that belong to the formula, as in 1 + x². Others are parameters, so that a formula
 * compiles once for all of them.
 */
const STRUCTURAL: Readonly<Record<string, ReadonlySet<unknown>>> = {
  add: new Set([1, -1]),
  sub: new Set([1, -1]),
};

/** The axis to fold, as a letter. */
export function axisOf(op: string, axis: FoldAxis): Axis {
  if (axis === "i" || axis === 0) return "i";
  if (axis === "j" || axis === 1) return "j";
  throw new PairfoldError("shape", `${op}: got axis ${String(axis)}; expected "i", "j", 0 or 1`);
}

/** Whether an axis is the vector's. */
export function isVectorAxis(axis: FoldAxis | VectorAxis): axis is VectorAxis {
  return axis === "d" || axis === 2 || axis === -1;
}

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
  if (v.formula.kind === "variable") return v.formula;
  throw new PairfoldError(
    "shape",
    `${op}: got the formula ${textOf(v).formula}; expected a variable made by Vi, Vj or Pm`,
  );
}

/**
 * A matrix [M, N, D] of vectors that is a formula: entry (i, j) is computed from row i of some
 * tensors, row j of others, and parameters, when a reduction needs it. Base of
 * {@linkcode LazyTensor} and {@linkcode ComplexLazyTensor}.
 */
export abstract class Symbolic implements Term {
  /** The formula; the slots of its variables are ids of tensors. */
  readonly formula: Node;
  /** The tensors of the formula, and how many rows they have. */
  readonly inputs: Inputs;
  /** Whether its components are complex numbers. */
  abstract readonly isComplex: boolean;

  /** Use `Vi`, `Vj` and `Pm`. */
  constructor(formula: Node, inputs: Inputs) {
    this.formula = formula;
    this.inputs = inputs;
  }

  /** [M, N, D]; an axis without tensors counts 1. */
  get shape(): readonly [M: number, N: number, D: number] {
    return [this.inputs.M ?? 1, this.inputs.N ?? 1, this.dim];
  }

  /** Length of the vectors: D of the shape. (KeOps' `ndim`.) */
  get dim(): number {
    return this.formula.dim;
  }

  /** Number of axes, 3. */
  get ndim(): number {
    return 3;
  }

  /** Number of entries that the matrix would have: M · N · D. */
  get size(): number {
    const [M, N, D] = this.shape;
    return M * N * D;
  }

  /** The float type of its tensors. */
  get dtype(): "float32" | "float64" {
    return floatTypeOf("dtype", this.inputs);
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
    const terms = args.map((x) => this.beside(op, x));
    const formula = apply(op, terms.map((t) => t.formula), attributes);
    return { formula, inputs: mergeInputs(op, terms.map((t) => t.inputs)) };
  }

  /**
   * The matrix with i and j exchanged, [N, M, D]; no tensor is touched. (KeOps' `t`, `T`.)
   *
   * ```ts
   * import { Vi, Vj } from "pairfold";
   * const K = Vi([[0], [1]]).sub(Vj([[1], [2], [5]])); // [2, 3, 1]
   * console.log(K.transpose().shape); // [ 3, 2, 1 ]
   * console.log(await K.transpose().sum("j").array()); // what K.sum("i") gives
   * ```
   */
  transpose(): this {
    const { byId, M, N } = this.inputs;
    return this.derive({ formula: transpose(this.formula), inputs: { byId, M: N, N: M } });
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
