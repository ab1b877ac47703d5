// What a target offers for math functions: expansions in loop IR, or its own instructions.

import type { Builder } from "./builder.ts";
import type { Value } from "./ir.ts";

/** Builds math functions of values of the builder's float type. */
export interface MathFunctions {
  /**
   * Components of a fold's sums, and terms of a sum within a formula, up to which they are scalars
   * and no loop, where the fold is a sum or has a weight; default 32.
   */
  readonly scalars?: number;
  readonly terms?: number;
  /** The same of sums whose terms are read by nothing else, in all folds; default as above. */
  readonly ownTerms?: number;
  /** Whether 2^x of 32 bits is one instruction, so that a product before it counts. */
  readonly hasExp2?: boolean;
  exp(b: Builder, x: Value): Value;
  /** 2^x for x up to the exponent of +∞ (128, 1024), or NaN. */
  exp2(b: Builder, x: Value): Value;
  /** 2^x for all x. */
  exp2All(b: Builder, x: Value): Value;
  expm1(b: Builder, x: Value): Value;
  log(b: Builder, x: Value): Value;
  log1p(b: Builder, x: Value): Value;
  log2(b: Builder, x: Value): Value;
  log10(b: Builder, x: Value): Value;
  sin(b: Builder, x: Value): Value;
  cos(b: Builder, x: Value): Value;
  asin(b: Builder, x: Value): Value;
  acos(b: Builder, x: Value): Value;
  atan(b: Builder, x: Value): Value;
  /** The angle of the point (x, y). */
  atan2(b: Builder, y: Value, x: Value): Value;
  sinh(b: Builder, x: Value): Value;
  cosh(b: Builder, x: Value): Value;
  tanh(b: Builder, x: Value): Value;
  asinh(b: Builder, x: Value): Value;
  acosh(b: Builder, x: Value): Value;
  atanh(b: Builder, x: Value): Value;
  erf(b: Builder, x: Value): Value;
  erfc(b: Builder, x: Value): Value;
  pow(b: Builder, x: Value, y: Value): Value;
  cbrt(b: Builder, x: Value): Value;
  hypot(b: Builder, x: Value, y: Value): Value;
  /**
   * exp(c · q) for a uniform c. `uniform` computes c-only values in the uniform section and hands
   * them over as values of the builder's section; `nonNegative` tells that q ≥ 0 or NaN, `constant`
   * what c is where it is part of the formula.
   */
  expScaled(
    b: Builder,
    q: Value,
    nonNegative: boolean,
    uniform: UniformScale,
    constant?: number,
  ): Value;
}

/** Values that depend on the scale c alone, computed once per launch in float64. */
export type UniformScale = (compute: (u: Builder, c: Value) => Value) => Value;
