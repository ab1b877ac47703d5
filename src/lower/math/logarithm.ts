// Logarithms, and the inverse hyperbolic functions that they make: x = 2^k m with √½ ≤ m < √2, and
// log m by s = (m−1)/(m+1) as fdlibm does.

import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS, type LogarithmBase } from "./constants.ts";
import { integer, polynomial, withSignOf } from "./tools.ts";

/** A normal x > 0 as 2^k m with √½ ≤ m < √2; k is an integer as a float. */
export function split(b: Builder, x: Value): { k: Value; m: Value } {
  const c = CONSTANTS[b.float];
  const offset = b.addExactly(b.bits(x), integer(b, c.oneBits - c.rootHalfBits));
  const exponent = b.subExactly(b.shr(offset, c.mantissaBits), integer(b, c.exponentBias));
  const mantissa = b.and(offset, integer(b, 2 ** c.mantissaBits - 1));
  const m = b.asFloat(b.addExactly(mantissa, integer(b, c.rootHalfBits)));
  return { k: b.convert(exponent), m };
}

/** k ln 2 + log(1 + f). */
function assemble(b: Builder, k: Value, f: Value): Value {
  const c = CONSTANTS[b.float];
  const s = b.div(f, b.addExactly(f, b.constant(2)));
  const z = b.mul(s, s);
  const tail = b.mul(b.mul(s, z), polynomial(b, z, c.log));
  const low = b.madd(k, b.constant(c.ln2[1]), tail);
  const small = b.madd(s, b.constant(2), low);
  return b.madd(k, b.constant(c.ln2[0]), small);
}

/** The logarithm of x where `value` is what it is for finite x > 0. */
function atEnds(b: Builder, x: Value, value: Value): Value {
  const positive = b.select(b.lt(x, b.constant(Infinity)), value, x);
  const atZero = b.select(b.eq(x, b.constant(0)), b.constant(-Infinity), positive);
  return b.select(b.lt(x, b.constant(0)), b.constant(NaN), atZero);
}

/** Any x > 0 as 2^k m, from subnormal numbers on; k as a float, and m − 1. */
function splitAny(b: Builder, x: Value): { k: Value; f: Value } {
  const c = CONSTANTS[b.float];
  const shift = c.mantissaBits + 2;
  const isSmall = b.lt(x, b.constant(c.smallestNormal));
  const { k, m } = split(b, b.select(isSmall, b.mul(x, b.constant(2 ** shift)), x));
  const correction = b.select(isSmall, b.constant(-shift), b.constant(0));
  const f = b.subExactly(m, b.constant(1));
  return { k: b.addExactly(k, correction), f };
}

export function log(b: Builder, x: Value): Value {
  const { k, f } = splitAny(b, x);
  return atEnds(b, x, assemble(b, k, f));
}

/**
 * A logarithm to another base: what k counts, and log(1 + f) with the base's factor in it. The
 * first is exact, and errors of the second do not reach half an ulp of 1, so that powers of the
 * base have whole logarithms.
 */
function inBase(b: Builder, x: Value, { perBinade, slope }: LogarithmBase): Value {
  const { k, f } = splitAny(b, x);
  const s = b.div(f, b.addExactly(f, b.constant(2)));
  const z = b.mul(s, s);
  const tail = b.mul(z, polynomial(b, z, CONSTANTS[b.float].log));
  const rest = b.mul(s, b.madd(tail, b.constant(slope[0] / 2), b.constant(slope[1])));
  const part = b.madd(s, b.constant(slope[0]), rest);
  const small = b.madd(k, b.constant(perBinade[1]), part);
  return atEnds(b, x, b.madd(k, b.constant(perBinade[0]), small));
}

export function log2(b: Builder, x: Value): Value {
  return inBase(b, x, CONSTANTS[b.float].log2);
}

export function log10(b: Builder, x: Value): Value {
  return inBase(b, x, CONSTANTS[b.float].log10);
}

/**
 * log(1 + x), and log 2 more where `isDoubled`. With u = 1 + x rounded and r = x − (u − 1) what the
 * rounding left: 1 + x = 2^k (m + 2^−k r). For k = 0 this is x itself. From 2^(mantissa bits + 1)
 * on r is not exact, nor does it matter.
 */
function logOnePlus(b: Builder, x: Value, isDoubled: Value | null): Value {
  const c = CONSTANTS[b.float];
  const one = b.constant(1);
  const u = b.addExactly(x, one);
  const rest = b.subExactly(x, b.subExactly(u, one));
  const { k, m } = split(b, u);
  const magic = b.constant(c.magic + c.exponentBias);
  const exponent = b.subExactly(magic, b.pmin(k, b.constant(c.exponentBias - 1)));
  const scale = b.asFloat(b.shl(b.bits(exponent), c.mantissaBits));
  const f = b.madd(rest, scale, b.subExactly(m, one));
  const power = isDoubled === null ? k : b.select(isDoubled, b.addExactly(k, one), k);
  return atEnds(b, u, assemble(b, power, f));
}

export function log1p(b: Builder, x: Value): Value {
  return withSignOf(b, logOnePlus(b, x, null), x);
}

// ---- inverse hyperbolic functions ---------------------------------------------------------------

/** From here on √(x² ± 1) is x, and asinh x and acosh x are log 2x = log(1 + (x − 1)) + log 2. */
const rootIsArgument = (b: Builder): Value =>
  b.constant(2 ** (Math.ceil(CONSTANTS[b.float].mantissaBits / 2) + 2));

/** With a = |x|: asinh a = log(1 + t), t = a + a²/(1 + √(1 + a²)). */
export function asinh(b: Builder, x: Value): Value {
  const one = b.constant(1);
  const a = b.abs(x);
  const isLarge = b.lt(rootIsArgument(b), a);
  const square = b.mul(a, a);
  const root = b.sqrt(b.madd(a, a, one));
  const t = b.addExactly(a, b.div(square, b.addExactly(root, one)));
  const argument = b.select(isLarge, b.subExactly(a, one), t);
  return withSignOf(b, logOnePlus(b, argument, isLarge), x);
}

/** With t = x − 1, which is exact near 1: acosh x = log(1 + t + √(t (t + 2))). */
export function acosh(b: Builder, x: Value): Value {
  const one = b.constant(1);
  const isLarge = b.lt(rootIsArgument(b), x);
  const t = b.subExactly(x, one);
  const root = b.sqrt(b.mul(t, b.addExactly(t, b.constant(2))));
  const argument = b.select(isLarge, t, b.addExactly(t, root));
  const value = logOnePlus(b, argument, isLarge);
  return b.select(b.lt(x, one), b.constant(NaN), value);
}

/** With a = |x|: atanh a = ½ log(1 + t), t = 2a/(1 − a) = 2a + 2a · a/(1 − a). */
export function atanh(b: Builder, x: Value): Value {
  const one = b.constant(1);
  const a = b.abs(x);
  const twice = b.addExactly(a, a);
  const t = b.addExactly(twice, b.div(b.mul(twice, a), b.subExactly(one, a)));
  const half = b.mul(logOnePlus(b, t, null), b.constant(0.5));
  return withSignOf(b, b.select(b.lt(one, a), b.constant(NaN), half), x);
}
