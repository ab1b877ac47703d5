// Which columns can be near to which rows. Enters: trees of both, and how far a node of rows looks.
// Leaves: the columns of all leaves that are not too far from it, in the order of their table.

import type { PointTree } from "./tree.ts";

/** The squared distance between the boxes of two nodes. */
function boxDistance(a: PointTree, node: number, b: PointTree, other: number): number {
  const { dim } = a;
  let total = 0;
  for (let d = 0, p = node * dim, q = other * dim; d < dim; d++, p++, q++) {
    const gap = Math.max(a.low[p] - b.high[q], b.low[q] - a.high[p]);
    if (gap > 0) total += gap * gap;
  }
  return total;
}

/** The squared distance between the centres of two nodes' boxes. */
function centreDistance(a: PointTree, node: number, b: PointTree, other: number): number {
  const { dim } = a;
  let total = 0;
  for (let d = 0, p = node * dim, q = other * dim; d < dim; d++, p++, q++) {
    total += ((a.low[p] + a.high[p] - b.low[q] - b.high[q]) / 2) ** 2;
  }
  return total;
}

/**
 * A node of columns near to one of rows, of at most so many points, by going to the nearer child.
 */
export function nearNode(rows: PointTree, node: number, columns: PointTree, size: number): number {
  let at = 0;
  while (!columns.isLeaf(at) && columns.end[at] - columns.start[at] > size) {
    const left = at + 1, right = columns.after[left];
    const nearer = boxDistance(rows, node, columns, left) -
        boxDistance(rows, node, columns, right) ||
      centreDistance(rows, node, columns, left) - centreDistance(rows, node, columns, right);
    at = nearer <= 0 ? left : right;
  }
  return at;
}

/** Sets of columns, filled leaf by leaf. */
export class NearColumns {
  readonly #tree: PointTree;
  readonly #bits: Int32Array<ArrayBuffer>;
  /** Words of `#bits` that are not empty. */
  readonly #words: Int32Array<ArrayBuffer>;
  /** Leaves that were found last. */
  readonly #found: Int32Array<ArrayBuffer>;
  #leaves = 0;

  constructor(tree: PointTree) {
    this.#tree = tree;
    this.#bits = new Int32Array((tree.order.length >> 5) + 1);
    this.#words = new Int32Array((this.#bits.length >> 5) + 1);
    this.#found = new Int32Array(tree.nodes);
  }

  /**
   * Finds the leaves of columns whose boxes are no farther, squared, from that of a node of rows.
   * Returns how many columns they hold.
   */
  find(rows: PointTree, node: number, reach: number): number {
    const tree = this.#tree, found = this.#found;
    let [count, total] = [0, 0];
    for (let at = 0; at < tree.nodes;) {
      if (boxDistance(rows, node, tree, at) > reach) {
        at = tree.after[at];
        continue;
      }
      if (tree.isLeaf(at)) {
        found[count++] = at;
        total += tree.end[at] - tree.start[at];
      }
      at++;
    }
    this.#leaves = count;
    return total;
  }

  /** Writes the columns that were found, ascending, from `at` on. */
  write(into: Int32Array, at: number): void {
    const { order, start, end } = this.#tree;
    const bits = this.#bits, words = this.#words;
    for (let k = 0; k < this.#leaves; k++) {
      const leaf = this.#found[k];
      for (let p = start[leaf]; p < end[leaf]; p++) {
        const column = order[p], word = column >> 5;
        bits[word] |= 1 << (column & 31);
        words[word >> 5] |= 1 << (word & 31);
      }
    }
    for (let group = 0; group < words.length; group++) {
      for (let some = words[group]; some !== 0; some &= some - 1) {
        const word = (group << 5) + 31 - Math.clz32(some & -some);
        for (let rest = bits[word]; rest !== 0; rest &= rest - 1) {
          into[at++] = (word << 5) + 31 - Math.clz32(rest & -rest);
        }
        bits[word] = 0;
      }
      words[group] = 0;
    }
  }
}
