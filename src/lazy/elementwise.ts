// Ops on each component of symbolic matrices: arithmetic, rounding, comparisons, choices.

import type { OpName } from "../formula/mod.ts";
import { Readable } from "./readable.ts";
import type { Value } from "./symbolic.ts";

/** What an op takes beside a symbolic matrix: another one, a number, a vector, a tensor. */
export type Operand = ElementwiseOps | Value;

/**
 * Elementwise ops. Vectors of dim 1 broadcast; ops throw `PairfoldError`: `dim` for vectors that do
 * not fit, `shape` for row counts that disagree, `dtype` where float32 meets float64.
 */
export abstract class ElementwiseOps extends Readable {
  readonly isComplex: boolean = false;

  /** An op on this and others. */
  protected apply(
    op: OpName,
    others: readonly Operand[] = [],
    attributes: readonly number[] = [],
  ): this {
    return this.derive(this.term(op, [this, ...others], attributes));
  }

  // ---- arithmetic -------------------------------------------------------------------------------

  /** this + other. */
  add(other: Operand): this {
    return this.apply("add", [other]);
  }
  /** this − other. */
  sub(other: Operand): this {
    return this.apply("sub", [other]);
  }
  /** this · other, component by component. */
  mul(other: Operand): this {
    return this.apply("mul", [other]);
  }
  /** this / other, component by component. */
  div(other: Operand): this {
    return this.apply("div", [other]);
  }
  /** −this. */
  neg(): this {
    return this.apply("neg");
  }
  /** 1 / this. */
  inv(): this {
    return this.apply("inv");
  }
  /** this², component by component. */
  square(): this {
    return this.apply("square");
  }
  /**
   * this to a power. Integers are part of the formula (KeOps' `Pow`), ½ and −½ are `sqrt` and
   * `rsqrt`, other numbers and symbolic exponents are real powers (KeOps' `Powf`); halves of odd
   * integers up to 15.5 are part of the formula too, and products of square roots.
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const x = Vi([[4], [9]]);
   * console.log(await x.pow(-2).sum("j").array(), await x.pow(0.5).sum("j").array());
   * ```
   */
  pow(exponent: Operand): this {
    if (exponent === 0.5) return this.sqrt();
    if (exponent === -0.5) return this.rsqrt();
    if (typeof exponent === "number" && Number.isInteger(exponent) && Math.abs(exponent) <= 1024) {
      return this.apply("pow", [], [exponent]);
    }
    return this.apply("powr", [exponent]);
  }

  // ---- powers, pieces ---------------------------------------------------------------------------

  /** √this; its derivative at 0 counts as 0. */
  sqrt(): this {
    return this.apply("sqrt");
  }
  /** 1 / √this; 0 at 0 (KeOps' `Rsqrt`). */
  rsqrt(): this {
    return this.apply("rsqrt");
  }
  /** ∛this, negative for negative values; its derivative at 0 counts as 0. */
  cbrt(): this {
    return this.apply("cbrt");
  }
  /** |this|, component by component. */
  abs(): this {
    return this.apply("abs");
  }
  /** −1, 0 or 1. */
  sign(): this {
    return this.apply("sign");
  }
  /** 0 below 0, else 1 (KeOps' `Step`). */
  step(): this {
    return this.apply("step");
  }
  /** max(this, 0) (KeOps' `ReLU`). */
  relu(): this {
    return this.apply("relu");
  }
  /** The smaller of two, component by component; NaN never wins. */
  minimum(other: Operand): this {
    return this.apply("min", [other]);
  }
  /** The larger of two, component by component; NaN never wins. */
  maximum(other: Operand): this {
    return this.apply("max", [other]);
  }
  /** low where this < low, high where this > high, else this (KeOps' `Clamp`). */
  clamp(low: Operand, high: Operand): this {
    return this.apply("clamp", [low, high]);
  }
  /** {@linkcode clamp} to integers that are part of the formula (KeOps' `ClampInt`). */
  clampInt(low: number, high: number): this {
    return this.apply("clampInt", [], [low, high]);
  }
  /** The largest integer that is not larger. */
  floor(): this {
    return this.apply("floor");
  }
  /** The smallest integer that is not smaller. */
  ceil(): this {
    return this.neg().floor().neg();
  }
  /** Rounded to so many decimals (tens where negative), halves away from zero. */
  round(decimals = 0): this {
    return this.apply("round", [], [decimals]);
  }
  /**
   * this modulo a modulus, from the offset (inclusive) to offset + modulus (KeOps' `Mod`).
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const angle = Vi([[4], [-4], [1]]);
   * console.log(await angle.mod(3, -1).sum("j").array()); // [ [ 1 ], [ -1 ], [ 1 ] ]
   * ```
   */
  mod(modulus: Operand, offset: Operand = 0): this {
    return this.apply("mod", [modulus, offset]);
  }

  // ---- comparisons and choices ------------------------------------------------------------------

  /** 1 where this < other, else 0. */
  lt(other: Operand): this {
    return this.apply("lt", [other]);
  }
  /** 1 where this ≤ other, else 0. */
  le(other: Operand): this {
    return this.apply("le", [other]);
  }
  /** 1 where this > other, else 0. */
  gt(other: Operand): this {
    return this.apply("gt", [other]);
  }
  /** 1 where this ≥ other, else 0. */
  ge(other: Operand): this {
    return this.apply("ge", [other]);
  }
  /** 1 where this = other, else 0. */
  eq(other: Operand): this {
    return this.apply("eq", [other]);
  }
  /** 1 where this ≠ other, else 0. */
  ne(other: Operand): this {
    return this.apply("ne", [other]);
  }
  /** a where this ≥ 0, else b (KeOps' `IfElse`). */
  ifElse(a: Operand, b: Operand): this {
    return this.apply("ifElse", [a, b]);
  }
  /**
   * a where this ≠ 0, else b: chooses by a comparison.
   *
   * ```ts
   * import { indexOf, Vi, Vj } from "pairfold";
   * const points = [[0, 0], [1, 0], [5, 0]];
   * const D = Vi(points).sqDist(Vj(points));
   * const others = indexOf("i").ne(indexOf("j")).where(D, Infinity);
   * console.log(await others.min("j").array()); // [ [ 1 ], [ 1 ], [ 16 ] ]
   * ```
   */
  where(a: Operand, b: Operand): this {
    return this.apply("where", [a, b]);
  }
}
