// Inputs of a row of bench:cuda, and whether a result is right.

import type { CudaRow } from "./rows.ts";

export type Numbers = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** Uniform numbers in [0, 1), the same for the same seed (xorshift32). */
function uniform(row: CudaRow, length: number, seed: number): Numbers {
  const numbers = row.dtype === "float32" ? new Float32Array(length) : new Float64Array(length);
  let state = seed;
  for (let k = 0; k < length; k++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    numbers[k] = (state >>> 0) / 2 ** 32;
  }
  return numbers;
}

/** G, X, Y, B of a row; the scale keeps exponents near −1/2 in every dimension. */
export function dataOf(row: CudaRow): readonly [Numbers, Numbers, Numbers, Numbers] {
  const scale = uniform(row, 1, 1);
  scale[0] = 3 / row.dim;
  return [
    scale,
    uniform(row, row.rows * row.dim, 12345),
    uniform(row, row.columns * row.dim, 54321),
    uniform(row, row.columns * row.width, 999),
  ];
}

/** Rows on which results are checked. */
export const SAMPLE = 4;

/** ⟨x_i, y_j⟩ in float64. */
function dot(row: CudaRow, x: Numbers, y: Numbers, i: number, j: number): number {
  let sum = 0;
  for (let d = 0; d < row.dim; d++) sum += x[i * row.dim + d] * y[j * row.dim + d];
  return sum;
}

/** |x_i − y_j|² in float64. */
function distance(row: CudaRow, x: Numbers, y: Numbers, i: number, j: number): number {
  let sum = 0;
  for (let d = 0; d < row.dim; d++) sum += (x[i * row.dim + d] - y[j * row.dim + d]) ** 2;
  return sum;
}

/**
 * The largest error of a result's first rows, relative to the largest entry there: against float64
 * loops. Indices count by the distances that they point at.
 */
export function errorOf(
  row: CudaRow,
  data: ReturnType<typeof dataOf>,
  got: ArrayLike<number>,
): number {
  const [g, x, y, b] = data;
  let [error, largest] = [0, 1e-300];
  const meet = (value: number, right: number): void => {
    largest = Math.max(largest, Math.abs(right));
    const off = Math.abs(value - right);
    error = Number.isNaN(off) ? Infinity : Math.max(error, off);
  };
  for (let i = 0; i < Math.min(SAMPLE, row.rows); i++) {
    const distances = Float64Array.from(
      { length: row.columns },
      (_, j) => distance(row, x, y, i, j),
    );
    const weights = row.kind === "attention"
      ? Float64Array.from({ length: row.columns }, (_, j) => Math.exp(g[0] * dot(row, x, y, i, j)))
      : distances.map((q) => Math.exp(-g[0] * q));
    const sum = (term: (j: number) => number): number => {
      let total = 0;
      for (let j = 0; j < row.columns; j++) total += term(j);
      return total;
    };
    if (row.kind === "argmin" || row.kind === "neighbours") {
      const sorted = distances.toSorted();
      const k = row.k ?? 1;
      for (let n = 0; n < k; n++) {
        const found = got[i * k + n];
        if (n < row.columns) meet(found < 0 ? Infinity : distances[found], sorted[n]);
      }
    } else if (row.kind === "logsumexp") {
      meet(got[i], Math.log(sum((j) => weights[j])));
    } else if (row.kind === "gradient") {
      for (let d = 0; d < row.dim; d++) {
        const term = (j: number): number =>
          (x[i * row.dim + d] - y[j * row.dim + d]) * weights[j] * b[j];
        meet(got[i * row.dim + d], sum(term));
      }
    } else {
      const mass = row.kind === "attention" ? sum((j) => weights[j]) : 1;
      for (let e = 0; e < row.width; e++) {
        meet(got[i * row.width + e], sum((j) => weights[j] * b[j * row.width + e]) / mass);
      }
    }
  }
  return error / largest;
}
