// Sorted lists of K values with their indices, and how one more value gets into one.

import { type Builder, type Place, place, type Value } from "../loop/mod.ts";
import { type Emit, Field, UNROLL_LIMIT } from "./reduction.ts";

/** Which result goes to which output. */
export type Result = "value" | "index";

/** Where a list's values and indices stand. */
export interface ListFields {
  readonly values: Field;
  readonly indices: Field;
}

/** K values, smallest first, ties by the order in which they came; unset places are NaN at −1. */
export class SortedList {
  readonly #k: number;
  readonly values: Field;
  readonly indices: Field;

  /** The first K places of some fields are the list. */
  constructor(b: Builder, k: number, name: number, fields = SortedList.fields(b, name, k)) {
    this.#k = k;
    this.values = fields.values;
    this.indices = fields.indices;
  }

  /** New fields of so many places. */
  static fields(b: Builder, name: number, length: number): ListFields {
    return {
      values: new Field(b, `values${name}`, length, b.float, true),
      indices: new Field(b, `indices${name}`, length, b.integer, true),
    };
  }

  init(b: Builder): void {
    b.for(this.values.dim, (counter) => {
      this.values.set(b, place(0, counter), b.constant(NaN));
      this.indices.set(b, place(0, counter), b.constant(-1, b.integer));
    });
  }

  /** The K-th value; NaN while there is none. */
  last(b: Builder): Value {
    return this.values.get(b, place(this.#k - 1));
  }

  /** Puts a value in its place and pushes the others down, the last one out; NaN stays out. */
  insert(b: Builder, value: Value, index: Value): void {
    const carried = b.cell("carried");
    const carriedIndex = b.cell("carriedIndex", b.integer);
    b.set(carried, value);
    b.set(carriedIndex, index);
    const isNaN = b.maskNot(b.eq(value, value));
    b.for(this.#k, (counter) => {
      const at = place(0, counter);
      const x = b.get(carried);
      const xi = b.get(carriedIndex);
      const there = this.values.get(b, at);
      const thereIndex = this.indices.get(b, at);
      // against the new value, not the carried one: what is pushed down stays before its equals;
      // an unset place stands behind everything
      const stays = b.maskOr(b.le(there, value), isNaN);
      this.values.set(b, at, b.select(stays, there, x));
      this.indices.set(b, at, b.select(stays, thereIndex, xi));
      b.set(carried, b.select(stays, x, there));
      b.set(carriedIndex, b.select(stays, xi, thereIndex));
    });
  }

  /**
   * Emits the list as component d of lists of vectors. An unset place: no candidate was left (+∞ at
   * −1), or only NaN was (NaN at −1).
   */
  finish(b: Builder, emit: Emit, results: readonly Result[], d: number, dim: number): void {
    const put = (missing: Value, at: Place, to: Place): void => {
      const value = this.values.get(b, at);
      const index = this.indices.get(b, at);
      results.forEach((result, output) => {
        const infinite = b.constant(Infinity);
        emit(output, to, result === "index" ? index : b.select(missing, infinite, value));
      });
    };
    if (dim > 1 || this.#k <= UNROLL_LIMIT) {
      for (let k = 0; k < this.#k; k++) {
        put(b.le(b.count(), b.constant(k, b.integer)), place(k), place(k * dim + d));
      }
      return;
    }
    const done = b.cell("done", b.integer);
    b.set(done, b.constant(0, b.integer));
    b.for(this.#k, (counter) => {
      const k = b.get(done);
      put(b.le(b.count(), k), place(0, counter), place(0, counter));
      b.set(done, b.add(k, b.constant(1, b.integer)));
    });
  }
}
