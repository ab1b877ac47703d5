// The order of numbers: ascending, NaN last, equal ones (−0 is 0) as they stand.

import type { NumberArray } from "../engine/mod.ts";
import { inPlace, radixSorted } from "../sparse/mod.ts";

/** Numbers from which digits are counted instead of pairs compared (Intel Xeon, AVX-512). */
const COUNTED = 256;

/** What comes behind all numbers. */
const LAST = 0xffff_ffff;

/** Compares two numbers: below 0 where the first comes before the other. */
export function compared(a: number, b: number): number {
  if (a < b) return -1;
  if (b < a) return 1;
  return a === b ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Keys that are in the order of the numbers whose leading bits these are; others say −0 and NaN. */
function keysOf(words: Uint32Array, step: number, data: NumberArray): Uint32Array<ArrayBuffer> {
  const keys = new Uint32Array(data.length);
  for (let k = 0, at = step - 1; k < keys.length; k++, at += step) {
    const bits = words[at], value = data[k];
    keys[k] = value !== value ? LAST : bits >= 2 ** 31 && value !== 0 ? ~bits : bits | 2 ** 31;
  }
  return keys;
}

/** Keys of what follows the leading bits of float64, which count down below 0. */
function lowKeysOf(words: Uint32Array, data: NumberArray): Uint32Array<ArrayBuffer> {
  const keys = new Uint32Array(data.length);
  for (let k = 0; k < keys.length; k++) {
    const bits = words[2 * k], value = data[k];
    keys[k] = value !== value ? LAST : value < 0 ? ~bits : bits;
  }
  return keys;
}

/** Keys of integers. */
function integerKeysOf(data: Int32Array): Uint32Array<ArrayBuffer> {
  const keys = new Uint32Array(data.length);
  for (let k = 0; k < keys.length; k++) keys[k] = data[k] ^ 2 ** 31;
  return keys;
}

/** The order of numbers, which may be in an array of as many that is given. */
export function orderOf(
  data: NumberArray,
  room?: Int32Array<ArrayBuffer>,
): Int32Array<ArrayBuffer> {
  const count = data.length;
  const order = inPlace(count, room);
  if (count < COUNTED) return order.sort((p, q) => compared(data[p], data[q]) || p - q);
  if (data instanceof Int32Array) return radixSorted(integerKeysOf(data), order, 32).order;
  const words = new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4);
  if (data instanceof Float32Array) return radixSorted(keysOf(words, 1, data), order, 32).order;
  const { order: byLow } = radixSorted(lowKeysOf(words, data), order, 32);
  const high = keysOf(words, 2, data), keys = new Uint32Array(count);
  for (let k = 0; k < count; k++) keys[k] = high[byLow[k]];
  return radixSorted(keys, byLow, 32).order;
}
