// The survey of the K smallest: the smallest values of groups of columns, and of spans of groups,
// give a bound before the first column is folded, whatever their order, and tell which groups to
// fold at all: about K. Where values have keys, integers that cost less and bound them, the smallest
// keys do, and a few groups more are folded (Weber, Schek and Blott 1998: VA-files). Enters: K, the
// field that holds what a value must beat, keys. Leaves: the survey's steps.

import { type Builder, type Cell, type LocalArray, place, type Value } from "../loop/mod.ts";
import { Bisection, fromOrdinal, ordinal } from "./bisection.ts";
import type { EachComponent, Field, Keys, Surveying } from "./reduction.ts";

/** The one component of a scalar field. */
const ONLY = place(0);

/** Groups of columns that are looked at together. */
const SURVEYED = 4096;
/**
 * Groups of a span, where K allows: then one test in four is made, and one in twenty groups is
 * folded.
 */
const SPAN = 4;
/**
 * Spans from which on a survey saves more than the bound costs, times K: few values are little to
 * insert (K = 4: 3200 columns are as fast either way, 10: 1300; Zen 4, Deno 2.9.6, 2026-11-23).
 */
const SAVING = 400;
/** The same where keys are looked at, whatever K: they cost less. */
const KEYED_SPANS = 32;
/** How many times K minima are enough to know the K-th closely: few of the K share a span. */
const OVERSAMPLING = 4;

/** Most numbers that a pivot may hold, K or a few more: a window, so that bisection ends early. */
export function mostOf(k: number): number {
  return k + (k >> 2);
}

/** The key of nothing. */
const NO_KEY = 2 ** 31 - 1;

/**
 * Tells from the smallest values of spans and groups which of them hold any of the K smallest. The
 * K-th smallest of some minima is no less than the K-th smallest of all values, and hardly more
 * where they are many.
 */
export class SmallestSurvey implements Surveying {
  readonly span: number;
  readonly spans: number;
  readonly least: number;
  readonly ofGroups: LocalArray;
  readonly ofSpans: LocalArray;
  readonly smallest: Cell;
  readonly smallestOfSpan: Cell;
  readonly limit: Cell | null;
  readonly #k: number;
  /** What a value must beat to be among the K smallest; NaN while any may be. */
  readonly #threshold: Field;
  readonly #keys: Keys | null;

  private constructor(b: Builder, k: number, threshold: Field, keys: Keys | null) {
    this.#k = k;
    this.#threshold = threshold;
    this.#keys = keys;
    const most = 2 ** Math.floor(Math.log2(SURVEYED / (OVERSAMPLING * k)));
    this.span = Math.max(1, Math.min(SPAN, most));
    this.spans = SURVEYED / this.span;
    const saving = keys === null ? SAVING / k : KEYED_SPANS;
    this.least = Math.ceil(Math.max(1.25 * k, saving));
    const type = keys === null ? b.float : b.integer;
    this.ofGroups = b.array("ofGroups", SURVEYED, type);
    this.ofSpans = b.array("ofSpans", this.spans, type);
    this.smallest = b.cell("smallest", type);
    this.smallestOfSpan = b.cell("smallestOfSpan", type);
    this.limit = keys === null ? null : b.cell("limit");
  }

  /** Null where the groups are too few for K of them. */
  static of(
    b: Builder,
    k: number,
    threshold: Field,
    keys: Keys | null = null,
  ): SmallestSurvey | null {
    return 2 * k > SURVEYED ? null : new SmallestSurvey(b, k, threshold, keys);
  }

  #nothing(b: Builder): Value {
    return this.#keys === null ? b.constant(Infinity) : b.constant(NO_KEY, b.integer);
  }

  beginSpan(b: Builder): void {
    b.set(this.smallestOfSpan, this.#nothing(b));
  }
  begin(b: Builder): void {
    b.set(this.smallest, this.#nothing(b));
  }
  meet(b: Builder, values: EachComponent): void {
    const each = this.#keys?.each ?? values;
    each((_at, value) => b.set(this.smallest, b.pmin(b.get(this.smallest), value)));
  }
  end(b: Builder): void {
    b.set(this.smallestOfSpan, b.pmin(b.get(this.smallestOfSpan), b.get(this.smallest)));
  }
  skips(b: Builder): Value {
    const smallest = b.get(this.smallest);
    return this.limit === null
      ? b.le(this.#threshold.get(b, ONLY), smallest)
      : b.le(b.get(this.limit), b.convert(smallest));
  }

  bound(b: Builder): void {
    // neighbours in the order of the columns are often alike: each of these minima is of strangers
    const enough = 2 ** Math.ceil(Math.log2(OVERSAMPLING * this.#k));
    const count = Math.min(this.spans, enough);
    const some = b.array("some", count, b.float);
    b.for(count, (counter) => {
      const parts = Array.from(
        { length: this.spans / count },
        (_, n) => b.fetch(this.ofSpans, place(n * count, counter)),
      );
      const least = parts.reduce((least, part) => b.pmin(least, part));
      const memory = { kind: "array", array: some } as const;
      const value = this.#keys === null ? least : b.convert(least);
      const isOut = this.#isOut(b, least);
      b.store(memory, place(0, counter), b.select(isOut, b.constant(NaN), value));
    });
    this.#lowerBy(b, (body) => {
      b.for(count, (counter) => body(b.fetch(some, place(0, counter))));
    });
    const { limit } = this;
    if (limit === null || this.#keys === null) return;
    b.set(limit, this.#keys.from(b, this.#threshold.get(b, ONLY)));
  }

  /** Whether a span's smallest value, or key, tells nothing of the threshold. */
  #isOut(b: Builder, least: Value): Value {
    const nothing = b.le(this.#nothing(b), least);
    if (this.#keys !== null) return nothing;
    return b.maskOr(b.le(this.#threshold.get(b, ONLY), least), nothing);
  }

  /** Lowers the threshold to just above the K-th smallest or a later one of a list of values. */
  #lowerBy(b: Builder, each: (body: (value: Value) => void) => void): void {
    const [k, most] = [this.#k, mostOf(this.#k)].map((n) => b.constant(n, b.integer));
    const pivots = new Bisection(b, each);
    const isEnough = b.le(k, b.get(pivots.held));
    const found = pivots.run(k, most);
    const pivot = this.#keys === null ? found : this.#keys.most(b, found);
    // the values are still to come: those that equal the pivot must pass
    const above = fromOrdinal(b, b.add(ordinal(b, pivot), b.constant(1, b.integer)));
    const threshold = this.#threshold.get(b, ONLY);
    // what keys bound may be more than what is known
    const lowers = this.#keys === null
      ? isEnough
      : b.maskAnd(isEnough, b.maskNot(b.le(threshold, above)));
    this.#threshold.set(b, ONLY, b.select(lowers, above, threshold));
  }
}
