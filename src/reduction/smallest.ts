// The K smallest values with their indices, sorted. For small K a sorted list per row stands behind
// one test, "does any row's value beat its worst?"; an insertion bubbles the value down, and a
// survey may give a bound beforehand. Larger K keep candidates, K = 1 is the minimum. NaN never
// enters; missing neighbours come out as +∞ at −1.

import { build, type Node } from "../formula/mod.ts";
import { type Builder, type Place, place, type Value } from "../loop/mod.ts";
import { CandidatesFolding } from "./candidates.ts";
import { ExtremumFolding } from "./extremum.ts";
import { LongVectorsFolding } from "./long_vectors.ts";
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
  type Surveying,
  UNROLL_LIMIT,
  type VjpContext,
} from "./reduction.ts";
import { type Result, SortedList } from "./sorted.ts";
import { SmallestSurvey } from "./survey.ts";

/**
 * Largest K whose lists are kept sorted: random points cost as much as candidates from 16 to 24 on
 * (Zen 4, Deno 2.9.6, 2026-11-22).
 */
const SORTED_K = 16;
/**
 * Smallest K whose lists are surveyed: fewer values are inserted as fast as their bound is found.
 */
const SURVEYED_K = 4;

class SmallestFolding implements Folding {
  readonly #k: number;
  readonly #results: readonly Result[];
  readonly #lists: readonly SortedList[];
  /** The K-th values, or a survey's bound where that is less: the inner loop needs no list. */
  readonly #worst: Field;
  readonly close = null;
  readonly survey: Surveying | null;

  constructor(
    b: Builder,
    dim: number,
    { k, keys }: FoldOptions,
    results: readonly Result[],
  ) {
    this.#k = k;
    this.#results = results;
    this.#lists = Array.from({ length: dim }, (_, d) => new SortedList(b, k, d));
    this.#worst = new Field(b, "worst", dim, b.float);
    const isSurveyed = dim === 1 && (k >= SURVEYED_K || keys !== undefined);
    this.survey = isSurveyed ? SmallestSurvey.of(b, k, this.#worst, keys) : null;
  }
  get fields(): readonly Field[] {
    return [...this.#lists.flatMap((list) => [list.values, list.indices]), this.#worst];
  }
  init(b: Builder): void {
    for (const list of this.#lists) list.init(b);
    this.#worst.fill(b, () => b.constant(NaN));
  }
  accumulate(b: Builder, each: EachComponent): void {
    each((at, value) => {
      const keeps = b.le(this.#worst.get(b, at), value);
      b.unless(keeps, () => {
        const list = this.#lists[at.offset];
        list.insert(b, value, b.index("column"));
        this.#worst.set(b, at, this.#worstOf(b, at, list));
      });
    });
  }
  /** What the next value must beat: a survey's bound stays until there are K values below it. */
  #worstOf(b: Builder, at: Place, list: SortedList): Value {
    const last = list.last(b);
    if (this.survey === null) return last;
    const bound = this.#worst.get(b, at);
    const isBound = b.maskOr(b.le(bound, last), b.maskNot(b.eq(last, last)));
    return b.select(isBound, bound, last);
  }
  combine(b: Builder, incoming: Folding): void {
    const later = sameKind(SmallestFolding, incoming);
    this.#lists.forEach((list, d) => {
      const { values, indices } = later.#lists[d];
      b.for(this.#k, (counter) => {
        const at = place(0, counter);
        list.insert(b, values.get(b, at), indices.get(b, at));
      });
    });
  }
  finish(b: Builder, emit: Emit): void {
    const dim = this.#lists.length;
    this.#lists.forEach((list, d) => list.finish(b, emit, this.#results, d, dim));
  }
}

function foldingOf(
  b: Builder,
  dim: number,
  options: FoldOptions,
  results: readonly Result[],
): Folding {
  const { k, keys } = options;
  if (k === 1 && keys === undefined) return new ExtremumFolding(b, dim, "min", results);
  if (dim > UNROLL_LIMIT) return new LongVectorsFolding(b, dim, k, results);
  return k <= SORTED_K
    ? new SmallestFolding(b, dim, options, results)
    : new CandidatesFolding(b, dim, options, results);
}

/** Σ_k of the cotangent's k-th part where the pair is the k-th smallest. */
function toWinners({ cotangent, foldedIndex, formula, k, result }: VjpContext): Node {
  const { dim } = formula;
  const isWinner = build.eq(foldedIndex, result("argKMin"));
  const parts = build.where(isWinner, cotangent, build.constant(0));
  if (dim === 1) return build.sum(parts);
  const lists = Array.from({ length: k }, (_, n) => build.extract(parts, n * dim, dim));
  return sumOf(lists);
}

/** The sum of some formulas, none deep inside another. */
function sumOf(terms: readonly Node[]): Node {
  if (terms.length === 1) return terms[0];
  const half = Math.ceil(terms.length / 2);
  return build.add(sumOf(terms.slice(0, half)), sumOf(terms.slice(half)));
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
    fold: (b, dim, options) => foldingOf(b, dim, options, results),
    derivatives: results[0] === "index" ? null : {
      vjp: (context) => ({ formula: toWinners(context), weight: null }),
      jvp: fromWinners,
    },
  };
}

export const kMin = smallest(["value"]);
export const argKMin = smallest(["index"]);
export const kMinArgKMin = smallest(["value", "index"]);
