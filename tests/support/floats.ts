// Float formats, and lists of arguments that are hard for math functions.
//
// Enters: a format, a generator, a range. Leaves: numbers that are values of the format.

import type { Random } from "./random.ts";
import { type DoubleDouble, ulp32, ulp64, ulpError32, ulpError64 } from "./oracle.ts";

/** What a test needs to know about float32 or float64. */
export interface Format {
  readonly name: "float32" | "float64";
  readonly round: (x: number) => number;
  readonly array: (values: readonly number[]) => Float32Array | Float64Array;
  readonly ulp: (x: number) => number;
  readonly ulpError: (got: number, value: DoubleDouble) => number;
  readonly fractionBits: number;
  readonly largest: number;
  readonly smallestNormal: number;
  readonly leastSubnormal: number;
  /** The number with these bits; float32 takes the low word. */
  readonly fromBits: (high: number, low: number) => number;
}

const words = new DataView(new ArrayBuffer(8));

export const FLOAT32: Format = {
  name: "float32",
  round: Math.fround,
  array: (values) => Float32Array.from(values),
  ulp: ulp32,
  ulpError: ulpError32,
  fractionBits: 23,
  largest: 2 ** 128 - 2 ** 104,
  smallestNormal: 2 ** -126,
  leastSubnormal: 2 ** -149,
  fromBits: (_high, low) => {
    words.setUint32(0, low);
    return words.getFloat32(0);
  },
};

export const FLOAT64: Format = {
  name: "float64",
  round: (x) => x,
  array: (values) => Float64Array.from(values),
  ulp: ulp64,
  ulpError: ulpError64,
  fractionBits: 52,
  largest: Number.MAX_VALUE,
  smallestNormal: 2 ** -1022,
  leastSubnormal: Number.MIN_VALUE,
  fromBits: (high, low) => {
    words.setUint32(0, high);
    words.setUint32(4, low);
    return words.getFloat64(0);
  },
};

/** `count` numbers made by `make`, rounded to the format. */
export function draw(format: Format, count: number, make: (k: number) => number): number[] {
  return Array.from({ length: count }, (_, k) => format.round(make(k)));
}

/** Equally spaced numbers, both ends included. */
export function dense(format: Format, count: number, low: number, high: number): number[] {
  return draw(format, count, (k) => low + (high - low) * (k / (count - 1)));
}

/** Uniform in an interval. */
export function uniform(
  format: Format,
  random: Random,
  count: number,
  low: number,
  high: number,
): number[] {
  return draw(format, count, () => random.uniform(low, high));
}

/** Magnitudes whose logarithm is uniform; negative ones too if `signed`. */
export function logUniform(
  format: Format,
  random: Random,
  count: number,
  [low, high]: readonly [low: number, high: number],
  signed = false,
): number[] {
  return draw(format, count, (k) => {
    const magnitude = 2 ** random.uniform(Math.log2(low), Math.log2(high));
    return signed && k % 2 === 1 ? -magnitude : magnitude;
  });
}

/** Any bit pattern: every exponent, infinities and NaNs now and then. */
export function anyBits(format: Format, random: Random, count: number): number[] {
  return draw(
    format,
    count,
    () => format.fromBits(random.integer(2 ** 32), random.integer(2 ** 32)),
  );
}

/** Each number with its neighbours up to some ulps away. */
export function around(format: Format, centres: readonly number[], ulps = 2): number[] {
  return centres.flatMap((centre) => {
    const x = format.round(centre);
    const step = Number.isFinite(x) ? format.ulp(x) : 0;
    return Array.from({ length: 2 * ulps + 1 }, (_, k) => format.round(x + (k - ulps) * step));
  });
}

/** Zeros, ones, the ends of the subnormal and normal ranges, infinities, NaN: of both signs. */
export function edges(format: Format): number[] {
  const { leastSubnormal, smallestNormal, largest } = format;
  const positive = [
    0,
    leastSubnormal,
    smallestNormal - leastSubnormal,
    smallestNormal,
    1 - 2 ** -format.fractionBits,
    1,
    1 + 2 ** -format.fractionBits,
    2,
    largest,
    Infinity,
  ];
  return [...positive, ...positive.map((x) => -x), NaN];
}

/** k of the multiples k · π/2 up to 2^20 that come closest to a value of the format. */
export function closestMultiples(format: Format, count: number): number[] {
  // π/2 in parts of 33, 33 and 53 bits: the products with k < 2^20 are exact
  const [high, middle, low] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];
  const found: { k: number; distance: number }[] = [];
  for (let k = 1; k < 2 ** 20; k++) {
    const distance = Math.abs(format.round(k * (Math.PI / 2)) - k * high - k * middle - k * low);
    if (found.length === count && distance >= found[count - 1].distance) continue;
    found.push({ k, distance });
    found.sort((a, b) => a.distance - b.distance);
    if (found.length > count) found.pop();
  }
  return found.map(({ k }) => k);
}
