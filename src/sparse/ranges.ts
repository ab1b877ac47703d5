// Which rows meet which columns: blocks of rows, each with the ranges of columns that it is folded
// with. Enters: ranges of clusters and which of them meet, or KeOps' arrays. Leaves: the blocks in
// order, and the same seen from the columns.

import { PairfoldError, shown } from "../error.ts";
import {
  booleansOf,
  checkApart,
  inOrder,
  integersOf,
  type KeepMatrix,
  type RangeList,
  rangesOf,
  refuse,
} from "./range_lists.ts";

/**
 * KeOps' `ranges`: those of rows, where the list of columns of each ends among the ranges of
 * columns that follow; and the same for folds over i, which is found where it is missing.
 */
export type KeopsRanges =
  | readonly [rangesI: RangeList, slicesI: ArrayLike<number>, redrangesJ: RangeList]
  | readonly [
    rangesI: RangeList,
    slicesI: ArrayLike<number>,
    redrangesJ: RangeList,
    rangesJ: RangeList,
    slicesJ: ArrayLike<number>,
    redrangesI: RangeList,
  ];

/** What ranges hold; nobody writes to it. */
export interface BlockArrays {
  /** The first row of each block and one beyond its last. */
  readonly rows: Int32Array;
  /** Where the ranges of each block begin among all, and how many there are. */
  readonly slices: Int32Array;
  /** The first column of each range and one beyond its last. */
  readonly columns: Int32Array;
  /** How many columns each block meets. */
  readonly widths: Int32Array;
  /** One beyond the last row, and the last column. */
  readonly rowsEnd: number;
  readonly columnsEnd: number;
}

/** The arrays of ranges, which are nobody else's. */
export let arraysOf: (ranges: BlockRanges) => BlockArrays;

/** Ranges of clusters that are in order, by those of columns, in order, that each of rows meets. */
export let ofSortedClusters: (
  rows: Int32Array,
  columns: Int32Array,
  metBy: (k: number) => readonly number[],
) => BlockRanges;

/** Writes blocks in order, joining those that meet the same columns. */
class Blocks {
  readonly rows: number[] = [];
  readonly slices: number[] = [0];
  readonly columns: number[] = [];

  /** Rows start … end − 1 and their columns, as ranges that are in order and apart. */
  add(start: number, end: number, columns: readonly number[]): void {
    if (start === end || columns.length === 0) return;
    const last = this.rows.length - 1;
    if (last > 0 && this.rows[last] === start && this.#isLast(columns)) {
      this.rows[last] = end;
      return;
    }
    this.rows.push(start, end);
    for (const column of columns) this.columns.push(column);
    this.slices.push(this.columns.length / 2);
  }

  #isLast(columns: readonly number[]): boolean {
    const first = 2 * this.slices[this.slices.length - 2];
    return this.columns.length - first === columns.length &&
      columns.every((column, k) => column === this.columns[first + k]);
  }
}

/** Puts a number into a sorted list, or takes it out where it is there. */
function toggle(list: number[], value: number): void {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle] < value) low = middle + 1;
    else high = middle;
  }
  if (list[low] === value) list.splice(low, 1);
  else list.splice(low, 0, value);
}

const isSame = (a: Int32Array, b: Int32Array): boolean =>
  a.length === b.length && a.every((value, k) => value === b[k]);

/**
 * Which rows i meet which columns j: what reductions fold with the option `ranges`, in place of all
 * pairs (KeOps' block-sparse reductions). Every block of rows has a list of ranges of columns, and
 * is folded with them as if there were no others. Rows that no block has are folded with nothing.
 * Immutable; blocks and ranges are in order, those that continue one another are one.
 *
 * ```ts
 * import { BlockRanges, Vi, Vj } from "pairfold";
 * const points = [[0], [1], [2], [7], [8]];
 * const clusters = [[0, 3], [3, 5]]; // rows 0 to 2, rows 3 and 4
 * const ranges = BlockRanges.fromMatrix(clusters, clusters, [[true, false], [true, true]]);
 * const distances = Vi(points).sqDist(Vj(points));
 * console.log(await distances.sum("j", { ranges }).array()); // [ [ 5 ], [ 2 ], [ 5 ], [ 111 ], [ 150 ] ]
 * console.log(ranges.pairs); // 19, of 25
 * ```
 */
export class BlockRanges {
  readonly #arrays: BlockArrays;
  /** Pairs of a row and a column that meet. */
  readonly pairs: number;
  #transposed: BlockRanges | null = null;

  private constructor(blocks: Blocks) {
    if (!(blocks instanceof Blocks)) {
      const got = shown(blocks);
      throw new PairfoldError(
        "dtype",
        `BlockRanges: got ${got} in new; expected BlockRanges.fromMatrix or BlockRanges.fromKeops`,
      );
    }
    const [rows, slices, columns] = [blocks.rows, blocks.slices, blocks.columns]
      .map((list) => Int32Array.from(list));
    const count = rows.length / 2;
    const widths = new Int32Array(count);
    let [pairs, end] = [0, 0];
    for (let block = 0; block < count; block++) {
      for (let k = 2 * slices[block]; k < 2 * slices[block + 1]; k += 2) {
        widths[block] += columns[k + 1] - columns[k];
      }
      pairs += (rows[2 * block + 1] - rows[2 * block]) * widths[block];
      end = Math.max(end, columns[2 * slices[block + 1] - 1]);
    }
    this.#arrays = { rows, slices, columns, widths, rowsEnd: rows.at(-1) ?? 0, columnsEnd: end };
    this.pairs = pairs;
  }

  static {
    arraysOf = (ranges) => ranges.#arrays;
    ofSortedClusters = (rows, columns, metBy) =>
      BlockRanges.#ofClusters(rows, inOrder(rows), columns, metBy);
  }

  /**
   * Blocks of clusters: rows of cluster k, from `rowRanges[k][0]` to `rowRanges[k][1]` − 1, meet
   * the columns of cluster l where `keep` says so (KeOps' `from_matrix`). Ranges are lists of
   * pairs, or numbers in a flat array; they are apart and may be empty. `keep` is a matrix, a flat
   * array of it row by row, or a function.
   *
   * Throws `PairfoldError` (shape, dtype) for what is no such list or matrix.
   */
  static fromMatrix(rowRanges: RangeList, columnRanges: RangeList, keep: KeepMatrix): BlockRanges {
    const op = "BlockRanges.fromMatrix";
    const rows = rangesOf(op, "rows", rowRanges), columns = rangesOf(op, "columns", columnRanges);
    const [rowOrder, columnOrder] = [inOrder(rows), inOrder(columns)];
    checkApart(op, "rows", rows, rowOrder);
    checkApart(op, "columns", columns, columnOrder);
    const keeps = booleansOf(op, keep, rows.length / 2, columns.length / 2);
    return BlockRanges.#ofClusters(
      rows,
      rowOrder,
      columns,
      (k) => columnOrder.filter((l) => keeps(k, l)),
    );
  }

  /** Clusters of rows and, in order, those of columns that each meets. */
  static #ofClusters(
    rows: Int32Array,
    order: readonly number[],
    columns: Int32Array,
    metBy: (k: number) => readonly number[],
  ): BlockRanges {
    const blocks = new Blocks();
    for (const k of order) {
      const met: number[] = [];
      for (const l of metBy(k)) appendRange(met, columns[2 * l], columns[2 * l + 1]);
      blocks.add(rows[2 * k], rows[2 * k + 1], met);
    }
    return new BlockRanges(blocks);
  }

  /**
   * From KeOps' arrays `(ranges_i, slices_i, redranges_j)`, or all six of them: block k of rows
   * meets the columns in `redranges_j[slices_i[k − 1]]` to `redranges_j[slices_i[k] − 1]`. The last
   * three say the same of columns: others than the first three mean are refused, for gradients
   * would not be those of the result. Ranges of a block that overlap are refused too (KeOps folds
   * their pairs twice).
   *
   * Throws `PairfoldError` (shape, dtype) for what are no such arrays.
   */
  static fromKeops(arrays: KeopsRanges): BlockRanges {
    const op = "BlockRanges.fromKeops";
    const count = (arrays as ArrayLike<unknown> | null | undefined)?.length;
    if (!Array.isArray(arrays) || (count !== 3 && count !== 6)) {
      const got = Array.isArray(arrays) ? `${arrays.length} arrays` : shown(arrays);
      refuse(op, "shape", `got ${got}; expected 3 or 6 (ranges_i, slices_i, redranges_j, …)`);
    }
    const [rangesI, slicesI, redrangesJ] = arrays;
    const found = BlockRanges.#fromSlices(op, ["rows", "columns"], rangesI, slicesI, redrangesJ);
    if (arrays.length === 3) return found;
    const [, , , rangesJ, slicesJ, redrangesI] = arrays;
    const other = BlockRanges.#fromSlices(op, ["columns", "rows"], rangesJ, slicesJ, redrangesI);
    if (!found.transposed.equals(other)) {
      refuse(
        op,
        "shape",
        `got ${found.pairs} pairs in the first three arrays and ${other.pairs} in the last three, ` +
          "which are not the same; expected both to say which rows meet which columns",
      );
    }
    other.#transposed = found;
    found.#transposed = other;
    return found;
  }

  static #fromSlices(
    op: string,
    [ofRows, ofColumns]: readonly [string, string],
    ranges: RangeList,
    slices: ArrayLike<number>,
    redranges: RangeList,
  ): BlockRanges {
    const rows = rangesOf(op, ofRows, ranges), columns = rangesOf(op, ofColumns, redranges);
    const ends = integersOf(op, `slices of ${ofRows}`, slices);
    const [count, total] = [rows.length / 2, columns.length / 2];
    if (ends.length !== count) {
      refuse(op, "shape", `got ${ends.length} slices of ${ofRows}; expected ${count}`);
    }
    for (let k = 0; k <= count; k++) {
      const [before, end] = [k === 0 ? 0 : ends[k - 1], k === count ? total : ends[k]];
      if (before <= end && (k < count || before === total)) continue;
      const last = k === count ? `end at ${before}` : `${end} after ${before}`;
      refuse(
        op,
        "shape",
        `got slices of ${ofRows} that say ${last}; expected ends in order, the last of them ` +
          `${total}, the ranges of ${ofColumns}`,
      );
    }
    const order = inOrder(rows);
    checkApart(op, ofRows, rows, order);
    const blocks = new Blocks();
    for (const k of order) {
      const own = columns.subarray(2 * (k === 0 ? 0 : ends[k - 1]), 2 * ends[k]);
      const within = inOrder(own);
      checkApart(op, `${ofColumns} of block ${k}`, own, within);
      const met: number[] = [];
      for (const l of within) appendRange(met, own[2 * l], own[2 * l + 1]);
      blocks.add(rows[2 * k], rows[2 * k + 1], met);
    }
    return new BlockRanges(blocks);
  }

  /** How many blocks of rows there are, those that meet the same columns side by side as one. */
  get blocks(): number {
    return this.#arrays.widths.length;
  }

  /** The same pairs, columns as rows. */
  get transposed(): BlockRanges {
    if (this.#transposed === null) {
      this.#transposed = new BlockRanges(this.#turned());
      this.#transposed.#transposed = this;
    }
    return this.#transposed;
  }

  /** Walks along the columns, knowing which rows meet the one at hand. */
  #turned(): Blocks {
    const { rows, slices, columns } = this.#arrays;
    const blockOf = new Int32Array(columns.length / 2);
    for (let block = 0; block < this.blocks; block++) {
      blockOf.fill(block, slices[block], slices[block + 1]);
    }
    // where a range begins or ends, its block's rows come in or go out: so do both of their ends
    const ends = Uint32Array.from(columns.keys()).sort((a, b) => columns[a] - columns[b]);
    const turned = new Blocks();
    const meeting: number[] = [];
    let at = 0;
    for (const end of ends) {
      const column = columns[end];
      if (column > at) turned.add(at, column, meeting);
      at = column;
      const block = blockOf[end >> 1];
      toggle(meeting, rows[2 * block]);
      toggle(meeting, rows[2 * block + 1]);
    }
    return turned;
  }

  /** Whether row i meets column j wherever row j meets column i. */
  get isSymmetric(): boolean {
    return this.equals(this.transposed);
  }

  /** Whether others are the same pairs. Throws `PairfoldError` (dtype) for what are no ranges. */
  equals(other: BlockRanges): boolean {
    if (!(other instanceof BlockRanges)) {
      refuse("BlockRanges.equals", "dtype", `got ${shown(other)}; expected BlockRanges`);
    }
    const [a, b] = [this.#arrays, other.#arrays];
    return isSame(a.rows, b.rows) && isSame(a.slices, b.slices) && isSame(a.columns, b.columns);
  }

  /** KeOps' six arrays, as `from_matrix` gives them. */
  toKeops(): [
    rangesI: number[][],
    slicesI: number[],
    redrangesJ: number[][],
    rangesJ: number[][],
    slicesJ: number[],
    redrangesI: number[][],
  ] {
    const pairsOf = (flat: Int32Array): number[][] =>
      Array.from({ length: flat.length / 2 }, (_, k) => [flat[2 * k], flat[2 * k + 1]]);
    const arrays = (
      { rows, slices, columns }: BlockArrays,
    ): [number[][], number[], number[][]] => [
      pairsOf(rows),
      [...slices.subarray(1)],
      pairsOf(columns),
    ];
    return [...arrays(this.#arrays), ...arrays(this.transposed.#arrays)];
  }
}

/** Adds a range to a list in order, or to its last one where it continues that. */
function appendRange(list: number[], start: number, end: number): void {
  if (start === end) return;
  if (list.at(-1) === start) list[list.length - 1] = end;
  else list.push(start, end);
}
