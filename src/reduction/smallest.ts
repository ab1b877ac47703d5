// The K smallest values with their indices, sorted. A sorted array per row stands behind one test,
// "does any row's value beat its worst?"; an insertion bubbles the value down. NaN never enters;
// unset places are NaN with index −1, and come out as +∞ where the axis was too short.

import { build, type Node } from "../formula/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Builder, type Place, place, type Value } from "../loop/mod.ts";
import { ExtremumFolding, type Result } from "./extremum.ts";
import {
  type EachComponent,
  type Emit,
  Field,
  type Folding,
  type FoldOptions,
  type JvpContext,
  perComponent,
  type Reduction,
  sameKind,
  UNROLL_LIMIT,
  type VjpContext,
} from "./reduction.ts";

class SmallestFolding implements Folding {
  readonly #k: number;
  readonly #results: readonly Result[];
  readonly #dim: number;
  readonly #values: readonly Field[];
  readonly #indices: readonly Field[];
  readonly #worst: Field;
  readonly close = null;

  constructor(b: Builder, dim: number, options: FoldOptions, results: readonly Result[]) {
    if (dim > UNROLL_LIMIT) {
      throw new PairfoldError(
        "dim",
        `kMin: got a formula of dim ${dim}; expected at most ${UNROLL_LIMIT}`,
      );
    }
    this.#k = options.k;
    this.#dim = dim;
    this.#results = results;
    const lists = (name: string, type: "float" | "integer"): Field[] =>
      Array.from({ length: dim }, (_, d) => new Field(b, `${name}${d}`, this.#k, b[type], true));
    this.#values = lists("values", "float");
    this.#indices = lists("indices", "integer");
    this.#worst = new Field(b, "worst", dim, b.float);
  }
  get fields(): readonly Field[] {
    return [...this.#values, ...this.#indices, this.#worst];
  }
  init(b: Builder): void {
    for (const field of [...this.#values, this.#worst]) {
      this.#eachPlace(b, field, (at) => field.set(b, at, b.constant(NaN)));
    }
    for (const field of this.#indices) {
      this.#eachPlace(b, field, (at) => field.set(b, at, b.constant(-1, b.integer)));
    }
  }

  #eachPlace(b: Builder, field: Field, body: (at: Place) => void): void {
    if (field === this.#worst) { for (let d = 0; d < this.#dim; d++) body(place(d)); }
    else b.for(this.#k, (counter) => body(place(0, counter)));
  }

  /** Puts a value into a list and pushes the others down, the last one out. */
  #insert(b: Builder, d: number, value: Value, index: Value): void {
    const carried = b.cell("carried");
    const carriedIndex = b.cell("carriedIndex", b.integer);
    b.set(carried, value);
    b.set(carriedIndex, index);
    b.for(this.#k, (counter) => {
      const at = place(0, counter);
      const x = b.get(carried);
      const there = this.#values[d].get(b, at);
      const unset = b.maskNot(b.eq(there, there));
      // against the new value, not the carried one: what is pushed down stays before its equals
      const before = b.maskOr(b.lt(value, there), b.maskAnd(unset, b.eq(value, value)));
      const xi = b.get(carriedIndex);
      const thereIndex = this.#indices[d].get(b, at);
      this.#values[d].set(b, at, b.select(before, x, there));
      this.#indices[d].set(b, at, b.select(before, xi, thereIndex));
      b.set(carried, b.select(before, there, x));
      b.set(carriedIndex, b.select(before, thereIndex, xi));
    });
    this.#worst.set(b, place(d), this.#values[d].get(b, place(this.#k - 1)));
  }

  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => {
      const keeps = b.le(this.#worst.get(b, at), value);
      b.when("notAll", keeps, () => this.#insert(b, at.offset, value, b.index("column")));
    });
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(SmallestFolding, incoming);
    for (let d = 0; d < this.#dim; d++) {
      b.for(this.#k, (counter) => {
        const at = place(0, counter);
        this.#insert(b, d, later.#values[d].get(b, at), later.#indices[d].get(b, at));
      });
    }
  }
  finish(b: Builder, emit: Emit): void {
    // an unset place: no candidate was left (+∞), or only NaN was (NaN)
    for (let k = 0; k < this.#k; k++) {
      const missing = b.le(b.count(), b.constant(k, b.integer));
      for (let d = 0; d < this.#dim; d++) {
        const out = place(k * this.#dim + d);
        this.#results.forEach((result, output) => {
          if (result === "index") {
            emit(output, out, this.#indices[d].get(b, place(k)));
            return;
          }
          const value = this.#values[d].get(b, place(k));
          emit(output, out, b.select(missing, b.constant(Infinity), value));
        });
      }
    }
  }
}

/** Σ_k of the cotangent's k-th part where the pair is the k-th smallest. */
function toWinners({ cotangent, foldedIndex, formula, k, result }: VjpContext): Node {
  const { dim } = formula;
  const isWinner = build.eq(foldedIndex, result("argKMin"));
  const parts = build.where(isWinner, cotangent, build.constant(0));
  if (dim === 1) return build.sum(parts);
  const lists = Array.from({ length: k }, (_, n) => build.extract(parts, n * dim, dim));
  return lists.reduce((total, list) => build.add(total, list));
}

/** The tangent of F at the winners: a list of K in its place. */
function fromWinners({ tangent, foldedIndex, formula, k, result }: JvpContext): Node {
  const isWinner = build.eq(foldedIndex, result("argKMin"));
  const repeated = formula.dim === 1 || k === 1
    ? tangent
    : build.concat(...Array<Node>(k).fill(tangent));
  return build.where(isWinner, repeated, build.constant(0));
}

function smallest(results: readonly Result[]): Reduction {
  return {
    ...perComponent,
    meaning: `${results.join(" and ")} of the K smallest F, sorted; NaN never enters, ties go to ` +
      "the lower index; a missing neighbour is +∞ at −1",
    outputs: results.map((result) => result === "value" ? "float" : "index"),
    isList: true,
    outputDim: (dim, _weightDim, k) => dim * k,
    fold: (b, dim, options) =>
      options.k === 1
        ? new ExtremumFolding(b, dim, "min", results)
        : new SmallestFolding(b, dim, options, results),
    derivatives: results[0] === "index" ? null : {
      vjp: (context) => ({ formula: toWinners(context), weight: null }),
      jvp: fromWinners,
    },
  };
}

export const kMin = smallest(["value"]);
export const argKMin = smallest(["index"]);
export const kMinArgKMin = smallest(["value", "index"]);
