// Values to places on a colour scale. Enters: one value per point. Leaves: numbers from 0 to 1, and
// the values that stand at marks of the scale.

import { PairfoldError } from "../../error.ts";

/** A colour scale with the place of each value on it. */
export interface ValueScale {
  /** From 0 to 1 per point; NaN where the value is NaN. */
  readonly places: Float32Array;
  /** Marks from 0 to 1 with the value there; one mark if all values are the same. */
  readonly marks: readonly { readonly place: number; readonly value: number }[];
}

/**
 * How values spread over the colours: by `"rank"`, each colour for as many points, or `"linear"`
 * between the 1st and the 99th percentile.
 */
export type ValueMapping = "rank" | "linear";

const markCount = 5;

/** Finds the place of each value. */
export function scaleValues(values: ArrayLike<number>, mapping: ValueMapping): ValueScale {
  const sorted = Float64Array.from(values).filter((value) => !Number.isNaN(value)).sort();
  if (sorted.length === 0) {
    throw new PairfoldError("shape", "renderDensity: got no value but NaN; expected numbers");
  }
  const last = sorted.length - 1;
  const quantile = (q: number): number => sorted[Math.round(q * last)];
  const lowest = mapping === "rank" ? sorted[0] : quantile(0.01);
  const highest = mapping === "rank" ? sorted[last] : quantile(0.99);
  const places = new Float32Array(values.length);
  if (!(lowest < highest)) {
    for (let i = 0; i < places.length; i++) places[i] = Number.isNaN(values[i]) ? NaN : 0.5;
    return { places, marks: [{ place: 0.5, value: sorted[last >> 1] }] };
  }
  const linear = (value: number): number =>
    Math.min(1, Math.max(0, (value - lowest) / (highest - lowest)));
  // Equal values share the middle of their ranks.
  const rank = (value: number): number =>
    (firstAbove(sorted, value, false) + firstAbove(sorted, value, true) - 1) / (2 * last);
  const place = mapping === "rank" ? rank : linear;
  for (let i = 0; i < places.length; i++) {
    places[i] = Number.isNaN(values[i]) ? NaN : place(values[i]);
  }
  const marks = Array.from({ length: markCount }, (_, k) => {
    const at = k / (markCount - 1);
    const value = mapping === "rank" ? quantile(at) : lowest + at * (highest - lowest);
    return { place: at, value };
  });
  return { places, marks };
}

/** Index of the first sorted value above `value`, or from `value` on if not `strictly`. */
function firstAbove(sorted: Float64Array, value: number, strictly: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (strictly ? sorted[middle] <= value : sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Writes marks short: as many decimals as tell them apart, or powers of ten. */
export function formatMarks(values: readonly number[]): string[] {
  const finite = values.filter(Number.isFinite);
  const largest = Math.max(...finite.map(Math.abs));
  const range = Math.max(...finite) - Math.min(...finite) || largest || 1;
  if (largest !== 0 && (largest >= 1e6 || largest < 1e-3)) {
    return values.map((value) => value === 0 ? "0" : value.toExponential(2));
  }
  const decimals = Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(range))));
  return values.map((value) => value.toFixed(decimals));
}
