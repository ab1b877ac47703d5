// Numbers of many bits: BigInt fixed point, and what it gives as a double-double.
//
// Enters: float64 numbers, taken exactly. Leaves: e^x, log x and square roots to about 300 bits, pi
// and log 2, and the rounding of such values.

/** The value hi + lo: hi is the nearest float64, lo the nearest float64 to what is left. */
export interface DoubleDouble {
  readonly hi: number;
  /** Loses bits to underflow where |hi| < 2^-916, and is 0 where hi is not finite. */
  readonly lo: number;
}

/** mantissa * 2^exponent. */
export interface Binary {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Fractional bits of the fixed-point evaluation. */
export const WORK_BITS = 320;
/**
 * Significant bits that are kept of a result. Fewer than are right, so that a result that is a
 * float64 or a midpoint of two (3^2, exp(0)) comes out as exactly that.
 */
const RESULT_BITS = 180;

const view = new DataView(new ArrayBuffer(8));

/** 2^exponent, subnormals included; for -1074 <= exponent <= 1023. */
export function powerOfTwo(exponent: number): number {
  const bits = exponent >= -1022 ? BigInt(exponent + 1023) << 52n : 1n << BigInt(exponent + 1074);
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** A finite x as mantissa * 2^exponent, exactly. */
export function toBinary(x: number): Binary {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = biased === 0 ? fraction : fraction | (1n << 52n);
  return {
    mantissa: bits >> 63n === 1n ? -magnitude : magnitude,
    exponent: Math.max(biased, 1) - 1075,
  };
}

export function magnitudeOf(value: bigint): bigint {
  return value < 0n ? -value : value;
}

export function bitLength(value: bigint): number {
  const hex = magnitudeOf(value).toString(16);
  return hex.length * 4 - (Math.clz32(parseInt(hex[0], 16)) - 28);
}

/** value * 2^places, rounded down. */
export function shift(value: bigint, places: number): bigint {
  return places >= 0 ? value << BigInt(places) : value >> BigInt(-places);
}

/** value * 2^-places for value >= 0, to nearest, ties to even. */
function shiftToNearest(value: bigint, places: number): bigint {
  if (places <= 0) return value << BigInt(-places);
  const kept = value >> BigInt(places);
  const rest = value - (kept << BigInt(places));
  const half = 1n << BigInt(places - 1);
  return rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
}

/** The nearest float64, ties to even. */
function toNumber({ mantissa, exponent }: Binary): number {
  if (mantissa === 0n) return 0;
  const sign = mantissa < 0n ? -1 : 1;
  const length = bitLength(mantissa);
  const leading = length - 1 + exponent;
  if (leading > 1023) return sign * Infinity;
  // Subnormals have fewer than 53 bits; below half of the least one there is nothing.
  const kept = Math.min(53, leading + 1075);
  if (kept < 0) return sign * 0;
  const dropped = length - kept;
  const rounded = shiftToNearest(magnitudeOf(mantissa), dropped);
  return sign * Number(rounded) * powerOfTwo(exponent + dropped);
}

export function toDoubleDouble(value: Binary): DoubleDouble {
  const excess = Math.max(0, bitLength(value.mantissa) - RESULT_BITS);
  const sign = value.mantissa < 0n ? -1n : 1n;
  const mantissa = sign * shiftToNearest(magnitudeOf(value.mantissa), excess);
  const exponent = value.exponent + excess;
  const hi = toNumber({ mantissa, exponent });
  if (!Number.isFinite(hi) || hi === 0) return { hi, lo: 0 };
  const head = toBinary(hi);
  const common = Math.min(exponent, head.exponent);
  const rest = shift(mantissa, exponent - common) - shift(head.mantissa, head.exponent - common);
  return { hi, lo: toNumber({ mantissa: rest, exponent: common }) };
}

export function negate({ hi, lo }: DoubleDouble): DoubleDouble {
  return { hi: -hi, lo: lo === 0 ? 0 : -lo };
}

/** A value that needs no second part. */
export function just(hi: number): DoubleDouble {
  return { hi, lo: 0 };
}

/** artanh(1/n) or arctan(1/n) in fixed point: sum of (±1)^k / ((2k+1) n^(2k+1)). */
function inverseTangentOfReciprocal(n: bigint, bits: number, sign: 1n | -1n): bigint {
  let power = (1n << BigInt(bits)) / n;
  let sum = 0n;
  let factor = 1n;
  for (let odd = 1n; power !== 0n; odd += 2n) {
    sum += factor * (power / odd);
    power /= n * n;
    factor *= sign;
  }
  return sum;
}

/** log 2 = 2 artanh(1/3). */
const LOG_2 = (2n * inverseTangentOfReciprocal(3n, WORK_BITS + 16, 1n)) >> 16n;

/** Bits of pi: enough for |x| < 2^1024, and for the least subnormal. */
export const PI_BITS = WORK_BITS + 1100;
/** Machin: pi = 16 arctan(1/5) - 4 arctan(1/239). */
export const PI = (16n * inverseTangentOfReciprocal(5n, PI_BITS + 16, -1n) -
  4n * inverseTangentOfReciprocal(239n, PI_BITS + 16, -1n)) >> 16n;

/** e^value for a fixed-point value; anything beyond e^±2000 is given as 2^±5000. */
export function expOfFixed(value: bigint): Binary {
  if (magnitudeOf(value) >> BigInt(WORK_BITS) >= 2000n) {
    return { mantissa: 1n, exponent: value < 0n ? -5000 : 5000 };
  }
  const bits = BigInt(WORK_BITS);
  const quotient = value / LOG_2;
  const doublings = value < quotient * LOG_2 ? quotient - 1n : quotient;
  // e^r = (e^(r / 2^16))^(2^16) with 0 <= r < log 2; the squarings cost 16 bits of the 320.
  const small = (value - doublings * LOG_2) >> 16n;
  let term = 1n << bits;
  let sum = 0n;
  for (let n = 1n; term !== 0n; n++) {
    sum += term;
    term = ((term * small) >> bits) / n;
  }
  for (let step = 0; step < 16; step++) sum = (sum * sum) >> bits;
  return { mantissa: sum, exponent: Number(doublings) - WORK_BITS };
}

/** log of a number > 0 in fixed point. */
export function logToFixed({ mantissa, exponent }: Binary): bigint {
  const bits = BigInt(WORK_BITS);
  const one = 1n << bits;
  // x = m 2^k with m between sqrt(1/2) and sqrt(2), so that no cancellation follows.
  const length = bitLength(mantissa);
  let k = exponent + length;
  let m = shift(mantissa, WORK_BITS - length);
  if (m * m < one * one / 2n) {
    m *= 2n;
    k -= 1;
  }
  // log m = 2 artanh(s), s = (m - 1)/(m + 1).
  const s = ((m - one) << bits) / (m + one);
  const z = (s * s) >> bits;
  let power = magnitudeOf(s);
  let sum = 0n;
  for (let odd = 1n; power !== 0n; odd += 2n) {
    sum += power / odd;
    power = (power * z) >> bits;
  }
  return (s < 0n ? -2n : 2n) * sum + BigInt(k) * LOG_2;
}

/** The integer part of the square root of a number >= 0, by Newton's iteration from above. */
export function integerRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  let root = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
