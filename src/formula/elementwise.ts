// The table of elementwise ops: meaning, scalar definition, float64 evaluation, gradient.
// A gradient rule reads (cotangent g, arguments, output y); null says "no gradient".

import * as f from "./build.ts";
import {
  broadcast,
  checkAttribute,
  declare,
  onVector,
  type ScalarAlgebra,
  type ScalarEntry,
} from "./entry.ts";
import type { ElementwiseOp } from "./names.ts";
import { constant } from "./node.ts";

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
  domain: [[-2, 2], [-2, 2]],
} as const;

const HALF = constant(0.5);
const ONE = constant(1);
const TWO = constant(2);
const ZERO = constant(0);

/** x^n by repeated squaring; n ≥ 1. */
export function power<T>(s: Pick<ScalarAlgebra<T, unknown>, "mul">, x: T, n: number): T {
  if (n === 1) return x;
  const half = power(s, x, n >> 1);
  const squared = s.mul(half, half);
  return n % 2 === 0 ? squared : s.mul(squared, x);
}

/** 10^|decimals| is a float64, and finite in float32. */
const MAX_DECIMALS = 22;

/** From here on a float64 has no fraction (nor has a float32). */
const ALL_INTEGERS = 2 ** 53;

/** Number of the multiplications above stays small; larger exponents are better as powr. */
const MAX_INTEGER_EXPONENT = 1024;

/** Larger exponents err less as general powers. */
const MAX_HALF_POWER = 15.5;

/**
 * Whether an exponent is half an odd integer and small. Such powers are products of square roots,
 * where the exponent is a constant of the formula.
 */
export function isHalfPower(exponent: number): boolean {
  return Math.abs(exponent) <= MAX_HALF_POWER && Math.abs(exponent % 1) === 0.5;
}

export const elementwise = declare<ElementwiseOp, ScalarEntry>({
  add: {
    ...binary,
    meaning: "a + b",
    evaluate: ([a, b]) => a + b,
    scalar: (s, [a, b]) => s.add(a, b),
    grad: (g) => [g, g],
  },
  sub: {
    ...binary,
    meaning: "a − b",
    evaluate: ([a, b]) => a - b,
    scalar: (s, [a, b]) => s.sub(a, b),
    grad: (g) => [g, f.neg(g)],
  },
  mul: {
    ...binary,
    meaning: "a · b",
    evaluate: ([a, b]) => a * b,
    scalar: (s, [a, b]) => s.mul(a, b),
    grad: (g, [a, b]) => [f.mul(g, b), f.mul(g, a)],
  },
  div: {
    ...binary,
    meaning: "a / b; over a parameter, or a vector over a scalar, a · (1 / b)",
    domain: [[-2, 2], [0.5, 2]],
    evaluate: ([a, b]) => a / b,
    scalar: (s, [a, b]) => s.div(a, b),
    // d(a/b) = da/b − (a/b) db/b
    grad: (g, [_a, b], y) => [f.div(g, b), f.neg(f.div(f.mul(g, y), b))],
  },
  neg: {
    ...unary,
    meaning: "−x",
    evaluate: ([x]) => -x,
    scalar: (s, [x]) => s.neg(x),
    grad: (g) => [f.neg(g)],
  },
  inv: {
    ...unary,
    meaning: "1 / x",
    domain: [[0.5, 2]],
    evaluate: ([x]) => 1 / x,
    scalar: (s, [x]) => s.div(s.constant(1), x),
    grad: (g, _x, y) => [f.neg(f.mul(g, f.square(y)))],
  },
  square: {
    ...unary,
    meaning: "x²",
    evaluate: ([x]) => x * x,
    scalar: (s, [x]) => s.mul(x, x),
    grad: (g, [x]) => [f.mul(f.mul(TWO, g), x)],
  },
  pow: {
    ...unary,
    samples: onVector(3, [3], [0], [1], [2], [-1], [-2], [7]),
    meaning: "xⁿ, n an integer of the formula; x⁰ = 1 for every x",
    attributes: ["exponent"],
    domain: [[0.5, 2]],
    dim: (op, args, attributes) => {
      const limit = MAX_INTEGER_EXPONENT;
      checkAttribute(op, "exponent", attributes[0], -limit, limit);
      return args[0].dim;
    },
    evaluate: ([x], [n]) => {
      if (n === 0) return 1;
      const m = Math.abs(n);
      // the host's ** may err in the last bit where the definition does not
      const positive = m === 1 ? x : m === 2 ? x * x : x ** m;
      return n > 0 ? positive : 1 / positive;
    },
    scalar: (s, [x], [n]) => {
      if (n === 0) return s.constant(1);
      const positive = power(s, x, Math.abs(n));
      return n > 0 ? positive : s.div(s.constant(1), positive);
    },
    grad: (g, [x], _y, [n]) => [n === 0 ? null : f.mul(f.mul(constant(n), g), f.pow(x, n - 1))],
  },
  powr: {
    ...binary,
    parameters: ["x", "y"],
    meaning:
      "x^y for real y: exp(y · log x), or products of √x where y is a constant half of an odd " +
      "integer; 1 at y = 0, NaN for x < 0",
    domain: [[0.5, 2], [-2, 2]],
    evaluate: ([x, y]) => y === 0 ? 1 : x < 0 ? NaN : Math.abs(x) ** y,
    scalar: (s, [x, y]) => s.pow(x, y),
    // At x = 0 the x-derivative counts as 0 where it is infinite (y < 1), the y-derivative as 0.
    // What is not chosen is computed of 1, so that its own derivatives are finite too.
    grad: (g, [x, y], z) => {
      if (y.kind === "constant") {
        const base = y.value < 1 ? f.where(f.eq(x, ZERO), ONE, x) : x;
        const slope = f.mul(y, f.powr(base, constant(y.value - 1)));
        return [f.mul(g, y.value < 1 ? f.where(f.eq(x, ZERO), ZERO, slope) : slope), null];
      }
      const atZero = f.eq(x, ZERO);
      const isInfinite = f.mul(atZero, f.lt(y, ONE));
      const slope = f.mul(y, f.powr(f.where(isInfinite, ONE, x), f.sub(y, ONE)));
      return [
        f.mul(g, f.where(isInfinite, ZERO, slope)),
        f.mul(g, f.mul(z, f.log(f.where(atZero, ONE, x)))),
      ];
    },
  },
  sqrt: {
    ...unary,
    meaning: "√x; its derivative at 0 counts as 0",
    domain: [[0.5, 2]],
    evaluate: ([x]) => Math.sqrt(x),
    scalar: (s, [x]) => s.sqrt(x),
    grad: (g, [x]) => [f.mul(f.mul(HALF, g), f.rsqrt(x))],
  },
  rsqrt: {
    ...unary,
    meaning: "1 / √x; 0 at x = 0, with derivative 0 there",
    domain: [[0.5, 2]],
    evaluate: ([x]) => x === 0 ? 0 : 1 / Math.sqrt(x),
    scalar: (s, [x]) => {
      const zero = s.constant(0);
      return s.select(s.eq(x, zero), zero, s.div(s.constant(1), s.sqrt(x)));
    },
    // (x^−½)' = −½ y³
    grad: (g, _x, y) => [f.neg(f.mul(f.mul(HALF, g), f.mul(y, f.square(y))))],
  },
  exp: {
    ...unary,
    meaning: "eˣ",
    evaluate: ([x]) => Math.exp(x),
    scalar: (s, [x]) => s.exp(x),
    grad: (g, _x, y) => [f.mul(g, y)],
  },
  log: {
    ...unary,
    meaning: "natural logarithm; −∞ at 0, NaN below",
    domain: [[0.5, 2]],
    evaluate: ([x]) => Math.log(x),
    scalar: (s, [x]) => s.log(x),
    grad: (g, [x]) => [f.div(g, x)],
  },
  sin: {
    ...unary,
    meaning: "sine of radians",
    evaluate: ([x]) => Math.sin(x),
    scalar: (s, [x]) => s.sin(x),
    grad: (g, [x]) => [f.mul(g, f.cos(x))],
  },
  cos: {
    ...unary,
    meaning: "cosine of radians",
    evaluate: ([x]) => Math.cos(x),
    scalar: (s, [x]) => s.cos(x),
    grad: (g, [x]) => [f.neg(f.mul(g, f.sin(x)))],
  },
  abs: {
    ...unary,
    meaning: "|x|; its derivative at 0 counts as 0",
    domain: [[0.5, 2]],
    evaluate: ([x]) => Math.abs(x),
    scalar: (s, [x]) => s.abs(x),
    grad: (g, [x]) => [f.mul(g, f.sign(x))],
  },
  sign: {
    ...unary,
    meaning: "−1, 0 or 1; NaN for NaN",
    evaluate: ([x]) => x > 0 ? 1 : x < 0 ? -1 : x,
    scalar: (s, [x]) => {
      const zero = s.constant(0);
      const belowOrSelf = s.select(s.lt(x, zero), s.constant(-1), x);
      return s.select(s.lt(zero, x), s.constant(1), belowOrSelf);
    },
    grad: () => [null],
  },
  step: {
    ...unary,
    meaning: "0 for x < 0, 1 for x ≥ 0; NaN for NaN",
    evaluate: ([x]) => x < 0 ? 0 : x >= 0 ? 1 : x,
    scalar: (s, [x]) => {
      const zero = s.constant(0);
      return s.select(s.lt(x, zero), zero, s.select(s.le(zero, x), s.constant(1), x));
    },
    grad: () => [null],
  },
  relu: {
    ...unary,
    meaning: "x for x ≥ 0, else 0; NaN for NaN; derivative step(x)",
    domain: [[0.5, 2]],
    evaluate: ([x]) => x < 0 ? 0 : x,
    scalar: (s, [x]) => s.select(s.lt(x, s.constant(0)), s.constant(0), x),
    grad: (g, [x]) => [f.mul(g, f.step(x))],
  },
  min: {
    ...binary,
    meaning: "the smaller of two; NaN never wins; the gradient goes to the first winner",
    domain: [[-2, -0.1], [0.1, 2]],
    evaluate: ([a, b]) => b < a || Number.isNaN(a) ? b : a,
    scalar: (s, [a, b]) => s.select(s.or(s.lt(b, a), s.not(s.eq(a, a))), b, a),
    grad: (g, [a, b]) => {
      const second = f.add(f.lt(b, a), f.ne(a, a));
      return [f.where(second, ZERO, g), f.where(second, g, ZERO)];
    },
  },
  max: {
    ...binary,
    meaning: "the larger of two; NaN never wins; the gradient goes to the first winner",
    domain: [[-2, -0.1], [0.1, 2]],
    evaluate: ([a, b]) => a < b || Number.isNaN(a) ? b : a,
    scalar: (s, [a, b]) => s.select(s.or(s.lt(a, b), s.not(s.eq(a, a))), b, a),
    grad: (g, [a, b]) => {
      const second = f.add(f.lt(a, b), f.ne(a, a));
      return [f.where(second, ZERO, g), f.where(second, g, ZERO)];
    },
  },
  floor: {
    ...unary,
    meaning: "the largest integer ≤ x; zero gradient",
    evaluate: ([x]) => Math.floor(x),
    scalar: (s, [x]) => s.floor(x),
    grad: () => [null],
  },
  round: {
    ...unary,
    samples: onVector(3, [0], [1], [-1]),
    meaning: "x to d decimals (d an integer of the formula; d < 0: to tens, hundreds, …), halves " +
      "away from zero; zero gradient",
    attributes: ["decimals"],
    domain: [[-20, 20]],
    dim: (op, args, attributes) => {
      checkAttribute(op, "decimals", attributes[0], -MAX_DECIMALS, MAX_DECIMALS);
      return args[0].dim;
    },
    evaluate: ([x], [d]) => {
      const factor = 10 ** Math.abs(d);
      const scaled = d > 0 ? x * factor : x / factor;
      const a = Math.abs(scaled);
      if (!(a < ALL_INTEGERS)) return x;
      const whole = Math.floor(a);
      const rounded = Math.sign(scaled) * (a - whole >= 0.5 ? whole + 1 : whole);
      return d > 0 ? rounded / factor : rounded * factor;
    },
    scalar: (s, [x], [d]) => {
      const factor = s.constant(10 ** Math.abs(d));
      const scaled = d === 0 ? x : d > 0 ? s.mul(x, factor) : s.div(x, factor);
      const a = s.abs(scaled);
      const whole = s.floor(a);
      // exact, unlike floor(a + ½)
      const isUp = s.le(s.constant(0.5), s.sub(a, whole));
      const up = s.select(isUp, s.add(whole, s.constant(1)), whole);
      const rounded = s.select(s.lt(scaled, s.constant(0)), s.neg(up), up);
      const back = d === 0 ? rounded : d > 0 ? s.div(rounded, factor) : s.mul(rounded, factor);
      return s.select(s.lt(a, s.constant(ALL_INTEGERS)), back, x);
    },
    grad: () => [null],
  },
  mod: {
    ...binary,
    arity: 3,
    meaning: "x − m · floor((x − o) / m): x modulo m, from o (inclusive) to o + m; the gradient " +
      "takes the floor as constant",
    domain: [[-2, 2], [0.5, 2], [-1, 1]],
    evaluate: ([x, m, o]) => x - m * Math.floor((x - o) / m),
    scalar: (s, [x, m, o]) => s.sub(x, s.mul(m, s.floor(s.div(s.sub(x, o), m)))),
    grad: (g, [x, m, o]) => [g, f.neg(f.mul(g, f.floor(f.div(f.sub(x, o), m)))), null],
  },
  clamp: {
    ...binary,
    arity: 3,
    meaning:
      "low where x < low, else high where x > high, else x (NaN too); the gradient goes to " +
      "what was chosen: to x on the closed interval",
    domain: [[-2, 2], [-1.5, -0.5], [0.5, 1.5]],
    evaluate: ([x, low, high]) => x < low ? low : x > high ? high : x,
    scalar: (s, [x, low, high]) => s.select(s.lt(x, low), low, s.select(s.lt(high, x), high, x)),
    grad: (g, [x, low, high]) => {
      const isBelow = f.lt(x, low);
      const isAbove = f.gt(x, high);
      return [
        f.where(isBelow, ZERO, f.where(isAbove, ZERO, g)),
        f.where(isBelow, g, ZERO),
        f.where(isBelow, ZERO, f.where(isAbove, g, ZERO)),
      ];
    },
  },
  clampInt: {
    ...unary,
    samples: onVector(3, [0, 1], [-1, 1], [-3, 3]),
    meaning:
      "clamp to integers of the formula: low where x < low, else high where x > high, else " +
      "x (NaN too); derivative 1 on the closed interval, else 0",
    attributes: ["low", "high"],
    dim: (op, args, attributes) => {
      const limit = Number.MAX_SAFE_INTEGER;
      checkAttribute(op, "low", attributes[0], -limit, limit);
      checkAttribute(op, "high", attributes[1], -limit, limit);
      return args[0].dim;
    },
    evaluate: ([x], [low, high]) => x < low ? low : x > high ? high : x,
    scalar: (s, [x], attributes) => {
      const [low, high] = attributes.map((value) => s.constant(value));
      return s.select(s.lt(x, low), low, s.select(s.lt(high, x), high, x));
    },
    grad: (g, [x], _y, [low, high]) => {
      const inner = f.where(f.gt(x, constant(high)), ZERO, g);
      return [f.where(f.lt(x, constant(low)), ZERO, inner)];
    },
  },
});
