// Finds a number between the K-th and a later one of a list, lane by lane, by bisection over the
// floats' patterns. Enters: how to run through the list. Leaves: the pivot, and how many numbers it
// holds.

import type { Builder, Cell, Value } from "../loop/mod.ts";

/** Bits of a float's pattern: bisection over them ends after so many steps. */
const BITS = { f32: 32, f64: 64 } as const;

/** A float's pattern as an integer in the order of the floats; −0 and 0 are the same. */
export function ordinal(b: Builder, x: Value): Value {
  return flip(b, b.bits(x));
}

/** The float of an ordinal. */
export function fromOrdinal(b: Builder, n: Value): Value {
  return b.asFloat(flip(b, n));
}

/** Negative patterns count downwards: lowest − n turns them round, and back. */
function flip(b: Builder, n: Value): Value {
  const lowest = b.constant(-(2 ** (BITS[b.float] - 1)), b.integer);
  return b.select(b.lt(n, b.constant(0, b.integer)), b.sub(lowest, n), n);
}

/** ⌊(m + n) / 2⌋ without overflow: common bits, and half of the others. */
function middle(b: Builder, m: Value, n: Value): Value {
  const common = b.and(m, n);
  return b.add(common, b.shr(b.sub(b.or(m, n), common), 1));
}

/** Finds a number between the K-th and a later one of a list, lane by lane. */
export class Bisection {
  readonly #b: Builder;
  readonly #each: (body: (value: Value) => void) => void;
  /** Ordinals: fewer than K numbers are ≤ low, at least K (or all) are ≤ high. */
  readonly #low: Cell;
  readonly #high: Cell;
  /** How many numbers are ≤ high; at first all of them. */
  readonly held: Cell;

  constructor(b: Builder, each: (body: (value: Value) => void) => void) {
    this.#b = b;
    this.#each = each;
    this.#low = b.cell("low", b.integer);
    this.#high = b.cell("high", b.integer);
    this.held = b.cell("held", b.integer);
    const [smallest, largest] = [b.cell("smallest"), b.cell("largest")];
    b.set(smallest, b.constant(Infinity));
    b.set(largest, b.constant(-Infinity));
    b.set(this.held, b.constant(0, b.integer));
    each((value) => {
      b.set(smallest, b.pmin(b.get(smallest), value));
      b.set(largest, b.pmax(b.get(largest), value));
      this.#countIf(this.held, b.eq(value, value));
    });
    b.set(this.#low, b.sub(ordinal(b, b.get(smallest)), b.constant(1, b.integer)));
    b.set(this.#high, ordinal(b, b.get(largest)));
  }

  #countIf(cell: Cell, mask: Value): void {
    const b = this.#b;
    b.set(cell, b.sub(b.get(cell), b.holds(mask)));
  }

  /** A pivot with K to `most` numbers ≤ it, or all numbers, or more where they tie with it. */
  run(k: Value, most: Value): Value {
    const b = this.#b;
    const isDone = b.cell("isDone", "mask");
    const count = b.cell("count", b.integer);
    b.set(isDone, b.le(b.get(this.held), most));
    b.for(BITS[b.float], () => {
      b.when("notAll", b.get(isDone), () => {
        const low = b.get(this.#low);
        const high = b.get(this.#high);
        const between = middle(b, low, high);
        const pivot = fromOrdinal(b, between);
        b.set(count, b.constant(0, b.integer));
        this.#each((value) => this.#countIf(count, b.le(value, pivot)));
        const found = b.get(count);
        const isEnough = b.le(k, found);
        b.set(this.#low, b.select(isEnough, low, between));
        b.set(this.#high, b.select(isEnough, between, high));
        const held = b.select(isEnough, found, b.get(this.held));
        b.set(this.held, held);
        // nothing lies between any more: only ties are left
        const isOver = b.maskOr(b.le(held, most), b.eq(between, low));
        b.set(isDone, b.maskOr(b.get(isDone), isOver));
      });
    });
    return fromOrdinal(b, b.get(this.#high));
  }
}
