// How far rounding may move a formula's value: the formula is evaluated again and again in float64,
// every result off by a few units in the last place of the format in question. Where the values
// spread, the formula is badly conditioned there, and no implementation could know better.

import { ReferenceEvaluator } from "../../src/engine/mod.ts";
import { expandDefinitions } from "../../src/lower/mod.ts";
import {
  isScalarOp,
  type Node,
  type OpName,
  type OpNode,
  scalarTable,
  topological,
  vectorTable,
} from "../../src/formula/mod.ts";
import { hasNoGradient } from "./derivatives.ts";
import type { Random } from "./random.ts";

/** An input by slot: rows of numbers, row-major. */
export interface NoisyInput {
  readonly data: ArrayLike<number>;
  readonly dim: number;
}

/** A float format: its rounding error, and the sizes between which nothing is lost besides. */
export interface NoisyFormat {
  readonly epsilon: number;
  readonly smallest: number;
  readonly largest: number;
}

/** Sine and cosine end at 2^20 · π/2; squares of what is smallest must not underflow. */
export const NOISY_FORMATS: Readonly<Record<"float32" | "float64", NoisyFormat>> = {
  float32: { epsilon: 2 ** -24, smallest: 1e-18, largest: 1e6 },
  float64: { epsilon: 2 ** -53, smallest: 1e-150, largest: 1e6 },
};

/** Roundings per operation: the expanded math functions err by a few. */
const ROUNDINGS = 4;

/** Ops of one instruction: they round their result and nothing before it. */
const BASIC: ReadonlySet<OpName> = new Set<OpName>([
  ...(["add", "sub", "mul", "div", "neg", "abs", "square", "inv", "sqrt"] as const),
  ...(["min", "max", "relu", "where", "ifElse"] as const),
]);

/** Evaluates a formula at pairs, with noise of a format in every operation; none for null. */
export class NoisyEvaluator {
  readonly #order: readonly Node[];
  readonly #root: Node;
  readonly #inputs: ReadonlyMap<number, NoisyInput>;
  readonly #values = new Map<Node, Float64Array>();
  /** Ops without a gradient: comparisons, signs, roundings give exact results. */
  readonly #exact: ReadonlySet<Node>;
  readonly #random: Random;
  readonly #reference: ReferenceEvaluator;
  #zero = 0;

  constructor(root: Node, inputs: ReadonlyMap<number, NoisyInput>, random: Random) {
    const bySlot: NoisyInput[] = [];
    for (const [slot, input] of inputs) bySlot[slot] = input;
    this.#reference = new ReferenceEvaluator(root, bySlot);
    this.#root = expandDefinitions(root);
    this.#order = topological(this.#root);
    this.#inputs = inputs;
    this.#random = random;
    this.#exact = new Set(this.#order.filter((n) => n.kind === "op" && hasNoGradient(n)));
  }

  /** A number off by some roundings of a magnitude. */
  #near(x: number, format: NoisyFormat | null, magnitude = Math.abs(x)): number {
    if (format === null || x === 0 && magnitude === 0) return x;
    return x + magnitude * ROUNDINGS * format.epsilon * this.#random.uniform(-1, 1);
  }

  /** The formula's vector at a pair, as the op tables have it. */
  reference(i: number, j: number): Float64Array {
    return this.#reference.at(i, j).slice();
  }

  /**
   * The formula's vector at a pair, by the ops' definitions; null where a value is not finite or
   * leaves the format.
   */
  at(i: number, j: number, format: NoisyFormat | null, limits = format): Float64Array | null {
    this.#zero = -this.#zero;
    for (const node of this.#order) {
      const value = this.#compute(node, i, j, format);
      this.#values.set(node, value);
      if (limits === null) continue;
      for (const x of value) {
        const size = Math.abs(x);
        const fits = size === 0 || (size >= limits.smallest && size <= limits.largest);
        if (!fits) return null;
      }
    }
    return this.#valueOf(this.#root).slice();
  }

  #valueOf(node: Node): Float64Array {
    const value = this.#values.get(node);
    if (value === undefined) throw new Error("a node without a value");
    return value;
  }

  #compute(node: Node, i: number, j: number, format: NoisyFormat | null): Float64Array {
    switch (node.kind) {
      case "variable": {
        const input = this.#inputs.get(node.slot);
        if (input === undefined) throw new Error(`no input ${node.slot}`);
        const row = node.axis === "i" ? i : node.axis === "j" ? j : 0;
        const { data, dim } = input;
        return Float64Array.from({ length: dim }, (_, d) => data[row * dim + d]);
      }
      case "index":
        return Float64Array.of(node.axis === "i" ? i : j);
      case "constant":
        return Float64Array.of(
          Number.isInteger(node.value) ? node.value : this.#near(node.value, format),
        );
      case "zero":
        return new Float64Array(node.dim);
      case "op":
        return isScalarOp(node.op)
          ? this.#scalars(node, format)
          : this.#vector(node, this.#exact.has(node) ? null : format);
    }
    node satisfies never;
    throw new TypeError();
  }

  #scalars(node: OpNode, format: NoisyFormat | null): Float64Array {
    const { op, args, attributes, dim } = node;
    if (!isScalarOp(op)) throw new TypeError();
    const values = args.map((a) => this.#valueOf(a));
    const isExact = this.#exact.has(node);
    // other functions are as good as exact ones of arguments that are a little off
    const around = isExact || BASIC.has(op) ? null : format;
    return Float64Array.from({ length: dim }, (_, d) => {
      const tuple = values.map((v) => this.#near(v.length === 1 ? v[0] : v[d], around));
      return this.#near(scalarTable[op].evaluate(tuple, attributes), isExact ? null : format);
    });
  }

  #vector(node: OpNode, format: NoisyFormat | null): Float64Array {
    const { op, args, attributes, dim } = node;
    if (isScalarOp(op)) throw new TypeError();
    const { evaluate } = vectorTable[op];
    const values = args.map((a) => this.#valueOf(a));
    const out = new Float64Array(dim);
    evaluate(values, attributes, out);
    if (format === null) return out;
    // Σ|x| is what a sum rounds relative to; for copies it is the value itself
    const magnitudes = new Float64Array(dim);
    evaluate(values.map((v) => v.map(Math.abs)), attributes, magnitudes);
    return out.map((x, d) => {
      // a sum that starts from 0 has another zero than one that starts from its first term
      if (magnitudes[d] === 0 && x === 0) return this.#zero;
      return this.#near(x, format, Math.max(Math.abs(x), magnitudes[d]));
    });
  }
}

/** A value and how far rounding moves it. */
export interface Spread {
  readonly value: Float64Array;
  readonly spread: Float64Array;
}

const DRAWS = 6;

/** A formula's value at a pair and its spread; null where rounding is not the only thing lost. */
export function spreadAt(
  evaluator: NoisyEvaluator,
  i: number,
  j: number,
  format: NoisyFormat,
): Spread | null {
  const quiet = evaluator.at(i, j, null, format);
  if (quiet === null) return null;
  const spread = new Float64Array(quiet.length);
  for (let draw = 0; draw < DRAWS; draw++) {
    const other = evaluator.at(i, j, format);
    if (other === null) return null;
    other.forEach((x, d) => spread[d] = Math.max(spread[d], Math.abs(x - quiet[d])));
  }
  return { value: evaluator.reference(i, j), spread };
}
