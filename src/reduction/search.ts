// The search for an extremum: a pass without a branch keeps the best value of all columns, and
// counts the groups of columns since it got better. What it costs does not depend on the columns'
// order.
// Enters: the fields with the best so far and its column. Leaves: the search's steps.

import { type Builder, type Cell, place, type Value } from "../loop/mod.ts";
import type { EachComponent, Field, Searching } from "./reduction.ts";

/** The one component of a scalar field. */
const ONLY = place(0);

/**
 * Tells the best value, and in which group of columns the first of its equals stands: the count
 * begins anew where the best is better than before the group.
 */
export class ExtremumSearch implements Searching {
  readonly ofGroup: Cell;
  readonly age: Cell;
  /** The best of all columns so far, or of the state. */
  readonly #found: Cell;
  /** The value whose column is looked for; NaN where none is. */
  readonly #wanted: Cell;
  readonly #sign: "min" | "max";
  readonly #best: Field;
  readonly #winner: Field | null;

  constructor(b: Builder, sign: "min" | "max", best: Field, winner: Field | null) {
    this.#sign = sign;
    this.#best = best;
    this.#winner = winner;
    this.ofGroup = b.cell("ofGroup");
    this.age = b.cell("age", b.integer);
    this.#found = b.cell("found");
    this.#wanted = b.cell("wanted");
  }

  #neutral(b: Builder): Value {
    return b.constant(this.#sign === "min" ? Infinity : -Infinity);
  }
  #isBetter(b: Builder, value: Value, than: Value): Value {
    return this.#sign === "min" ? b.lt(value, than) : b.lt(than, value);
  }

  #better(b: Builder, first: Value, second: Value): Value {
    return this.#sign === "min" ? b.pmin(first, second) : b.pmax(first, second);
  }

  start(b: Builder): void {
    const best = this.#best.get(b, ONLY);
    b.set(this.#found, b.select(b.eq(best, best), best, this.#neutral(b)));
    b.set(this.age, b.constant(0, b.integer));
  }
  // what a group begins with does not wait for the groups before it
  begin(b: Builder): void {
    b.set(this.ofGroup, this.#neutral(b));
  }
  meet(b: Builder, each: EachComponent): void {
    each((_at, value) => b.set(this.ofGroup, this.#better(b, b.get(this.ofGroup), value)));
  }
  end(b: Builder): void {
    const found = b.get(this.#found);
    const ofGroup = b.get(this.ofGroup);
    const isSame = this.#sign === "min" ? b.le(found, ofGroup) : b.le(ofGroup, found);
    const older = b.add(b.get(this.age), b.constant(1, b.integer));
    b.set(this.age, b.and(b.holds(isSame), older));
    b.set(this.#found, this.#better(b, found, ofGroup));
  }
  settle(b: Builder): void {
    const found = b.get(this.#found);
    const best = this.#best.get(b, ONLY);
    const isFirst = b.maskAnd(
      b.maskNot(b.eq(best, best)),
      this.#isBetter(b, found, this.#neutral(b)),
    );
    const takes = b.maskOr(this.#isBetter(b, found, best), isFirst);
    this.#best.set(b, ONLY, b.select(takes, found, best));
    b.set(this.#wanted, b.select(takes, found, b.constant(NaN)));
  }
  get take(): Searching["take"] {
    const winner = this.#winner;
    if (winner === null) return null;
    return (b, each) =>
      each((_at, value) => {
        const isIt = b.eq(value, b.get(this.#wanted));
        winner.set(b, ONLY, b.select(isIt, b.index("column"), winner.get(b, ONLY)));
      });
  }
  /** Where all columns are NaN or as bad as can be, nothing is better. */
  misses(b: Builder): Value {
    const best = this.#best.get(b, ONLY);
    return b.maskNot(b.eq(best, best));
  }
}
