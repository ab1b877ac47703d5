// The methods of tensors that act on each element. They are deferred: a chain of them is one
// kernel.

import type { DType } from "../engine/engine.ts";
import { PairfoldError } from "../error.ts";
import type { ScalarOp } from "../formula/mod.ts";
import { type OperandOf, operations } from "./operations.ts";

/** Refuses int32 in the name of an op. */
export function checkFloats(op: string, dtype: DType): void {
  if (dtype !== "int32") return;
  throw new PairfoldError(
    "dtype",
    `${op}: got int32; expected floats (astype("float32") makes them)`,
  );
}

/** What an op takes beside a tensor: another one, a number, numbers in arrays. */
export type ElementwiseOperand = OperandOf<TensorElementwise>;

/**
 * Elementwise ops. Shapes broadcast as in NumPy. Numbers and arrays of numbers take on the tensor's
 * dtype. Ops throw `PairfoldError`: `shape` for shapes that do not broadcast, `dtype` where float32
 * meets float64 and for int32 (`astype` says how integers become floats), `device` for a tensor
 * that was disposed of.
 */
export abstract class TensorElementwise {
  abstract readonly shape: readonly number[];
  /** float32, float64 or int32. */
  abstract readonly dtype: DType;

  /** This, for an op that is made of others. Throws `PairfoldError` (dtype) for int32. */
  protected floats(op: string): this {
    checkFloats(op, this.dtype);
    return this;
  }

  /** An op on this and others. */
  protected apply(
    op: ScalarOp,
    others: readonly ElementwiseOperand[] = [],
    attributes: readonly number[] = [],
  ): this {
    return operations<TensorElementwise>().elementwise(op, [this, ...others], attributes) as this;
  }

  // ---- arithmetic -------------------------------------------------------------------------------

  /**
   * this + other.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([[1, 2], [3, 4]]); // [2, 2]
   * console.log(await x.add([10, 20]).array()); // [ [ 11, 22 ], [ 13, 24 ] ]
   * ```
   */
  add(other: ElementwiseOperand): this {
    return this.apply("add", [other]);
  }
  /** this − other. */
  sub(other: ElementwiseOperand): this {
    return this.apply("sub", [other]);
  }
  /** this · other. */
  mul(other: ElementwiseOperand): this {
    return this.apply("mul", [other]);
  }
  /** this / other. */
  div(other: ElementwiseOperand): this {
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
  /** this². */
  square(): this {
    return this.apply("square");
  }
  /**
   * this to a power. Integers up to 1024 are part of the formula, ½ and −½ are `sqrt` and `rsqrt`,
   * other numbers and tensors are real powers: NaN for negative bases.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * console.log(await tensor([4, 9]).pow(-0.5).array()); // [ 0.5, 0.333… ]
   * ```
   */
  pow(exponent: ElementwiseOperand): this {
    if (exponent === 0.5) return this.sqrt();
    if (exponent === -0.5) return this.rsqrt();
    if (typeof exponent === "number" && Number.isInteger(exponent) && Math.abs(exponent) <= 1024) {
      return this.apply("pow", [], [exponent]);
    }
    return this.apply("powr", [exponent]);
  }
  /** √this; its derivative at 0 counts as 0. */
  sqrt(): this {
    return this.apply("sqrt");
  }
  /** 1 / √this; 0 at 0. */
  rsqrt(): this {
    return this.apply("rsqrt");
  }
  /** ∛this, negative for negative values; its derivative at 0 counts as 0. */
  cbrt(): this {
    return this.apply("cbrt");
  }

  // ---- pieces -----------------------------------------------------------------------------------

  /** |this|; its derivative at 0 counts as 0. */
  abs(): this {
    return this.apply("abs");
  }
  /** −1, 0 or 1. */
  sign(): this {
    return this.apply("sign");
  }
  /** 0 below 0, else 1. */
  step(): this {
    return this.apply("step");
  }
  /** max(this, 0). */
  relu(): this {
    return this.apply("relu");
  }
  /** The smaller of two; NaN never wins. */
  minimum(other: ElementwiseOperand): this {
    return this.apply("min", [other]);
  }
  /** The larger of two; NaN never wins. */
  maximum(other: ElementwiseOperand): this {
    return this.apply("max", [other]);
  }
  /** low where this < low, high where this > high, else this. (NumPy's `clip`.) */
  clamp(low: ElementwiseOperand, high: ElementwiseOperand): this {
    return this.apply("clamp", [low, high]);
  }
  /** {@linkcode clamp} to integers that are part of the formula. */
  clampInt(low: number, high: number): this {
    return this.apply("clampInt", [], [low, high]);
  }
  /** The largest integer that is not larger. */
  floor(): this {
    return this.apply("floor");
  }
  /** The smallest integer that is not smaller. */
  ceil(): this {
    return this.floats("ceil").neg().floor().neg();
  }
  /** Rounded to so many decimals (tens where negative), halves away from zero. */
  round(decimals = 0): this {
    return this.apply("round", [], [decimals]);
  }
  /** this modulo a modulus, from the offset (inclusive) to offset + modulus. */
  mod(modulus: ElementwiseOperand, offset: ElementwiseOperand = 0): this {
    return this.apply("mod", [modulus, offset]);
  }

  // ---- comparisons and choices ------------------------------------------------------------------

  /** 1 where this < other, else 0. */
  lt(other: ElementwiseOperand): this {
    return this.apply("lt", [other]);
  }
  /** 1 where this ≤ other, else 0. */
  le(other: ElementwiseOperand): this {
    return this.apply("le", [other]);
  }
  /** 1 where this > other, else 0. */
  gt(other: ElementwiseOperand): this {
    return this.apply("gt", [other]);
  }
  /** 1 where this ≥ other, else 0. */
  ge(other: ElementwiseOperand): this {
    return this.apply("ge", [other]);
  }
  /** 1 where this = other, else 0. */
  eq(other: ElementwiseOperand): this {
    return this.apply("eq", [other]);
  }
  /** 1 where this ≠ other (NaN differs from everything), else 0. */
  ne(other: ElementwiseOperand): this {
    return this.apply("ne", [other]);
  }
  /** 1 where this is NaN, else 0. */
  isNaN(): this {
    return this.floats("isNaN").ne(this);
  }
  /** 1 where this is neither infinite nor NaN, else 0. */
  isFinite(): this {
    return this.floats("isFinite").abs().lt(Infinity);
  }
  /** a where this ≥ 0, else b. */
  ifElse(a: ElementwiseOperand, b: ElementwiseOperand): this {
    return this.apply("ifElse", [a, b]);
  }
  /**
   * a where this ≠ 0, else b: chooses by a comparison.
   *
   * ```ts
   * import { tensor } from "pairfold";
   * const x = tensor([-1, 2, -3]);
   * console.log(await x.lt(0).where(0, x).array()); // [ 0, 2, 0 ]
   * ```
   */
  where(a: ElementwiseOperand, b: ElementwiseOperand): this {
    return this.apply("where", [a, b]);
  }

  // ---- exponentials and logarithms --------------------------------------------------------------

  /** Exponential. */
  exp(): this {
    return this.apply("exp");
  }
  /** e^this − 1, without cancellation near 0. */
  expm1(): this {
    return this.apply("expm1");
  }
  /** 2^this; on the CPU exact for whole numbers. */
  exp2(): this {
    return this.apply("exp2");
  }
  /** Natural logarithm; −∞ at 0, NaN below. */
  log(): this {
    return this.apply("log");
  }
  /** log(1 + this), without cancellation near 0. */
  log1p(): this {
    return this.apply("log1p");
  }
  /** Logarithm to base 2, on the CPU exact for powers of 2; −∞ at 0, NaN below. */
  log2(): this {
    return this.apply("log2");
  }
  /** Logarithm to base 10; −∞ at 0, NaN below. */
  log10(): this {
    return this.apply("log10");
  }
  /** this · log(this); 0 at 0. */
  xLogX(): this {
    return this.apply("xLogX");
  }
  /** The logistic function 1 / (1 + e^−this). */
  sigmoid(): this {
    return this.apply("sigmoid");
  }
  /** log(1 + e^this), safe for large values. */
  softplus(): this {
    return this.apply("softplus");
  }

  // ---- other functions of analysis --------------------------------------------------------------

  /** Sine of radians. */
  sin(): this {
    return this.apply("sin");
  }
  /** Cosine of radians. */
  cos(): this {
    return this.apply("cos");
  }
  /** sin(this) / this; 1 at 0. */
  sinXDivX(): this {
    return this.apply("sinXDivX");
  }
  /** sin(π this) / (π this); 1 at 0. */
  sinc(): this {
    return this.mul(Math.PI).sinXDivX();
  }
  /** Arc sine; NaN beyond ±1. Its derivative at ±1 counts as 0. */
  asin(): this {
    return this.apply("asin");
  }
  /** Arc cosine; NaN beyond ±1. Its derivative at ±1 counts as 0. */
  acos(): this {
    return this.apply("acos");
  }
  /** Arc tangent. */
  atan(): this {
    return this.apply("atan");
  }
  /** The angle of the point (x, this), from −π to π. */
  atan2(x: ElementwiseOperand): this {
    return this.apply("atan2", [x]);
  }
  /** √(this² + other²), without overflow on the way. */
  hypot(other: ElementwiseOperand): this {
    return this.apply("hypot", [other]);
  }
  /** Hyperbolic sine. */
  sinh(): this {
    return this.apply("sinh");
  }
  /** Hyperbolic cosine. */
  cosh(): this {
    return this.apply("cosh");
  }
  /** Hyperbolic tangent. */
  tanh(): this {
    return this.apply("tanh");
  }
  /** Inverse hyperbolic sine. */
  asinh(): this {
    return this.apply("asinh");
  }
  /** Inverse hyperbolic cosine; NaN below 1. Its derivative at 1 counts as 0. */
  acosh(): this {
    return this.apply("acosh");
  }
  /** Inverse hyperbolic tangent; ±∞ at ±1, NaN beyond. */
  atanh(): this {
    return this.apply("atanh");
  }
  /** Error function, 2/√π ∫₀ˣ exp(−t²) dt. */
  erf(): this {
    return this.apply("erf");
  }
  /** 1 − erf(this), to its own relative accuracy for large values. */
  erfc(): this {
    return this.apply("erfc");
  }
}
