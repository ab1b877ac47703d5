// Balls around centroids in a tree of boxes. Enters: the centroids and radii of clusters. Leaves: the
// clusters whose balls reach into another one.

import { PointTree } from "./tree.ts";

/** Distances and radii are rounded by far less than a millionth of their size. */
export const ROUNDING = 1 + 1e-6;

/** Clusters of a leaf. */
const LEAF = 4;

/** Balls: centroids of `dim` numbers, and a radius for each, −∞ where there is none. */
export interface Balls {
  readonly dim: number;
  readonly centroids: Float64Array<ArrayBuffer>;
  readonly radii: Float64Array<ArrayBuffer>;
}

/** A tree of the centroids of clusters that have points. */
export class CentroidTree {
  readonly #tree: PointTree;
  /** The clusters, leaf by leaf. */
  readonly #clusters: Int32Array<ArrayBuffer>;
  /** How far the balls of clusters reach, with what roundings may add. */
  readonly #radii: Float64Array<ArrayBuffer>;
  /** The largest of these below each node. */
  readonly #widest: Float64Array<ArrayBuffer>;

  constructor({ dim, centroids, radii }: Balls) {
    const there = Int32Array.from(radii.keys()).filter((k) => radii[k] >= 0);
    const points = new Float64Array(there.length * dim);
    for (const [k, cluster] of there.entries()) {
      points.set(centroids.subarray(cluster * dim, (cluster + 1) * dim), k * dim);
    }
    const tree = this.#tree = new PointTree(points, dim, LEAF);
    this.#clusters = tree.order.map((k) => there[k]);
    this.#radii = Float64Array.from(this.#clusters, (cluster) => radii[cluster] * ROUNDING);
    this.#widest = new Float64Array(tree.nodes);
    for (let node = tree.nodes - 1; node >= 0; node--) {
      this.#widest[node] = tree.isLeaf(node)
        ? this.#radii.subarray(tree.start[node], tree.end[node]).reduce((a, b) => Math.max(a, b), 0)
        : Math.max(this.#widest[node + 1], this.#widest[tree.after[node + 1]]);
    }
  }

  /** The clusters whose balls reach to at most `reach` from a point, ascending. */
  near(point: Float64Array, reach: number): number[] {
    const tree = this.#tree;
    const found: number[] = [];
    for (let node = 0; node < tree.nodes;) {
      const most = reach + this.#widest[node];
      // roundings are monotonic: no centroid is found to be nearer than its box
      if (this.#boxDistance(node, point) > most * most) {
        node = tree.after[node];
        continue;
      }
      if (tree.isLeaf(node)) this.#findIn(node, point, reach, found);
      node++;
    }
    return found.sort((k, l) => k - l);
  }

  #findIn(leaf: number, point: Float64Array, reach: number, found: number[]): void {
    const { start, end, points, dim } = this.#tree;
    for (let at = start[leaf]; at < end[leaf]; at++) {
      const most = reach + this.#radii[at];
      let square = 0;
      for (let d = 0; d < dim; d++) square += (point[d] - points[at * dim + d]) ** 2;
      if (square <= most * most) found.push(this.#clusters[at]);
    }
  }

  /** The squared distance from a point to a node's box. */
  #boxDistance(node: number, point: Float64Array): number {
    const { low, high, dim } = this.#tree;
    let square = 0;
    for (let d = 0, at = node * dim; d < dim; d++, at++) {
      const gap = Math.max(low[at] - point[d], point[d] - high[at]);
      if (gap > 0) square += gap * gap;
    }
    return square;
  }
}
