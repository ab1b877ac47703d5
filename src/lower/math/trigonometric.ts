// sin and cos: x = k π/2 + r, reduced in float64, and a polynomial of r for each of them.

import type { Builder, Value } from "../../loop/mod.ts";
import { CONSTANTS, HALF_PI, HALF_PI_FAR } from "./constants.ts";
import { integer, oddPolynomial, polynomial } from "./tools.ts";

/** Up to here k has 20 bits. */
const NEAR = 2 ** 20 * (Math.PI / 2);
/** Up to here float64 holds every integer; beyond, its numbers lie more than a radian apart. */
const FAR = 2 ** 53;
/** What far arguments are first reduced by, in π/2: a multiple of 4, which leaves the quadrant. */
const STRIDE = 2 ** 27;

/** r = x − k π/2 in float64, |r| ≤ π/4 and a little. */
interface Reduced {
  /** An integer, at most 2^20. */
  readonly k: Value;
  readonly r: Value;
}

const wide = (b: Builder, value: number): Value => b.constant(value, "f64");

/** x in units of a constant, rounded to an integer of at most 51 bits. */
function roundedQuotient(b: Builder, x: Value, unit: number): Value {
  const magic = wide(b, CONSTANTS.f64.magic);
  return b.subExactly(b.addExactly(b.mul(x, wide(b, 1 / unit)), magic), magic);
}

/** Cody and Waite's reduction: each product of k and a part of π/2 is exact for |k| ≤ 2^20. */
function reduceNear(b: Builder, x: Value): Reduced {
  const k = roundedQuotient(b, x, Math.PI / 2);
  const r = HALF_PI.reduce((left, part) => b.subExactly(left, b.mul(k, wide(b, part))), x);
  return { k, r };
}

/** a − b, rounded, and what the rounding left (Knuth's TwoSum). */
function twoDifference(b: Builder, x: Value, y: Value): readonly [difference: Value, rest: Value] {
  const difference = b.subExactly(x, y);
  const minusY = b.subExactly(difference, x);
  const ofX = b.subExactly(x, b.subExactly(difference, minusY));
  return [difference, b.subExactly(ofX, b.addExactly(y, minusY))];
}

/**
 * The same in two steps for |x| ≤ 2^53, by five parts of π/2 whose products with 26 bits are exact:
 * multiples of 2^27 π/2 first, which leave k of at most 26 bits, given modulo 4. The differences by
 * the first two parts are exact too; what the third rounds off is kept.
 */
function reduceFar(b: Builder, x: Value): Reduced {
  const step = (start: Value, unit: number) => {
    const n = roundedQuotient(b, start, (Math.PI / 2) * unit);
    const times = (part: number): Value => b.mul(n, wide(b, part * unit));
    const [first, second, third, fourth, fifth] = HALF_PI_FAR;
    const exact = b.subExactly(b.subExactly(start, times(first)), times(second));
    const [left, rest] = twoDifference(b, exact, times(third));
    return { n, left, rest: b.subExactly(b.subExactly(rest, times(fourth)), times(fifth)) };
  };
  const strides = step(x, STRIDE);
  const { n, left, rest } = step(strides.left, 1);
  const fours = b.mul(roundedQuotient(b, n, 4), wide(b, 4));
  return { k: b.subExactly(n, fours), r: b.addExactly(left, b.addExactly(rest, strides.rest)) };
}

/** What was reduced already: sin and cos of one argument share it. */
const reductions = new WeakMap<Builder, Map<Value, Reduced>>();

/** Reduces x, in the kernel's float type: near arguments always, far ones where there are some. */
function reduce(b: Builder, x: Value): Reduced {
  let known = reductions.get(b);
  if (known === undefined) reductions.set(b, known = new Map());
  const before = known.get(x);
  if (before !== undefined && b.sees(before.r)) return before;
  const near = reduceNear(b, b.promote(x));
  const k = b.cell("turns");
  const r = b.cell("angle");
  b.set(k, b.demote(near.k));
  b.set(r, b.demote(near.r));
  const size = b.abs(x);
  const isNear = b.le(size, b.constant(NEAR));
  b.when("notAll", isNear, () => {
    const far = reduceFar(b, b.promote(x));
    const isFar = b.le(size, b.constant(FAR));
    const other = (value: Value): Value => b.select(isFar, b.demote(value), b.constant(NaN));
    b.set(k, b.select(isNear, b.get(k), other(far.k)));
    b.set(r, b.select(isNear, b.get(r), other(far.r)));
  });
  const reduced = { k: b.get(k), r: b.get(r) };
  known.set(x, reduced);
  return reduced;
}

/** sin(x + turn · π/2). */
function sine(b: Builder, x: Value, turn: 0 | 1): Value {
  const c = CONSTANTS[b.float];
  const { k, r } = reduce(b, x);
  const z = b.mul(r, r);
  const sin = oddPolynomial(b, r, c.sin);
  // cos r = 1 − z (½ − z C(z))
  const half = b.nmadd(z, polynomial(b, z, c.cos), b.constant(0.5));
  const cos = b.nmadd(z, half, b.constant(1));
  const quadrant = b.bits(b.addExactly(k, b.constant(c.magic + turn)));
  const bit = (n: number): Value => b.eq(b.and(quadrant, integer(b, n)), integer(b, n));
  const value = b.select(bit(1), cos, sin);
  return b.select(bit(2), b.neg(value), value);
}

export const sin = (b: Builder, x: Value): Value => sine(b, x, 0);
export const cos = (b: Builder, x: Value): Value => sine(b, x, 1);
