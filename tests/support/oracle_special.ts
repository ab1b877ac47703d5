// The oracle's inverse, hyperbolic and error functions, exponentials and logarithms of other bases,
// cube roots and hypot; see oracle.ts.

import {
  type Binary,
  bitLength,
  type DoubleDouble,
  expOfFixed,
  integerRoot,
  just,
  logToFixed,
  negate,
  PI,
  PI_BITS,
  shift,
  toBinary,
  toDoubleDouble,
  WORK_BITS,
} from "./fixed_point.ts";

const ONE: Binary = { mantissa: 1n, exponent: 0 };

function add(a: Binary, b: Binary): Binary {
  const exponent = Math.min(a.exponent, b.exponent);
  const mantissa = shift(a.mantissa, a.exponent - exponent) +
    shift(b.mantissa, b.exponent - exponent);
  return { mantissa, exponent };
}

const negative = (a: Binary): Binary => ({ ...a, mantissa: -a.mantissa });
const subtract = (a: Binary, b: Binary): Binary => add(a, negative(b));
const multiply = (a: Binary, b: Binary): Binary => ({
  mantissa: a.mantissa * b.mantissa,
  exponent: a.exponent + b.exponent,
});
const twice = (a: Binary, times = 1): Binary => ({ ...a, exponent: a.exponent + times });

/** a/b to more bits than are kept. */
function divide(a: Binary, b: Binary): Binary {
  const places = Math.max(0, WORK_BITS + bitLength(b.mantissa) - bitLength(a.mantissa));
  const mantissa = shift(a.mantissa, places) / b.mantissa;
  return { mantissa, exponent: a.exponent - places - b.exponent };
}

/** The square root of a number >= 0. */
function root(a: Binary): Binary {
  const places = Math.max(0, 2 * WORK_BITS - bitLength(a.mantissa));
  const even = places + ((a.exponent - places) % 2 === 0 ? 0 : 1);
  return { mantissa: integerRoot(shift(a.mantissa, even)), exponent: (a.exponent - even) / 2 };
}

/** Where the leading bit stands; -Infinity for 0. */
const leadingOf = ({ mantissa, exponent }: Binary): number =>
  mantissa === 0n ? -Infinity : bitLength(mantissa) + exponent;

/** Fractional bits that hold a value and its small results to full relative accuracy. */
function bitsFor(a: Binary): number {
  return a.mantissa === 0n ? WORK_BITS : WORK_BITS + Math.max(0, -leadingOf(a));
}

const toFixed = ({ mantissa, exponent }: Binary, bits: number): bigint =>
  shift(mantissa, exponent + bits);
const fromFixed = (mantissa: bigint, bits: number): Binary => ({ mantissa, exponent: -bits });

/** e^a for a number of moderate size. */
const expOf = (a: Binary): Binary => expOfFixed(toFixed(a, WORK_BITS));

/**
 * The sum of a power series in fixed point: its first term, and how the n-th term (n = 1, 2, ...)
 * follows from what was before it; `weight` divides terms as they are added.
 */
function series(
  first: bigint,
  follow: (term: bigint, n: bigint) => bigint,
  weight: (n: bigint) => bigint = () => 1n,
): bigint {
  let sum = 0n;
  let term = first;
  for (let n = 0n; term !== 0n && term !== -1n; term = follow(term, ++n)) sum += term / weight(n);
  return sum;
}

function exactExpm1(x: number): DoubleDouble {
  if (Number.isNaN(x) || x === Infinity || x === 0) return just(x);
  if (x === -Infinity) return just(-1);
  const a = toBinary(x);
  if (Math.abs(x) >= 0.5) return toDoubleDouble(subtract(expOf(a), ONE));
  const bits = bitsFor(a);
  const r = toFixed(a, bits);
  return toDoubleDouble(
    fromFixed(series(r, (term, n) => ((term * r) >> BigInt(bits)) / (n + 1n), () => 1n), bits),
  );
}

function exactLog1p(x: number): DoubleDouble {
  if (Number.isNaN(x) || x < -1) return just(NaN);
  if (x === -1) return just(-Infinity);
  if (x === Infinity || x === 0) return just(x);
  const a = toBinary(x);
  if (Math.abs(x) >= 0.5) return toDoubleDouble(fromFixed(logToFixed(add(ONE, a)), WORK_BITS));
  // 2 artanh(s), s = x/(2 + x)
  const bits = bitsFor(a);
  const places = BigInt(bits);
  const r = toFixed(a, bits);
  const s = (r << places) / ((2n << places) + r);
  const z = (s * s) >> places;
  const sum = series(s, (term) => (term * z) >> places, (n) => 2n * n + 1n);
  return toDoubleDouble(fromFixed(2n * sum, bits));
}

/** log(1 + a) of a number > −1, to full relative accuracy. */
function logOnePlus(a: Binary): Binary {
  if (leadingOf(a) >= 0) return fromFixed(logToFixed(add(ONE, a)), WORK_BITS);
  // 2 artanh(s), s = a/(2 + a)
  return twice(artanhSeries(divide(a, add(twice(ONE), a))), 1);
}

/** artanh s for |s| well below 1, by its series. */
function artanhSeries(a: Binary): Binary {
  const bits = bitsFor(a);
  const places = BigInt(bits);
  const s = toFixed(a, bits);
  const z = (s * s) >> places;
  return fromFixed(series(s, (term) => (term * z) >> places, (n) => 2n * n + 1n), bits);
}

/** 2^x: the whole part moves the exponent, so that whole powers are exact. */
function exactExp2(x: number): DoubleDouble {
  if (Number.isNaN(x) || x === Infinity) return just(x);
  if (x < -1200) return just(0);
  if (x > 1200) return just(Infinity);
  const whole = Math.trunc(x);
  const fraction = multiply(toBinary(x - whole), fromFixed(logToFixed(twice(ONE)), WORK_BITS));
  return toDoubleDouble(twice(expOf(fraction), whole));
}

/** The quotient of two logarithms, that of x to full relative accuracy near 1. */
function exactLogOf(base: bigint): (x: number) => DoubleDouble {
  const below = logToFixed({ mantissa: base, exponent: 0 });
  return (x) => {
    if (Number.isNaN(x) || x < 0) return just(NaN);
    if (x === 0) return just(-Infinity);
    if (x === Infinity) return just(x);
    if (x === 1) return just(0);
    const above = Math.abs(x - 1) < 0.25
      ? logOnePlus(subtract(toBinary(x), ONE))
      : fromFixed(logToFixed(toBinary(x)), WORK_BITS);
    return toDoubleDouble(divide(above, fromFixed(below, WORK_BITS)));
  };
}

/** ∛x: the root of a whole number by Newton's method. */
function exactCbrt(x: number): DoubleDouble {
  if (!Number.isFinite(x) || x === 0) return just(x);
  const { mantissa, exponent } = toBinary(Math.abs(x));
  const moved = 3 * Math.floor(exponent / 3);
  const radicand = shift(mantissa, 3 * WORK_BITS + exponent - moved);
  let root = 1n << BigInt(Math.ceil(bitLength(radicand) / 3) + 1);
  for (;;) {
    const next = (2n * root + radicand / (root * root)) / 3n;
    if (next >= root) break;
    root = next;
  }
  const value = toDoubleDouble({ mantissa: root, exponent: moved / 3 - WORK_BITS });
  return x < 0 ? negate(value) : value;
}

/** With a = |x|: log(1 + a + a²/(1 + √(1 + a²))). */
function exactAsinh(x: number): DoubleDouble {
  if (!Number.isFinite(x) || x === 0) return just(x);
  const a = toBinary(Math.abs(x));
  const square = multiply(a, a);
  const rest = divide(square, add(ONE, root(add(ONE, square))));
  const value = toDoubleDouble(logOnePlus(add(a, rest)));
  return x < 0 ? negate(value) : value;
}

/** With t = x − 1: log(1 + t + √(t (t + 2))). */
function exactAcosh(x: number): DoubleDouble {
  if (!(x >= 1)) return just(NaN);
  if (x === 1) return just(0);
  if (x === Infinity) return just(x);
  const t = subtract(toBinary(x), ONE);
  return toDoubleDouble(logOnePlus(add(t, root(multiply(t, add(t, twice(ONE)))))));
}

/** ½ log((1 + x)/(1 − x)). */
function exactAtanh(x: number): DoubleDouble {
  if (!(Math.abs(x) <= 1)) return just(NaN);
  if (Math.abs(x) === 1) return just(x * Infinity);
  if (x === 0) return just(x);
  const a = toBinary(x);
  if (Math.abs(x) < 0.25) return toDoubleDouble(artanhSeries(a));
  const value = logToFixed(divide(add(ONE, a), subtract(ONE, a)));
  return toDoubleDouble(twice(fromFixed(value, WORK_BITS), -1));
}

/** sinh and cosh of a finite x. */
function hyperbolic(x: number): { sinh: Binary; cosh: Binary } {
  const a = toBinary(x);
  const [up, down] = [expOf(a), expOf(negative(a))];
  const cosh = twice(add(up, down), -1);
  if (Math.abs(x) >= 0.5) return { sinh: twice(subtract(up, down), -1), cosh };
  const bits = bitsFor(a);
  const places = BigInt(bits);
  const r = toFixed(a, bits);
  const z = (r * r) >> places;
  const sum = series(r, (term, n) => ((term * z) >> places) / (2n * n * (2n * n + 1n)));
  return { sinh: fromFixed(sum, bits), cosh };
}

function exactSinh(x: number): DoubleDouble {
  return Number.isFinite(x) && x !== 0 ? toDoubleDouble(hyperbolic(x).sinh) : just(x);
}

function exactCosh(x: number): DoubleDouble {
  return Number.isFinite(x) ? toDoubleDouble(hyperbolic(x).cosh) : just(Math.abs(x));
}

function exactTanh(x: number): DoubleDouble {
  if (!Number.isFinite(x)) return just(Math.sign(x));
  if (x === 0) return just(x);
  const { sinh, cosh } = hyperbolic(Math.sign(x) * Math.min(Math.abs(x), 1000));
  return toDoubleDouble(divide(sinh, cosh));
}

/** arctan(y/x) for y, x >= 0, not both 0. */
function arctangent(y: Binary, x: Binary): Binary {
  if (y.mantissa === 0n) return y;
  if (leadingOf(y) > leadingOf(x) + 1) return subtract(halfPi(), arctangent(x, y));
  const quotient = divide(y, x);
  const bits = bitsFor(quotient);
  const places = BigInt(bits);
  const one = 1n << places;
  let t = toFixed(quotient, bits);
  let doublings = 0n;
  // arctan t = 2 arctan(t/(1 + √(1 + t²)))
  while (t > one >> 4n) {
    t = (t << places) / (one + integerRoot((one << places) + t * t));
    doublings++;
  }
  const z = (t * t) >> places;
  const sum = series(t, (term) => -((term * z) >> places), (n) => 2n * n + 1n);
  return twice(fromFixed(sum, bits), Number(doublings));
}

const halfPi = (): Binary => fromFixed(PI, PI_BITS + 1);

/** The angle of the point (x, y), not (0, 0), for y >= 0. */
function angleOf(y: Binary, x: Binary): Binary {
  if (x.mantissa >= 0n) return arctangent(y, x);
  return subtract(twice(halfPi()), arctangent(y, negative(x)));
}

function exactAtan2(y: number, x: number): DoubleDouble {
  if (Number.isNaN(x) || Number.isNaN(y)) return just(NaN);
  const below = y < 0 || Object.is(y, -0);
  const signed = (value: DoubleDouble): DoubleDouble => below ? negate(value) : value;
  const unit = (v: number): number => Number.isFinite(v) ? 0 : Math.sign(v);
  const behind = x < 0 || Object.is(x, -0);
  if (y === 0 && !behind) return just(y);
  if (!Number.isFinite(y) || !Number.isFinite(x)) {
    if (Number.isFinite(y) && x === Infinity) return just(below ? -0 : 0);
    return signed(toDoubleDouble(angleOf(toBinary(Math.abs(unit(y))), toBinary(unit(x)))));
  }
  const left = y === 0 ? -1 : x; // (-0, 0) counts as left of 0
  return signed(toDoubleDouble(angleOf(toBinary(Math.abs(y)), toBinary(left))));
}

/** √(1 − x²) for |x| <= 1. */
function cosineOf(x: Binary): Binary {
  return root(multiply(subtract(ONE, x), add(ONE, x)));
}

function exactAsin(x: number): DoubleDouble {
  if (!(Math.abs(x) <= 1)) return just(NaN);
  if (x === 0) return just(x);
  const a = toBinary(Math.abs(x));
  const value = toDoubleDouble(angleOf(a, cosineOf(a)));
  return x < 0 ? negate(value) : value;
}

function exactAcos(x: number): DoubleDouble {
  if (!(Math.abs(x) <= 1)) return just(NaN);
  if (x === 1) return just(0);
  const a = toBinary(x);
  return toDoubleDouble(angleOf(cosineOf(a), a));
}

function exactHypot(x: number, y: number): DoubleDouble {
  if (Math.abs(x) === Infinity || Math.abs(y) === Infinity) return just(Infinity);
  if (Number.isNaN(x) || Number.isNaN(y)) return just(NaN);
  const [a, b] = [toBinary(x), toBinary(y)];
  const squares = add(multiply(a, a), multiply(b, b));
  return squares.mantissa === 0n ? just(0) : toDoubleDouble(root(squares));
}

const rootPi = root(twice(halfPi()));

/** erf x = 2/√π Σ (−1)^n x^(2n+1) / (n! (2n + 1)); cancels at most 2^12 for |x| <= 2. */
function errorSeries(x: number): Binary {
  const a = toBinary(x);
  const bits = bitsFor(a);
  const places = BigInt(bits);
  const r = toFixed(a, bits);
  const z = (r * r) >> places;
  const sum = series(r, (term, n) => -((term * z) >> places) / n, (n) => 2n * n + 1n);
  return divide(twice(fromFixed(sum, bits)), rootPi);
}

/** The trapezoidal rule's spacing is 2^-2: its relative error is e^(-(4π)²) = 2^-227. */
const SPACING = -2;
/** e^(-(n/4)²) for n = 1, 2, ... */
const BELLS = Array.from({ length: 52 }, (_, n) => {
  const square = { mantissa: -(BigInt(n + 1) ** 2n), exponent: 2 * SPACING };
  return { node: negative(square), weight: expOf(square) };
});

/**
 * erfc x for x >= ½: (x/π) e^(-x²) ∫ e^(-t²)/(t² + x²) dt by the trapezoidal rule, less the residue
 * 2/(e^(8πx) - 1) of the pole at ix, which counts as long as it is nearer than the rule's error.
 */
function complement(x: number): Binary {
  const a = toBinary(x);
  const square = multiply(a, a);
  const fixed = (value: Binary): bigint => toFixed(value, WORK_BITS);
  let sum = fixed(divide(ONE, square));
  for (const { node, weight } of BELLS) sum += fixed(divide(twice(weight), add(node, square)));
  const rule = multiply(
    divide(multiply(twice(a, SPACING - 1), expOf(negative(square))), halfPi()),
    fromFixed(sum, WORK_BITS),
  );
  if (x > 12.5) return rule; // π/h = 12.57: there the residue is e^(-x²) times the rule's error
  const growth = expOf(multiply(twice(halfPi(), 4), a));
  return subtract(rule, divide({ mantissa: 2n, exponent: 0 }, subtract(growth, ONE)));
}

function exactErf(x: number): DoubleDouble {
  if (!Number.isFinite(x)) return just(Math.sign(x));
  if (x === 0) return just(x);
  if (Math.abs(x) <= 2) return toDoubleDouble(errorSeries(x));
  const magnitude = subtract(ONE, complement(Math.min(Math.abs(x), 40)));
  const value = toDoubleDouble(magnitude);
  return x < 0 ? negate(value) : value;
}

function exactErfc(x: number): DoubleDouble {
  if (!Number.isFinite(x)) return just(1 - Math.sign(x));
  if (Math.abs(x) <= 2) return toDoubleDouble(subtract(ONE, errorSeries(x)));
  const tail = complement(Math.min(Math.abs(x), 40));
  return toDoubleDouble(x > 0 ? tail : subtract({ mantissa: 2n, exponent: 0 }, tail));
}

/** The trapezoidal rule against the power series where both hold: 2^180 times their difference. */
export function complementDifference(x: number): bigint {
  const both = add(complement(x), errorSeries(x));
  return toFixed(subtract(both, ONE), 180);
}

/** The functions' values as double-doubles. */
export const special = {
  expm1: exactExpm1,
  exp2: exactExp2,
  log1p: exactLog1p,
  log2: exactLogOf(2n),
  log10: exactLogOf(10n),
  sinh: exactSinh,
  cosh: exactCosh,
  tanh: exactTanh,
  asinh: exactAsinh,
  acosh: exactAcosh,
  atanh: exactAtanh,
  asin: exactAsin,
  acos: exactAcos,
  atan: (x: number): DoubleDouble => exactAtan2(x, 1),
  atan2: exactAtan2,
  cbrt: exactCbrt,
  hypot: exactHypot,
  erf: exactErf,
  erfc: exactErfc,
} as const;
