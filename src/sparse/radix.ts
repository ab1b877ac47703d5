// Keys in ascending order, by counting digits. Enters: keys, and what they stand for. Leaves: both
// sorted; what has equal keys keeps its order.

/** Digits that keys have: passes over them. */
const DIGITS = 3;

/** What was sorted. */
export interface Sorted {
  readonly keys: Uint32Array<ArrayBuffer>;
  readonly order: Int32Array<ArrayBuffer>;
}

/** The numbers from 0 in order, before they are sorted; into an array, where one is given. */
export function inPlace(
  count: number,
  order = new Int32Array(count),
): Int32Array<ArrayBuffer> {
  for (let k = 0; k < count; k++) order[k] = k;
  return order;
}

/** Sorts keys of so many bits, and what stands at the same places. Writes to both arrays. */
export function radixSorted(
  keys: Uint32Array<ArrayBuffer>,
  order: Int32Array<ArrayBuffer>,
  bits: number,
): Sorted {
  const count = keys.length;
  const digitBits = Math.ceil(bits / DIGITS), digits = 2 ** digitBits;
  let [from, to] = [keys, new Uint32Array(count)];
  let next = new Int32Array(count);
  const places = new Int32Array(digits);
  for (let shift = 0; shift < bits; shift += digitBits) {
    places.fill(0);
    for (let k = 0; k < count; k++) places[(from[k] >>> shift) & (digits - 1)]++;
    if (count > 0 && places[(from[0] >>> shift) & (digits - 1)] === count) continue; // all the same
    for (let digit = 0, total = 0; digit < digits; digit++) {
      const here = places[digit];
      places[digit] = total;
      total += here;
    }
    for (let k = 0; k < count; k++) {
      const place = places[(from[k] >>> shift) & (digits - 1)]++;
      to[place] = from[k];
      next[place] = order[k];
    }
    [from, to] = [to, from];
    [order, next] = [next, order];
  }
  return { keys: from, order };
}
