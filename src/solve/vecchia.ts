// A sparse factor of the inverse. Enters: a symmetric positive definite matrix and positions of its
// rows. Leaves: P = Gᵀ G with a sparse triangular G, near the inverse.

import type { Points } from "./action.ts";
import {
  eachTriangle,
  type Preconditioner,
  robustCholesky,
  type System,
} from "./preconditioner.ts";
import { nearestPredecessors } from "./points.ts";
import { RandomStream } from "./random.ts";

/** The order of rows needs no seed of the user's: any random one does. */
const ORDER_SEED = 20120312;

/**
 * Vecchia's approximation: rows in random order, each expressed by its nearest predecessors alone.
 * Row t of G is the last row of the inverse Cholesky factor of the matrix over these and t, which
 * minimises the Kullback–Leibler divergence among all G of that sparsity (Schäfer, Katzfuss and
 * Owhadi 2021). Far rows come first, so that a few neighbours carry all scales: for kernels of
 * points in few dimensions, iterations barely depend on alpha.
 */
export async function vecchia(
  system: System,
  neighbours: number,
  points: Points,
): Promise<Preconditioner> {
  const n = system.matrix.rows;
  const order = new RandomStream(ORDER_SEED).permutation(n);
  const lists = nearestPredecessors(points, order, neighbours).map((near, t) => {
    const list = new Int32Array(near.length + 1);
    list.set(near);
    list[near.length] = order[t];
    return list;
  });
  const weights: Float64Array[] = [];
  let logDeterminant = 0;
  await eachTriangle(system, lists, (t, triangle) => {
    const size = lists[t].length;
    const lower = robustCholesky(triangle, size);
    // L⁻ᵀ e for the last unit vector e
    const row = weights[t] = new Float64Array(size);
    for (let k = size - 1; k >= 0; k--) {
      let sum = k === size - 1 ? 1 : 0;
      for (let below = k + 1; below < size; below++) sum -= lower[below * size + k] * row[below];
      row[k] = sum / lower[k * size + k];
    }
    logDeterminant += 2 * Math.log(row[size - 1]);
  });
  const { starts, rows, values } = packed(lists, weights);
  /** G · block, rows in the random order. */
  const forward = (block: Float64Array, width: number): Float64Array => {
    const out = new Float64Array(block.length);
    for (let t = 0; t < n; t++) {
      const own = t * width;
      for (let k = starts[t]; k < starts[t + 1]; k++) {
        const value = values[k], from = rows[k] * width;
        for (let c = 0; c < width; c++) out[own + c] += value * block[from + c];
      }
    }
    return out;
  };
  /** Gᵀ · block. */
  const backward = (block: Float64Array, width: number): Float64Array => {
    const out = new Float64Array(block.length);
    for (let t = 0; t < n; t++) {
      const own = t * width;
      for (let k = starts[t]; k < starts[t + 1]; k++) {
        const value = values[k], to = rows[k] * width;
        for (let c = 0; c < width; c++) out[to + c] += value * block[own + c];
      }
    }
    return out;
  };
  return {
    name: `Vecchia, ${neighbours} neighbours`,
    apply: (block, width) => backward(forward(block, width), width),
    factor: { apply: backward, applyTransposed: forward, logDeterminant },
  };
}

/** Lists of rows and their weights, one after another. */
function packed(
  lists: readonly Int32Array[],
  weights: readonly Float64Array[],
): { starts: Int32Array; rows: Int32Array; values: Float64Array } {
  const starts = new Int32Array(lists.length + 1);
  lists.forEach((list, t) => starts[t + 1] = starts[t] + list.length);
  const rows = new Int32Array(starts[lists.length]);
  const values = new Float64Array(rows.length);
  lists.forEach((list, t) => {
    rows.set(list, starts[t]);
    values.set(weights[t], starts[t]);
  });
  return { starts, rows, values };
}
