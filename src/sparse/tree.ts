// Points in a tree of boxes. Enters: a table of points. Leaves: an order in which near points stand
// side by side, and the least boxes around the points of every node.
//
// Points are sorted along the curve of their interleaved bits, and nodes are cut where the first
// bit changes (Lauterbach et al. 2009, Karras 2012): two passes that no branch slows down.

import { inPlace, radixSorted } from "./radix.ts";

/** A table of points, row-major. */
export type Coordinates = Float32Array | Float64Array;

/** Bits of a key. */
const KEY_BITS = 30;

/**
 * Nodes, a node before its children; those of a node are the next one and what follows its part.
 */
export class PointTree {
  readonly dim: number;
  /** The points, leaf by leaf. */
  readonly points: Coordinates;
  /** The rows that they had. */
  readonly order: Int32Array<ArrayBuffer>;
  readonly nodes: number;
  /** The part of the order that a node holds, from `start[n]` to `end[n]` − 1. */
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** The first node that is not below a node: n + 1 for leaves. */
  readonly after: Int32Array;
  /** Corners of the nodes' boxes, [nodes, dim]. */
  readonly low: Float64Array<ArrayBuffer>;
  readonly high: Float64Array<ArrayBuffer>;

  /** Of points that are all finite; leaves have at most `leafSize`. */
  constructor(points: Coordinates, dim: number, leafSize: number) {
    this.dim = dim;
    const { keys, order } = radixSorted(
      keysOf(points, dim),
      inPlace(points.length / dim),
      KEY_BITS,
    );
    this.order = order;
    const start: number[] = [], end: number[] = [], after: number[] = [];
    const cut = (from: number, to: number): void => {
      const node = start.push(from) - 1;
      end.push(to);
      after.push(0);
      if (to - from > leafSize) {
        const middle = cutOf(keys, from, to);
        cut(from, middle);
        cut(middle, to);
      }
      after[node] = start.length;
    };
    cut(0, order.length);
    this.nodes = start.length;
    this.start = Int32Array.from(start);
    this.end = Int32Array.from(end);
    this.after = Int32Array.from(after);
    this.low = new Float64Array(this.nodes * dim).fill(Infinity);
    this.high = new Float64Array(this.nodes * dim).fill(-Infinity);
    this.points = gathered(points, dim, order);
    for (let node = this.nodes - 1; node >= 0; node--) {
      if (this.isLeaf(node)) this.#enclose(node, this.points);
      else this.#join(node);
    }
  }

  isLeaf(node: number): boolean {
    return this.after[node] === node + 1;
  }

  /** The largest nodes of at most so many points. */
  parts(size: number): number[] {
    const found: number[] = [];
    for (let node = 0; node < this.nodes;) {
      const isPart = this.isLeaf(node) || this.end[node] - this.start[node] <= size;
      if (isPart) found.push(node);
      node = isPart ? this.after[node] : node + 1;
    }
    return found;
  }

  /** The box of a leaf around its points. */
  #enclose(node: number, points: Coordinates): void {
    const { dim, low, high } = this;
    const first = node * dim;
    for (let k = this.start[node]; k < this.end[node]; k++) {
      for (let d = 0, at = first, from = k * dim; d < dim; d++, at++, from++) {
        const value = points[from];
        if (value < low[at]) low[at] = value;
        if (value > high[at]) high[at] = value;
      }
    }
  }

  /** The box of a node around its children's. */
  #join(node: number): void {
    const { dim, low, high } = this;
    const left = (node + 1) * dim, right = this.after[node + 1] * dim;
    for (let d = 0, at = node * dim; d < dim; d++, at++) {
      low[at] = Math.min(low[left + d], low[right + d]);
      high[at] = Math.max(high[left + d], high[right + d]);
    }
  }
}

/** Whether all components are numbers of at most that size. */
export function isWithin(points: Coordinates, largest: number): boolean {
  for (let k = 0; k < points.length; k++) if (!(Math.abs(points[k]) <= largest)) return false;
  return true;
}

/** Rows of a table in some order. */
export function gathered(table: Coordinates, dim: number, order: Int32Array): Coordinates {
  return table instanceof Float32Array
    ? copied(table, new Float32Array(order.length * dim), dim, order)
    : copied(table, new Float64Array(order.length * dim), dim, order);
}

function copied<T extends Coordinates>(table: T, out: T, dim: number, order: Int32Array): T {
  for (let k = 0, at = 0; k < order.length; k++) {
    for (let d = 0, from = order[k] * dim; d < dim; d++) out[at++] = table[from++];
  }
  return out;
}

/**
 * Where points stand in their bounding cube: bits of the components in turn, the first ones first.
 */
function keysOf(points: Coordinates, dim: number): Uint32Array<ArrayBuffer> {
  const count = points.length / dim;
  const bits = Math.min(16, Math.floor(KEY_BITS / dim));
  const low = new Float64Array(dim).fill(Infinity);
  const high = new Float64Array(dim).fill(-Infinity);
  for (let k = 0, at = 0; k < count; k++) {
    for (let d = 0; d < dim; d++, at++) {
      if (points[at] < low[d]) low[d] = points[at];
      if (points[at] > high[d]) high[d] = points[at];
    }
  }
  const extent = low.reduce((most, from, d) => Math.max(most, high[d] - from), 0);
  const scale = extent > 0 ? (2 ** bits - 1) / extent : 0;
  // every bit of a component at its place, once for all values
  const spread = new Uint32Array(2 ** bits);
  for (let value = 0; value < spread.length; value++) {
    for (let bit = 0; bit < bits; bit++) spread[value] |= ((value >> bit) & 1) << (bit * dim);
  }
  const keys = new Uint32Array(count);
  for (let k = 0, at = 0; k < count; k++) {
    let key = 0;
    for (let d = 0; d < dim; d++, at++) {
      key |= spread[((points[at] - low[d]) * scale) | 0] << (dim - 1 - d);
    }
    keys[k] = key;
  }
  return keys;
}

/** Where the first bit that differs changes; the middle where all keys are equal. */
function cutOf(keys: Uint32Array, from: number, to: number): number {
  const differing = keys[from] ^ keys[to - 1];
  if (differing === 0) return (from + to) >> 1;
  const shift = 31 - Math.clz32(differing);
  const wanted = keys[to - 1] >>> shift;
  let [low, high] = [from, to - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle] >>> shift === wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}
