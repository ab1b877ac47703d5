// Clouds of points that are hard for searches of neighbours, and whether what two of these found is
// the same.

import type { Random } from "./random.ts";

type DType = "float32" | "float64";
type Numbers = Float32Array | Float64Array;

/** Makes so many points of D components. */
export type Cloud = (random: Random, dtype: DType, rows: number, D: number) => Numbers;

/** By what is hard about them. */
export const CLOUDS: Readonly<Record<string, Cloud>> = {
  uniform: (random, dtype, rows, D) => random.array(dtype, rows * D),
  clustered: (random, dtype, rows, D) => {
    const centres = random.float64(7 * D, -100, 100);
    const near = random.array(dtype, rows * D, -0.01, 0.01);
    for (let row = 0; row < rows; row++) {
      const centre = random.integer(7);
      for (let d = 0; d < D; d++) near[row * D + d] += centres[centre * D + d];
    }
    return near;
  },
  "a grid": (random, dtype, rows, D) =>
    random.array(dtype, rows * D, 0, 8).map((value: number) => Math.floor(value)),
  "few places": (random, dtype, rows, D) =>
    random.array(dtype, rows * D, 0, 2).map((value: number) => Math.floor(value)),
  "one place": (_, dtype, rows, D) =>
    (dtype === "float32" ? new Float32Array(rows * D) : new Float64Array(rows * D)).fill(0.3),
  tiny: (random, dtype, rows, D) => random.array(dtype, rows * D, -1e-22, 1e-22),
  "a line far away": (random, dtype, rows, D) =>
    random.array(dtype, rows * D, 1e6, 1e6 + 10).map((value: number, n: number) =>
      n % D === 0 ? value : 1e6
    ),
};

/** How many places differ in a bit. */
export const differences = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  a.length === b.length
    ? Array.from(a).filter((value, n) => !Object.is(value, b[n])).length
    : Infinity;
