// Real powers, and the length of the hypotenuse.

import { isHalfPower, power } from "../../formula/mod.ts";
import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS } from "./constants.ts";
import { exp } from "./exponential.ts";
import { log } from "./logarithm.ts";

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
