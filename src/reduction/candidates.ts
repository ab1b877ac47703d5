// The K smallest for larger K. A column that beats a row's threshold is only appended to the row's
// candidates, in order of the columns, at the row's own place; sorting is left for the end. When
// candidates are many, a threshold that leaves K of them or a few more is found by bisection, and the
// others are dropped: the threshold falls, and the next time is about twice as many columns away.
// Random columns cost K log₂(N / K) appends of constant cost, falling ones one each; insertion into a
// sorted list takes K steps for each. Where the target surveys groups of columns first, the threshold is
// there before the first append, whatever the order, and about K groups are folded at all.

import { PairfoldError } from "../error.ts";
import {
  type Builder,
  type Cell,
  type LocalArray,
  type Place,
  place,
  type Value,
} from "../loop/mod.ts";
import {
  BLOCK_LENGTH,
  type EachComponent,
  type Emit,
  Field,
  type Folding,
  sameKind,
  type Surveying,
} from "./reduction.ts";
import { type Result, SortedList } from "./sorted.ts";

/** Bits of a float's pattern: bisection over them ends after so many steps. */
const BITS = { f32: 32, f64: 64 } as const;

/** A float's pattern as an integer in the order of the floats; −0 and 0 are the same. */
function ordinal(b: Builder, x: Value): Value {
  return flip(b, b.bits(x));
}

/** The float of an ordinal. */
function fromOrdinal(b: Builder, n: Value): Value {
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

/** The one component of a scalar field. */
const ONLY = place(0);

/** Values that are ranked against all others at a time. */
const RANKED = 6;
/** Candidates per K that are ranked: it costs their square, and narrowing more than it saves. */
const RANKED_PART = 1.6;

/** Groups of columns that are looked at together. */
const SURVEYED = 4096;
/** Groups of a span, where K allows: then one test in four is made, and one in twenty groups is folded. */
const SPAN = 4;
/** How many times K minima are enough to know the K-th closely: few of the K share a span. */
const OVERSAMPLING = 4;

/**
 * Tells from the smallest values of spans and groups which of them hold candidates. The K-th smallest
 * of some minima is no less than the K-th smallest of all values, and hardly more where they are many.
 */
class CandidatesSurvey implements Surveying {
  readonly span: number;
  readonly spans: number;
  readonly least: number;
  readonly ofGroups: LocalArray;
  readonly ofSpans: LocalArray;
  readonly smallest: Cell;
  readonly smallestOfSpan: Cell;
  readonly #k: number;
  readonly #candidates: Candidates;

  private constructor(b: Builder, k: number, candidates: Candidates) {
    this.#k = k;
    this.#candidates = candidates;
    const most = 2 ** Math.floor(Math.log2(SURVEYED / (OVERSAMPLING * k)));
    this.span = Math.max(1, Math.min(SPAN, most));
    this.spans = SURVEYED / this.span;
    this.least = Math.ceil(1.25 * k);
    this.ofGroups = b.array("ofGroups", SURVEYED, b.float);
    this.ofSpans = b.array("ofSpans", this.spans, b.float);
    this.smallest = b.cell("smallest");
    this.smallestOfSpan = b.cell("smallestOfSpan");
  }

  /** Null where the groups are too few for K of them. */
  static of(b: Builder, k: number, candidates: Candidates): CandidatesSurvey | null {
    return 2 * k > SURVEYED ? null : new CandidatesSurvey(b, k, candidates);
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
    return b.le(this.#candidates.threshold(b), b.get(this.smallest));
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
        b.le(this.#candidates.threshold(b), value),
        b.le(b.constant(Infinity), value),
      );
      const memory = { kind: "array", array: some } as const;
      b.store(memory, place(0, counter), b.select(isOut, b.constant(NaN), value));
    });
    this.#candidates.lowerBy(b, (body) => {
      b.for(count, (counter) => body(b.fetch(some, place(0, counter))));
    });
  }
}

/** The candidates of one component of one row: a superset of its K smallest so far. */
class Candidates {
  readonly #k: number;
  /** Most that narrowing leaves: a window from K on, so that bisection ends early. */
  readonly #most: number;
  readonly #capacity: number;
  /** Most that are sorted without narrowing them first: a survey's bound rarely lets more in. */
  readonly #ranked: number;
  /** In the order of the columns; NaN beyond the last. */
  readonly #values: Field;
  readonly #indices: Field;
  /** How many there are: the place of the next. */
  readonly #size: Field;
  /** What a candidate must beat; NaN while everything may be among the K smallest. */
  readonly #threshold: Field;
  readonly fields: readonly Field[];

  constructor(b: Builder, k: number, name: number) {
    this.#k = k;
    this.#most = k + (k >> 2);
    // room for two narrowed sets, and for a block after the last look at the size
    this.#capacity = 2 * this.#most + BLOCK_LENGTH;
    this.#ranked = Math.ceil(RANKED_PART * k);
    this.#values = new Field(b, `values${name}`, this.#capacity, b.float, true);
    this.#indices = new Field(b, `indices${name}`, this.#capacity, b.integer, true);
    this.#size = new Field(b, `size${name}`, 1, b.integer, true);
    this.#threshold = new Field(b, `threshold${name}`, 1, b.float);
    this.fields = [this.#values, this.#indices, this.#size, this.#threshold];
  }

  init(b: Builder): void {
    b.for(this.#capacity, (counter) => {
      this.#values.set(b, place(0, counter), b.constant(NaN));
      this.#indices.set(b, place(0, counter), b.constant(-1, b.integer));
    });
    this.#size.set(b, ONLY, b.constant(0, b.integer));
    this.#threshold.set(b, ONLY, b.constant(NaN));
  }

  threshold(b: Builder): Value {
    return this.#threshold.get(b, ONLY);
  }

  /** Lowers the threshold to just above the K-th smallest or a later one of a list of values. */
  lowerBy(b: Builder, each: (body: (value: Value) => void) => void): void {
    const [k, most] = [this.#k, this.#most].map((n) => b.constant(n, b.integer));
    const pivots = new Bisection(b, each);
    const isEnough = b.le(k, b.get(pivots.held));
    const pivot = pivots.run(k, most);
    // the values are still to come: those that equal the pivot must pass
    const above = fromOrdinal(b, b.add(ordinal(b, pivot), b.constant(1, b.integer)));
    this.#threshold.set(b, ONLY, b.select(isEnough, above, this.threshold(b)));
  }

  /** Appends the value of a later column wherever it may be among the K smallest, perhaps NaN. */
  offer(b: Builder, value: Value, index: Value): void {
    this.#append(b, b.le(this.#threshold.get(b, ONLY), value), value, index, true);
  }

  #append(b: Builder, unless: Value, value: Value, index: Value, skipsNaN = false): void {
    const parts = [
      { array: arrayOf(this.#values), value },
      { array: arrayOf(this.#indices), value: index },
    ];
    b.append(unless, arrayOf(this.#size), parts, skipsNaN);
  }

  #eachPlace(b: Builder, count: number, body: (value: Value, at: Place) => void): void {
    b.for(count, (counter) => {
      const at = place(0, counter);
      body(this.#values.get(b, at), at);
    });
  }

  /** Narrows where there may not be room for another block. */
  close(b: Builder): void {
    this.#narrowFrom(b, 2 * this.#most);
  }

  #narrowFrom(b: Builder, size: number): void {
    const isRoomy = b.le(this.#size.get(b, ONLY), b.constant(size, b.integer));
    b.when("notAll", isRoomy, () => this.#narrow(b));
  }

  /** Drops all but K to `most` candidates, and lowers the threshold to the largest that is left. */
  #narrow(b: Builder): void {
    const [k, most] = [this.#k, this.#most].map((n) => b.constant(n, b.integer));
    const pivots = new Bisection(b, (body) => this.#eachPlace(b, this.#capacity, body));
    const all = b.get(pivots.held);
    const pivot = pivots.run(k, most);
    this.#dropTies(b, pivot, b.get(pivots.held), most);
    const isEnough = b.le(k, all);
    this.#threshold.set(b, ONLY, b.select(isEnough, pivot, this.threshold(b)));
    // what stays moves forward, in order; what does not is overwritten by the next, or by NaN
    const nothing = b.constant(NaN);
    const kept = b.cell("kept", b.integer);
    b.set(kept, b.constant(0, b.integer));
    this.#eachPlace(b, this.#capacity, (value, at) => {
      const index = this.#indices.get(b, at);
      this.#values.set(b, at, nothing);
      const before = b.get(kept);
      b.scatter(before, [
        { array: arrayOf(this.#values), value },
        { array: arrayOf(this.#indices), value: index },
      ]);
      b.set(kept, b.sub(before, b.holds(b.le(value, pivot))));
    });
    const after = b.get(kept);
    b.scatter(after, [{ array: arrayOf(this.#values), value: nothing }]);
    this.#size.set(b, ONLY, after);
  }

  /** Where too many equal the pivot, keeps the first of them. */
  #dropTies(b: Builder, pivot: Value, held: Value, most: Value): void {
    b.when("any", b.lt(most, held), () => {
      const room = b.cell("room", b.integer);
      b.set(room, most);
      this.#eachPlace(b, this.#capacity, (value) => {
        b.set(room, b.add(b.get(room), b.holds(b.lt(value, pivot))));
      });
      this.#eachPlace(b, this.#capacity, (value, at) => {
        const isTie = b.eq(value, pivot);
        const left = b.get(room);
        const drops = b.maskAnd(isTie, b.le(left, b.constant(0, b.integer)));
        this.#values.set(b, at, b.select(drops, b.constant(NaN), value));
        b.set(room, b.add(left, b.holds(isTie)));
      });
    });
  }

  /** Takes in the candidates of later columns. */
  combine(b: Builder, later: Candidates): void {
    this.#narrowFrom(b, this.#most);
    later.#narrowFrom(b, this.#most);
    later.#eachPlace(b, this.#capacity, (value, at) => {
      const threshold = this.#threshold.get(b, ONLY);
      const unless = b.maskOr(b.le(threshold, value), b.maskNot(b.eq(value, value)));
      this.#append(b, unless, value, later.#indices.get(b, at));
    });
  }

  /** The K smallest, sorted: each goes to the place that the number of smaller ones tells. */
  sorted(b: Builder, name: number): SortedList {
    this.#narrowFrom(b, this.#ranked);
    const list = new SortedList(b, this.#k, name, this.#ranked + 1);
    list.init(b);
    const nowhere = b.constant(this.#ranked, b.integer);
    const stride = Math.ceil(this.#ranked / RANKED);
    const numbers = b.cell("numbers", b.integer);
    const placed = b.cell("placed", b.integer);
    for (const cell of [numbers, placed]) b.set(cell, b.constant(0, b.integer));
    b.for(stride, (counter) => {
      const places = Array.from({ length: RANKED }, (_, n) => place(n * stride, counter));
      const values = places.map((at) => this.#values.get(b, at));
      const ranks = places.map((_, n) => b.cell(`rank${n}`, b.integer));
      for (const rank of ranks) b.set(rank, b.constant(0, b.integer));
      this.#eachPlace(b, RANKED * stride, (other) => {
        ranks.forEach((rank, n) => {
          b.set(rank, b.sub(b.get(rank), b.holds(b.lt(other, values[n]))));
        });
      });
      values.forEach((value, n) => {
        const isNumber = b.eq(value, value);
        const rank = b.select(isNumber, b.get(ranks[n]), nowhere);
        const index = this.#indices.get(b, places[n]);
        b.scatter(rank, [
          { array: arrayOf(list.values), value },
          { array: arrayOf(list.indices), value: index },
        ]);
        b.set(numbers, b.sub(b.get(numbers), b.holds(isNumber)));
      });
    });
    // equal values went to one place: then one after another
    b.for(this.#ranked, (counter) => {
      const value = list.values.get(b, place(0, counter));
      b.set(placed, b.sub(b.get(placed), b.holds(b.eq(value, value))));
    });
    b.when("notAll", b.eq(b.get(numbers), b.get(placed)), () => {
      list.init(b);
      this.#eachPlace(b, this.#ranked, (value, at) => {
        list.insert(b, value, this.#indices.get(b, at));
      });
    });
    return list;
  }
}

function arrayOf(field: Field): LocalArray {
  if (field.array === null) throw new PairfoldError("internal", "candidates are no array");
  return field.array;
}

/** Finds a number between the K-th and a later one of a list, lane by lane. */
class Bisection {
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

/** The K smallest of each component, kept as candidates. */
export class CandidatesFolding implements Folding {
  readonly #results: readonly Result[];
  readonly #components: readonly Candidates[];
  readonly survey: Surveying | null;

  constructor(b: Builder, dim: number, k: number, results: readonly Result[]) {
    this.#results = results;
    this.#components = Array.from({ length: dim }, (_, d) => new Candidates(b, k, d));
    this.survey = dim === 1 ? CandidatesSurvey.of(b, k, this.#components[0]) : null;
  }
  get fields(): readonly Field[] {
    return this.#components.flatMap((c) => [...c.fields]);
  }
  init(b: Builder): void {
    for (const component of this.#components) component.init(b);
  }
  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => this.#components[at.offset].offer(b, value, b.index("column")));
  }
  readonly close = (b: Builder): void => {
    for (const component of this.#components) component.close(b);
  };
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(CandidatesFolding, incoming);
    this.#components.forEach((c, d) => c.combine(b, later.#components[d]));
  }
  finish(b: Builder, emit: Emit): void {
    const dim = this.#components.length;
    this.#components.forEach((c, d) => {
      c.sorted(b, d).finish(b, emit, this.#results, d, dim);
    });
  }
}
