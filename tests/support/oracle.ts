// What the math functions are, to about 180 bits.
//
// Enters: float64 arguments, any bit pattern. Leaves: the exact value as a double-double, whose hi
// is the correctly rounded float64, and the distance of a computed value from it in units in the
// last place. Everything is evaluated in BigInt fixed point, without Math.exp and its kin, so that
// Math itself can be measured. Special arguments follow IEEE 754 (for pow: pow(1, y) = 1 and
// pow(-1, ±inf) = 1, where Math.pow gives NaN).

import {
  type Binary,
  bitLength,
  type DoubleDouble,
  expOfFixed,
  just,
  logToFixed,
  magnitudeOf,
  negate,
  PI,
  PI_BITS,
  powerOfTwo,
  shift,
  toBinary,
  toDoubleDouble,
  WORK_BITS,
} from "./fixed_point.ts";
import { special } from "./oracle_special.ts";

export type { DoubleDouble } from "./fixed_point.ts";

/** sin(x + quarters * pi/2) for finite x. */
function sineShifted(x: number, quarters: bigint): Binary {
  const { mantissa, exponent } = toBinary(x);
  const leading = bitLength(mantissa) + exponent;
  // A tiny x needs more fractional bits for the same relative accuracy, and a large one more bits
  // of pi, since the reduction multiplies them by x.
  const bits = WORK_BITS + Math.max(0, -leading);
  const wideBits = bits + Math.max(0, leading);
  const halfPi = PI >> BigInt(PI_BITS - wideBits + 1);
  const wide = shift(magnitudeOf(mantissa), exponent + wideBits);
  const turns = (wide + halfPi / 2n) / halfPi;
  const r = shift(wide - turns * halfPi, bits - wideBits);
  // sin(-y + q pi/2) = -sin(y - q pi/2).
  const negative = mantissa < 0n;
  const quadrant = (turns + (negative ? 4n - quarters : quarters)) % 4n;
  const value = quadrant % 2n === 0n ? sineSeries(r, bits, 1n) : sineSeries(r, bits, 0n);
  return { mantissa: negative !== (quadrant >= 2n) ? -value : value, exponent: -bits };
}

/** The alternating sum of r^n/n! over n = first, first + 2, ...: cos r from 0, sin r from 1. */
function sineSeries(r: bigint, bits: number, first: 0n | 1n): bigint {
  const places = BigInt(bits);
  const magnitude = magnitudeOf(r);
  const square = (magnitude * magnitude) >> places;
  let term = first === 0n ? 1n << places : magnitude;
  let sum = 0n;
  let sign = first === 1n && r < 0n ? -1n : 1n;
  for (let n = first; term !== 0n; n += 2n) {
    sum += sign * term;
    sign = -sign;
    term = ((term * square) >> places) / ((n + 1n) * (n + 2n));
  }
  return sum;
}

function exactExp(x: number): DoubleDouble {
  if (Number.isNaN(x) || x === Infinity) return just(x);
  if (x === -Infinity) return just(0);
  const { mantissa, exponent } = toBinary(x);
  return toDoubleDouble(expOfFixed(shift(mantissa, exponent + WORK_BITS)));
}

function exactLog(x: number): DoubleDouble {
  if (Number.isNaN(x) || x < 0) return just(NaN);
  if (x === 0) return just(-Infinity);
  if (x === Infinity) return just(x);
  return toDoubleDouble({ mantissa: logToFixed(toBinary(x)), exponent: -WORK_BITS });
}

function exactSin(x: number): DoubleDouble {
  if (!Number.isFinite(x)) return just(NaN);
  return x === 0 ? just(x) : toDoubleDouble(sineShifted(x, 0n));
}

function exactCos(x: number): DoubleDouble {
  return Number.isFinite(x) ? toDoubleDouble(sineShifted(x, 1n)) : just(NaN);
}

function exactPow(x: number, y: number): DoubleDouble {
  if (y === 0 || x === 1) return just(1);
  if (Number.isNaN(x) || Number.isNaN(y)) return just(NaN);
  const base = Math.abs(x);
  if (!Number.isFinite(y)) {
    return just(base === 1 ? 1 : (base > 1) === (y > 0) ? Infinity : 0);
  }
  const odd = Math.abs(y % 2) === 1;
  const negative = odd && (x < 0 || Object.is(x, -0));
  if (base === 0 || base === Infinity) {
    const magnitude = (base === 0) === (y > 0) ? 0 : Infinity;
    return just(negative ? -magnitude : magnitude);
  }
  if (x < 0 && !Number.isInteger(y)) return just(NaN);
  // x^y = e^(y log x).
  const { mantissa, exponent } = toBinary(y);
  const value = toDoubleDouble(expOfFixed(shift(logToFixed(toBinary(base)) * mantissa, exponent)));
  return negative ? negate(value) : value;
}

/** The functions' values as double-doubles. */
export const exact = {
  exp: exactExp,
  log: exactLog,
  sin: exactSin,
  cos: exactCos,
  pow: exactPow,
  ...special,
} as const;

/** The names of the functions. */
export type OracleName = keyof typeof exact;

/** A function's value rounded correctly to float64. */
export function rounded(name: OracleName, x: number, y = 0): number {
  return exact[name](x, y).hi;
}

/** The distance of neighbouring values, for a format with this least exponent and fraction. */
function spacing(x: number, leastExponent: number, fractionBits: number): number {
  if (!Number.isFinite(x)) return NaN;
  const { mantissa, exponent } = toBinary(x);
  const leading = mantissa === 0n ? leastExponent : bitLength(mantissa) - 1 + exponent;
  return powerOfTwo(Math.max(leading, leastExponent) - fractionBits);
}

/** The distance of neighbouring float64 values in the binade of x; NaN where x is not finite. */
export function ulp64(x: number): number {
  return spacing(x, -1022, 52);
}

/** The distance of neighbouring float32 values in the binade of x; NaN where x is not finite. */
export function ulp32(x: number): number {
  return spacing(x, -126, 23);
}

/** |got - value| in ulps of value; `round` is to the format of got. */
function ulpError(
  got: number,
  value: DoubleDouble,
  ulp: (x: number) => number,
  round: (x: number) => number,
): number {
  const nearest = round(value.hi);
  if (Object.is(got, nearest) && !Number.isFinite(got)) return 0;
  if (!Number.isFinite(got) || !Number.isFinite(value.hi)) return Infinity;
  // Where hi is a power of two and the value just below it, the value's binade is the next lower.
  const below = value.lo * Math.sign(value.hi) < 0;
  const least = ulp(0);
  const power = magnitudeOf(toBinary(value.hi).mantissa);
  const lower = below && (power & (power - 1n)) === 0n;
  const unit = Math.max(lower ? ulp(value.hi) / 2 : ulp(value.hi), least);
  return Math.abs((got - value.hi - value.lo) / unit);
}

/**
 * How far the float64 `got` is off, in ulps of the value: at most 0.5 where it is rounded
 * correctly. NaN and the infinities have error 0 where they are the value rounded to float64, and
 * else Infinity. Signs of zeros are not compared.
 */
export function ulpError64(got: number, value: DoubleDouble): number {
  return ulpError(got, value, ulp64, (x) => x);
}

/** As `ulpError64`, for a float32 `got` and in float32 ulps. */
export function ulpError32(got: number, value: DoubleDouble): number {
  return ulpError(got, value, ulp32, Math.fround);
}
