// Holds computed values of a function against exact ones.
//
// Enters: values of a float format, the exact values, and what error each may have. Leaves: the
// largest error in ulps beyond what the arguments' own rounding explains, and where it is.

import type { Format } from "./floats.ts";
import { type DoubleDouble, exact } from "./oracle.ts";

/** What a function's value must be at one argument. */
export interface Expected {
  readonly value: DoubleDouble;
  /** Relative error that the value may have besides its ulps; default 0. */
  readonly relative?: number;
}

/** How a function ends at both ends of the format. */
export interface Ends {
  /** Values below are exactly 0; 0 where subnormal values are computed. */
  readonly zeroBelow: number;
  /** Relative width of the zones at that end and at overflow where either result may come out. */
  readonly slack: number;
}

/** Every value is computed. */
export const NO_ENDS: Ends = { zeroBelow: 0, slack: 0 };

/** The largest error found. */
export interface Accuracy {
  /** Ulps beyond the allowed relative error; infinite for a wrong special value. */
  readonly ulps: number;
  /** Index of the argument, and what was there; for messages. */
  readonly at: number;
  readonly got: number;
  readonly want: number;
}

/** Error of one value in ulps, less what its relative allowance covers. */
function errorOf(
  got: number,
  { value, relative = 0 }: Expected,
  format: Format,
  ends: Ends,
): number {
  const { hi } = value;
  const slack = Math.min(0.5, relative + ends.slack);
  if (!Number.isFinite(hi)) {
    const nearly = Math.sign(hi) * got > format.largest * (1 - slack);
    return Object.is(got, hi) || nearly ? 0 : Infinity;
  }
  if (Math.abs(hi) < ends.zeroBelow * (1 + slack)) {
    if (got === 0) return 0;
    if (Math.abs(hi) < ends.zeroBelow * (1 - slack)) return Infinity;
  }
  if (!Number.isFinite(got)) {
    const overflows = Math.abs(hi) > format.largest * (1 - slack);
    return overflows && got === Math.sign(hi) * Infinity ? 0 : format.ulpError(got, value);
  }
  const ulps = format.ulpError(got, value);
  return relative === 0 ? ulps : Math.max(0, ulps - relative * Math.abs(hi) / format.ulp(hi));
}

/** The largest error of computed values. */
export function accuracyOf(
  got: ArrayLike<number>,
  want: readonly Expected[],
  format: Format,
  ends: Ends = NO_ENDS,
): Accuracy {
  let worst: Accuracy = { ulps: 0, at: 0, got: got[0], want: want[0].value.hi };
  want.forEach((expected, at) => {
    const ulps = errorOf(got[at], expected, format, ends);
    if (!(ulps <= worst.ulps)) worst = { ulps, at, got: got[at], want: expected.value.hi };
  });
  return worst;
}

/** High and low half of a number of moderate size, of 26 bits each (Veltkamp). */
function halves(x: number): [high: number, low: number] {
  const t = 134217729 * x;
  const high = t - (t - x);
  return [high, x - high];
}

/**
 * exp(c · q) for the exact product: exp(p + e) = exp(p) · (1 + e) for the rounded product p and its
 * error e, which is below 2^-43. For a normal c.
 */
export function exactExpOfProduct(c: number, q: number): DoubleDouble {
  const p = c * q;
  const value = exact.exp(p);
  if (!Number.isFinite(value.hi) || value.hi === 0 || Math.abs(p) < 2 ** -60) return value;
  // Dekker's product of c and q with the exponent of c moved to q
  const exponent = Math.floor(Math.log2(Math.abs(c)));
  const [c1, c2] = halves(c * 2 ** -exponent);
  const [q1, q2] = halves(q * 2 ** exponent);
  const e = ((c1 * q1 - p) + c1 * q2 + c2 * q1) + c2 * q2;
  const rest = value.lo + value.hi * e;
  const hi = value.hi + rest;
  return { hi, lo: (value.hi - hi) + rest };
}
