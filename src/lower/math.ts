// Math functions in loop IR, for targets without the instructions. Range reduction, a polynomial,
// reassembly. Errors are over the stated ranges, in ulp of the result, with or without fused
// multiply-add; tests/lower/math.test.ts holds them against a higher-precision oracle.
//
//   function   range                         error     beyond it
//   exp        all                           1.25 ulp  +∞ above overflow; 0 where e^x < 2^−125.5
//                                                      (float64: 2^−1021.5)
//   expScaled  c and c·log₂e normal numbers  3 ulp + |c·q|·2^−23 (2^−52), the roundings of c and c·q
//   log        all, subnormals included      2 ulp     −∞ at 0, NaN below
//   sin, cos   |x| ≤ 1,647,099 (2^20 · π/2)  2.5 ulp   NaN
//   pow        x ≥ 0                         2 ulp + |y ln x|·2^−22 (2^−51)

import type { Builder, MathFunctions, Value } from "../loop/mod.ts";
import { CONSTANTS, HALF_PI, type MathConstants } from "./constants.ts";

/** Σ c_k x^k by Horner's rule. */
function polynomial(b: Builder, x: Value, coefficients: readonly number[]): Value {
  return coefficients.reduceRight<Value | null>(
    (sum, c) => sum === null ? b.constant(c) : b.madd(x, sum, b.constant(c)),
    null,
  ) ?? b.constant(0);
}

/**
 * polynomial · 2^k from t = k + magic + bias − 1. The coefficients are doubled and the power halved,
 * so that the largest finite results do not overflow on the way; k = −bias + 1 gives exactly 0.
 */
function timesPower(
  b: Builder,
  c: MathConstants,
  polynomialOf: readonly number[],
  x: Value,
  t: Value,
): Value {
  const p = polynomial(b, x, polynomialOf.map((a) => 2 * a));
  return b.mul(p, b.asFloat(b.shl(b.bits(t), c.mantissaBits)));
}

/** The number that rounds to an integer and adds the exponent's bias, halved power included. */
const roundingMagic = (c: MathConstants): number => c.magic + c.exponentBias - 1;

/** Where 2^t is certainly 0, and certainly +∞. */
const lowest = (c: MathConstants): number => -(c.exponentBias - 1);
const highest = (c: MathConstants): number => c.exponentBias + 2;

const LOG2_E = Math.LOG2E;

function exp(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const magic = b.constant(roundingMagic(c));
  const above = b.pmax(x, b.constant(lowest(c) * Math.LN2));
  const clamped = b.pmin(above, b.constant(highest(c) * Math.LN2));
  const t = b.madd(clamped, b.constant(LOG2_E), magic);
  const k = b.subExactly(t, magic);
  const high = b.nmadd(k, b.constant(c.ln2[0]), clamped);
  const g = b.nmadd(k, b.constant(c.ln2[1]), high);
  return timesPower(b, c, c.exp, g, t);
}

/** 2^x; above its overflow point it is not asked for. */
function exp2(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const magic = b.constant(roundingMagic(c));
  const clamped = b.pmax(x, b.constant(lowest(c)));
  const t = b.addExactly(clamped, magic);
  const f = b.subExactly(clamped, b.subExactly(t, magic));
  return timesPower(b, c, c.exp2, f, t);
}

/** exp(c·q) = 2^(q · c log₂e): the scale is the exponential's own coefficient. */
const expScaled: MathFunctions["expScaled"] = (b, q, nonNegative, uniform) => {
  const constants = CONSTANTS[b.float];
  const magic = b.constant(roundingMagic(constants));
  const low = lowest(constants);
  const high = highest(constants);
  const finite = (u: Builder, x: Value): Value => {
    const largest = u.constant(constants.largest);
    return u.pmax(u.pmin(x, largest), u.neg(largest));
  };
  const coefficient = (u: Builder, c: Value): Value => {
    // + 0 makes −0 a 0: its reciprocal is a bound
    return finite(u, u.addExactly(u.mul(c, u.constant(LOG2_E)), u.constant(0)));
  };
  // q's that lead to `low` for one sign of the scale lead to `high` for the other
  const bound = (positive: number, negative: number) => (u: Builder, c: Value): Value => {
    const k = coefficient(u, c);
    const below = u.lt(c, u.constant(0));
    return finite(u, u.div(u.select(below, u.constant(negative), u.constant(positive)), k));
  };
  const scale = uniform(coefficient);
  let clamped = b.pmin(q, uniform(bound(high, low)));
  if (!nonNegative) clamped = b.pmax(clamped, uniform(bound(low, high)));
  const t = b.madd(clamped, scale, magic);
  const f = b.madd(clamped, scale, b.subExactly(magic, t));
  return timesPower(b, constants, constants.exp2, f, t);
};

/** log x = k ln 2 + log m, √½ ≤ m < √2; log m by s = (m−1)/(m+1) as fdlibm does. */
function log(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const integer = (value: number): Value => b.constant(value, b.integer);
  const shift = c.mantissaBits + 2;
  const isSmall = b.lt(x, b.constant(c.smallestNormal));
  const normal = b.select(isSmall, b.mul(x, b.constant(2 ** shift)), x);
  const offset = b.addExactly(b.bits(normal), integer(c.oneBits - c.rootHalfBits));
  const exponent = b.subExactly(b.shr(offset, c.mantissaBits), integer(c.exponentBias));
  const mantissa = b.and(offset, integer(2 ** c.mantissaBits - 1));
  const m = b.asFloat(b.addExactly(mantissa, integer(c.rootHalfBits)));
  const correction = b.select(isSmall, b.constant(-shift), b.constant(0));
  const k = b.addExactly(b.convert(exponent), correction);
  const f = b.subExactly(m, b.constant(1));
  const s = b.div(f, b.addExactly(f, b.constant(2)));
  const z = b.mul(s, s);
  const tail = b.mul(b.mul(s, z), polynomial(b, z, c.log));
  const low = b.madd(k, b.constant(c.ln2[1]), tail);
  const small = b.madd(s, b.constant(2), low);
  const finite = b.madd(k, b.constant(c.ln2[0]), small);
  const positive = b.select(b.lt(x, b.constant(Infinity)), finite, x);
  const atZero = b.select(b.eq(x, b.constant(0)), b.constant(-Infinity), positive);
  return b.select(b.lt(x, b.constant(0)), b.constant(NaN), atZero);
}

/** sin(x + turn · π/2), reduced in float64 by Cody and Waite's three parts of π/2. */
function sine(b: Builder, x: Value, turn: 0 | 1): Value {
  const c = CONSTANTS[b.float];
  const wide = (value: number): Value => b.constant(value, "f64");
  const magic = wide(CONSTANTS.f64.magic);
  const inRange = b.lt(b.abs(x), b.constant(2 ** 20 * (Math.PI / 2)));
  const w = b.promote(b.select(inRange, x, b.constant(NaN)));
  const rounded = b.addExactly(b.mul(w, wide(2 / Math.PI)), magic);
  const k = b.subExactly(rounded, magic);
  const reduced = HALF_PI.reduce((r, part) => b.subExactly(r, b.mul(k, wide(part))), w);
  const r = b.demote(reduced);
  const z = b.mul(r, r);
  const sin = b.madd(b.mul(r, z), polynomial(b, z, c.sin), r);
  // cos r = 1 − z (½ − z C(z))
  const half = b.nmadd(z, polynomial(b, z, c.cos), b.constant(0.5));
  const cos = b.nmadd(z, half, b.constant(1));
  const quadrant = b.bits(b.addExactly(b.demote(k), b.constant(c.magic + turn)));
  const bit = (n: number): Value =>
    b.eq(b.and(quadrant, b.constant(n, b.integer)), b.constant(n, b.integer));
  const value = b.select(bit(1), cos, sin);
  return b.select(bit(2), b.neg(value), value);
}

/** x^y = exp(y log x), 1 at y = 0. */
function pow(b: Builder, x: Value, y: Value): Value {
  const one = b.constant(1);
  return b.select(b.eq(y, b.constant(0)), one, exp(b, b.mul(y, log(b, x))));
}

/** Math functions for targets that have only arithmetic. */
export const expandedMath: MathFunctions = {
  exp,
  exp2,
  log,
  sin: (b, x) => sine(b, x, 0),
  cos: (b, x) => sine(b, x, 1),
  pow,
  expScaled,
};

/** Math functions of the host, for the uniform section. */
export const hostMath: MathFunctions = {
  exp: (b, x) => b.primitive("exp", x),
  exp2: (b, x) => b.primitive("pow", b.constant(2), x),
  log: (b, x) => b.primitive("log", x),
  sin: (b, x) => b.primitive("sin", x),
  cos: (b, x) => b.primitive("cos", x),
  pow: (b, x, y) => b.primitive("pow", x, y),
  expScaled: (b, q, _nonNegative, uniform) => b.primitive("exp", b.mul(q, uniform((_u, c) => c))),
};
