// Keys of distances: points as integers of 16 bits, half their squared distance by multiplications
// of integers, two at a time. Enters: inputs with rounded points (program/rounded.ts). Leaves: what a
// survey looks at instead of distances, and how far these may be from it.

import type { VariableNode } from "../formula/mod.ts";
import { type Builder, type Place, place, type Value } from "../loop/mod.ts";
import type { EachComponent, Keys } from "../reduction/mod.ts";
import type { FormulaLowering } from "./formula.ts";

/**
 * Points as integers: u = s (x − c) and v = s (y − c), rounded, no longer than MOST_NORM. Two
 * components share a word, the first one in its lower half.
 */
export interface RoundedPoints {
  /** Words of −u; of an odd number of components, the last one's upper half is HEIGHT. At last R. */
  readonly rows: VariableNode;
  /**
   * Words of v; then h = ⌊½ |v|²⌋, or of an odd number of components, in the last word's upper half,
   * (½ |v|² − OFFSET) / HEIGHT, rounded. R = ½ |u|², and OFFSET where h has it.
   */
  readonly columns: VariableNode;
  /** (1 + rounding) / s and s (1 + rounding): a distance of the formula errs by no more. */
  readonly scales: VariableNode;
  readonly dim: number;
  /** Whether the formula is the distance, or its square. */
  readonly isRoot: boolean;
}

/**
 * Products of such vectors are less than 2²⁹, half their squares than 2²⁸, of up to 4096 components,
 * each rounded by ½: so keys are less than 2³⁰, and (½ |v|² − OFFSET) / HEIGHT has 16 bits.
 */
export const MOST_NORM = 23_000;
export const HEIGHT = 2 ** 12;
export const OFFSET = 2 ** 27;

/** What adding up keys and R as float32 numbers rounds off: numbers below 2³¹, 2⁶ each at most. */
const SUMS = 256;
/** Where squares underflow: what is added to bounds of them. */
const UNDERFLOW = 1e-36;

/** By how much H may be off. */
const offOf = (dim: number): number => SUMS + (dim % 2 === 0 ? 1 : HEIGHT / 2 + 1);

/** Points nearer than this, in units of u and v, are not told from one another. */
export const resolutionOf = (dim: number): number => Math.sqrt(8 * offOf(dim)) + 4 * Math.sqrt(dim);

/** Words beyond which products stay a loop. */
const UNROLLED = 16;

/** The words of a point of so many components. */
export const wordsOf = (dim: number): number => (dim + 1) >> 1;
/** The numbers of a column: its words, and its height where there is no room in them. */
export const columnNumbers = (dim: number): number => wordsOf(dim) + (dim % 2 === 0 ? 1 : 0);

/**
 * The keys of a formula that is a distance: h − u · v. With R, they are H = ½ |u − v|² but for what
 * heights are off, and | |u − v| − s |x − y| | ≤ √D, for components are off by ½ at most.
 */
export class RoundedKeys implements Keys {
  readonly #lowering: FormulaLowering;
  readonly #points: RoundedPoints;
  readonly #off: number;
  /** By how much distances may be off. */
  readonly #apart: number;

  constructor(lowering: FormulaLowering, points: RoundedPoints) {
    this.#lowering = lowering;
    this.#points = points;
    this.#off = offOf(points.dim);
    this.#apart = Math.sqrt(points.dim) * 1.001;
  }

  readonly each: EachComponent = (body) => {
    const { rows, columns, dim } = this.#points;
    const b = this.#lowering.builders.pair;
    const words = wordsOf(dim);
    const number = (of: VariableNode, at: Place): Value => this.#lowering.integer(of, at);
    const product = (at: Place): Value => b.dot16(number(rows, at), number(columns, at));
    const height = dim % 2 === 0 ? number(columns, place(words)) : null;
    if (words > UNROLLED) {
      const key = b.cell("key", b.integer);
      b.set(key, height ?? b.constant(0, b.integer));
      b.for(words, (counter) => {
        const term = product(place(0, counter));
        b.set(key, b.add(b.get(key), term));
      });
      body(place(0), b.get(key));
      return;
    }
    let key = height;
    for (let k = 0; k < words; k++) {
      const term = product(place(k));
      key = key === null ? term : b.add(key, term);
    }
    if (key !== null) body(place(0), key);
  };

  #scale(which: 0 | 1): Value {
    return this.#lowering.component(this.#points.scales, place(which), "pair");
  }

  /** R as a float. */
  #own(b: Builder): Value {
    const { rows, dim } = this.#points;
    return b.convert(this.#lowering.integer(rows, place(wordsOf(dim))));
  }

  most(b: Builder, key: Value): Value {
    const half = b.add(b.add(key, this.#own(b)), b.constant(this.#off));
    const square = b.add(half, half);
    const length = b.add(b.sqrt(b.pmax(square, b.constant(0))), b.constant(this.#apart));
    const distance = b.mul(length, this.#scale(0));
    const { isRoot } = this.#points;
    return b.add(isRoot ? distance : b.mul(distance, distance), b.constant(UNDERFLOW));
  }

  from(b: Builder, value: Value): Value {
    const distance = this.#points.isRoot ? value : b.sqrt(value);
    const length = b.add(b.mul(distance, this.#scale(1)), b.constant(this.#apart));
    const half = b.mul(b.mul(length, length), b.constant(0.5));
    return b.sub(b.add(half, b.constant(this.#off)), this.#own(b));
  }
}
