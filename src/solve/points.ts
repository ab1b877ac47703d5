// Rows near one another in space. Enters: positions. Leaves: groups of near rows, and the nearest
// rows among those that come earlier in an order.

import type { Points } from "./action.ts";

/** The axis along which some points extend furthest. */
function widestAxis({ data, dim }: Points, rows: Int32Array): number {
  let best = 0, width = -1;
  for (let d = 0; d < dim; d++) {
    let low = Infinity, high = -Infinity;
    for (const row of rows) {
      const value = data[row * dim + d];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (high - low > width) [best, width] = [d, high - low];
  }
  return best;
}

/** Rows in two halves, across their widest axis. */
function halves(points: Points, rows: Int32Array): [Int32Array, Int32Array, axis: number] {
  const axis = widestAxis(points, rows);
  const { data, dim } = points;
  const sorted = rows.slice().sort((a, b) => data[a * dim + axis] - data[b * dim + axis] || a - b);
  const middle = sorted.length >> 1;
  return [sorted.subarray(0, middle), sorted.subarray(middle), axis];
}

/** Groups of at most `size` near rows, by halving space again and again (a k-d tree's leaves). */
export function nearGroups(points: Points, rows: Int32Array, size: number): Int32Array[] {
  if (rows.length <= size) return rows.length === 0 ? [] : [rows];
  const [left, right] = halves(points, rows);
  return [...nearGroups(points, left, size), ...nearGroups(points, right, size)];
}

/** A part of space: its rows, or the plane that parts it. */
type Cell =
  | { readonly rows: Int32Array }
  | { readonly axis: number; readonly at: number; readonly below: Cell; readonly above: Cell };

const LEAF = 16;

function cellOf(points: Points, rows: Int32Array): Cell {
  if (rows.length <= LEAF) return { rows };
  const [left, right, axis] = halves(points, rows);
  const at = points.data[right[0] * points.dim + axis];
  return { axis, at, below: cellOf(points, left), above: cellOf(points, right) };
}

/** The nearest so many rows found so far: a heap with the furthest on top. */
class Nearest {
  readonly #distances: Float64Array;
  readonly #rows: Int32Array;
  #count = 0;

  constructor(k: number) {
    this.#distances = new Float64Array(k);
    this.#rows = new Int32Array(k);
  }

  clear(): void {
    this.#count = 0;
  }

  /** What a row must undercut to be taken. */
  get bound(): number {
    return this.#count < this.#rows.length ? Infinity : this.#distances[0];
  }

  add(row: number, distance: number): void {
    if (this.#count < this.#rows.length) {
      let at = this.#count++;
      while (at > 0) {
        const parent = (at - 1) >> 1;
        if (this.#distances[parent] >= distance) break;
        this.#move(parent, at);
        at = parent;
      }
      this.#put(at, row, distance);
    } else if (distance < this.#distances[0]) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= this.#count) break;
        if (child + 1 < this.#count && this.#distances[child + 1] > this.#distances[child]) child++;
        if (this.#distances[child] <= distance) break;
        this.#move(child, at);
        at = child;
      }
      this.#put(at, row, distance);
    }
  }

  #move(from: number, to: number): void {
    this.#distances[to] = this.#distances[from];
    this.#rows[to] = this.#rows[from];
  }

  #put(at: number, row: number, distance: number): void {
    this.#rows[at] = row;
    this.#distances[at] = distance;
  }

  rows(): Int32Array {
    return this.#rows.slice(0, this.#count).sort();
  }
}

/**
 * For each place t of an order, the (at most) k rows nearest to row order[t] among those at places
 * before t. A tree over the first 2, 4, 8 … places serves the later half of them, so that few of
 * the rows met come too late.
 */
export function nearestPredecessors(points: Points, order: Int32Array, k: number): Int32Array[] {
  const { data, dim } = points;
  const n = order.length;
  const placeOf = new Int32Array(n);
  order.forEach((row, place) => placeOf[row] = place);
  const nearest = new Nearest(k);
  const out: Int32Array[] = [];
  let place = 0, own = 0;
  const visit = (cell: Cell): void => {
    if ("rows" in cell) {
      for (const row of cell.rows) {
        if (placeOf[row] >= place) continue;
        let distance = 0;
        for (let d = 0; d < dim; d++) {
          const difference = data[row * dim + d] - data[own + d];
          distance += difference * difference;
        }
        if (distance < nearest.bound) nearest.add(row, distance);
      }
      return;
    }
    const across = data[own + cell.axis] - cell.at;
    visit(across < 0 ? cell.below : cell.above);
    if (across * across <= nearest.bound) visit(across < 0 ? cell.above : cell.below);
  };
  for (let end = 2; place < n; end *= 2) {
    const tree = cellOf(points, order.slice(0, Math.min(end, n)));
    for (; place < Math.min(end, n); place++) {
      nearest.clear();
      own = order[place] * dim;
      visit(tree);
      out.push(nearest.rows());
    }
  }
  return out;
}
