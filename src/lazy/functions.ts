// Functions of analysis, on each component of symbolic matrices. Bounds of their errors stand in
// src/lower/math/.

import { ElementwiseOps, type Operand } from "./elementwise.ts";

/** Functions. They throw as {@linkcode ElementwiseOps} do. */
export abstract class Functions extends ElementwiseOps {
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
  /** this · log(this); 0 at 0 (KeOps' `XLogX`). */
  xLogX(): this {
    return this.apply("xLogX");
  }

  // ---- angles -----------------------------------------------------------------------------------

  /** Sine of radians; NaN beyond |x| = 2^53. */
  sin(): this {
    return this.apply("sin");
  }
  /** Cosine of radians; NaN beyond |x| = 2^53. */
  cos(): this {
    return this.apply("cos");
  }
  /** sin(this) / this; 1 at 0 (KeOps' `SinXDivX`). */
  sinXDivX(): this {
    return this.apply("sinXDivX");
  }
  /** sin(π this) / (π this); 1 at 0. (KeOps' `sinc`.) */
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
  /**
   * The angle of the point (x, this), from −π to π (KeOps' `Atan2`).
   *
   * ```ts
   * import { Vi } from "pairfold";
   * const p = Vi([[1, 1], [-1, 0]]); // points (x, y)
   * console.log(await p.elem(1).atan2(p.elem(0)).sum("j").array()); // π/4 and π
   * ```
   */
  atan2(x: Operand): this {
    return this.apply("atan2", [x]);
  }
  /** √(this² + other²), without overflow on the way. */
  hypot(other: Operand): this {
    return this.apply("hypot", [other]);
  }

  // ---- hyperbolic functions and others ----------------------------------------------------------

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
  /** The logistic function 1 / (1 + e^−this). */
  sigmoid(): this {
    return this.apply("sigmoid");
  }
  /** log(1 + e^this), safe for large values. */
  softplus(): this {
    return this.apply("softplus");
  }
}
