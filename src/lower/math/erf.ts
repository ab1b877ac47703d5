// The error function and its complement.

import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS } from "./constants.ts";
import { expWithin, lowest } from "./exponential.ts";
import { integer, polynomial, withSignOf } from "./tools.ts";

/** With a = |x|: a + a P(a²) below 1, else 1 − e^T(a) for the polynomial T ≈ log erfc. */
export function erf(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const one = b.constant(1);
  const a = b.abs(x);
  const small = b.madd(a, polynomial(b, b.mul(a, a), c.erf), a);
  // at `end` it is 1
  const tail = polynomial(b, b.pmin(a, b.constant(c.erfEnd)), c.erfTail);
  const large = b.subExactly(one, expWithin(b, tail));
  return withSignOf(b, b.select(b.lt(a, one), small, large), x);
}

/**
 * With a = |x|: e^(−a²) (1 + P(t)) / (1 + 2a), t = (a − c)/(a + c), which keeps its relative
 * accuracy; for x < 0 two less that. The quotient is 1 + (P − 2a)/(1 + 2a) for a < ½, which rounds
 * less. a² is needed to more than its own bits: a = h + l with half of the bits in h, so that h² is
 * exact, and a² = h² + l (a + h).
 */
export function erfc(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const [zero, one] = [b.constant(0), b.constant(1)];
  // there the exponential is exactly 0
  const end = Math.sqrt(-lowest(c) * Math.LN2);
  const a = b.pmin(b.abs(x), b.constant(end));
  const half = integer(b, -(2 ** Math.ceil((c.mantissaBits + 1) / 2)));
  const h = b.asFloat(b.and(b.bits(a), half));
  const rest = b.mul(b.subExactly(h, a), b.addExactly(h, a));
  const exponential = expWithin(b, b.neg(b.mul(h, h)), { rest });
  const centre = b.constant(c.erfcCentre);
  // near a = 0, where t is steep, this is nearer to it than the quotient itself
  const twice = b.addExactly(a, a);
  const t = b.subExactly(b.div(twice, b.addExactly(a, centre)), one);
  const isNear = b.lt(a, b.constant(0.5));
  const above = b.addExactly(polynomial(b, t, c.erfc), b.select(isNear, b.neg(twice), one));
  const quotient = b.div(above, b.addExactly(twice, one));
  const scaled = b.addExactly(quotient, b.select(isNear, one, zero));
  const tail = b.mul(exponential, scaled);
  return b.select(b.lt(x, zero), b.subExactly(b.constant(2), tail), tail);
}
