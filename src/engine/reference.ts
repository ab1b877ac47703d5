// The oracle: evaluates formulas and reductions densely, in float64, straight from the op tables.
// It shares no code with lowering, and no description with the reductions.

import { PairfoldError } from "../error.ts";
import {
  type Axis,
  isScalarOp,
  type Node,
  scalarTable,
  topological,
  vectorTable,
} from "../formula/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";

/** An input by slot: rows of numbers, row-major; parameters have one row. */
export interface ReferenceInput {
  readonly data: ArrayLike<number>;
  readonly dim: number;
}

/** Evaluates a formula at pairs (i, j). */
export class ReferenceEvaluator {
  readonly #order: readonly Node[];
  readonly #values = new Map<Node, Float64Array>();
  readonly #root: Node;
  readonly #inputs: readonly (ReferenceInput | undefined)[];
  #lastRow = -1;

  constructor(root: Node, inputs: readonly (ReferenceInput | undefined)[]) {
    this.#root = root;
    this.#inputs = inputs;
    this.#order = topological(root);
    for (const node of this.#order) this.#values.set(node, new Float64Array(node.dim));
    for (const node of this.#order) if (node.domain === "p") this.#compute(node, 0, 0);
  }

  #valueOf(node: Node): Float64Array {
    const value = this.#values.get(node);
    if (value === undefined) throw new PairfoldError("internal", "reference: unknown node");
    return value;
  }

  #compute(node: Node, i: number, j: number): void {
    const out = this.#valueOf(node);
    switch (node.kind) {
      case "variable": {
        const input = this.#inputs[node.slot];
        if (input === undefined) throw new PairfoldError("internal", `no input ${node.slot}`);
        const row = node.axis === "i" ? i : node.axis === "j" ? j : 0;
        for (let d = 0; d < node.dim; d++) out[d] = input.data[row * node.dim + d];
        return;
      }
      case "index":
        out[0] = node.axis === "i" ? i : j;
        return;
      case "constant":
        out[0] = node.value;
        return;
      case "zero":
        return;
      case "op": {
        const args = node.args.map((a) => this.#valueOf(a));
        if (!isScalarOp(node.op)) {
          out.fill(0);
          vectorTable[node.op].evaluate(args, node.attributes, out);
          return;
        }
        const { evaluate } = scalarTable[node.op];
        const scalars = new Array<number>(args.length);
        for (let d = 0; d < node.dim; d++) {
          for (let k = 0; k < args.length; k++) {
            scalars[k] = args[k].length === 1 ? args[k][0] : args[k][d];
          }
          out[d] = evaluate(scalars, node.attributes);
        }
        return;
      }
    }
    node satisfies never;
  }

  /** The formula's vector at a pair; valid until the next call. */
  at(i: number, j: number): Float64Array {
    for (const node of this.#order) {
      if (node.domain === "p" || (node.domain === "i" && i === this.#lastRow)) continue;
      this.#compute(node, i, j);
    }
    this.#lastRow = i;
    return this.#valueOf(this.#root);
  }
}

/** The pairs of one row: values over the folded axis, component by component. */
interface RowPairs {
  readonly formula: readonly Float64Array[];
  readonly weight: readonly Float64Array[];
  readonly k: number;
}

/** A row's outputs, each in the order in which they stand in its row. */
type RowReduction = (pairs: RowPairs) => number[][];

/** Each component on its own; its outputs are lists over k. */
const perComponent =
  (reduce: (values: Float64Array, k: number) => number[][]): RowReduction => ({ formula, k }) => {
    const [first, ...others] = formula.map((values) => reduce(values, k));
    return first.map((list, output) =>
      list.flatMap((x, n) => [x, ...others.map((results) => results[output][n])])
    );
  };

/** Neumaier's compensated sum; plain where it meets infinities. */
function exactSum(values: Float64Array): number {
  let total = 0;
  let rest = 0;
  for (const x of values) {
    const t = total + x;
    rest += Math.abs(total) >= Math.abs(x) ? (total - t) + x : (x - t) + total;
    total = t;
  }
  return Number.isFinite(total) ? total + rest : total;
}

/** Indices of the numbers among the values, best first, ties by index. */
function ranking(values: Float64Array, sign: 1 | -1): number[] {
  const numbers = [...values.keys()].filter((j) => !Number.isNaN(values[j]));
  return numbers.sort((a, b) =>
    values[a] === values[b] ? a - b : sign * values[a] < sign * values[b] ? -1 : 1
  );
}

function best(values: Float64Array, sign: 1 | -1): { value: number; index: number } {
  let index = -1;
  for (let j = 0; j < values.length; j++) {
    if (Number.isNaN(values[j])) continue;
    if (index < 0 || sign * values[j] < sign * values[index]) index = j;
  }
  if (index >= 0) return { value: values[index], index };
  return { value: values.length === 0 ? sign * Infinity : NaN, index };
}

function smallest(values: Float64Array, k: number): { values: number[]; indices: number[] } {
  const order = ranking(values, 1);
  const indices = Array.from({ length: k }, (_, n) => order[n] ?? -1);
  return {
    indices,
    values: indices.map((j, n) => j >= 0 ? values[j] : n < values.length ? NaN : Infinity),
  };
}

function logSumExp(values: Float64Array): number {
  if (values.some(Number.isNaN)) return NaN;
  const { value: top } = best(values, -1);
  if (!Number.isFinite(top)) return top;
  return top + Math.log(exactSum(values.map((x) => Math.exp(x - top))));
}

/**
 * Largest number m of the exponents (−∞ without one) and Σ e^(F − m) w. From −∞ alone the sum is of
 * 0 · w, from +∞ it is ∞ · w and finite terms count by their weight's sign and finiteness.
 */
function shiftedSum(f: Float64Array, w: Float64Array): { m: number; s: number } {
  const { value, index } = best(f, -1);
  const m = index < 0 ? -Infinity : value;
  const factor = (x: number): number => {
    if (m === Infinity) return x === Infinity ? Infinity : Math.exp(Math.min(0, x));
    return m === -Infinity && x === -Infinity ? 0 : Math.exp(x - m);
  };
  return { m, s: exactSum(f.map((x, j) => factor(x) * w[j])) };
}

const ones = (f: Float64Array): Float64Array => f.map(() => 1);

/** m + log s; −∞ where m is. */
function logarithm({ m, s }: { m: number; s: number }): number {
  return s === 0 ? -Infinity : m === -Infinity ? Math.log(s) : m + Math.log(s);
}

function maxSumShiftExp(f: Float64Array, weights: readonly Float64Array[]): number[][] {
  const sums = weights.map((w) => shiftedSum(f, w));
  // of +∞, differences with itself are NaN
  return [[sums[0].m, ...sums.map(({ m, s }) => m === Infinity ? NaN : s)]];
}

const countTrue = (v: Float64Array): number => v.reduce((n, x) => n + (x === 0 ? 0 : 1), 0);

/** Each reduction's outputs for one row. */
const REDUCE: Readonly<Record<ReductionName, RowReduction>> = {
  sum: perComponent((v) => [[exactSum(v)]]),
  mean: perComponent((v) => [[exactSum(v) / v.length]]),
  logSumExp: perComponent((v) => [[logSumExp(v)]]),
  logSumExpWeight: ({ formula: [f], weight }) => [weight.map((w) => logarithm(shiftedSum(f, w)))],
  sumSoftMaxWeight: ({ formula: [f], weight }) => [
    weight.map((w) => shiftedSum(f, w).s / shiftedSum(f, ones(f)).s),
  ],
  maxSumShiftExp: ({ formula: [f] }) => maxSumShiftExp(f, [ones(f)]),
  maxSumShiftExpWeight: ({ formula: [f], weight }) => maxSumShiftExp(f, weight),
  min: perComponent((v) => [[best(v, 1).value]]),
  max: perComponent((v) => [[best(v, -1).value]]),
  argMin: perComponent((v) => [[best(v, 1).index]]),
  argMax: perComponent((v) => [[best(v, -1).index]]),
  minArgMin: perComponent((v) => [[best(v, 1).value], [best(v, 1).index]]),
  maxArgMax: perComponent((v) => [[best(v, -1).value], [best(v, -1).index]]),
  kMin: perComponent((v, k) => [smallest(v, k).values]),
  argKMin: perComponent((v, k) => [smallest(v, k).indices]),
  kMinArgKMin: perComponent((v, k) => [smallest(v, k).values, smallest(v, k).indices]),
  count: perComponent((v) => [[countTrue(v)]]),
  any: perComponent((v) => [[countTrue(v) > 0 ? 1 : 0]]),
  all: perComponent((v) => [[countTrue(v) === v.length ? 1 : 0]]),
};

/** What to fold, densely. */
export interface ReferenceFold {
  readonly formula: Node;
  /** The second formula, for reductions that take one. */
  readonly weight?: Node | null;
  readonly reduction: ReductionName;
  /** The axis that is folded away. */
  readonly axis: Axis;
  readonly inputs: readonly (ReferenceInput | undefined)[];
  readonly M: number;
  readonly N: number;
  readonly k?: number;
  /** The columns that a kept row is folded with, ascending; default all. */
  readonly columnsOf?: (row: number) => readonly number[];
}

/** The output of each reduction that holds indices of columns. */
const INDICES: Partial<Record<ReductionName, number>> = {
  argMin: 0,
  argMax: 0,
  argKMin: 0,
  minArgMin: 1,
  maxArgMax: 1,
  kMinArgKMin: 1,
};

/** Folds densely in float64: outputs row-major, one row per row of the kept axis. */
export function referenceFold(fold: ReferenceFold): Float64Array[] {
  const { formula, weight = null, reduction, axis, inputs, M, N, k = 1 } = fold;
  const [rows, columns] = axis === "j" ? [M, N] : [N, M];
  const all = Array.from({ length: columns }, (_, column) => column);
  const { columnsOf = () => all } = fold;
  const parts = (weight === null ? [formula] : [formula, weight]).map((node) => ({
    evaluator: new ReferenceEvaluator(node, inputs),
    values: Array.from({ length: node.dim }, () => new Float64Array(columns)),
  }));
  const outputs: number[][] = [];
  for (let row = 0; row < rows; row++) {
    const met = columnsOf(row);
    met.forEach((column, place) => {
      const [i, j] = axis === "j" ? [row, column] : [column, row];
      for (const { evaluator, values } of parts) {
        evaluator.at(i, j).forEach((x, d) => values[d][place] = x);
      }
    });
    const [own, weights = []] = parts.map(({ values }) =>
      values.map((list) => list.subarray(0, met.length))
    );
    REDUCE[reduction]({ formula: own, weight: weights, k }).forEach((list, output) => {
      const isIndex = INDICES[reduction] === output;
      const found = isIndex ? list.map((place) => place < 0 ? place : met[place]) : list;
      (outputs[output] ??= []).push(...found);
    });
  }
  return outputs.map((list) => Float64Array.from(list));
}
