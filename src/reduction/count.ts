// How many columns have F ≠ 0, whether any has, whether all have: an integer per component, exact
// at every length.

import type { Builder } from "../loop/mod.ts";
import {
  type EachComponent,
  eachComponent,
  type Emit,
  Field,
  type Folding,
  perComponent,
  type Reduction,
  sameKind,
} from "./reduction.ts";

/** What is told about the number of columns that hold. */
type Question = "count" | "any" | "all";

class CountFolding implements Folding {
  readonly #question: Question;
  readonly #held: Field;
  readonly close = null;

  constructor(b: Builder, dim: number, question: Question) {
    this.#question = question;
    this.#held = new Field(b, "held", dim, b.integer);
  }
  get fields(): readonly Field[] {
    return [this.#held];
  }
  init(b: Builder): void {
    this.#held.fill(b, () => b.constant(0, b.integer));
  }
  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => {
      const isTrue = b.maskNot(b.eq(value, b.constant(0)));
      this.#held.set(b, at, b.sub(this.#held.get(b, at), b.holds(isTrue)));
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(CountFolding, incoming);
    eachComponent(b, this.#held.dim, (at) => {
      this.#held.set(b, at, b.add(this.#held.get(b, at), later.#held.get(b, at)));
    });
  }
  finish(b: Builder, emit: Emit): void {
    const [no, yes] = [b.constant(0, b.integer), b.constant(1, b.integer)];
    eachComponent(b, this.#held.dim, (at) => {
      const held = this.#held.get(b, at);
      switch (this.#question) {
        case "count":
          return emit(0, at, held);
        case "any":
          return emit(0, at, b.select(b.eq(held, no), no, yes));
        case "all":
          return emit(0, at, b.select(b.eq(held, b.count()), yes, no));
      }
      this.#question satisfies never;
    });
  }
}

function counting(question: Question, meaning: string): Reduction {
  return {
    ...perComponent,
    meaning,
    outputs: ["index"],
    fold: (b, dim) => new CountFolding(b, dim, question),
    derivatives: null,
  };
}

export const count = counting(
  "count",
  "number of columns where F ≠ 0 (NaN differs from 0); 0 over nothing",
);
export const any = counting("any", "1 where F ≠ 0 for some column, else 0; 0 over nothing");
export const all = counting("all", "1 where F ≠ 0 for every column, else 0; 1 over nothing");
