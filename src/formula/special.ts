// The table of functions of analysis. Odd functions keep the sign of a zero; NaN gives NaN.

import * as f from "./build.ts";
import { broadcast, declare, type ScalarEntry } from "./entry.ts";
import { erf, erfc } from "./erf.ts";
import type { SpecialOp } from "./names.ts";
import { constant, type Node } from "./node.ts";

const unary = {
  arity: 1,
  attributes: [],
  dim: broadcast,
  domain: [[-2, 2]],
} as const;

const binary = {
  arity: 2,
  attributes: [],
  dim: broadcast,
  domain: [[-2, 2], [0.5, 2]],
} as const;

const ONE = constant(1);
const ZERO = constant(0);

/** x where it is not 0, else 1: what divides when 0/0 counts as 0. */
const orOne = (x: Node): Node => f.where(f.eq(x, ZERO), ONE, x);

/** √(1 − x²) without cancellation at ±1, as 1 / √; 0 there. */
const inverseRoot = (x: Node): Node => f.rsqrt(f.mul(f.sub(ONE, x), f.add(ONE, x)));

/** 2/√π · e^(−x²), the slope of erf. */
const bell = (x: Node): Node => f.mul(constant(2 / Math.sqrt(Math.PI)), f.exp(f.neg(f.square(x))));

/** Coefficients of (sin x / x)' = −x/3 + x³/30 − …: (−1)^k 2k / (2k + 1)!, k = 1, 2, … */
const SINC_SLOPE = Array.from({ length: 10 }, (_, n) => {
  const k = n + 1;
  let factorial = 1;
  for (let m = 2; m <= 2 * k + 1; m++) factorial *= m;
  return (k % 2 === 0 ? 1 : -1) * 2 * k / factorial;
});

/**
 * (sin x / x)' = (cos x − sin x / x) / x, which cancels near 0: there by its series, which is exact
 * to float64 for |x| < 1.
 */
function sincSlope(x: Node, sinc: Node): Node {
  const isSmall = f.lt(f.abs(x), ONE);
  const z = f.square(f.where(isSmall, x, ZERO));
  const series = SINC_SLOPE.reduceRight<Node | null>(
    (sum, c) => sum === null ? constant(c) : f.add(constant(c), f.mul(z, sum)),
    null,
  ) ?? ZERO;
  const far = f.div(f.sub(f.cos(x), sinc), f.where(isSmall, ONE, x));
  return f.where(isSmall, f.mul(x, series), far);
}

export const special = declare<SpecialOp, ScalarEntry>({
  expm1: {
    ...unary,
    meaning: "eˣ − 1, without cancellation near 0",
    evaluate: ([x]) => Math.expm1(x),
    scalar: (s, [x]) => s.expm1(x),
    grad: (g, [x]) => [f.mul(g, f.exp(x))],
  },
  exp2: {
    ...unary,
    meaning: "2ˣ; on the CPU exact for whole x",
    evaluate: ([x]) => 2 ** x,
    scalar: (s, [x]) => s.exp2(x),
    grad: (g, _x, y) => [f.mul(g, f.mul(constant(Math.LN2), y))],
  },
  log1p: {
    ...unary,
    meaning: "log(1 + x), without cancellation near 0; −∞ at −1, NaN below",
    domain: [[-0.5, 2]],
    evaluate: ([x]) => Math.log1p(x),
    scalar: (s, [x]) => s.log1p(x),
    grad: (g, [x]) => [f.div(g, f.add(ONE, x))],
  },
  log2: {
    ...unary,
    meaning: "logarithm to base 2, on the CPU exact for powers of 2; −∞ at 0, NaN below",
    domain: [[0.5, 2]],
    evaluate: ([x]) => Math.log2(x),
    scalar: (s, [x]) => s.log2(x),
    grad: (g, [x]) => [f.div(f.mul(constant(Math.LOG2E), g), x)],
  },
  log10: {
    ...unary,
    meaning: "logarithm to base 10; −∞ at 0, NaN below",
    domain: [[0.5, 2]],
    evaluate: ([x]) => Math.log10(x),
    scalar: (s, [x]) => s.log10(x),
    grad: (g, [x]) => [f.div(f.mul(constant(Math.LOG10E), g), x)],
  },
  xLogX: {
    ...unary,
    meaning: "x · log x; 0 at x = 0, where its derivative counts as 0; NaN below",
    domain: [[0.1, 2]],
    evaluate: ([x]) => x === 0 ? 0 : x * Math.log(x),
    scalar: (s, [x]) => {
      const zero = s.constant(0);
      return s.select(s.eq(x, zero), zero, s.mul(x, s.log(x)));
    },
    // log x + 1; 0 at 0 (KeOps: −∞), so that r² log r has its gradient, 0, at r = 0
    grad: (g, [x]) => {
      const slope = f.add(f.log(orOne(x)), ONE);
      return [f.mul(g, f.where(f.eq(x, ZERO), ZERO, slope))];
    },
  },
  sinXDivX: {
    ...unary,
    meaning: "sin(x) / x; 1 at x = 0, with derivative 0 there",
    evaluate: ([x]) => x === 0 ? 1 : Math.sin(x) / x,
    scalar: (s, [x]) => s.select(s.eq(x, s.constant(0)), s.constant(1), s.div(s.sin(x), x)),
    grad: (g, [x], y) => [f.mul(g, sincSlope(x, y))],
  },
  asin: {
    ...unary,
    meaning: "arc sine, from −π/2 to π/2; NaN for |x| > 1; its derivative at ±1 counts as 0",
    domain: [[-0.8, 0.8]],
    evaluate: ([x]) => Math.asin(x),
    scalar: (s, [x]) => s.asin(x),
    grad: (g, [x]) => [f.mul(g, inverseRoot(x))],
  },
  acos: {
    ...unary,
    meaning: "arc cosine, from 0 to π; NaN for |x| > 1; its derivative at ±1 counts as 0",
    domain: [[-0.8, 0.8]],
    evaluate: ([x]) => Math.acos(x),
    scalar: (s, [x]) => s.acos(x),
    grad: (g, [x]) => [f.neg(f.mul(g, inverseRoot(x)))],
  },
  atan: {
    ...unary,
    meaning: "arc tangent, from −π/2 to π/2",
    evaluate: ([x]) => Math.atan(x),
    scalar: (s, [x]) => s.atan(x),
    grad: (g, [x]) => [f.div(g, f.add(ONE, f.square(x)))],
  },
  atan2: {
    ...binary,
    meaning: "the angle of the point (x, y), from −π to π, for arguments y and x; at (0, 0) as " +
      "in IEEE 754, with gradient 0",
    evaluate: ([y, x]) => Math.atan2(y, x),
    scalar: (s, [y, x]) => s.atan2(y, x),
    // (x dy − y dx) / r², by two divisions, since r² may overflow or underflow
    grad: (g, [y, x]) => {
      const r = orOne(f.hypot(y, x));
      const scaled = f.div(g, r);
      return [f.mul(scaled, f.div(x, r)), f.neg(f.mul(scaled, f.div(y, r)))];
    },
  },
  sinh: {
    ...unary,
    meaning: "hyperbolic sine",
    evaluate: ([x]) => Math.sinh(x),
    scalar: (s, [x]) => s.sinh(x),
    grad: (g, [x]) => [f.mul(g, f.cosh(x))],
  },
  cosh: {
    ...unary,
    meaning: "hyperbolic cosine",
    evaluate: ([x]) => Math.cosh(x),
    scalar: (s, [x]) => s.cosh(x),
    grad: (g, [x]) => [f.mul(g, f.sinh(x))],
  },
  tanh: {
    ...unary,
    meaning: "hyperbolic tangent",
    evaluate: ([x]) => Math.tanh(x),
    scalar: (s, [x]) => s.tanh(x),
    // 1/cosh², which has no cancellation, unlike 1 − tanh²
    grad: (g, [x]) => [f.div(g, f.square(f.cosh(x)))],
  },
  asinh: {
    ...unary,
    meaning: "inverse hyperbolic sine",
    evaluate: ([x]) => Math.asinh(x),
    scalar: (s, [x]) => s.asinh(x),
    // 1/√(1 + x²), where x² may overflow
    grad: (g, [x]) => [f.div(g, f.hypot(ONE, x))],
  },
  acosh: {
    ...unary,
    meaning: "inverse hyperbolic cosine, from 0; NaN for x < 1; its derivative at 1 counts as 0",
    domain: [[1.2, 4]],
    evaluate: ([x]) => Math.acosh(x),
    scalar: (s, [x]) => s.acosh(x),
    // 1/√(x² − 1) by two roots: no overflow, and NaN below 1
    grad: (g, [x]) => [f.mul(g, f.mul(f.rsqrt(f.sub(x, ONE)), f.rsqrt(f.add(x, ONE))))],
  },
  atanh: {
    ...unary,
    meaning: "inverse hyperbolic tangent; ±∞ at ±1, NaN for |x| > 1",
    domain: [[-0.8, 0.8]],
    evaluate: ([x]) => Math.atanh(x),
    scalar: (s, [x]) => s.atanh(x),
    grad: (g, [x]) => [f.div(g, f.mul(f.sub(ONE, x), f.add(ONE, x)))],
  },
  erf: {
    ...unary,
    meaning: "error function, 2/√π ∫₀ˣ exp(−t²) dt",
    evaluate: ([x]) => erf(x),
    scalar: (s, [x]) => s.erf(x),
    grad: (g, [x]) => [f.mul(g, bell(x))],
  },
  erfc: {
    ...unary,
    meaning: "1 − erf(x), to its own relative accuracy for large x",
    evaluate: ([x]) => erfc(x),
    scalar: (s, [x]) => s.erfc(x),
    grad: (g, [x]) => [f.neg(f.mul(g, bell(x)))],
  },
  sigmoid: {
    ...unary,
    meaning: "1 / (1 + exp(−x)), the logistic function",
    evaluate: ([x]) => 1 / (1 + Math.exp(-x)),
    scalar: (s, [x]) => s.div(s.constant(1), s.add(s.constant(1), s.exp(s.neg(x)))),
    // y (1 − y), with 1 − σ(x) = σ(−x)
    grad: (g, [x], y) => [f.mul(g, f.mul(y, f.sigmoid(f.neg(x))))],
  },
  softplus: {
    ...unary,
    meaning: "log(1 + exp(x))",
    evaluate: ([x]) => (x < 0 ? 0 : x) + Math.log1p(Math.exp(-Math.abs(x))),
    // max(x, 0) + log(1 + exp(−|x|)) never overflows
    scalar: (s, [x]) => {
      const zero = s.constant(0);
      const tail = s.log1p(s.exp(s.neg(s.abs(x))));
      return s.add(s.select(s.lt(x, zero), zero, x), tail);
    },
    grad: (g, [x]) => [f.mul(g, f.sigmoid(x))],
  },
  cbrt: {
    ...unary,
    meaning: "∛x, negative for x < 0; its derivative at 0 counts as 0",
    domain: [[-2, -0.5]], // steep at 0
    evaluate: ([x]) => Math.cbrt(x),
    scalar: (s, [x]) => s.cbrt(x),
    // ⅓ y⁻²; what is not chosen at 0 is computed of 1, so that its own derivatives are finite too
    grad: (g, [x], y) => {
      const slope = f.div(g, f.mul(constant(3), f.square(orOne(y))));
      return [f.where(f.eq(x, ZERO), ZERO, slope)];
    },
  },
  hypot: {
    ...binary,
    meaning: "√(a² + b²) without overflow or underflow on the way; gradient 0 at (0, 0)",
    evaluate: ([a, b]) => Math.hypot(a, b),
    scalar: (s, [a, b]) => s.hypot(a, b),
    grad: (g, [a, b], y) => {
      const length = orOne(y);
      return [f.mul(g, f.div(a, length)), f.mul(g, f.div(b, length))];
    },
  },
});
