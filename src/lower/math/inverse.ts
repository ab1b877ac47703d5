// asin, acos, atan and atan2: a polynomial near 0, and what is left to π/2 or π elsewhere.

import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS } from "./constants.ts";
import { isSigned, oddPolynomial, polynomial, withSignOf } from "./tools.ts";

/** turns · π/2 − angle; π/2 has two parts, so that only the result is rounded. */
function lessFrom(b: Builder, turns: 1 | 2, angle: Value): Value {
  const [high, low] = CONSTANTS[b.float].halfPi;
  return b.subExactly(
    b.constant(turns * high),
    b.subExactly(angle, b.constant(turns * low)),
  );
}

/**
 * asin s with s = a for a = |x| ≤ ½, else s = √((1 − a)/2), of which asin a = π/2 − 2 asin s and
 * acos a = 2 asin s.
 */
function arcsine(b: Builder, x: Value): { isLarge: Value; angle: Value } {
  const c = CONSTANTS[b.float];
  const half = b.constant(0.5);
  const a = b.abs(x);
  const isLarge = b.lt(half, a);
  const z = b.select(isLarge, b.nmadd(a, half, half), b.mul(a, a));
  const s = b.select(isLarge, b.sqrt(z), a);
  return { isLarge, angle: b.madd(b.mul(s, z), polynomial(b, z, c.asin), s) };
}

export function asin(b: Builder, x: Value): Value {
  const { isLarge, angle } = arcsine(b, x);
  const large = lessFrom(b, 1, b.mul(angle, b.constant(2)));
  return withSignOf(b, b.select(isLarge, large, angle), x);
}

export function acos(b: Builder, x: Value): Value {
  const { isLarge, angle } = arcsine(b, x);
  const twice = b.mul(angle, b.constant(2));
  const large = b.select(b.lt(x, b.constant(0)), lessFrom(b, 2, twice), twice);
  return b.select(isLarge, large, lessFrom(b, 1, withSignOf(b, angle, x)));
}

/** atan of a quotient in [0, 1], or of its reciprocal. */
function arctangent(b: Builder, quotient: Value, isReciprocal: Value): Value {
  const angle = oddPolynomial(b, quotient, CONSTANTS[b.float].atan);
  return b.select(isReciprocal, lessFrom(b, 1, angle), angle);
}

export function atan(b: Builder, x: Value): Value {
  const one = b.constant(1);
  const a = b.abs(x);
  const quotient = b.div(b.pmin(a, one), b.pmax(a, one));
  return withSignOf(b, arctangent(b, quotient, b.lt(one, a)), x);
}

/** The angle of the point (x, y): from the octant's, by what each axis of symmetry adds. */
export function atan2(b: Builder, y: Value, x: Value): Value {
  const [zero, one] = [b.constant(0), b.constant(1)];
  const [p, q] = [b.abs(x), b.abs(y)];
  const isSteep = b.lt(p, q);
  const smaller = b.select(isSteep, p, q);
  const larger = b.select(isSteep, q, p);
  // 0/0 counts as 0, ∞/∞ as 1
  const divisor = b.select(b.eq(larger, zero), one, larger);
  const isDiagonal = b.maskAnd(b.eq(smaller, larger), b.lt(zero, larger));
  const quotient = b.select(isDiagonal, one, b.div(smaller, divisor));
  const angle = arctangent(b, quotient, isSteep);
  return withSignOf(b, b.select(isSigned(b, x), lessFrom(b, 2, angle), angle), y);
}
