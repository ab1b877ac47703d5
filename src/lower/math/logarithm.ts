// log and log1p: x = 2^k m with √½ ≤ m < √2, and log m by s = (m−1)/(m+1) as fdlibm does.

import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS } from "./constants.ts";
import { integer, polynomial, withSignOf } from "./tools.ts";

/** A normal x > 0 as 2^k m; k is an integer as a float. */
function split(b: Builder, x: Value): { k: Value; m: Value } {
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

export function log(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const shift = c.mantissaBits + 2;
  const isSmall = b.lt(x, b.constant(c.smallestNormal));
  const { k, m } = split(b, b.select(isSmall, b.mul(x, b.constant(2 ** shift)), x));
  const correction = b.select(isSmall, b.constant(-shift), b.constant(0));
  const f = b.subExactly(m, b.constant(1));
  return atEnds(b, x, assemble(b, b.addExactly(k, correction), f));
}

/**
 * With u = 1 + x rounded and r = x − (u − 1) what the rounding left: 1 + x = 2^k (m + 2^−k r). For
 * k = 0 this is x itself. From 2^(mantissa bits + 1) on r is not exact, nor does it matter.
 */
export function log1p(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const one = b.constant(1);
  const u = b.addExactly(x, one);
  const rest = b.subExactly(x, b.subExactly(u, one));
  const { k, m } = split(b, u);
  const magic = b.constant(c.magic + c.exponentBias);
  const exponent = b.subExactly(magic, b.pmin(k, b.constant(c.exponentBias - 1)));
  const scale = b.asFloat(b.shl(b.bits(exponent), c.mantissaBits));
  const f = b.madd(rest, scale, b.subExactly(m, one));
  return withSignOf(b, atEnds(b, u, assemble(b, k, f)), x);
}
