// What the families of math functions share: polynomials, signs, angles less than a turn.

import type { Builder, Value } from "../../loop/mod.ts";

/** Σ c_k x^k by Horner's rule. */
export function polynomial(b: Builder, x: Value, coefficients: readonly number[]): Value {
  return coefficients.reduceRight<Value | null>(
    (sum, c) => sum === null ? b.constant(c) : b.madd(x, sum, b.constant(c)),
    null,
  ) ?? b.constant(0);
}

/** x + x³ P(x²), for odd functions. */
export function oddPolynomial(b: Builder, x: Value, coefficients: readonly number[]): Value {
  const z = b.mul(x, x);
  return b.madd(b.mul(x, z), polynomial(b, z, coefficients), x);
}

/** An integer as wide as the float type. */
export function integer(b: Builder, value: number): Value {
  return b.constant(value, b.integer);
}

/** The sign bit of x alone. */
function signBit(b: Builder, x: Value): Value {
  const width = b.float === "f32" ? 32 : 64;
  return b.and(b.bits(x), integer(b, -(2 ** (width - 1))));
}

/** A value with the sign of x, −0 included; the value is ≥ +0, or has that sign, or is a zero. */
export function withSignOf(b: Builder, value: Value, x: Value): Value {
  return b.asFloat(b.or(b.bits(value), signBit(b, x)));
}

/** Whether the sign bit is set: x < 0 or x = −0. */
export function isSigned(b: Builder, x: Value): Value {
  return b.lt(b.bits(x), integer(b, 0));
}
