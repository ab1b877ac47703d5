// What a reduction is: a description in loop IR, written once for all targets, and its derivatives
// as formulas over pairs.

import { PairfoldError } from "../error.ts";
import type { Node } from "../formula/mod.ts";
import {
  type Builder,
  type FloatType,
  type LocalArray,
  type MathFunctions,
  type Place,
  place,
  SCALARS,
  type Search,
  type StateItem,
  type Survey,
  type Type,
  type Value,
} from "../loop/mod.ts";

/** How floats are added up over many columns. */
export type SumScheme = "compensated" | "block" | "direct";

/** Choices of a fold that change its results' last bits (all of them part of the program). */
export interface FoldOptions {
  /** Default "compensated": blocks of 64 columns, block totals added with compensation. */
  readonly sumScheme: SumScheme;
  /** Type of the totals; default the kernel's own. */
  readonly accumulator: FloatType;
  /** K of the K-smallest reductions. */
  readonly k: number;
  /** Of K-smallest reductions of scalars: what their survey may look at instead of values. */
  readonly keys?: Keys;
}

/** Columns that are added up plainly before their total is added with compensation. */
export const BLOCK_LENGTH = 64;

/**
 * The shift of a sum of exponentials before any term, and that of +∞: differences with it stay
 * numbers.
 */
export const LARGEST = { f32: 3.4028234663852886e38, f64: Number.MAX_VALUE } as const;

/** Vectors up to this dim are unrolled to scalars; longer ones stay arrays and loops. */
export const UNROLL_LIMIT = SCALARS;

/** Runs `body` for each component: unrolled, or as a loop. */
export function eachComponent(b: Builder, dim: number, body: (at: Place) => void): void {
  if (dim > b.scalars) b.for(dim, (counter) => body(place(0, counter)));
  else for (let d = 0; d < dim; d++) body(place(d));
}

/** A vector that a row's fold remembers: cells while short, an array when long. */
export class Field {
  readonly items: readonly StateItem[];
  readonly dim: number;
  readonly type: Type;

  constructor(b: Builder, name: string, dim: number, type: Type, asArray = dim > b.scalars) {
    this.dim = dim;
    this.type = type;
    this.items = asArray
      ? [{ kind: "array", array: b.array(name, dim, type) }]
      : Array.from({ length: dim }, (_, d) => ({
        kind: "cell",
        cell: b.cell(dim === 1 ? name : `${name}${d}`, type),
      }));
  }

  get array(): LocalArray | null {
    return this.items[0].kind === "array" ? this.items[0].array : null;
  }

  get(b: Builder, at: Place): Value {
    const item = this.items[this.array === null ? at.offset : 0];
    return item.kind === "cell" ? b.get(item.cell) : b.fetch(item.array, at);
  }

  set(b: Builder, at: Place, value: Value): void {
    const item = this.items[this.array === null ? at.offset : 0];
    if (item.kind === "cell") b.set(item.cell, value);
    else b.store({ kind: "array", array: item.array }, at, value);
  }

  /** Sets every component. */
  fill(b: Builder, make: () => Value): void {
    eachComponent(b, this.dim, (at) => this.set(b, at, make()));
  }
}

/** A pair's formula value: runs `body` once per component, in order. */
export type EachComponent = (body: (at: Place, value: Value) => void) => void;

/** Takes one component of one output. */
export type Emit = (output: number, at: Place, value: Value) => void;

/**
 * Integers of a row's columns that bound the formula's values there from both sides, the larger the
 * farther, and cost less than these. None is the largest integer.
 */
export interface Keys {
  /** Runs a body with the key of the pair at hand. */
  readonly each: EachComponent;
  /** What values are at most whose key, as a float, is given. */
  most(b: Builder, key: Value): Value;
  /** The key, as a float, from which on values are no less than a given one; NaN of NaN. */
  from(b: Builder, value: Value): Value;
}

/**
 * How a fold of scalars tells which groups of columns it may leave out; see the kernel's `Survey`.
 */
export interface Surveying extends
  Pick<
    Survey,
    | "span"
    | "spans"
    | "least"
    | "ofGroups"
    | "ofSpans"
    | "smallest"
    | "smallestOfSpan"
    | "limit"
  > {
  beginSpan(b: Builder): void;
  /** Takes in a pair of the group at hand, after `begin`. */
  begin(b: Builder): void;
  meet(b: Builder, each: EachComponent): void;
  /** Takes the group at hand into the span's. */
  end(b: Builder): void;
  /** Lowers the bound by the spans' smallest values. */
  bound(b: Builder): void;
  /** Whether the group (or span) whose smallest value is at hand changes nothing. */
  skips(b: Builder): Value;
}

/**
 * How a fold that keeps the best of its columns finds it without a branch; see the
 * kernel's `Search`.
 */
export interface Searching extends Pick<Search, "ofGroup" | "age"> {
  start(b: Builder): void;
  begin(b: Builder): void;
  meet(b: Builder, each: EachComponent): void;
  end(b: Builder): void;
  settle(b: Builder): void;
  readonly take: ((b: Builder, each: EachComponent) => void) | null;
  misses(b: Builder): Value;
}

/** One fold's state and steps, made for the dims of its formulas. */
export interface Folding {
  readonly fields: readonly Field[];
  init(b: Builder): void;
  /** Takes in a pair: its formula's value, and its weight's (nothing where there is none). */
  accumulate(b: Builder, each: EachComponent, weights: EachComponent): void;
  /** After every BLOCK_LENGTH columns. */
  readonly close: ((b: Builder) => void) | null;
  /**
   * What the terms of columns are added to, and sums of terms may be too, before `close`; none
   * where a reduction is no such sum.
   */
  readonly open?: Field | null;
  /** Where few columns change anything, and a look at many of them tells which. */
  readonly survey?: Surveying | null;
  /** Where one column of all is kept, and a look at them tells about where it is. */
  readonly search?: Searching | null;
  /** Takes in the state of later columns, a folding of the same kind; both are closed. */
  combine(b: Builder, incoming: Folding): void;
  finish(b: Builder, emit: Emit): void;
}

/** The incoming folding as the kind that it must be. */
export function sameKind<T extends Folding>(
  kind: abstract new (...args: never[]) => T,
  incoming: Folding,
): T {
  if (incoming instanceof kind) return incoming;
  throw new PairfoldError("internal", `combine: got a folding that is no ${kind.name}`);
}

/** What derivative rules may use: formulas over pairs; results have one row per kept point. */
export interface DerivativeContext {
  /** F itself. */
  readonly formula: Node;
  /** The weight; only for reductions that have one. */
  readonly weight: Node;
  /** The index of the folded axis. */
  readonly foldedIndex: Node;
  /** The length of the folded axis. */
  readonly count: Node;
  /** K of the K-smallest reductions. */
  readonly k: number;
  /** An output of a reduction of the same formulas, as a variable of the kept axis. */
  readonly result: (reduction: ReductionName, output?: number) => Node;
}

/** For reverse mode: beside the above, the cotangent of the result. */
export interface VjpContext extends DerivativeContext {
  readonly cotangent: Node;
}

/** For forward mode: beside the above, the tangents of F and of the weight at a pair. */
export interface JvpContext extends DerivativeContext {
  readonly tangent: Node;
  readonly weightTangent: Node;
}

/** The cotangents of F and of the weight at a pair; null where there is none. */
export interface Cotangents {
  readonly formula: Node | null;
  readonly weight: Node | null;
}

/** How a reduction is differentiated (its first output, where it has two). */
export interface Derivatives {
  /** Reverse mode: from the cotangent of the result to those of a pair's values. */
  readonly vjp: (context: VjpContext) => Cotangents;
  /** Forward mode: a formula whose sum over the folded axis is the tangent of the result. */
  readonly jvp: (context: JvpContext) => Node;
}

/** A reduction. */
export interface Reduction {
  /** What it computes, in a line. */
  readonly meaning: string;
  /** Kind of each output. */
  readonly outputs: readonly ("float" | "index")[];
  /** What it folds: F's components on their own, a scalar F, or a scalar F with a weight. */
  readonly takes: "components" | "scalar" | "scalar and weight";
  /** Whether each component gives a list of K results. */
  readonly isList: boolean;
  /** What lowering multiplies F by before the fold sees it; default 1. */
  readonly scale?: number;
  /** Whether factors that do not depend on the folded index may leave it. */
  readonly linear: boolean;
  /** Length of an output's row from the dims of F and of the weight (0 without one) and K. */
  readonly outputDim: (dim: number, weightDim: number, k: number) => number;
  readonly fold: (
    b: Builder,
    dim: number,
    options: FoldOptions,
    math: MathFunctions,
    weightDim: number,
  ) => Folding;
  /** Null where the result has no derivative: indices and counts. */
  readonly derivatives: Derivatives | null;
}

/** What most reductions have in common: they fold components on their own, one result for each. */
export const perComponent = {
  takes: "components",
  isList: false,
  linear: false,
  outputDim: (dim: number): number => dim,
} as const satisfies Partial<Reduction>;

export const REDUCTIONS = [
  "sum",
  "mean",
  "logSumExp",
  "logSumExpWeight",
  "sumSoftMaxWeight",
  "maxSumShiftExp",
  "maxSumShiftExpWeight",
  "min",
  "max",
  "argMin",
  "argMax",
  "minArgMin",
  "maxArgMax",
  "kMin",
  "argKMin",
  "kMinArgKMin",
  "count",
  "any",
  "all",
] as const;
/** The name of a reduction. */
export type ReductionName = typeof REDUCTIONS[number];
