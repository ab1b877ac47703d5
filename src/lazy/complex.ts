// Symbolic matrices of complex vectors: their methods, and the parts of complex tensors. Complex
// numbers are stored as pairs: re₀ im₀ re₁ im₁ …; a matrix of D complex components has a formula of
// dim 2 D.

import { PairfoldError } from "../error.ts";
import { apply, build, type OpName } from "../formula/mod.ts";
import { fold, type FoldChoices } from "../program/mod.ts";
import { type Tensor, tensor, type TensorLike } from "../tensor/mod.ts";
import { floatTypeOf, mergeInputs, parameterTerm, pointsTerm, type Term } from "./inputs.ts";
import { foldInputs, Readable } from "./readable.ts";
import { apart } from "./slots.ts";
import { type FoldAxis, Symbolic, termOf, type Value, type VectorAxis } from "./symbolic.ts";
import { position, sliceOf } from "./vectors.ts";

/** A complex number. */
export interface ComplexNumber {
  readonly re: number;
  readonly im: number;
}

/**
 * What an op takes beside a complex matrix: another one, a complex number or several, or anything
 * real (which counts as its real part).
 */
export type ComplexOperand = Symbolic | Value | ComplexNumber | readonly ComplexNumber[];

const isComplexNumber = (x: unknown): x is ComplexNumber =>
  typeof x === "object" && x !== null && !(x instanceof Symbolic) && "re" in x && "im" in x;

const isComplexList = (x: unknown): x is readonly ComplexNumber[] =>
  Array.isArray(x) && x.length > 0 && x.every(isComplexNumber);

/** An operand as a term, and whether that is complex. */
export function complexTermOf(op: string, x: ComplexOperand): Term & { isComplex: boolean } {
  if (isComplexNumber(x)) return complexTermOf(op, [x]);
  if (isComplexList(x)) {
    const { formula, inputs } = parameterTerm(x.flatMap(({ re, im }) => [re, im]));
    return { formula, inputs, isComplex: true };
  }
  const { formula, inputs } = termOf(op, x);
  return { formula, inputs, isComplex: x instanceof Symbolic && x.isComplex };
}

/** Ops on complex vectors; `Real` is the kind of matrix that real results are. */
export abstract class ComplexOps<Real extends Symbolic> extends Readable {
  readonly isComplex: boolean = true;

  /** A real matrix. */
  protected abstract asReal(term: Term): Real;

  /** Number of complex components. */
  override get dim(): number {
    return this.formula.dim / 2;
  }

  protected override title(): string {
    return `ComplexLazyTensor [${this.shape.join(", ")}] of ${this.dtype} pairs`;
  }

  #unary(op: OpName, attributes: readonly number[] = []): this {
    return this.derive({
      formula: apply(op, [this.formula], attributes),
      inputs: this.inputs,
    });
  }

  #toReal(op: OpName): Real {
    return this.asReal({ formula: apply(op, [this.formula]), inputs: this.inputs });
  }

  #binary(
    op: string,
    other: ComplexOperand,
    combine: (a: Term["formula"], b: Term["formula"], isComplex: boolean) => Term["formula"],
  ): this {
    const { isComplex, ...term } = complexTermOf(op, other);
    const b = apart(term, [this.inputs]);
    return this.derive({
      formula: combine(this.formula, b.formula, isComplex),
      inputs: mergeInputs(op, [this.inputs, b.inputs]),
    });
  }

  // ---- parts ------------------------------------------------------------------------------------

  /** Real parts. (KeOps' `real`.) */
  get real(): Real {
    return this.#toReal("complexReal");
  }
  /** Imaginary parts. (KeOps' `imag`.) */
  get imag(): Real {
    return this.#toReal("complexImag");
  }
  /** Absolute values; the gradient at 0 counts as 0. (KeOps' `abs`.) */
  abs(): Real {
    return this.#toReal("complexAbs");
  }
  /** Squared absolute values. */
  squareAbs(): Real {
    return this.#toReal("complexSquareAbs");
  }
  /** Angles from −π to π, 0 at 0. (KeOps' `angle`.) */
  angle(): Real {
    return this.#toReal("complexAngle");
  }
  /** The pairs as they are stored, re₀ im₀ re₁ im₁ …: a real vector of dim 2 D. */
  toReal(): Real {
    return this.asReal(this);
  }
  /** Complex conjugates. (KeOps' `conj`.) */
  conj(): this {
    return this.#unary("conj");
  }

  // ---- arithmetic -------------------------------------------------------------------------------

  /** this + other. */
  add(other: ComplexOperand): this {
    return this.#binary(
      "complexAdd",
      other,
      (a, b, isComplex) => build.complexAdd(a, isComplex ? b : build.realToComplex(b)),
    );
  }
  /** this − other. */
  sub(other: ComplexOperand): this {
    return this.#binary(
      "complexSubtract",
      other,
      (a, b, isComplex) => build.complexSubtract(a, isComplex ? b : build.realToComplex(b)),
    );
  }
  /**
   * this · other, component by component; a scalar, real or complex, broadcasts. (KeOps'
   * `ComplexMult`, `ComplexScal`, `ComplexRealScal`.)
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const z = Vi([[1, 2, 0, 1]]).toComplex(); // 1 + 2i and i
   * console.log(await z.mul({ re: 0, im: 1 }).sum("j").array()); // [ [ -2, 1, -1, 0 ] ]
   * ```
   */
  mul(other: ComplexOperand): this {
    return this.#binary("complexMult", other, (a, b, isComplex) => {
      if (isComplex) return a.dim === b.dim ? build.complexMult(a, b) : build.complexScal(a, b);
      // a real factor goes to both parts
      if (b.dim === 1) return build.complexRealScal(b, a);
      const both = build.interleave(b, b);
      return build.mul(a.dim === 2 ? build.complexSumT(a, both.dim) : a, both);
    });
  }
  /** this / other, component by component; a scalar broadcasts. (KeOps' `ComplexDivide`.) */
  div(other: ComplexOperand): this {
    return this.#binary("complexDivide", other, (a, b, isComplex) => {
      if (isComplex) return build.complexDivide(a, b);
      if (b.dim === 1) return build.div(a, b);
      const both = build.interleave(b, b);
      return build.div(a.dim === 2 ? build.complexSumT(a, both.dim) : a, both);
    });
  }
  /** −this. */
  neg(): this {
    return this.#unary("neg");
  }
  /** 1 / this. */
  inv(): this {
    return this.derive(complexTermOf("inv", { re: 1, im: 0 })).div(this);
  }
  /** this². */
  square(): this {
    return this.mul(this);
  }
  /** Exponential. (KeOps' `ComplexExp`.) */
  exp(): this {
    return this.#unary("complexExp");
  }

  // ---- vectors ----------------------------------------------------------------------------------

  /** Component m, a complex scalar, counted from 0, or from the end where negative. */
  elem(m: number): this {
    return this.#unary("extract", [2 * position("elem", m, this.dim), 2]);
  }
  /** Component m, as {@linkcode elem}. */
  at(m: number): this {
    return this.elem(m);
  }
  /** Components start … stop − 1: NumPy's slice, negative bounds counted from the end. */
  slice(start: number, stop: number = this.dim): this {
    const { first, dim } = sliceOf(this.dim, start, stop, 1);
    return this.#unary("extract", [2 * first, 2 * dim]);
  }
  /** The vectors one after another. */
  concat(...others: readonly ComplexOperand[]): this {
    return others.reduce<this>(
      (all, other) =>
        all.#binary(
          "concat",
          other,
          (a, b, isComplex) => build.concat(a, isComplex ? b : build.realToComplex(b)),
        ),
      this,
    );
  }
  /** A complex scalar repeated, as a vector of dim complex components. */
  sumT(dim: number): this {
    return this.#unary("complexSumT", [2 * dim]);
  }

  // ---- sums -------------------------------------------------------------------------------------

  /** Sum along the vector, a complex scalar; stays symbolic. */
  sum(axis: VectorAxis): this;
  /**
   * Sum over an axis: a tensor of pairs, [M, 2 D] for "j", [N, 2 D] for "i"; {@linkcode realPart}
   * and {@linkcode imagPart} take it apart.
   */
  sum(axis: FoldAxis, choices?: FoldChoices): Tensor;
  sum(axis: FoldAxis | VectorAxis, choices: FoldChoices = {}): this | Tensor {
    if (this.isVectorAxis("sum", axis)) return this.#unary("complexSum");
    return this.#fold("sum", axis, choices);
  }
  /** Mean over an axis, as {@linkcode sum}; NaN over nothing. */
  mean(axis: FoldAxis, choices: FoldChoices = {}): Tensor {
    return this.#fold("mean", axis, choices);
  }

  #fold(reduction: "sum" | "mean", axis: FoldAxis, choices: FoldChoices): Tensor {
    const dtype = floatTypeOf(reduction, this.inputs);
    const inputs = foldInputs(this.formula, this.inputs);
    return fold({
      ...inputs,
      axis: this.foldAxis(reduction, axis),
      reduction,
      k: 1,
      dtype,
      choices,
    })[0];
  }

  /** Σ_j this_ij · b_j for a tensor b of E complex components, pairs in [N, 2 E]. */
  matmul(b: TensorLike, choices: FoldChoices = {}): Tensor {
    const points = pointsTerm("matmul", "j", tensor(b));
    requireEven("matmul", points);
    return this.mul(this.derive(points)).sum("j", choices);
  }
}

/** Throws where a formula cannot hold complex numbers. */
export function requireEven(op: string, { formula }: Term): void {
  if (formula.dim % 2 === 0) return;
  throw new PairfoldError(
    "dim",
    `${op}: got dim ${formula.dim}; expected an even dim (re and im in turn)`,
  );
}

function part(op: string, t: Tensor, offset: 0 | 1): Tensor {
  const pairs = (t.shape.at(-1) ?? 1) / 2;
  if (!Number.isInteger(pairs)) {
    throw new PairfoldError(
      "shape",
      `${op}: got shape [${t.shape}]; expected a last axis of even length (re and im in turn)`,
    );
  }
  const whole = t.shape.slice(0, -1).map(() => null);
  return t.slice(...whole, { start: offset, step: 2 });
}

/**
 * Real parts of a tensor of pairs, [..., 2 D] to [..., D], such as sums of complex matrices.
 *
 * ```ts
 * import { imagPart, realPart, Vi, Vj } from "pairfold";
 * const phase = Vi([[0], [1]]).mul(Vj([[0], [Math.PI]])).exp1j(); // e^(i x y)
 * const sums = phase.sum("j"); // [2, 2]
 * console.log(await realPart(sums).array(), await imagPart(sums).array());
 * ```
 */
export function realPart(t: Tensor): Tensor {
  return part("realPart", t, 0);
}

/** Imaginary parts of a tensor of pairs; as {@linkcode realPart}. */
export function imagPart(t: Tensor): Tensor {
  return part("imagPart", t, 1);
}
