// Real powers, cube roots, and the length of the hypotenuse.

import { isHalfPower, power } from "../../formula/mod.ts";
import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS } from "./constants.ts";
import { exp } from "./exponential.ts";
import { log, split } from "./logarithm.ts";
import { integer, polynomial, withSignOf } from "./tools.ts";

/**
 * x^y for a constant y that is half an odd integer, by products of 1 / √x or √x; null for others.
 * Infinite at 0 where y is negative.
 */
export function halfPower(b: Builder, x: Value, y: Value): Value | null {
  if (y.kind !== "constant" || !isHalfPower(y.value)) return null;
  const root = b.sqrt(x);
  const whole = Math.floor(Math.abs(y.value));
  if (y.value > 0) return whole === 0 ? root : b.mul(power(b, x, whole), root);
  const inverse = b.abs(b.div(b.constant(1), root)); // √−0 = −0
  return whole === 0 ? inverse : b.mul(power(b, b.mul(inverse, inverse), whole), inverse);
}

/** x^y = exp(y log x), 1 at y = 0. */
export function pow(b: Builder, x: Value, y: Value): Value {
  const half = halfPower(b, x, y);
  if (half !== null) return half;
  const one = b.constant(1);
  return b.select(b.eq(y, b.constant(0)), one, exp(b, b.mul(y, log(b, x))));
}

/**
 * With |x| = 2^(3q) a, a from √⅛ to √8: a polynomial's root t of a, of which half of the bits are
 * kept, so that t² is exact; a step of Halley's, t + t (a − t³)/(2t³ + a); times 2^q.
 */
export function cbrt(b: Builder, x: Value): Value {
  const c = CONSTANTS[b.float];
  const zero = b.constant(0);
  const magnitude = b.abs(x);
  const shift = 3 * Math.ceil(c.mantissaBits / 3);
  const isSmall = b.lt(magnitude, b.constant(c.smallestNormal));
  const { k, m } = split(
    b,
    b.select(isSmall, b.mul(magnitude, b.constant(2 ** shift)), magnitude),
  );
  const q = b.floor(b.addExactly(b.mul(k, b.constant(1 / 3)), b.constant(0.5)));
  const r = b.subExactly(k, b.mul(q, b.constant(3)));
  const byRest = (below: number, above: number): Value =>
    b.select(
      b.lt(r, zero),
      b.constant(below),
      b.select(b.lt(zero, r), b.constant(above), b.constant(1)),
    );
  const a = b.mul(m, byRest(0.5, 2));
  const near = b.mul(polynomial(b, m, c.cbrt), byRest(Math.cbrt(0.5), Math.cbrt(2)));
  const half = integer(b, -(2 ** Math.ceil((c.mantissaBits + 1) / 2)));
  const t = b.asFloat(b.and(b.bits(near), half));
  const square = b.mul(t, t);
  const rest = b.nmadd(square, t, a);
  const divisor = b.madd(b.mul(square, t), b.constant(2), a);
  const root = b.addExactly(t, b.div(b.mul(t, rest), divisor));
  const magic = b.constant(c.magic + c.exponentBias);
  const exponent = b.addExactly(
    b.addExactly(q, b.select(isSmall, b.constant(-shift / 3), zero)),
    magic,
  );
  const power = b.asFloat(b.shl(b.bits(exponent), c.mantissaBits));
  // 0, infinities and NaN are their own roots
  const isPlain = b.maskAnd(b.lt(zero, magnitude), b.lt(magnitude, b.constant(Infinity)));
  return b.select(isPlain, withSignOf(b, b.mul(root, power), x), x);
}

/** √(x² + y²), scaled by a power of two where squares would overflow or underflow. */
export function hypot(b: Builder, x: Value, y: Value): Value {
  const { above, below, down, up } = CONSTANTS[b.float].hypot;
  const [p, q] = [b.abs(x), b.abs(y)];
  const larger = b.pmax(p, q);
  const isLarge = b.lt(b.constant(above), larger);
  const isSmall = b.lt(larger, b.constant(below));
  const choose = (large: number, small: number): Value =>
    b.select(isLarge, b.constant(large), b.select(isSmall, b.constant(small), b.constant(1)));
  const scale = choose(down, up);
  const [s, t] = [b.mul(p, scale), b.mul(q, scale)];
  const root = b.sqrt(b.madd(s, s, b.mul(t, t)));
  const infinity = b.constant(Infinity);
  const isInfinite = b.maskOr(b.eq(p, infinity), b.eq(q, infinity));
  return b.select(isInfinite, infinity, b.mul(root, choose(1 / down, 1 / up)));
}
