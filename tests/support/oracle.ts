// What exp, log, sin, cos and pow are, to about 180 bits.
//
// Enters: a float64 argument, any bit pattern. Leaves: the exact value as a double-double, whose hi
// is the correctly rounded float64, and the distance of a computed value from it in units in the
// last place. Everything is evaluated in BigInt fixed point, without Math.exp and its kin, so that
// Math itself can be measured. Special arguments follow IEEE 754 (for pow: pow(1, y) = 1 and
// pow(-1, ±inf) = 1, where Math.pow gives NaN).

/** The value hi + lo: hi is the nearest float64, lo the nearest float64 to what is left. */
export interface DoubleDouble {
  readonly hi: number;
  /** Loses bits to underflow where |hi| < 2^-916, and is 0 where hi is not finite. */
  readonly lo: number;
}

/** mantissa * 2^exponent. */
interface Binary {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Fractional bits of the fixed-point evaluation. */
const WORK_BITS = 320;
/**
 * Significant bits that are kept of a result. Fewer than are right, so that a result that is a
 * float64 or a midpoint of two (3^2, exp(0)) comes out as exactly that.
 */
const RESULT_BITS = 180;

const view = new DataView(new ArrayBuffer(8));

/** 2^exponent, subnormals included; for -1074 <= exponent <= 1023. */
function powerOfTwo(exponent: number): number {
  const bits = exponent >= -1022 ? BigInt(exponent + 1023) << 52n : 1n << BigInt(exponent + 1074);
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** A finite x as mantissa * 2^exponent, exactly. */
function toBinary(x: number): Binary {
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

function magnitudeOf(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function bitLength(value: bigint): number {
  const hex = magnitudeOf(value).toString(16);
  return hex.length * 4 - (Math.clz32(parseInt(hex[0], 16)) - 28);
}

/** value * 2^places, rounded down. */
function shift(value: bigint, places: number): bigint {
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

function toDoubleDouble(value: Binary): DoubleDouble {
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

function negate({ hi, lo }: DoubleDouble): DoubleDouble {
  return { hi: -hi, lo: lo === 0 ? 0 : -lo };
}

/** A value that needs no second part. */
function just(hi: number): DoubleDouble {
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

/** Enough for |x| < 2^1024, and for the least subnormal. */
const PI_BITS = WORK_BITS + 1100;
/** Machin: pi = 16 arctan(1/5) - 4 arctan(1/239). */
const PI = (16n * inverseTangentOfReciprocal(5n, PI_BITS + 16, -1n) -
  4n * inverseTangentOfReciprocal(239n, PI_BITS + 16, -1n)) >> 16n;

/** e^value for a fixed-point value; anything beyond e^±2000 is given as 2^±5000. */
function expOfFixed(value: bigint): Binary {
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

/** log x in fixed point for finite x > 0. */
function logToFixed(x: number): bigint {
  const { mantissa, exponent } = toBinary(x);
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
  return toDoubleDouble({ mantissa: logToFixed(x), exponent: -WORK_BITS });
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
  const value = toDoubleDouble(expOfFixed(shift(logToFixed(base) * mantissa, exponent)));
  return negative ? negate(value) : value;
}

/** The functions' values as double-doubles. */
export const exact: {
  readonly exp: (x: number) => DoubleDouble;
  readonly log: (x: number) => DoubleDouble;
  readonly sin: (x: number) => DoubleDouble;
  readonly cos: (x: number) => DoubleDouble;
  readonly pow: (x: number, y: number) => DoubleDouble;
} = { exp: exactExp, log: exactLog, sin: exactSin, cos: exactCos, pow: exactPow };

/** The functions' values rounded correctly to float64. */
export const rounded: {
  readonly exp: (x: number) => number;
  readonly log: (x: number) => number;
  readonly sin: (x: number) => number;
  readonly cos: (x: number) => number;
  readonly pow: (x: number, y: number) => number;
} = {
  exp: (x) => exactExp(x).hi,
  log: (x) => exactLog(x).hi,
  sin: (x) => exactSin(x).hi,
  cos: (x) => exactCos(x).hi,
  pow: (x, y) => exactPow(x, y).hi,
};

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
