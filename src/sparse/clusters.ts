// Points in clusters. Enters: points, and a label for each. Leaves: an order in which clusters stand
// together, and which clusters are near to which.

import { checkOptions, shown } from "../error.ts";
import type { NumberArray } from "../engine/mod.ts";
import { integersOf, type KeepMatrix, refuse } from "./range_lists.ts";
import { CentroidTree, ROUNDING } from "./centroid_tree.ts";
import { BlockRanges, ofSortedClusters } from "./ranges.ts";
import type { Coordinates } from "./tree.ts";

/** Points: nested arrays [rows, dim], or a flat array whose dim is told. */
export type PointTable = Coordinates | ArrayLike<ArrayLike<number>>;

/** What {@linkcode Clusters} may be told. */
export interface ClustersOptions {
  /** Numbers of a point, for flat arrays. */
  readonly dim?: number;
}

interface Table {
  readonly numbers: Coordinates;
  readonly dim: number;
}

/** Points as a flat array of finite numbers. */
function tableOf(op: string, points: PointTable, options: ClustersOptions): Table {
  checkOptions(op, options);
  const isFlat = points instanceof Float32Array || points instanceof Float64Array;
  const isNested = Array.isArray(points);
  if (!isFlat && !isNested) {
    const got = typeof points === "object" && points !== null ? "an object" : shown(points);
    refuse(op, "dtype", `got ${got} as points; expected nested arrays or a flat array of floats`);
  }
  const first: unknown = isNested ? points[0] : null;
  const own = options.dim ??
    (Array.isArray(first) || ArrayBuffer.isView(first)
      ? (first as ArrayLike<number> & object).length
      : undefined);
  if (own === undefined || !Number.isInteger(own) || own < 1) {
    const got = own === undefined ? "no dim" : `dim ${shown(own)}`;
    refuse(op, "dim", `got ${got} for the points; expected how many numbers a point has`);
  }
  let numbers: Coordinates;
  if (isFlat) numbers = points;
  else {
    numbers = new Float32Array(points.length * own);
    for (const [k, point] of (points as readonly ArrayLike<number>[]).entries()) {
      if (point?.length !== own) {
        refuse(op, "shape", `got ${shown(point)} as point ${k}; expected ${own} numbers`);
      }
      for (let d = 0; d < own; d++) {
        if (typeof point[d] !== "number") {
          refuse(op, "shape", `got ${shown(point[d])} in point ${k}; expected finite numbers`);
        }
        numbers[k * own + d] = point[d];
      }
    }
  }
  if (numbers.length % own !== 0) {
    refuse(op, "shape", `got ${numbers.length} numbers; expected a multiple of dim ${own}`);
  }
  const at = numbers.findIndex((value: number) => !Number.isFinite(value));
  if (at >= 0) {
    const what = `${numbers[at]} in point ${Math.floor(at / own)}`;
    refuse(op, "shape", `got ${what}; expected finite numbers`);
  }
  return { numbers, dim: own };
}

/** How many times as many integers as there are numbers a table of them may have. */
const TABLE = 4;

/** The place of each integer among the different ones, in order, and how many there are. */
function ranked(values: Float64Array): { ranks: Float64Array; count: number } {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const span = high - low + 1;
  if (!(span <= TABLE * values.length)) return rankedFar(values);
  const places = new Int32Array(Math.max(0, span));
  for (const value of values) places[value - low] = 1;
  let count = 0;
  for (let k = 0; k < places.length; k++) if (places[k] === 1) places[k] = count++;
  return { ranks: values.map((value) => places[value - low]), count };
}

/** The same of numbers that are far from one another. */
function rankedFar(values: Float64Array): { ranks: Float64Array; count: number } {
  const places = new Map<number, number>();
  for (const value of values.slice().sort()) {
    if (!places.has(value)) places.set(value, places.size);
  }
  return { ranks: values.map((value) => places.get(value) ?? 0), count: places.size };
}

/**
 * Labels of points by the cubic cells of a grid that they are in: two points have the same label if
 * and only if they are in the same cell. Labels count from 0, in the order of the cells, first
 * components first; cells without points have none. (KeOps' `grid_cluster`, for any dim.)
 *
 * Throws `PairfoldError` (shape, dim, dtype) for points that are not finite, and a `size` that is no
 * positive number, or one for each component.
 *
 * ```ts
 * import { gridCluster } from "pairfold";
 * console.log(gridCluster([[0], [0.1], [0.9], [0.05], [0.5]], 0.2)); // Int32Array [ 0, 0, 2, 0, 1 ]
 * ```
 */
export function gridCluster(
  points: PointTable,
  size: number | readonly number[],
  options: ClustersOptions = {},
): Int32Array<ArrayBuffer> {
  const op = "gridCluster";
  const { numbers, dim } = tableOf(op, points, options);
  const sizes: readonly number[] = typeof size === "number" ? Array(dim).fill(size) : size;
  const isSize = Array.isArray(sizes) && sizes.length === dim &&
    sizes.every((length) => typeof length === "number" && length > 0 && length < Infinity);
  if (!isSize) {
    const wanted = dim === 1 ? "a positive number" : `a positive number, or ${dim} of them`;
    refuse(op, "shape", `got size ${shown(size)}; expected ${wanted}`);
  }
  const count = numbers.length / dim;
  let labels: Float64Array = new Float64Array(count);
  for (const [d, length] of sizes.entries()) {
    const cells = labels.map((_, k) => Math.floor(numbers[k * dim + d] / length));
    const { ranks, count: width } = ranked(cells);
    // both factors are at most the number of points: every product is exact
    labels = ranked(labels.map((label, k) => label * width + ranks[k])).ranks;
  }
  return Int32Array.from(labels);
}

/**
 * Points sorted by a label of each, so that every cluster stands together; the order of the points
 * of a cluster stays. (KeOps' `sort_clusters` and `cluster_ranges_centroids`.)
 *
 * ```ts
 * import { Clusters, gridCluster, Vi, Vj } from "pairfold";
 * const points = Float32Array.from({ length: 3 * 5000 }, () => Math.random());
 * const clusters = new Clusters(points, gridCluster(points, 0.1, { dim: 3 }), { dim: 3 });
 * const ranges = clusters.near(clusters, 0.15); // a Gaussian of width 0.03, up to 5 widths
 * const x = Vi(clusters.points, 3), y = Vj(clusters.points, 3);
 * const density = x.sqDist(y).mul(-1 / (2 * 0.03 ** 2)).exp().sum("j", { ranges });
 * const inOrder = clusters.restored(await density.data()); // as the points were given
 * console.log(inOrder.length, ranges.pairs < 5000 ** 2 / 5); // 5000 true
 * ```
 */
export class Clusters {
  /** How many clusters there are: the largest label and one; some may have no points. */
  readonly count: number;
  /** Numbers of a point. */
  readonly dim: number;
  /** The points, cluster after cluster. */
  readonly points: Coordinates;
  /** Which of the points given stands at each place. */
  readonly order: Int32Array<ArrayBuffer>;
  /** Where each of the points given stands: `take(places)` restores the order of a tensor. */
  readonly places: Int32Array<ArrayBuffer>;
  /** The first place of each cluster and one beyond its last: [count, 2]. */
  readonly ranges: Int32Array<ArrayBuffer>;
  /** The mean of each cluster's points: [count, dim]; NaN without any. */
  readonly centroids: Float64Array<ArrayBuffer>;
  /** The distance from a centroid to its cluster's farthest point; −∞ without any. */
  readonly radii: Float64Array<ArrayBuffer>;

  /** Throws `PairfoldError` (shape, dim, dtype) for points or labels that are none. */
  constructor(points: PointTable, labels: ArrayLike<number>, options: ClustersOptions = {}) {
    const op = "Clusters";
    const { numbers, dim } = tableOf(op, points, options);
    const own = integersOf(op, "labels", labels);
    const size = numbers.length / dim;
    if (own.length !== size) {
      refuse(op, "shape", `got ${own.length} labels for ${size} points; expected one for each`);
    }
    this.dim = dim;
    const count = this.count = own.reduce((most, label) => Math.max(most, label + 1), 0);
    if (count > 2 * size + LEAST_LABELS) {
      refuse(op, "shape", `got label ${count - 1} for ${size} points; expected labels from 0 on`);
    }
    const ranges = this.ranges = new Int32Array(2 * count);
    for (const label of own) ranges[2 * label + 1]++;
    for (let k = 0, end = 0; k < count; k++) {
      ranges[2 * k] = end;
      ranges[2 * k + 1] = end += ranges[2 * k + 1];
    }
    const next = Int32Array.from({ length: count }, (_, k) => ranges[2 * k]);
    this.order = new Int32Array(size);
    this.places = own.map((label) => next[label]++);
    for (const [k, place] of this.places.entries()) this.order[place] = k;
    this.points = this.sorted(numbers, dim);
    this.centroids = new Float64Array(count * dim);
    this.radii = new Float64Array(count).fill(-Infinity);
    for (let k = 0; k < count; k++) this.#measure(k);
  }

  /** Finds the mean of a cluster's points, and how far they are from it. */
  #measure(k: number): void {
    const { dim, points, centroids, ranges } = this;
    const [start, end] = [ranges[2 * k], ranges[2 * k + 1]];
    const centroid = centroids.subarray(k * dim, (k + 1) * dim);
    if (start === end) centroid.fill(NaN);
    // divided before they are added: no sum overflows
    for (let at = start * dim; at < end * dim; at++) {
      centroid[at % dim] += points[at] / (end - start);
    }
    for (let place = start; place < end; place++) {
      let square = 0;
      for (let d = 0; d < dim; d++) square += (points[place * dim + d] - centroid[d]) ** 2;
      this.radii[k] = Math.max(this.radii[k], Math.sqrt(square));
    }
  }

  /** Rows of another table of the points, `dim` numbers each, in the clusters' order. */
  sorted<T extends NumberArray>(table: T, dim = 1): T {
    return this.#moved("sorted", table, dim, this.order);
  }

  /** Rows in the clusters' order in that of the points that were given. */
  restored<T extends NumberArray>(table: T, dim = 1): T {
    return this.#moved("restored", table, dim, this.places);
  }

  #moved<T extends NumberArray>(op: string, table: T, dim: number, from: Int32Array): T {
    if (!ArrayBuffer.isView(table) || !Number.isInteger(dim) || dim < 1) {
      const got = ArrayBuffer.isView(table) ? `dim ${shown(dim)}` : shown(table);
      refuse(`Clusters.${op}`, "dtype", `got ${got}; expected a flat array and an integer from 1`);
    }
    if (table.length !== from.length * dim) {
      const wanted = `${from.length} × ${dim}`;
      refuse(`Clusters.${op}`, "shape", `got ${table.length} numbers; expected ${wanted}`);
    }
    const out = table.slice() as T;
    for (let k = 0, at = 0; k < from.length; k++) {
      for (let d = 0; d < dim; d++) out[at++] = table[from[k] * dim + d];
    }
    return out;
  }

  /** Which clusters of these points, as rows, meet which of others, as columns. */
  meeting(columns: Clusters, keep: KeepMatrix): BlockRanges {
    checkClusters("Clusters.meeting", columns);
    return BlockRanges.fromMatrix(this.ranges, columns.ranges, keep);
  }

  /**
   * The pairs of clusters that may have points at most `reach` from one another: those whose
   * centroids are no farther than that and both radii. No pair of points within reach is left out.
   *
   * Throws `PairfoldError` (shape, dim) for a reach that is no number from 0, and points of another
   * dim.
   */
  near(columns: Clusters, reach: number): BlockRanges {
    const op = "Clusters.near";
    if (!(typeof reach === "number" && reach >= 0)) {
      refuse(op, "shape", `got reach ${shown(reach)}; expected a number from 0`);
    }
    checkClusters(op, columns);
    const { dim, centroids, radii } = this;
    if (columns.dim !== dim) {
      refuse(op, "dim", `got points of dims ${dim} and ${columns.dim}; expected the same`);
    }
    const tree = new CentroidTree(columns);
    return ofSortedClusters(this.ranges, columns.ranges, (k) => {
      if (radii[k] < 0) return [];
      const centroid = centroids.subarray(k * dim, (k + 1) * dim);
      return tree.near(centroid, (reach + radii[k]) * ROUNDING);
    });
  }
}

function checkClusters(op: string, clusters: unknown): asserts clusters is Clusters {
  if (clusters instanceof Clusters) return;
  refuse(op, "dtype", `got ${shown(clusters)}; expected Clusters`);
}

/** Labels that few points may have: beyond, arrays of all clusters would be mostly of empty ones. */
const LEAST_LABELS = 2 ** 20;
