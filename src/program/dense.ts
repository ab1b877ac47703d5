// The values of a formula at all pairs, as a tensor: the fold machinery over rectangles of one
// column each, with a reduction that hands a single value on as it is.

import type { NumberArray } from "../engine/mod.ts";
import { PairfoldError } from "../error.ts";
import { type Axis, type Node, transform, variable, type VariableNode } from "../formula/mod.ts";
import { allocate, type DType, reshaped, sizeOf, Tensor, tensor } from "../tensor/mod.ts";
import { NO_BATCH, type Rectangle } from "./batch.ts";
import { fold } from "./fold.ts";
import { take } from "./gather.ts";
import { reshape } from "./linear.ts";
import type { FoldRequest } from "./request.ts";
import { isTraced } from "./trace.ts";

/** A formula over tensors, and its size. */
export type DenseRequest = Omit<
  FoldRequest,
  "reduction" | "axis" | "k" | "segments" | "outputRows"
>;

/** `count` columns, one after another, of `rows` rows; each writes rows of its own. */
function columnByColumn(rows: number, count: number): Rectangle[] {
  return Array.from({ length: count }, (_, column) => ({
    i0: 0,
    i1: rows,
    j0: column,
    j1: column + 1,
    output: column * rows,
  }));
}

/**
 * The same with derivatives: rows of i and of j, repeated for every pair, are rows of one fold over
 * a single column.
 */
function densePairs(request: DenseRequest): Tensor {
  const { M, N, formula, batch = NO_BATCH } = request;
  const places = { i: new Int32Array(M * N), j: new Int32Array(M * N) };
  for (let i = 0, at = 0; i < M; i++) {
    for (let j = 0; j < N; j++, at++) {
      places.i[at] = i;
      places.j[at] = j;
    }
  }
  const inputs = new Map<number, Tensor>();
  const of = new Map<number, readonly number[]>();
  const repeated = (leaf: VariableNode, axis: Axis, t: Tensor): Node => {
    const own = batch.of.get(leaf.slot) ?? [];
    const table = reshape(t, [...own, axis === "i" ? M : N, leaf.dim]);
    const rows = take(table, places[axis], own.length);
    inputs.set(rows.id, rows);
    of.set(rows.id, own);
    return variable(rows.id, "i", leaf.dim, leaf.number);
  };
  const pairs = transform(formula, (leaf) => {
    if (leaf.kind === "index") {
      const indices = tensor(places[leaf.axis], [M * N, 1], { copy: false });
      inputs.set(indices.id, indices);
      return variable(indices.id, "i", 1, "index");
    }
    if (leaf.kind !== "variable") return leaf;
    const input = request.inputs.get(leaf.slot);
    if (input === undefined) throw new PairfoldError("internal", `no tensor for ${leaf.slot}`);
    if (leaf.axis !== "p") return repeated(leaf, leaf.axis, input);
    inputs.set(leaf.slot, input);
    of.set(leaf.slot, batch.of.get(leaf.slot) ?? []);
    return leaf;
  });
  const [values] = fold({
    ...request,
    formula: pairs,
    inputs,
    batch: { shape: batch.shape, of },
    reduction: "sum",
    axis: "j",
    M: M * N,
    N: 1,
    k: 1,
  });
  return reshape(values, [...batch.shape, M, N, formula.dim]);
}

/** A tensor [...batch, M, N, D] of the formula's values. */
export function dense(request: DenseRequest): Tensor {
  const { M, N, formula, batch = NO_BATCH } = request;
  if (isTraced(request.inputs.values())) return densePairs(request);
  // The fewer columns the better: with i folded, columns are the i and the result stands as it is
  // wanted, else it stands transposed. The maximum of one value is that value, NaN and −0 too.
  const isStraight = M <= N;
  const [rows, columns] = isStraight ? [N, M] : [M, N];
  const [values] = fold({
    ...request,
    reduction: "max",
    axis: isStraight ? "i" : "j",
    k: 1,
    segments: columnByColumn(rows, columns),
    outputRows: M * N,
  });
  const shape = [...batch.shape, M, N, formula.dim];
  return isStraight ? reshaped(values, shape) : transposedTensor(values, shape);
}

/** Numbers that stand as [...batch, N, M, D] as a tensor [...batch, M, N, D]. */
function transposedTensor(values: Tensor, shape: readonly number[]): Tensor {
  const [M, N, D] = shape.slice(-3);
  const batches = sizeOf(shape.slice(0, -3));
  let from: Tensor | NumberArray = values; // once transposed, not kept as they came
  let explained = "";
  return new Tensor(shape, values.dtype, {
    resolve: async (control) => {
      if (!(from instanceof Tensor)) return from;
      const source: Tensor = from;
      const data = await source.resolve(control);
      if (!(from instanceof Tensor)) return from; // another reader was faster
      explained = source.explain();
      source.dispose();
      return from = transposed(data, batches, N, M, D, source.dtype);
    },
    explain: () => from instanceof Tensor ? from.explain() : explained,
  });
}

/** [batches, rows, columns, dim] as [batches, columns, rows, dim]. */
function transposed(
  data: NumberArray,
  batches: number,
  rows: number,
  columns: number,
  dim: number,
  dtype: DType,
): NumberArray {
  const out = allocate(dtype, batches * rows * columns * dim);
  for (let b = 0, at = 0; b < batches; b++) {
    for (let c = 0; c < columns; c++) {
      for (let r = 0; r < rows; r++) {
        const from = ((b * rows + r) * columns + c) * dim;
        for (let d = 0; d < dim; d++) out[at++] = data[from + d];
      }
    }
  }
  return out;
}
