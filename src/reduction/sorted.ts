// Sorted lists of K values with their indices, and how one more value gets into one.

import { type Builder, place, type Value } from "../loop/mod.ts";
import { type Emit, Field } from "./reduction.ts";

/** Which result goes to which output. */
export type Result = "value" | "index";

/** K values, smallest first, ties by the order in which they came; unset places are NaN at −1. */
export class SortedList {
  readonly #k: number;
  readonly values: Field;
  readonly indices: Field;

  constructor(b: Builder, k: number, name: number) {
    this.#k = k;
    this.values = new Field(b, `values${name}`, k, b.float, true);
    this.indices = new Field(b, `indices${name}`, k, b.integer, true);
  }

  init(b: Builder): void {
    b.for(this.#k, (counter) => {
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
    for (let k = 0; k < this.#k; k++) {
      const missing = b.le(b.count(), b.constant(k, b.integer));
      const value = this.values.get(b, place(k));
      const index = this.indices.get(b, place(k));
      results.forEach((result, output) => {
        const number = result === "index" ? index : b.select(missing, b.constant(Infinity), value);
        emit(output, place(k * dim + d), number);
      });
    }
  }
}
