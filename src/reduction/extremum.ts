// Minima and maxima with the index of the first winner. NaN never wins; "unset" is a NaN value with
// index −1, so an all-NaN row says so by NaN and −1 on its own.
//
// The inner loop only asks whether any row improves (one comparison, one branch for all rows); the
// update stands behind that branch. On random data a row improves about ln N times. Where the
// target searches groups of columns, there is no branch, and no order of columns is worse.

import { build, type Node } from "../formula/mod.ts";
import type { Builder, Value } from "../loop/mod.ts";
import {
  type DerivativeContext,
  type EachComponent,
  eachComponent,
  type Emit,
  Field,
  type Folding,
  perComponent,
  type Reduction,
  sameKind,
  type Searching,
} from "./reduction.ts";
import { ExtremumSearch } from "./search.ts";
import type { Result } from "./sorted.ts";

export class ExtremumFolding implements Folding {
  readonly #sign: "min" | "max";
  readonly #results: readonly Result[];
  readonly #best: Field;
  readonly #winner: Field | null;
  readonly close = null;
  readonly search: Searching | null;

  constructor(b: Builder, dim: number, sign: "min" | "max", results: readonly Result[]) {
    this.#sign = sign;
    this.#results = results;
    this.#best = new Field(b, "best", dim, b.float);
    this.#winner = results.includes("index") ? new Field(b, "winner", dim, b.integer) : null;
    this.search = dim === 1 ? new ExtremumSearch(b, sign, this.#best, this.#winner) : null;
  }
  get fields(): readonly Field[] {
    return this.#winner === null ? [this.#best] : [this.#best, this.#winner];
  }
  init(b: Builder): void {
    this.#best.fill(b, () => b.constant(NaN));
    this.#winner?.fill(b, () => b.constant(-1, b.integer));
  }

  /** Whether the best is at least as good as a value: false while unset and for NaN. */
  #keeps(b: Builder, best: Value, value: Value): Value {
    return this.#sign === "min" ? b.le(best, value) : b.le(value, best);
  }

  #offer(b: Builder, best: Value, value: Value): Value {
    const better = this.#sign === "min" ? b.lt(value, best) : b.lt(best, value);
    const unset = b.maskNot(b.eq(best, best));
    return b.maskOr(better, b.maskAnd(unset, b.eq(value, value)));
  }

  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => {
      b.unless(this.#keeps(b, this.#best.get(b, at), value), () => {
        const best = this.#best.get(b, at);
        const takes = this.#offer(b, best, value);
        this.#best.set(b, at, b.select(takes, value, best));
        const winner = this.#winner;
        winner?.set(b, at, b.select(takes, b.index("column"), winner.get(b, at)));
      });
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(ExtremumFolding, incoming);
    eachComponent(b, this.#best.dim, (at) => {
      const best = this.#best.get(b, at);
      const value = later.#best.get(b, at);
      const takes = this.#offer(b, best, value);
      this.#best.set(b, at, b.select(takes, value, best));
      const winner = this.#winner;
      if (winner !== null && later.#winner !== null) {
        winner.set(b, at, b.select(takes, later.#winner.get(b, at), winner.get(b, at)));
      }
    });
  }
  finish(b: Builder, emit: Emit): void {
    const neutral = b.constant(this.#sign === "min" ? Infinity : -Infinity);
    const nothing = b.eq(b.count(), b.constant(0, b.integer));
    eachComponent(b, this.#best.dim, (at) => {
      this.#results.forEach((result, output) => {
        if (result === "value") {
          emit(output, at, b.select(nothing, neutral, this.#best.get(b, at)));
        } else if (this.#winner !== null) {
          emit(output, at, this.#winner.get(b, at));
        }
      });
    });
  }
}

function extremum(sign: "min" | "max", results: readonly Result[]): Reduction {
  const neutral = sign === "min" ? "+∞" : "−∞";
  // derivatives go to and come from the winner; indices have none
  const atWinner = ({ foldedIndex, result }: DerivativeContext, there: Node): Node => {
    const winner = result(sign === "min" ? "argMin" : "argMax");
    return build.where(build.eq(foldedIndex, winner), there, build.constant(0));
  };
  return {
    ...perComponent,
    meaning: `${results.join(" and ")} of the ${sign === "min" ? "smallest" : "largest"} F; ` +
      `NaN never wins, ties go to the lower index; ${neutral} and −1 over nothing`,
    outputs: results.map((result) => result === "value" ? "float" : "index"),
    fold: (b, dim) => new ExtremumFolding(b, dim, sign, results),
    derivatives: results[0] === "index" ? null : {
      vjp: (context) => ({ formula: atWinner(context, context.cotangent), weight: null }),
      jvp: (context) => atWinner(context, context.tangent),
    },
  };
}

export const min = extremum("min", ["value"]);
export const max = extremum("max", ["value"]);
export const argMin = extremum("min", ["index"]);
export const argMax = extremum("max", ["index"]);
export const minArgMin = extremum("min", ["value", "index"]);
export const maxArgMax = extremum("max", ["value", "index"]);
