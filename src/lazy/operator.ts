// A symbolic matrix of scalars as linear operators, one for each batch. Enters: a formula with its
// tensors. Leaves: their products with blocks, in float32 and in float64, their entries, where
// their rows stand. Of several batches, one fold computes what is asked for.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import {
  type Axis,
  type Node,
  topological,
  transform,
  variable,
  type VariableNode,
} from "../formula/mod.ts";
import { build } from "../formula/mod.ts";
import { fold, type FoldChoices, type FoldRequest, transpose } from "../program/mod.ts";
import type {
  ActionBatch,
  ApplyControl,
  BatchedBlock,
  BatchedPlaces,
  Points,
  Precision,
} from "../solve/mod.ts";
import { allocate, broadcastStrides, Tensor } from "../tensor/mod.ts";
import type { Input, Term } from "./inputs.ts";

/** Tensors by slot. */
type Tensors = ReadonlyMap<number, Tensor>;

/** The tensors of a formula in a float type; numbers and indices stay as they are. */
function inPrecision(inputs: ReadonlyMap<number, Input>, precision: Precision): Tensors {
  return new Map([...inputs].map(([slot, { tensor: t, isNumber }]) => {
    const isFit = isNumber || t.dtype === "int32" || t.dtype === precision;
    return [slot, isFit ? t : converted(t, precision)];
  }));
}

/** A tensor in another float type, once it is needed. */
function converted(t: Tensor, precision: Precision): Tensor {
  return new Tensor(t.shape, precision, {
    resolve: async (control) => {
      const out = allocate(precision, t.size);
      out.set(await t.resolve(control));
      return out;
    },
    explain: () => `${precision} numbers of: ${t.explain()}`,
  });
}

/** Rows of numbers, in an order, some twice. */
function gathered(numbers: NumberArray, dim: number, at: Int32Array, t: Tensor): Tensor {
  const out = allocate(t.dtype, at.length * dim);
  for (let k = 0, to = 0; k < at.length; k++) {
    const from = at[k] * dim;
    for (let d = 0; d < dim; d++) out[to++] = numbers[from + d];
  }
  return new Tensor([at.length, dim], t.dtype, out);
}

/** A scalar formula of M × N pairs, with batch dims. */
interface Matrices {
  readonly term: Term;
  readonly M: number;
  readonly N: number;
  readonly choices: FoldChoices;
  readonly describe: string;
}

/** The first row of each tensor in a batch, by slot, where its variables belong to an axis. */
class Places {
  readonly #rows: Readonly<Record<Axis | "p", number>>;
  readonly #shape: readonly number[];
  readonly #strides: ReadonlyMap<number, readonly number[]>;

  constructor({ term: { inputs }, M, N }: Matrices) {
    this.#rows = { i: M, j: N, p: 1 };
    this.#shape = inputs.batch;
    this.#strides = new Map(
      [...inputs.byId].map(([slot, { batch }]) => [slot, broadcastStrides(batch, inputs.batch)]),
    );
  }

  /** Whether a tensor is another one from batch to batch. */
  isBatched(slot: number): boolean {
    return this.#strides.get(slot)?.some((stride) => stride > 0) ?? false;
  }

  first(slot: number, axis: Axis | "p", batch: number): number {
    const strides = this.#strides.get(slot) ?? [];
    let at = 0;
    for (let k = this.#shape.length - 1, left = batch; k >= 0; k--) {
      at += (left % this.#shape[k]) * strides[k];
      left = Math.floor(left / this.#shape[k]);
    }
    return at * this.#rows[axis];
  }
}

/** The matrices of a symbolic one, row-major in its batch shape. */
export function lazyActions(own: Matrices): ActionBatch {
  const { term, M, N, choices, describe } = own;
  const { formula, inputs: { byId, batch } } = term;
  const places = new Places(own);
  const variables = topological(formula).filter((node) => node.kind === "variable");
  const tensors: Partial<Record<Precision, Tensors>> = {};
  const tensorsIn = (precision: Precision): Tensors =>
    tensors[precision] ??= inPrecision(byId, precision);
  const summed = (
    request: Pick<FoldRequest, "formula" | "inputs" | "M" | "N" | "segments" | "outputRows">,
    dtype: Precision,
    { signal }: ApplyControl,
  ): Promise<NumberArray> => {
    const fixed = { reduction: "sum", axis: "j", k: 1, dtype } as const;
    const [sum] = fold({ ...request, ...fixed, choices: fitting(choices, dtype) });
    // read at once, so that nothing stays on a device
    return sum.resolve({ signal }).finally(() => sum.dispose());
  };
  /** The pairs of each batch, where its tensors and its block of a stack of them are read. */
  const segmentsOf = (
    blocks: readonly BatchedBlock[],
    slot: number,
  ): Pick<FoldRequest, "segments" | "outputRows"> => {
    if (batch.length === 0 && blocks.length === 1) return {};
    const segments = blocks.map(({ of }, k) => {
      const offsets = new Map(
        variables.map((v) => [v.slot, places.first(v.slot, v.axis, of)] as const),
      );
      offsets.set(slot, k * N);
      return { i0: 0, i1: M, j0: 0, j1: N, output: k * M, wholeRows: M, offsets };
    });
    return { segments, outputRows: M * blocks.length };
  };
  return {
    shape: batch,
    rows: M,
    columns: N,
    apply: async (blocks, width, control) => {
      const { precision = "float64" } = control;
      const length = N * width;
      const numbers = allocate(precision, blocks.length * length);
      blocks.forEach(({ block }, k) => numbers.set(block, k * length));
      using b = new Tensor([blocks.length * N, width], precision, numbers);
      const product = build.mul(formula, variable(b.id, "j", width));
      const inputs = new Map([...tensorsIn(precision), [b.id, b]]);
      const request = { formula: product, inputs, M, N, ...segmentsOf(blocks, b.id) };
      const out = await summed(request, precision, control);
      const all = out instanceof Float64Array ? out : Float64Array.from(out);
      if (blocks.length === 1) return [all];
      return blocks.map((_, k) => all.slice(k * M * width, (k + 1) * M * width));
    },
    transposed: () => {
      const { inputs } = term;
      const turned = { ...inputs, M: inputs.N, N: inputs.M };
      const other = { formula: transpose(formula), inputs: turned };
      const name = `transpose of ${describe}`;
      return lazyActions({ term: other, M: N, N: M, choices, describe: name });
    },
    entries: async (asked, control) => {
      const count = asked.reduce((sum, { rows }) => sum + rows.length, 0);
      if (count === 0) return asked.map(() => new Float64Array(0));
      const { root, inputs } = await atPairs(formula, tensorsIn("float64"), places, asked, control);
      const request = { formula: root, inputs, M: count, N: 1 };
      const out = await summed(request, "float64", control) as Float64Array;
      for (const [slot, t] of inputs) if (!byId.has(slot)) t.dispose();
      let from = 0;
      return asked.map(({ rows }) => out.slice(from, from += rows.length));
    },
    points: (of, control) => pointsOf(own, places, of, control),
    describe: () => describe,
  };
}

/** Choices for a fold of a type: totals are never of a smaller one. */
function fitting({ accumulator, ...rest }: FoldChoices, dtype: Precision): FoldChoices {
  return dtype === "float64" || accumulator === undefined ? rest : { ...rest, accumulator };
}

/**
 * The formula at lists of pairs, one list for each of some batches, all in a row: variables become
 * points of i, gathered; so do parameters that have batch dims.
 */
async function atPairs(
  formula: Node,
  tensors: Tensors,
  places: Places,
  asked: readonly BatchedPlaces[],
  control: ApplyControl,
): Promise<{ root: Node; inputs: Map<number, Tensor> }> {
  const count = asked.reduce((sum, { rows }) => sum + rows.length, 0);
  const inputs = new Map<number, Tensor>();
  const made = new Map<string, Tensor>();
  /** Where a variable's rows are: those of its batch begin at `first`. */
  const at = (axis: Axis | "p", first: (of: number) => number): Int32Array => {
    const out = new Int32Array(count);
    let to = 0;
    for (const { of, rows, columns } of asked) {
      const from = first(of);
      for (let k = 0; k < rows.length; k++) {
        out[to++] = from + (axis === "i" ? rows[k] : axis === "j" ? columns[k] : 0);
      }
    }
    return out;
  };
  const isFixed = (leaf: VariableNode): boolean =>
    leaf.axis === "p" && !places.isBatched(leaf.slot);
  const keyOf = (leaf: Node): string =>
    leaf.kind === "variable"
      ? `${leaf.axis}${leaf.slot}`
      : leaf.kind === "index"
      ? `${leaf.axis} index`
      : "";
  const note = (key: string, t: Tensor): void => {
    made.set(key, t);
    inputs.set(t.id, t);
  };
  for (const node of topological(formula)) {
    if (made.has(keyOf(node))) continue;
    if (node.kind === "index") {
      note(keyOf(node), new Tensor([count, 1], "int32", at(node.axis, () => 0)));
    } else if (node.kind === "variable") {
      const { slot, axis, dim } = node;
      const t = tensors.get(slot);
      if (t === undefined) throw new PairfoldError("internal", `no tensor for ${slot}`);
      if (isFixed(node)) {
        inputs.set(slot, t);
        continue;
      }
      const rows = at(axis, (of) => places.first(slot, axis, of));
      note(keyOf(node), gathered(await t.resolve(control), dim, rows, t));
    }
  }
  const root = transform(formula, (leaf) => {
    const own = made.get(keyOf(leaf));
    if (own === undefined) return leaf;
    if (leaf.kind === "index") return variable(own.id, "i", 1, "index");
    return leaf.kind === "variable" ? variable(own.id, "i", leaf.dim, leaf.number) : leaf;
  });
  return { root, inputs };
}

/** The coordinates that rows of a batch have in the formula, side by side. */
async function pointsOf(
  { term: { formula, inputs: { byId } }, M }: Matrices,
  places: Places,
  of: number,
  control: ApplyControl,
): Promise<Points | null> {
  const parts = new Map<number, { numbers: NumberArray; dim: number; first: number }>();
  for (const node of topological(formula)) {
    if (node.kind !== "variable" || node.axis !== "i" || node.number === "index") continue;
    const t = byId.get(node.slot)?.tensor;
    if (t === undefined) continue;
    const first = places.first(node.slot, "i", of);
    parts.set(node.slot, { numbers: await t.resolve(control), dim: node.dim, first });
  }
  const dim = [...parts.values()].reduce((sum, part) => sum + part.dim, 0);
  if (dim === 0) return null;
  const data = new Float64Array(M * dim);
  for (let row = 0, at = 0; row < M; row++) {
    for (const { numbers, dim: own, first } of parts.values()) {
      for (let d = 0; d < own; d++) data[at++] = numbers[(first + row) * own + d];
    }
  }
  return { data, dim };
}
