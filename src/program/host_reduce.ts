// Reductions over the middle axis of [outer, n, inner] on the host. Floats are added up in float64,
// with compensation where the numbers are float64 themselves (Neumaier 1974).

import type { NumberArray } from "../engine/mod.ts";
import { allocate, type AxisReduction, dtypeOf } from "../tensor/mod.ts";

/** [outer, n, inner]: n is reduced. */
export type Extent = readonly [outer: number, n: number, inner: number];

/** Reductions that are computed here; means are sums. */
export type HostReduction = Exclude<AxisReduction, "mean">;

/** The reduction of each [outer, inner]. */
export function reduceOnHost(
  name: HostReduction,
  data: NumberArray,
  [outer, n, inner]: Extent,
): NumberArray {
  const isIndex = name === "argMin" || name === "argMax";
  const out = allocate(isIndex ? "int32" : dtypeOf(data), outer * inner);
  const one = SERIES[name];
  for (let o = 0, at = 0; o < outer; o++) {
    for (let k = 0; k < inner; k++, at++) out[at] = one(data, o * n * inner + k, n, inner);
  }
  return out;
}

/** Reduces `n` numbers from `start`, `stride` apart. */
type Series = (data: NumberArray, start: number, n: number, stride: number) => number;

function total(data: NumberArray, start: number, n: number, stride: number): number {
  let sum = 0;
  const end = start + n * stride;
  if (!(data instanceof Float64Array)) {
    for (let at = start; at < end; at += stride) sum += data[at];
    return sum;
  }
  let rest = 0;
  for (let at = start; at < end; at += stride) {
    const x = data[at];
    const t = sum + x;
    rest += Math.abs(sum) >= Math.abs(x) ? (sum - t) + x : (x - t) + sum;
    sum = t;
  }
  return Number.isFinite(sum) ? sum + rest : sum;
}

/** The place of the first smallest (sign 1) or largest (−1) number; −1 where only NaN is. */
function winner(sign: number): Series {
  return (data, start, n, stride) => {
    let best = NaN;
    let place = -1;
    for (let k = 0, at = start; k < n; k++, at += stride) {
      const x = sign * data[at];
      if (x < best || (place < 0 && !Number.isNaN(x))) {
        best = x;
        place = k;
      }
    }
    return place;
  };
}

function extremum(sign: number): Series {
  const placeOf = winner(sign);
  return (data, start, n, stride) => {
    if (n === 0) return sign * Infinity;
    const place = placeOf(data, start, n, stride);
    return place < 0 ? NaN : data[start + place * stride];
  };
}

const SERIES: Readonly<Record<HostReduction, Series>> = {
  sum: total,
  min: extremum(1),
  max: extremum(-1),
  argMin: winner(1),
  argMax: winner(-1),
  logSumExp: (data, start, n, stride) => {
    let largest = -Infinity;
    const end = start + n * stride;
    for (let at = start; at < end; at += stride) {
      if (!(data[at] <= largest)) largest = data[at]; // NaN wins and stays
    }
    if (!Number.isFinite(largest)) return largest;
    let sum = 0;
    for (let at = start; at < end; at += stride) sum += Math.exp(data[at] - largest);
    return largest + Math.log(sum);
  },
};

/** Sums up to each element of the middle axis. */
export function cumulated(data: NumberArray, [outer, n, inner]: Extent): NumberArray {
  const out = allocate(dtypeOf(data), data.length);
  for (let o = 0; o < outer; o++) {
    for (let k = 0; k < inner; k++) {
      let sum = 0;
      for (let m = 0, at = o * n * inner + k; m < n; m++, at += inner) out[at] = sum += data[at];
    }
  }
  return out;
}
