// The survey of the K smallest: the smallest values of groups of columns, and of spans of groups,
// give a bound before the first column is folded, whatever their order, and tell which groups to
// fold at all: about K. Enters: K, and the field that holds what a value must beat. Leaves: the
// survey's steps.

import { type Builder, type Cell, type LocalArray, place, type Value } from "../loop/mod.ts";
import { Bisection, fromOrdinal, ordinal } from "./bisection.ts";
import type { EachComponent, Field, Surveying } from "./reduction.ts";

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
/** How many times K minima are enough to know the K-th closely: few of the K share a span. */
const OVERSAMPLING = 4;

/** Most numbers that a pivot may hold, K or a few more: a window, so that bisection ends early. */
export function mostOf(k: number): number {
  return k + (k >> 2);
}

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
  readonly #k: number;
  /** What a value must beat to be among the K smallest; NaN while any may be. */
  readonly #threshold: Field;

  private constructor(b: Builder, k: number, threshold: Field) {
    this.#k = k;
    this.#threshold = threshold;
    const most = 2 ** Math.floor(Math.log2(SURVEYED / (OVERSAMPLING * k)));
    this.span = Math.max(1, Math.min(SPAN, most));
    this.spans = SURVEYED / this.span;
    this.least = Math.ceil(Math.max(1.25 * k, SAVING / k));
    this.ofGroups = b.array("ofGroups", SURVEYED, b.float);
    this.ofSpans = b.array("ofSpans", this.spans, b.float);
    this.smallest = b.cell("smallest");
    this.smallestOfSpan = b.cell("smallestOfSpan");
  }

  /** Null where the groups are too few for K of them. */
  static of(b: Builder, k: number, threshold: Field): SmallestSurvey | null {
    return 2 * k > SURVEYED ? null : new SmallestSurvey(b, k, threshold);
  }

  beginSpan(b: Builder): void {
    b.set(this.smallestOfSpan, b.constant(Infinity));
  }
  begin(b: Builder): void {
    b.set(this.smallest, b.constant(Infinity));
  }
  meet(b: Builder, each: EachComponent): void {
    each((_at, value) => b.set(this.smallest, b.pmin(b.get(this.smallest), value)));
  }
  end(b: Builder): void {
    b.set(this.smallestOfSpan, b.pmin(b.get(this.smallestOfSpan), b.get(this.smallest)));
  }
  skips(b: Builder): Value {
    return b.le(this.#threshold.get(b, ONLY), b.get(this.smallest));
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
      const value = parts.reduce((least, part) => b.pmin(least, part));
      const isOut = b.maskOr(
        b.le(this.#threshold.get(b, ONLY), value),
        b.le(b.constant(Infinity), value),
      );
      const memory = { kind: "array", array: some } as const;
      b.store(memory, place(0, counter), b.select(isOut, b.constant(NaN), value));
    });
    this.#lowerBy(b, (body) => {
      b.for(count, (counter) => body(b.fetch(some, place(0, counter))));
    });
  }

  /** Lowers the threshold to just above the K-th smallest or a later one of a list of values. */
  #lowerBy(b: Builder, each: (body: (value: Value) => void) => void): void {
    const [k, most] = [this.#k, mostOf(this.#k)].map((n) => b.constant(n, b.integer));
    const pivots = new Bisection(b, each);
    const isEnough = b.le(k, b.get(pivots.held));
    const pivot = pivots.run(k, most);
    // the values are still to come: those that equal the pivot must pass
    const above = fromOrdinal(b, b.add(ordinal(b, pivot), b.constant(1, b.integer)));
    this.#threshold.set(b, ONLY, b.select(isEnough, above, this.#threshold.get(b, ONLY)));
  }
}
