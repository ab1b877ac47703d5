// The K smallest of each component of a long vector: the sorted lists lie side by side, an array of
// components for each place, so that a loop over components meets one list at a time.

import { type Builder, type Place, shifted, type Value } from "../loop/mod.ts";
import {
  type EachComponent,
  eachComponent,
  type Emit,
  Field,
  type Folding,
  sameKind,
} from "./reduction.ts";
import type { Result } from "./sorted.ts";

export class LongVectorsFolding implements Folding {
  readonly #dim: number;
  readonly #results: readonly Result[];
  /** By place: the smallest of all components, the second of all, … */
  readonly #values: readonly Field[];
  readonly #indices: readonly Field[];
  readonly close = null;

  constructor(b: Builder, dim: number, k: number, results: readonly Result[]) {
    this.#dim = dim;
    this.#results = results;
    const fields = (name: string, type: "float" | "integer"): Field[] =>
      Array.from({ length: k }, (_, n) => new Field(b, `${name}${n}`, dim, b[type]));
    this.#values = fields("values", "float");
    this.#indices = fields("indices", "integer");
  }
  get fields(): readonly Field[] {
    return [...this.#values, ...this.#indices];
  }
  init(b: Builder): void {
    for (const field of this.#values) field.fill(b, () => b.constant(NaN));
    for (const field of this.#indices) field.fill(b, () => b.constant(-1, b.integer));
  }

  /** As in a sorted list: what is pushed down stays before its equals, unset places come last. */
  #insert(b: Builder, at: Place, value: Value, index: Value): void {
    const isNaN = b.maskNot(b.eq(value, value));
    let [x, xi] = [value, index];
    this.#values.forEach((values, k) => {
      const there = values.get(b, at);
      const thereIndex = this.#indices[k].get(b, at);
      const stays = b.maskOr(b.le(there, value), isNaN);
      values.set(b, at, b.select(stays, there, x));
      this.#indices[k].set(b, at, b.select(stays, thereIndex, xi));
      [x, xi] = [b.select(stays, x, there), b.select(stays, xi, thereIndex)];
    });
  }

  accumulate(b: Builder, each: EachComponent): void {
    const worst = this.#values[this.#values.length - 1];
    each((at, value) => {
      const keeps = b.le(worst.get(b, at), value);
      b.unless(keeps, () => this.#insert(b, at, value, b.index("column")));
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(LongVectorsFolding, incoming);
    eachComponent(b, this.#dim, (at) => {
      later.#values.forEach((values, k) => {
        this.#insert(b, at, values.get(b, at), later.#indices[k].get(b, at));
      });
    });
  }
  finish(b: Builder, emit: Emit): void {
    this.#values.forEach((values, k) => {
      const missing = b.le(b.count(), b.constant(k, b.integer));
      eachComponent(b, this.#dim, (at) => {
        const to = shifted(at, k * this.#dim);
        const value = b.select(missing, b.constant(Infinity), values.get(b, at));
        const index = this.#indices[k].get(b, at);
        this.#results.forEach((result, output) => {
          emit(output, to, result === "index" ? index : value);
        });
      });
    });
  }
}
