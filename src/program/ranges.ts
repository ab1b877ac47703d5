// Folds over the pairs of block ranges. Enters: a fold with ranges. Leaves: the rectangles that are
// folded for it, and the indices of columns that its results mean.
//
// A block's ranges of columns are gathered by the engine as one list, so that every reduction
// folds them as one: j is a place in that list then. Formulas that speak of the index of a column
// read it from a table; indices in results are looked up once they are there.

import {
  type Engine,
  type Held,
  isDeviceArray,
  type NumberArray,
  type RunControl,
} from "../engine/mod.ts";
import { PairfoldError, shown } from "../error.ts";
import { type Node, topological, transform, variable } from "../formula/mod.ts";
import type { Kernel } from "../loop/mod.ts";
import type { ReductionName } from "../reduction/mod.ts";
import { arraysOf, BlockRanges } from "../sparse/mod.ts";
import { tensor } from "../tensor/mod.ts";
import type { Rectangle } from "./batch.ts";
import type { FoldRequest } from "./request.ts";

/** Reductions whose outputs of integers are indices of columns. */
const INDICES: ReadonlySet<ReductionName> = new Set<ReductionName>([
  "argMin",
  "argMax",
  "minArgMin",
  "maxArgMax",
  "argKMin",
  "kMinArgKMin",
]);

/** The ranges of a fold, from the rows that it keeps. */
export function keptRanges({ ranges, axis }: FoldRequest): BlockRanges | null {
  if (ranges === undefined) return null;
  return axis === "j" ? ranges : ranges.transposed;
}

/** Throws `PairfoldError` (dtype, shape) for what are no ranges, or none of so many rows. */
export function checkRanges(op: string, ranges: unknown, M: number, N: number): void {
  if (ranges === undefined) return;
  if (!(ranges instanceof BlockRanges)) {
    throw new PairfoldError(
      "dtype",
      `${op}: got ${shown(ranges)} as ranges; expected BlockRanges ` +
        "(by fromMatrix or fromKeops)",
    );
  }
  const { rowsEnd, columnsEnd } = arraysOf(ranges);
  if (rowsEnd <= M && columnsEnd <= N) return;
  const [got, all, what] = rowsEnd > M ? [rowsEnd, M, "i"] : [columnsEnd, N, "j"];
  const hint = rowsEnd <= N && columnsEnd <= M ? " (ranges.transposed would fit)" : "";
  throw new PairfoldError(
    "shape",
    `${op}: got ranges that end at ${got} along ${what}; expected at most ${all}, the rows there` +
      hint,
  );
}

/** How many columns each of so many kept rows meets. */
export function countsOf(ranges: BlockRanges, rows: number): Float64Array<ArrayBuffer> {
  const counts = new Float64Array(rows);
  const { rows: blocks, widths } = arraysOf(ranges);
  for (const [k, width] of widths.entries()) counts.fill(width, blocks[2 * k], blocks[2 * k + 1]);
  return counts;
}

/** Whether a block has several ranges, so that its columns are a list. */
const isList = (slices: Int32Array, block: number): boolean =>
  slices[block + 1] > slices[block] + 1;

/**
 * Rows of a block from which a card's blocks of threads are full, whatever a thread has of them.
 */
const FULL_ROWS = 512;

/** What a fold with ranges comes to. */
export class RangedFold {
  /** The fold whose formulas read indices of columns where these are places in lists. */
  readonly request: FoldRequest;
  /** All kept rows, those that meet nothing too. */
  readonly rectangles: readonly Rectangle[];
  readonly #ranges: BlockRanges;
  /** Kept rows. */
  readonly #rows: number;
  readonly #hasLists: boolean;
  /** Rows of a block, on average over the pairs. */
  readonly #blockRows: number;

  private constructor(request: FoldRequest, ranges: BlockRanges) {
    const { axis, M, N } = request;
    const rows = axis === "j" ? M : N;
    const { rows: blocks, slices, columns, widths } = arraysOf(ranges);
    const rectangles: Rectangle[] = [];
    let [at, hasLists, squares] = [0, false, 0];
    // the columns of all blocks are split as those of so many rows
    const wholeRows = widths.reduce((sum, _, k) => sum + blocks[2 * k + 1] - blocks[2 * k], 0);
    const addEmpty = (end: number): void => {
      if (end > at) rectangles.push({ i0: at, i1: end, j0: 0, j1: 0, output: 0 });
    };
    for (const [block, width] of widths.entries()) {
      const [i0, i1] = [blocks[2 * block], blocks[2 * block + 1]];
      addEmpty(i0);
      at = i1;
      const part = { i0, i1, output: 0, wholeRows };
      const own = columns.subarray(2 * slices[block], 2 * slices[block + 1]);
      if (isList(slices, block)) rectangles.push({ ...part, j0: 0, j1: width, columns: own });
      else rectangles.push({ ...part, j0: own[0], j1: own[1] });
      hasLists ||= isList(slices, block);
      squares += (i1 - i0) ** 2 * width;
    }
    addEmpty(rows);
    this.request = hasLists ? withIndexTable(request) : request;
    this.rectangles = rectangles;
    this.#ranges = ranges;
    this.#rows = rows;
    this.#hasLists = hasLists;
    this.#blockRows = Math.ceil(squares / Math.max(1, ranges.pairs));
  }

  /** Null of a fold of all pairs. */
  static of(request: FoldRequest): RangedFold | null {
    const ranges = keptRanges(request);
    return ranges && new RangedFold(request, ranges);
  }

  /**
   * How many rows of so many in all, and columns of each, a schedule is chosen for: a card has no
   * thread whose rows are of two blocks.
   */
  sizeOn({ onHost }: Engine, rows: number): readonly [rows: number, columns: number] {
    const isFull = onHost === true || this.#blockRows >= FULL_ROWS;
    const columns = Math.ceil(this.#ranges.pairs / Math.max(1, this.#rows));
    return [isFull ? rows : Math.min(rows, this.#blockRows), columns];
  }

  /** Results whose indices are those of columns, on the host where these were places in lists. */
  async lookUp(
    { outputs: kinds }: Kernel,
    outputs: readonly Held[],
    control: RunControl,
  ): Promise<Held[]> {
    if (!this.#hasLists || !INDICES.has(this.request.reduction)) return [...outputs];
    return await Promise.all(outputs.map(async (held, slot) => {
      const { number, dim } = kinds[slot];
      if (number !== "index") return held;
      const places = isDeviceArray(held) ? await held.download(control) : held;
      if (isDeviceArray(held)) held.dispose();
      lookUp(this.#ranges, this.#rows, dim, places);
      return places;
    }));
  }

  /** A line about the pairs that are folded. */
  explain(): string[] {
    const { M, N } = this.request;
    const { pairs } = this.#ranges;
    const share = M * N === 0 ? 0 : 100 * pairs / (M * N);
    return [`ranges    ${pairs} of ${M * N} pairs, ${share.toPrecision(3)} %, in blocks of rows`];
  }
}

/** A fold whose formulas read the index of a column from a table. */
function withIndexTable(request: FoldRequest): FoldRequest {
  const { formula, weight = null, axis, M, N } = request;
  const isIndex = (node: Node): boolean => node.kind === "index" && node.axis === axis;
  if (!topological(...weight ? [formula, weight] : [formula]).some(isIndex)) return request;
  const columns = axis === "j" ? N : M;
  const table = tensor(Int32Array.from({ length: columns }, (_, k) => k), [columns, 1], {
    copy: false,
  });
  const index = variable(table.id, axis, 1, "index");
  const read = (root: Node): Node => transform(root, (leaf) => isIndex(leaf) ? index : leaf);
  return {
    ...request,
    formula: read(formula),
    weight: weight && read(weight),
    inputs: new Map(request.inputs).set(table.id, table),
  };
}

/** The largest place in a sorted list that has a number of at most a value. */
function lastUpTo(list: Int32Array, value: number): number {
  let [low, high] = [0, list.length];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (list[middle] <= value) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Turns places in the lists of blocks into indices of columns, in results of so many numbers for
 * each of so many kept rows, one batch after another.
 */
function lookUp(ranges: BlockRanges, rows: number, dim: number, places: NumberArray): void {
  const { rows: blocks, slices, columns, widths } = arraysOf(ranges);
  for (let block = 0; block < widths.length; block++) {
    if (!isList(slices, block)) continue;
    const own = columns.subarray(2 * slices[block], 2 * slices[block + 1]);
    const starts = new Int32Array(own.length / 2); // the first place of each range
    for (let k = 1; k < starts.length; k++) {
      starts[k] = starts[k - 1] + own[2 * k - 1] - own[2 * k - 2];
    }
    const [from, to] = [blocks[2 * block] * dim, blocks[2 * block + 1] * dim];
    for (let batch = 0; batch < places.length; batch += rows * dim) {
      for (let at = batch + from; at < batch + to; at++) {
        const place = places[at];
        if (place < 0) continue; // nothing was found
        const k = lastUpTo(starts, place);
        places[at] = own[2 * k] + place - starts[k];
      }
    }
  }
}
