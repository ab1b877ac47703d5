// What a reduction is: a description in loop IR, written once for all targets, and its gradient as
// a formula.

import { PairfoldError } from "../error.ts";
import type { Node } from "../formula/mod.ts";
import {
  type Builder,
  type FloatType,
  type LocalArray,
  type MathFunctions,
  type Place,
  place,
  type StateItem,
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
}

/** Columns that are added up plainly before their total is added with compensation. */
export const BLOCK_LENGTH = 64;

/** Vectors up to this dim are unrolled to scalars; longer ones stay arrays and loops. */
export const UNROLL_LIMIT = 32;

/** Runs `body` for each component: unrolled, or as a loop. */
export function eachComponent(b: Builder, dim: number, body: (at: Place) => void): void {
  if (dim > UNROLL_LIMIT) b.for(dim, (counter) => body(place(0, counter)));
  else for (let d = 0; d < dim; d++) body(place(d));
}

/** A vector that a row's fold remembers: cells while short, an array when long. */
export class Field {
  readonly items: readonly StateItem[];
  readonly dim: number;
  readonly type: Type;

  constructor(b: Builder, name: string, dim: number, type: Type, asArray = dim > UNROLL_LIMIT) {
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

/** One fold's state and steps, made for a dim. */
export interface Folding {
  readonly fields: readonly Field[];
  init(b: Builder): void;
  accumulate(b: Builder, each: EachComponent): void;
  /** After every BLOCK_LENGTH columns. */
  readonly close: ((b: Builder) => void) | null;
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

/** What a gradient rule may use: formulas over the kept axis's points, one row per result. */
export interface VjpContext {
  /** F itself. */
  readonly formula: Node;
  /** The index of the folded axis. */
  readonly foldedIndex: Node;
  /** The cotangent of the result. */
  readonly cotangent: Node;
  /** The result of a reduction of the same formula, as a variable of the kept axis. */
  readonly result: (reduction: ReductionName) => Node;
}

/** A reduction. */
export interface Reduction {
  /** What it computes, in a line. */
  readonly meaning: string;
  /** Kind of each output. */
  readonly outputs: readonly ("float" | "index")[];
  /** Whether each component gives a list of K results. */
  readonly isList: boolean;
  /** What lowering multiplies F by before the fold sees it; default 1. */
  readonly scale?: number;
  /** Whether factors that do not depend on the folded index may leave it. */
  readonly linear: boolean;
  readonly fold: (
    b: Builder,
    dim: number,
    options: FoldOptions,
    math: MathFunctions,
  ) => Folding;
  /** The cotangent of F at a pair, as a formula; null where the gradient is zero. */
  readonly vjp: ((context: VjpContext) => Node) | null;
}

export const REDUCTIONS = [
  "sum",
  "logSumExp",
  "min",
  "max",
  "argMin",
  "argMax",
  "minArgMin",
  "maxArgMax",
  "kMin",
  "argKMin",
  "kMinArgKMin",
] as const;
/** The name of a reduction. */
export type ReductionName = typeof REDUCTIONS[number];
