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

/** A reduction of the values that one component takes over the folded axis. */
type ReferenceReduction = (values: Float64Array, k: number) => number[][];

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

/** Each reduction's outputs for one component: lists over k. */
const REDUCE: Readonly<Record<ReductionName, ReferenceReduction>> = {
  sum: (v) => [[exactSum(v)]],
  logSumExp: (v) => [[logSumExp(v)]],
  min: (v) => [[best(v, 1).value]],
  max: (v) => [[best(v, -1).value]],
  argMin: (v) => [[best(v, 1).index]],
  argMax: (v) => [[best(v, -1).index]],
  minArgMin: (v) => [[best(v, 1).value], [best(v, 1).index]],
  maxArgMax: (v) => [[best(v, -1).value], [best(v, -1).index]],
  kMin: (v, k) => [smallest(v, k).values],
  argKMin: (v, k) => [smallest(v, k).indices],
  kMinArgKMin: (v, k) => [smallest(v, k).values, smallest(v, k).indices],
};

/** What to fold, densely. */
export interface ReferenceFold {
  readonly formula: Node;
  readonly reduction: ReductionName;
  /** The axis that is folded away. */
  readonly axis: Axis;
  readonly inputs: readonly (ReferenceInput | undefined)[];
  readonly M: number;
  readonly N: number;
  readonly k?: number;
}

/** Folds densely in float64: outputs row-major, (rows, dim) or (rows, k · dim). */
export function referenceFold(fold: ReferenceFold): Float64Array[] {
  const { formula, reduction, axis, inputs, M, N, k = 1 } = fold;
  const [rows, columns] = axis === "j" ? [M, N] : [N, M];
  const evaluator = new ReferenceEvaluator(formula, inputs);
  const { dim } = formula;
  const reduce = REDUCE[reduction];
  const perComponent = Array.from({ length: dim }, () => new Float64Array(columns));
  let outputs: Float64Array[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [i, j] = axis === "j" ? [row, column] : [column, row];
      const value = evaluator.at(i, j);
      for (let d = 0; d < dim; d++) perComponent[d][column] = value[d];
    }
    perComponent.forEach((values, d) => {
      const results = reduce(values, k);
      if (outputs.length === 0) {
        outputs = results.map((list) => new Float64Array(rows * list.length * dim));
      }
      results.forEach((list, output) =>
        list.forEach((x, n) => outputs[output][(row * list.length + n) * dim + d] = x)
      );
    });
  }
  return outputs;
}
