// Sorts a list with its indices in place, lane by lane, by a network: the same exchanges whatever
// stands there, so that the lanes go together. Enters: arrays in loop IR. Leaves: values that rise,
// NaN last at −1.
//
// Bitonic merges whose first step is mirrored, so that every exchange leaves the smaller one first:
// then what would stand behind the end counts as largest, and any length will do. n log₂² n / 4
// exchanges, and a loop of code for each of the log₂² n / 2 steps.

import { type Builder, type Counter, moved, type Place, place } from "../loop/mod.ts";
import type { Field } from "./reduction.ts";

/** Above every index: what a NaN has while it is sorted. */
const LAST = 2 ** 31 - 1;

/** Leading bits that lengths keep: the more, the more steps need a loop for a block cut off. */
const LENGTH_BITS = 4;

/** A length to sort that is no less than the one given, and seldom cuts a block off. */
export function networkLength(length: number): number {
  const unit = 2 ** Math.max(0, Math.ceil(Math.log2(length)) - LENGTH_BITS);
  return Math.ceil(length / unit) * unit;
}

/** Sorts the first places of a list; equal values by their indices. */
export function sortByNetwork(b: Builder, values: Field, indices: Field, length: number): void {
  const last = b.constant(LAST, b.integer);
  b.for(length, (counter) => {
    const at = place(0, counter);
    const value = values.get(b, at);
    const isNumber = b.eq(value, value);
    values.set(b, at, b.select(isNumber, value, b.constant(Infinity)));
    indices.set(b, at, b.select(isNumber, indices.get(b, at), last));
  });
  const exchange = (low: Place, high: Place): void => {
    const [x, y] = [low, high].map((at) => values.get(b, at));
    const [xIndex, yIndex] = [low, high].map((at) => indices.get(b, at));
    const swaps = b.maskOr(b.lt(y, x), b.maskAnd(b.eq(x, y), b.lt(yIndex, xIndex)));
    values.set(b, low, b.select(swaps, y, x));
    values.set(b, high, b.select(swaps, x, y));
    indices.set(b, low, b.select(swaps, yIndex, xIndex));
    indices.set(b, high, b.select(swaps, xIndex, yIndex));
  };
  for (let size = 2; size < 2 * length; size *= 2) {
    eachPair(b, length, size, true, exchange);
    for (let part = size / 2; part > 1; part /= 2) eachPair(b, length, part, false, exchange);
  }
  b.for(length, (counter) => {
    const at = place(0, counter);
    const isNumber = b.lt(indices.get(b, at), last);
    values.set(b, at, b.select(isNumber, values.get(b, at), b.constant(NaN)));
    indices.set(b, at, b.select(isNumber, indices.get(b, at), b.constant(-1, b.integer)));
  });
}

/**
 * The pairs of one step: in blocks of a size, each place of the first half with its counterpart in
 * the second, from the block's end where that is mirrored. The last block may be cut off.
 */
function eachPair(
  b: Builder,
  length: number,
  size: number,
  isMirrored: boolean,
  body: (low: Place, high: Place) => void,
): void {
  const half = size / 2;
  const whole = Math.floor(length / size);
  const pair = (first: number, second: number, within: Counter): [Place, Place] => [
    place(first, within),
    moved(place(second), within, isMirrored ? -1 : 1),
  ];
  if (whole > 0) {
    const inBlocks = (within: Counter, block: Counter): void => {
      const [low, high] = pair(0, isMirrored ? size - 1 : half, within);
      body(moved(low, block, size), moved(high, block, size));
    };
    // the longer loop inside
    if (whole > half) b.for(half, (within) => b.for(whole, (block) => inBlocks(within, block)));
    else b.for(whole, (block) => b.for(half, (within) => inBlocks(within, block)));
  }
  const start = whole * size;
  const left = length - start;
  if (left <= half) return;
  b.for(left - half, (within) => {
    const [first, second] = isMirrored ? [size - left, left - 1] : [0, half];
    body(...pair(start + first, start + second, within));
  });
}
