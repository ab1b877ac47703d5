// The K smallest for larger K. A column that beats a row's threshold is only appended to the row's
// candidates, in order of the columns, at the row's own place; sorting is left for the end. When
// candidates are many, a threshold that leaves K of them or a few more is found by bisection, and
// the others are dropped: the threshold falls, and the next time is about twice as many columns
// away. Random columns cost K log₂(N / K) appends of constant cost, falling ones one each;
// insertion into a sorted list takes K steps for each. Where the target surveys groups of columns
// first, the threshold is there before the first append, whatever the order, and about K groups are
// folded at all.

import { PairfoldError } from "../error.ts";
import { type Builder, type LocalArray, type Place, place, type Value } from "../loop/mod.ts";
import { Bisection } from "./bisection.ts";
import { networkLength, sortByNetwork } from "./network.ts";
import {
  BLOCK_LENGTH,
  type EachComponent,
  type Emit,
  Field,
  type Folding,
  type FoldOptions,
  sameKind,
  type Surveying,
} from "./reduction.ts";
import { type Result, SortedList } from "./sorted.ts";
import { mostOf, SmallestSurvey } from "./survey.ts";

/** The one component of a scalar field. */
const ONLY = place(0);

/** Values that are ranked against all others at a time. */
const RANKED = 6;
/** Candidates per K that are ranked: it costs their square, and narrowing more than it saves. */
const RANKED_PART = 1.6;

/**
 * Largest K whose candidates are ranked, in less code than a network. Beyond, lists are sorted in
 * 0.35 of the time at K = 128, 0.2 at 256, 0.08 at 800; ties, of which ranking makes insertions,
 * took no longer (Intel Xeon, AVX-512, Deno 2.9.6, 2026-11-23).
 */
const RANKED_K = 128;

/** The candidates of one component of one row: a superset of its K smallest so far. */
class Candidates {
  readonly #k: number;
  /** Most that narrowing leaves. */
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
  readonly threshold: Field;
  readonly fields: readonly Field[];

  constructor(b: Builder, k: number, name: number) {
    this.#k = k;
    this.#most = mostOf(k);
    // room for two narrowed sets, and for a block after the last look at the size
    this.#capacity = 2 * this.#most + BLOCK_LENGTH;
    this.#ranked = Math.ceil(RANKED_PART * k);
    this.#values = new Field(b, `values${name}`, this.#capacity, b.float, true);
    this.#indices = new Field(b, `indices${name}`, this.#capacity, b.integer, true);
    this.#size = new Field(b, `size${name}`, 1, b.integer, true);
    this.threshold = new Field(b, `threshold${name}`, 1, b.float);
    this.fields = [this.#values, this.#indices, this.#size, this.threshold];
  }

  init(b: Builder): void {
    b.for(this.#capacity, (counter) => {
      this.#values.set(b, place(0, counter), b.constant(NaN));
      this.#indices.set(b, place(0, counter), b.constant(-1, b.integer));
    });
    this.#size.set(b, ONLY, b.constant(0, b.integer));
    this.threshold.set(b, ONLY, b.constant(NaN));
  }

  /** Appends the value of a later column wherever it may be among the K smallest, perhaps NaN. */
  offer(b: Builder, value: Value, index: Value): void {
    this.#append(b, b.le(this.threshold.get(b, ONLY), value), value, index, true);
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
    this.threshold.set(b, ONLY, b.select(isEnough, pivot, this.threshold.get(b, ONLY)));
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
      const threshold = this.threshold.get(b, ONLY);
      const unless = b.maskOr(b.le(threshold, value), b.maskNot(b.eq(value, value)));
      this.#append(b, unless, value, later.#indices.get(b, at));
    });
  }

  /** The K smallest, sorted. */
  sorted(b: Builder, name: number): SortedList {
    return this.#k > RANKED_K ? this.#sortedInPlace(b, name) : this.#sortedByRank(b, name);
  }

  #sortedInPlace(b: Builder, name: number): SortedList {
    this.#narrowFrom(b, this.#most);
    const [values, indices] = [this.#values, this.#indices];
    sortByNetwork(b, values, indices, networkLength(this.#most));
    return new SortedList(b, this.#k, name, { values, indices });
  }

  /** Each candidate goes to the place that the number of smaller ones tells. */
  #sortedByRank(b: Builder, name: number): SortedList {
    this.#narrowFrom(b, this.#ranked);
    const list = new SortedList(b, this.#k, name, SortedList.fields(b, name, this.#ranked + 1));
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

/** The K smallest of each component, kept as candidates. */
export class CandidatesFolding implements Folding {
  readonly #results: readonly Result[];
  readonly #components: readonly Candidates[];
  readonly survey: Surveying | null;

  constructor(
    b: Builder,
    dim: number,
    { k, keys }: FoldOptions,
    results: readonly Result[],
  ) {
    this.#results = results;
    this.#components = Array.from({ length: dim }, (_, d) => new Candidates(b, k, d));
    this.survey = dim === 1 ? SmallestSurvey.of(b, k, this.#components[0].threshold, keys) : null;
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
