// exp, exp with a uniform scale, expm1, and the hyperbolic functions that they make.
//
// x = k ln 2 + g with an integer k and |g| ≤ ½ ln 2; a polynomial of g; times 2^k, whose bits are
// k + bias shifted into the exponent.

import type { Builder, FloatType, MathFunctions, Value } from "../../loop/mod.ts";
import { CONSTANTS, type MathConstants } from "./constants.ts";
import { polynomial, withSignOf } from "./tools.ts";

/** Where 2^t is certainly 0. */
export const lowest = (c: MathConstants): number => -(c.exponentBias - 1);
/** Where 2^t is certainly +∞. */
const highest = (c: MathConstants): number => c.exponentBias + 2;

/** x as k ln 2 + g. */
interface Reduced {
  readonly k: Value;
  readonly g: Value;
  /** 2^(k + shift); exactly 0 where k + shift = −bias. */
  readonly power: Value;
}

/**
 * Reduces x, or x + rest where `rest` is what x lacks of a longer sum. Adding `magic` rounds to an
 * integer that stands in the low bits, with the exponent's bias and the shift on top of it.
 */
export function reduce(b: Builder, x: Value, shift: number, rest: Value | null = null): Reduced {
  const c = CONSTANTS[b.float];
  const magic = b.constant(c.magic + c.exponentBias + shift);
  const whole = rest === null ? x : b.addExactly(x, rest);
  const t = b.madd(whole, b.constant(Math.LOG2E), magic);
  const k = b.subExactly(t, magic);
  const high = b.nmadd(k, b.constant(c.ln2[0]), x);
  const low = b.nmadd(k, b.constant(c.ln2[1]), high);
  const g = rest === null ? low : b.addExactly(low, rest);
  return { k, g, power: powerOf(b, t) };
}

/** 2^k from t = k + magic + bias. */
function powerOf(b: Builder, t: Value): Value {
  return b.asFloat(b.shl(b.bits(t), CONSTANTS[b.float].mantissaBits));
}

const doubled = (coefficients: readonly number[]): number[] => coefficients.map((a) => 2 * a);

/**
 * e^x / 2^halvings for x that the power can hold. The coefficients are doubled and the power is
 * halved, so that the largest finite results do not overflow on the way.
 */
export function expWithin(
  b: Builder,
  x: Value,
  { halvings = 0, rest = null }: { readonly halvings?: number; readonly rest?: Value | null } = {},
): Value {
  const { g, power } = reduce(b, x, -1 - halvings, rest);
  return b.mul(polynomial(b, g, doubled(CONSTANTS[b.float].exp)), power);
}

/** Keeps x between two numbers; NaN stays. */
function clamp(b: Builder, x: Value, low: number, high: number): Value {
  return b.pmin(b.pmax(x, b.constant(low)), b.constant(high));
}

export function exp(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  return expWithin(b, clamp(b, x, lowest(c) * Math.LN2, highest(c) * Math.LN2));
}

/** 2^x; above its overflow point it is not asked for, nor need its last digits be right. */
export function exp2(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const magic = b.constant(c.magic + c.exponentBias - 1);
  const clamped = b.pmax(x, b.constant(lowest(c)));
  const t = b.addExactly(clamped, magic);
  const f = b.subExactly(clamped, b.subExactly(t, magic));
  return b.mul(polynomial(b, f, doubled(c.exp2)), powerOf(b, t));
}

/** 2^x for all x, as exactly as e^x: whole powers are exact. */
export function exp2All(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const clamped = clamp(b, x, lowest(c), highest(c));
  const magic = b.constant(c.magic + c.exponentBias - 1);
  const t = b.addExactly(clamped, magic);
  const f = b.subExactly(clamped, b.subExactly(t, magic));
  const g = b.mul(f, b.constant(Math.LN2));
  return b.mul(polynomial(b, g, doubled(c.exp)), powerOf(b, t));
}

/** Keeps a number of the uniform section finite in the kernel's float type; NaN stays. */
function finite(u: Builder, x: Value, { largest }: MathConstants): Value {
  return u.pmax(u.pmin(x, u.constant(largest)), u.constant(-largest));
}

/** c log₂e, for exp(c·q) = 2^(q · c log₂e): finite, and never −0, for its reciprocal is a bound. */
export const binaryScale = (float: FloatType) => (u: Builder, c: Value): Value =>
  finite(u, u.addExactly(u.mul(c, u.constant(Math.LOG2E)), u.constant(0)), CONSTANTS[float]);

/** exp(c·q) = 2^(q · c log₂e): the scale is the exponential's own coefficient. */
export const expScaled: MathFunctions["expScaled"] = (b, q, nonNegative, uniform) => {
  const constants = CONSTANTS[b.float];
  const magic = b.constant(constants.magic + constants.exponentBias - 1);
  const low = lowest(constants);
  const high = highest(constants);
  const coefficient = binaryScale(b.float);
  // q's that lead to `low` for one sign of the scale lead to `high` for the other
  const bound = (positive: number, negative: number) => (u: Builder, c: Value): Value => {
    const k = coefficient(u, c);
    const below = u.lt(c, u.constant(0));
    const end = u.div(u.select(below, u.constant(negative), u.constant(positive)), k);
    return finite(u, end, constants);
  };
  const scale = uniform(coefficient);
  let clamped = b.pmin(q, uniform(bound(high, low)));
  if (!nonNegative) clamped = b.pmax(clamped, uniform(bound(low, high)));
  const t = b.madd(clamped, scale, magic);
  const f = b.madd(clamped, scale, b.subExactly(magic, t));
  return b.mul(polynomial(b, f, doubled(constants.exp2)), powerOf(b, t));
};

/**
 * (e^x − 1) / 2^halvings = h (e^g − 1) + (h − 2^−halvings), h = 2^(k − halvings): for k = 0 the
 * last term is 0, and the first has no cancellation.
 */
function expm1Within(b: Builder, x: Value, halvings: 1 | 2): Value {
  const { g, power } = reduce(b, x, -halvings);
  const q = b.madd(b.mul(g, g), polynomial(b, g, CONSTANTS[b.float].expm1), g);
  return b.madd(power, q, b.subExactly(power, b.constant(2 ** -halvings)));
}

export function expm1(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  // at k = bias + 1 the result is infinite only where it must be; below the low end it rounds to −1
  const clamped = clamp(b, x, -(c.mantissaBits + 3) * Math.LN2, (c.exponentBias + 1.4) * Math.LN2);
  const half = expm1Within(b, clamped, 1);
  return withSignOf(b, b.mul(half, b.constant(2)), x);
}

/** Beyond this |x| sinh and cosh are infinite: at k = bias + 2, a quarter of e^x is finite. */
const hyperbolicEnd = (c: MathConstants): number => (c.exponentBias + 2.4) * Math.LN2;

/**
 * With u = e^|x| − 1: sinh |x| = ½ (u + u/(u + 1)), here from ¼u, so that it ends where it must.
 */
export function sinh(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const quarter = expm1Within(b, b.pmin(b.abs(x), b.constant(hyperbolicEnd(c))), 2);
  const below = b.madd(quarter, b.constant(4), b.constant(1));
  const half = b.addExactly(quarter, b.div(quarter, below));
  return withSignOf(b, b.mul(half, b.constant(2)), x);
}

/** With h = ½ e^|x|: cosh x = h + ¼/h. */
export function cosh(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const h = expWithin(b, b.pmin(b.abs(x), b.constant(hyperbolicEnd(c))), { halvings: 1 });
  return b.addExactly(h, b.div(b.constant(0.25), h));
}

/** With u = e^(−2|x|) − 1: tanh |x| = −u/(u + 2). */
export function tanh(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  // where tanh rounds to 1: 2 e^(−2x) < 2^−(mantissaBits + 2)
  const end = b.constant((c.mantissaBits + 3) / 2 * Math.LN2);
  const doubleArgument = b.mul(b.pmin(b.abs(x), end), b.constant(-2));
  const half = expm1Within(b, doubleArgument, 1);
  const magnitude = b.div(b.neg(half), b.addExactly(half, b.constant(1)));
  return withSignOf(b, b.abs(magnitude), x);
}
