// Math functions in loop IR, for targets without the instructions. Range reduction, a polynomial,
// reassembly. Errors are over the stated ranges, in ulp of the result, with or without fused
// multiply-add; tests/lower/math.test.ts holds them against a higher-precision oracle.
//
//   function   range                         error     beyond it
//   exp        all                           1.25 ulp  +∞ above overflow; 0 where e^x < 2^−125.5
//                                                      (float64: 2^−1021.5)
//   exp2       all                           1.5 ulp   +∞ above overflow; 0 up to −125.5 (−1021.5)
//   expScaled  c and c·log₂e normal numbers  3 ulp + |c·q|·2^−23 (2^−52), roundings of c and c·q
//   expm1      all                           2 ulp     +∞ above overflow
//   log        all, subnormals included      2 ulp     −∞ at 0, NaN below
//   log1p      all, subnormals included      2.5 ulp   −∞ at −1, NaN below
//   log2       all, subnormals included      3 ulp     −∞ at 0, NaN below; exact for powers of 2
//   log10      all, subnormals included      3 ulp     −∞ at 0, NaN below; exact for powers of 10
//   sin, cos   |x| ≤ 2^53                    2.5 ulp, + 2^−77 above 2^20 · π/2; beyond: NaN
//   asin       |x| ≤ 1                       2.5 ulp   NaN
//   acos       |x| ≤ 1                       1.5 ulp   NaN
//   atan       all                           2 ulp
//   atan2      all, with the zeros, infinities and signs of IEEE 754: 2 ulp
//   sinh       all                           2.5 ulp   ±∞ above overflow
//   cosh       all                           2 ulp     +∞ above overflow
//   tanh       all                           2.75 ulp
//   asinh      all                           3 ulp
//   acosh      x ≥ 1                         4 ulp     NaN
//   atanh      |x| < 1                       2.75 ulp  ±∞ at ±1, NaN beyond
//   erf        all                           1.5 ulp
//   erfc       all                           4 ulp     0 where e^(−x²) < 2^−125.5 (2^−1021.5)
//   pow        x ≥ 0                         2 ulp + |y ln x|·2^−22 (2^−51)
//              y a constant, half an odd integer up to 15.5: 4|y| + 2 ulp
//   cbrt       all, subnormals included      1 ulp     exact for cubes
//   hypot      all, subnormals included      1.5 ulp   +∞ above overflow
//
// Odd functions keep the sign of a zero; NaN gives NaN (but hypot of an infinity and NaN is ∞).

import type { MathFunctions } from "../../loop/mod.ts";
import { erf, erfc } from "./erf.ts";
import {
  binaryScale,
  cosh,
  exp,
  exp2,
  exp2All,
  expm1,
  expScaled,
  sinh,
  tanh,
} from "./exponential.ts";
import { acos, asin, atan, atan2 } from "./inverse.ts";
import { acosh, asinh, atanh, log, log10, log1p, log2 } from "./logarithm.ts";
import { cbrt, halfPower, hypot, pow } from "./power.ts";
import { cos, sin } from "./trigonometric.ts";

/** Math functions for targets that have only arithmetic. */
export const expandedMath: MathFunctions = {
  exp,
  exp2,
  exp2All,
  expm1,
  log,
  log1p,
  log2,
  log10,
  sin,
  cos,
  asin,
  acos,
  atan,
  atan2,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  pow,
  cbrt,
  hypot,
  expScaled,
  // loops are short code, so that tiles may be large: distances of 24 components 1.1 to 1.3 times
  // as fast, dot products 1.1 to 1.25 (Intel Xeon, AVX-512, native and WebAssembly, 2026-11-23)
  ownTerms: 16,
};

/** Math functions that are operations of the target: of the host, for the uniform section. */
export const hostMath: MathFunctions = {
  exp: (b, x) => b.primitive("exp", x),
  exp2: (b, x) => b.primitive("exp2", x),
  exp2All: (b, x) => b.primitive("exp2", x),
  expm1: (b, x) => b.primitive("expm1", x),
  log: (b, x) => b.primitive("log", x),
  log1p: (b, x) => b.primitive("log1p", x),
  log2: (b, x) => b.primitive("log2", x),
  log10: (b, x) => b.primitive("log10", x),
  sin: (b, x) => b.primitive("sin", x),
  cos: (b, x) => b.primitive("cos", x),
  asin: (b, x) => b.primitive("asin", x),
  acos: (b, x) => b.primitive("acos", x),
  atan: (b, x) => b.primitive("atan", x),
  atan2: (b, y, x) => b.primitive("atan2", y, x),
  sinh: (b, x) => b.primitive("sinh", x),
  cosh: (b, x) => b.primitive("cosh", x),
  tanh: (b, x) => b.primitive("tanh", x),
  asinh: (b, x) => b.primitive("asinh", x),
  acosh: (b, x) => b.primitive("acosh", x),
  atanh: (b, x) => b.primitive("atanh", x),
  erf: (b, x) => b.primitive("erf", x),
  erfc: (b, x) => b.primitive("erfc", x),
  pow: (b, x, y) => b.primitive("pow", x, y),
  cbrt: (b, x) => b.primitive("cbrt", x),
  hypot: (b, x, y) => b.primitive("hypot", x, y),
  expScaled: (b, q, _nonNegative, uniform) => b.primitive("exp", b.mul(q, uniform((_u, c) => c))),
};

/**
 * Math functions of CUDA: its own, but that float32 exponentials are one `ex2.approx` behind a
 * product. Error of exp and expScaled there: 2 ulp + |c·q|·2^−23, as of expScaled above.
 */
export const cudaMath: MathFunctions = {
  ...hostMath,
  // longer ones are cut into slices: totals wait in memory while columns pass, and code stays short
  scalars: 8,
  // longer ones may be computed in patches of pairs
  terms: 16,
  hasExp2: true,
  pow: (b, x, y) => halfPower(b, x, y) ?? b.primitive("pow", x, y),
  exp: (b, x) =>
    b.float === "f64"
      ? b.primitive("exp", x)
      : b.primitive("exp2", b.mul(x, b.constant(Math.LOG2E))),
  expScaled: (b, q, _nonNegative, uniform, constant) => {
    // 2^q as formulas spell it
    if (b.float === "f32" && constant === Math.LN2) return b.primitive("exp2", q);
    return b.primitive("exp2", b.mul(q, uniform(binaryScale(b.float))));
  },
};
