// The rows of the benchmarks: what is folded, in Pairfold's words, in KeOps' words, by a
// hand-written loop, and by a plain float64 loop that says what is right.

import { type FoldChoices, type LazyTensor, type Tensor, tensor, Vi, Vj } from "pairfold";
import { build, variable } from "../src/formula/mod.ts";
import { fold } from "../src/program/mod.ts";
import { cauchy, energy, laplacian } from "./handwritten/distances.ts";
import { gaussian, gaussianGradient } from "./handwritten/gaussian.ts";
import { logSumExp } from "./handwritten/logsumexp.ts";
import type { FloatArray, HandwrittenLoop } from "./handwritten/loop.ts";
import { kSmallest, nearest, smallest } from "./handwritten/nearest.ts";
import { wideGaussian } from "./handwritten/wide.ts";
import { uniform } from "./random.ts";

/** The points of one row: x (size, dim), y (size, dim), b (size, weights), s. */
export interface Problem {
  readonly size: number;
  readonly x: FloatArray;
  readonly y: FloatArray;
  readonly b: FloatArray;
  readonly dim: number;
  readonly weights: number;
  readonly scale: number;
}

/** The same as symbolic matrices, and as tensors. */
interface Symbols {
  readonly tensors: { readonly x: Tensor; readonly y: Tensor; readonly b: Tensor };
  readonly x: LazyTensor;
  readonly y: LazyTensor;
  readonly b: LazyTensor;
  readonly scale: number;
}

/** KeOps' words for a row; inputs are G, X, Y, B and, where `cotangent` says so, E (ones). */
interface KeopsWords {
  readonly formula: string;
  readonly reduction: string;
  readonly k?: number;
  /** The second formula. */
  readonly weight?: string;
  readonly cotangent?: true;
}

/** One row of the benchmarks. */
export interface Workload {
  readonly name: string;
  /** M = N in the comparison with the peer. */
  readonly size: number;
  readonly dtype: "float32" | "float64";
  readonly dim: number;
  readonly weights: number;
  readonly scale: number;
  /** The least ratio to KeOps on the same machine (PERFORMANCE.md); null: no target. */
  readonly target: number | null;
  readonly keops: KeopsWords;
  readonly fold: (symbols: Symbols, choices: FoldChoices) => Tensor;
  /** The term of one pair from the squared distance, or the gradient's, in float64. */
  readonly dense: DenseFold;
  readonly handwritten: HandwrittenLoop | null;
  /** Whether results are indices of columns (compared by the distances that they point at). */
  readonly indices?: true;
  /** "nearing": every column is nearer to all rows than those before; default "random". */
  readonly order?: "nearing";
}

/** One row i of a result in float64. */
type DenseFold = (problem: Problem, i: number) => number[];

/** Squared distance of row i and column j. */
function squaredDistance({ x, y, dim }: Problem, i: number, j: number): number {
  let q = 0;
  for (let d = 0; d < dim; d++) q += (x[i * dim + d] - y[j * dim + d]) ** 2;
  return q;
}

/** Σ_j term(q) b_j, per component of b. */
function weightedSum(term: (q: number, scale: number) => number): DenseFold {
  return (problem, i) => {
    const { size, weights, b, scale } = problem;
    const sums: number[] = new Array(weights).fill(0);
    for (let j = 0; j < size; j++) {
      const t = term(squaredDistance(problem, i, j), scale);
      for (let e = 0; e < weights; e++) sums[e] += t * b[j * weights + e];
    }
    return sums;
  };
}

const denseGradient: DenseFold = (problem, i) => {
  const { size, dim, x, y, b, scale } = problem;
  const sums: number[] = new Array(dim).fill(0);
  for (let j = 0; j < size; j++) {
    const t = -2 * scale * Math.exp(-scale * squaredDistance(problem, i, j)) * b[j];
    for (let d = 0; d < dim; d++) sums[d] += t * (x[i * dim + d] - y[j * dim + d]);
  }
  return sums;
};

const denseLogSumExp: DenseFold = (problem, i) => {
  const { size, scale } = problem;
  const exponents = Array.from({ length: size }, (_, j) => -scale * squaredDistance(problem, i, j));
  const largest = exponents.reduce((a, b) => Math.max(a, b));
  return [largest + Math.log(exponents.reduce((sum, e) => sum + Math.exp(e - largest), 0))];
};

/** log Σ exp(−s q) b_j, per component of b. */
const denseWeightedLogSumExp: DenseFold = (problem, i) =>
  weightedSum((q, s) => Math.exp(-s * q))(problem, i).map(Math.log);

const denseSmallest = (count: number): DenseFold => (problem, i) => [
  ...Float64Array.from({ length: problem.size }, (_, j) => squaredDistance(problem, i, j))
    .sort().subarray(0, count),
];

const points3 = { dim: 3, weights: 1, dtype: "float32", scale: 2 } as const;
const gaussianKeops = "Exp(-G*SqDist(X,Y))*B";
const gaussianFold: Workload["fold"] = ({ x, y, b, scale }, choices) =>
  x.sqDist(y).mul(-scale).exp().mul(b).sum("j", choices);
const gaussianTerm = weightedSum((q, s) => Math.exp(-s * q));

/** What compares kernels folds all pairs. */
const allPairs = (choices: FoldChoices): FoldChoices => ({ ...choices, culling: false });

/** Indices of the K nearest columns. */
const nearestRow = (k: number, size: number): Workload => ({
  ...points3,
  name: `${k}-smallest`,
  size,
  target: 6,
  keops: { formula: "SqDist(X,Y)", reduction: "ArgKMin", k },
  fold: ({ x, y }, choices) => x.sqDist(y).argKMin(k, "j", allPairs(choices)),
  dense: denseSmallest(k),
  handwritten: null,
  indices: true,
});

/** The same without the points that are too far, as folds are by default. */
const culledRow = (k: number, size: number): Workload => ({
  ...nearestRow(k, size),
  name: `${k}-smallest-culled`,
  fold: ({ x, y }, choices) => x.sqDist(y).argKMin(k, "j", choices),
});

/** All pairs, every column nearer than those before: every one of them enters every list. */
const nearingRow = (k: number): Workload => ({
  ...nearestRow(k, 10_000),
  name: `${k}-smallest-nearing`,
  target: null,
  order: "nearing",
});

/** log Σ_j exp(−s q) b_j: two formulas. */
const weightedLogSumExp: Workload["fold"] = ({ tensors: { x, y, b }, scale }, choices) => {
  const [size, dim] = x.shape;
  const s = tensor(Float32Array.of(-scale), [1, 1]);
  const q = build.sqDist(variable(x.id, "i", dim), variable(y.id, "j", dim));
  const [result] = fold({
    formula: build.mul(variable(s.id, "p", 1), q),
    weight: variable(b.id, "j", b.shape[1]),
    inputs: new Map([x, y, b, s].map((t) => [t.id, t])),
    reduction: "logSumExpWeight",
    axis: "j",
    M: size,
    N: size,
    dtype: "float32",
    k: 1,
    choices,
  });
  return result;
};

export const WORKLOADS: readonly Workload[] = [
  {
    ...points3,
    name: "gaussian",
    size: 30_000,
    target: 8.5,
    keops: { formula: gaussianKeops, reduction: "Sum" },
    fold: gaussianFold,
    dense: gaussianTerm,
    handwritten: gaussian("gaussian", "f32"),
  },
  {
    ...points3,
    name: "gradient",
    size: 30_000,
    target: 6,
    keops: { formula: `Grad(${gaussianKeops},X,E)`, reduction: "Sum", cotangent: true },
    fold: ({ x, y, b, scale }, choices) =>
      x.sqDist(y).mul(-scale).exp().mul(b).grad(x).sum("j", choices),
    dense: denseGradient,
    handwritten: gaussianGradient(),
  },
  {
    ...points3,
    name: "logsumexp",
    size: 30_000,
    target: 6,
    keops: { formula: "-G*SqDist(X,Y)", reduction: "LogSumExp" },
    fold: ({ x, y, scale }, choices) => x.sqDist(y).mul(-scale).logSumExp("j", choices),
    dense: denseLogSumExp,
    handwritten: logSumExp(),
  },
  {
    ...points3,
    name: "logsumexp-weighted",
    size: 10_000,
    target: 6,
    keops: { formula: "-G*SqDist(X,Y)", reduction: "LogSumExp", weight: "B" },
    fold: weightedLogSumExp,
    dense: denseWeightedLogSumExp,
    handwritten: null,
  },
  { ...nearestRow(1, 30_000), handwritten: { ...nearest(), name: "1-smallest" } },
  { ...nearestRow(10, 30_000), handwritten: kSmallest(10, "indices") },
  nearestRow(50, 30_000),
  nearestRow(100, 30_000),
  culledRow(1, 30_000),
  culledRow(10, 30_000),
  culledRow(50, 30_000),
  culledRow(100, 30_000),
  nearingRow(1),
  nearingRow(10),
  nearingRow(50),
  nearingRow(100),
  {
    ...points3,
    name: "laplacian",
    size: 10_000,
    target: 6,
    keops: { formula: "Exp(-G*Norm2(X-Y))*B", reduction: "Sum" },
    fold: ({ x, y, b, scale }, choices) =>
      x.sub(y).norm2().mul(-scale).exp().mul(b).sum("j", choices),
    dense: weightedSum((q, s) => Math.exp(-s * Math.sqrt(q))),
    handwritten: laplacian(),
  },
  {
    ...points3,
    name: "wide-16",
    size: 10_000,
    weights: 16,
    target: 6,
    keops: { formula: gaussianKeops, reduction: "Sum" },
    fold: gaussianFold,
    dense: gaussianTerm,
    handwritten: gaussian("wide-16", "f32", { dim: 3, weights: 16 }),
  },
  {
    ...points3,
    name: "wide-64",
    size: 10_000,
    weights: 64,
    target: 6,
    keops: { formula: gaussianKeops, reduction: "Sum" },
    fold: gaussianFold,
    dense: gaussianTerm,
    handwritten: wideGaussian("wide-64", 64),
  },
  {
    ...points3,
    name: "dim-64",
    size: 10_000,
    dim: 64,
    scale: 0.1,
    target: 6,
    keops: { formula: gaussianKeops, reduction: "Sum" },
    fold: gaussianFold,
    dense: gaussianTerm,
    handwritten: gaussian("dim-64", "f32", { dim: 64, weights: 1 }, { rows: 4, columns: 2 }),
  },
  {
    ...points3,
    name: "cauchy",
    size: 10_000,
    target: 5,
    keops: { formula: "Inv(IntCst(1)+G*SqDist(X,Y))*B", reduction: "Sum" },
    fold: ({ x, y, b, scale }, choices) =>
      x.sqDist(y).mul(scale).add(1).inv().mul(b).sum("j", choices),
    dense: weightedSum((q, s) => 1 / (1 + s * q)),
    handwritten: cauchy(),
  },
  {
    ...points3,
    name: "energy",
    size: 10_000,
    target: 5,
    keops: { formula: "Norm2(X-Y)*B", reduction: "Sum" },
    fold: ({ x, y, b }, choices) => x.sub(y).norm2().mul(b).sum("j", choices),
    dense: weightedSum((q) => Math.sqrt(q)),
    handwritten: energy(),
  },
  {
    ...points3,
    name: "gaussian-f64",
    size: 10_000,
    dtype: "float64",
    target: 2.5,
    keops: { formula: gaussianKeops, reduction: "Sum" },
    fold: gaussianFold,
    dense: gaussianTerm,
    handwritten: gaussian("gaussian-f64", "f64"),
  },
  {
    ...points3,
    name: "min",
    size: 30_000,
    target: null,
    keops: { formula: "SqDist(X,Y)", reduction: "Min" },
    fold: ({ x, y }, choices) => x.sqDist(y).min("j", allPairs(choices)),
    dense: denseSmallest(1),
    handwritten: smallest(),
  },
  {
    ...points3,
    name: "argmin",
    size: 30_000,
    target: null,
    keops: { formula: "SqDist(X,Y)", reduction: "ArgMin" },
    fold: ({ x, y }, choices) => x.sqDist(y).argMin("j", allPairs(choices)),
    dense: denseSmallest(1),
    handwritten: nearest(),
    indices: true,
  },
  {
    ...points3,
    name: "10-smallest-values",
    size: 30_000,
    target: null,
    keops: { formula: "SqDist(X,Y)", reduction: "KMin_ArgKMin", k: 10 },
    fold: ({ x, y }, choices) => x.sqDist(y).kMinArgKMin(10, "j", allPairs(choices))[0],
    dense: denseSmallest(10),
    handwritten: kSmallest(10, "values"),
  },
];

/** Points on a ray towards the unit cube: each nearer to all of it than those before. */
function nearing(make: (length: number) => FloatArray, size: number, dim: number): FloatArray {
  const points = make(size * dim);
  for (let k = 0; k < points.length; k++) points[k] = 3 - 2 * Math.floor(k / dim) / size;
  return points;
}

/** A row's points, of its own size or another. */
export function problemOf(workload: Workload, size = workload.size): Problem {
  const { dim, weights, scale, dtype } = workload;
  const random = uniform(size);
  const make = (length: number): FloatArray => {
    const next = (): number => random.next().value;
    return dtype === "float32"
      ? Float32Array.from({ length }, next)
      : Float64Array.from({ length }, next);
  };
  return {
    size,
    x: make(size * dim),
    y: workload.order === "nearing" ? nearing(make, size, dim) : make(size * dim),
    b: make(size * weights),
    dim,
    weights,
    scale,
  };
}

/** A fold that can be built again and again over the same tensors. */
export function folder(workload: Workload, problem: Problem): (choices: FoldChoices) => Tensor {
  const { size, dim, weights, scale } = problem;
  const points = (data: FloatArray, columns: number): Tensor => tensor(data, [size, columns]);
  const tensors = {
    x: points(problem.x, dim),
    y: points(problem.y, dim),
    b: points(problem.b, weights),
  };
  const symbols = { tensors, x: Vi(tensors.x), y: Vj(tensors.y), b: Vj(tensors.b), scale };
  return (choices) => workload.fold(symbols, choices);
}

/** Results as numbers that can be compared: indices become the distances that they point at. */
export function comparable(
  workload: Workload,
  problem: Problem,
  results: ArrayLike<number>,
): Float64Array {
  if (!workload.indices) return Float64Array.from(results);
  const perRow = results.length / problem.size;
  return Float64Array.from(
    results,
    (j, k) => squaredDistance(problem, Math.floor(k / perRow), j),
  );
}

/** The largest difference, relative to the largest entry of what is right. */
export function relativeDifference(found: ArrayLike<number>, right: ArrayLike<number>): number {
  if (found.length !== right.length) return NaN;
  let [difference, largest] = [0, 0];
  for (let k = 0; k < right.length; k++) {
    const d = Math.abs(found[k] - right[k]);
    if (!(d <= difference)) difference = d; // NaN stays
    largest = Math.max(largest, Math.abs(right[k]));
  }
  return difference / largest;
}

/** Rows that are compared with a float64 dense loop. */
const CHECKED_ROWS = 32;

/** The error of results (already comparable) on some rows, against a float64 dense loop. */
export function errorOf(workload: Workload, problem: Problem, results: Float64Array): number {
  const perRow = results.length / problem.size;
  const step = Math.max(1, Math.floor(problem.size / CHECKED_ROWS));
  const [found, right]: [number[], number[]] = [[], []];
  for (let i = 0; i < problem.size; i += step) {
    right.push(...workload.dense(problem, i));
    found.push(...results.subarray(i * perRow, (i + 1) * perRow));
  }
  return relativeDifference(found, right);
}

/** Errors above these are wrong kernels. */
const TOLERANCE = { float32: 1e-5, float64: 1e-12 } as const;

/** Throws for results that are wrong: what is wrong is not timed. */
export function refuseWrong(
  what: string,
  workload: Workload,
  problem: Problem,
  results: ArrayLike<number>,
): void {
  const error = errorOf(workload, problem, comparable(workload, problem, results));
  if (error <= TOLERANCE[workload.dtype]) return;
  throw new Error(
    `${workload.name}: ${what} has an error of ${error}; expected at most ` +
      `${TOLERANCE[workload.dtype]}, so it is not timed`,
  );
}
