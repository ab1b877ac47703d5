// sin and cos: x = k π/2 + r, reduced in float64, and a polynomial of r for each of them.

import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS, HALF_PI } from "./constants.ts";
import { integer, oddPolynomial, polynomial } from "./tools.ts";

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
  const sin = oddPolynomial(b, r, c.sin);
  // cos r = 1 − z (½ − z C(z))
  const half = b.nmadd(z, polynomial(b, z, c.cos), b.constant(0.5));
  const cos = b.nmadd(z, half, b.constant(1));
  const quadrant = b.bits(b.addExactly(b.demote(k), b.constant(c.magic + turn)));
  const bit = (n: number): Value => b.eq(b.and(quadrant, integer(b, n)), integer(b, n));
  const value = b.select(bit(1), cos, sin);
  return b.select(bit(2), b.neg(value), value);
}

export const sin = (b: Builder, x: Value): Value => sine(b, x, 0);
export const cos = (b: Builder, x: Value): Value => sine(b, x, 1);
