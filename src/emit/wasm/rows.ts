// The regions of a kernel, copied for the rows of a group and the columns of a turn.

import {
  type Deferred,
  hasAppends,
  hasLoops,
  type Kernel,
  type Region,
  replicate,
  type Replication,
  RowCopies,
  type StateItem,
  surveyCells,
  type UpdateTile,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import type { SearchRegions } from "./search.ts";
import { groupColumnsOf, type SurveyRegions } from "./survey.ts";

/** Columns whose loops run together in a survey, for four vectors of rows, and in a group's fold. */
const LOOPED_COLUMNS = 2;
const FOLDED_COLUMNS = 4;

/** The regions of a kernel for a group of row vectors, each copied when first asked for. */
export class Rows {
  readonly copies: RowCopies;
  readonly #kernel: Kernel;
  readonly #interleave: number;
  readonly #again: boolean;
  /** Whether tiles of deferred updates take all rows of a group, one after another. */
  readonly #rowByRow: boolean;
  readonly #deferred: Deferred | null;
  /** The pair section, less what is deferred. */
  readonly #narrow: Region;
  readonly columnSlots: number;
  readonly heldSlots: number;
  readonly #made = new Map<Region, Region>();

  constructor(
    kernel: Kernel,
    schedule: WasmSchedule,
    deferred: Deferred | null,
    columnSlots: number,
  ) {
    const { rowVectors, interleave, columns, again = false, writesOut = false } = schedule;
    const { surveys = false, searches = false } = schedule;
    // what is best of a group, or of all, is remembered between its columns
    const { survey, search } = kernel;
    const ofSurvey = survey === null ? [] : surveyCells(survey);
    const best = [...ofSurvey, ...(search === null ? [] : [search.ofGroup])]
      .map((cell): StateItem => ({ kind: "cell", cell }));
    const remembered = [...kernel.state, ...kernel.incoming, ...best];
    // the rows of a group add to one vector of a column's lanes
    const shared = new Map(kernel.mirror?.sums.map((sum) => [sum, 1]));
    const isSingle = rowVectors === 1 && columns === 1 && !surveys && !searches &&
      deferred === null &&
      kernel.mirror === null;
    this.copies = new RowCopies(rowVectors, remembered, shared, isSingle);
    this.#kernel = kernel;
    this.#interleave = interleave;
    this.#again = again;
    this.#rowByRow = writesOut;
    this.#deferred = deferred;
    this.#narrow = deferred?.narrow ?? kernel.pair;
    this.columnSlots = columnSlots;
    this.heldSlots = deferred?.held.length ?? 0;
  }

  #copy(region: Region, replication: Replication = {}): Region {
    let copy = this.#made.get(region);
    if (copy === undefined) {
      copy = replicate(region, this.copies, replication);
      this.#made.set(region, copy);
    }
    return copy;
  }
  get row(): Region {
    return this.#copy(this.#kernel.row);
  }
  get init(): Region {
    return this.#copy(this.#kernel.init);
  }
  get pair(): Region {
    return this.#copy(this.#narrow, { interleave: this.#interleave, chains: true });
  }
  /** The inner loop's region for several columns at once. */
  turn(columns: number): Region {
    const interleave = this.#interleave;
    const { columnSlots, heldSlots } = this;
    const turn = { interleave, columns, columnSlots, heldSlots, chains: true, again: this.#again };
    return replicate(this.#narrow, this.copies, turn);
  }
  /** The inner loop of points with themselves, for several columns at once. */
  mirrored(pair: Region, columns: number): Region {
    const { columnSlots } = this;
    const interleave = this.#interleave;
    return replicate(pair, this.copies, { interleave, columns, columnSlots, chains: true });
  }
  /** One column of a tile of deferred updates, several times. */
  updates(tile: UpdateTile, columns: number, rows: readonly number[]): Region {
    const { columnSlots, heldSlots } = this;
    const turn = { rows, columns, columnSlots, heldSlots, inOrder: true, rowByRow: this.#rowByRow };
    return replicate(tile.column, this.copies, turn);
  }
  /** A region of a tile for some rows. */
  moves(region: Region, rows: readonly number[]): Region {
    return replicate(region, this.copies, { rows });
  }
  /** The rows of the group that a tile of deferred updates takes at a time. */
  get batches(): number[][] {
    const all = Array.from({ length: this.copies.rows }, (_, row) => row);
    if (this.#rowByRow) return [all];
    const batches: number[][] = [];
    for (let k = 0; k < all.length; k += this.#interleave) {
      batches.push(all.slice(k, k + this.#interleave));
    }
    return batches;
  }
  get careful(): { readonly test: Region; readonly pair: Region } | null {
    const { careful } = this.#kernel;
    if (careful === null) return null;
    return {
      test: this.#copy(careful.test),
      pair: this.#copy(careful.pair, { interleave: this.#interleave, chains: true }),
    };
  }
  /** The regions of the survey, where the kernel has one. */
  get survey(): SurveyRegions | null {
    const { survey, pair, records } = this.#kernel;
    if (survey === null) return null;
    const columnSlots = Math.max(1, records.column.length);
    const groupColumns = groupColumnsOf(this.#kernel);
    const isLooped = hasLoops(survey.pair);
    const turnColumns = isLooped ? LOOPED_COLUMNS : groupColumns;
    // the loops of several columns are one
    const turn = { columns: turnColumns, columnSlots, guards: false, inOrder: !isLooped };
    // appends of a group share a word; what else a column does is long, and need not be there eight
    // times, but one loop over components waits for itself
    const columns = hasAppends(pair) ? groupColumns : hasLoops(pair) ? FOLDED_COLUMNS : 1;
    return {
      beginSpan: this.#copy(survey.beginSpan),
      begin: this.#copy(survey.begin),
      turn: replicate(survey.pair, this.copies, turn),
      turnColumns,
      end: this.#copy(survey.end),
      bound: this.#copy(survey.bound),
      test: this.#copy(survey.test),
      tests: Array.from(
        { length: this.copies.rows },
        (_, row) => replicate(survey.test, this.copies, { rows: [row] }),
      ),
      folds: Array.from(
        { length: this.copies.rows },
        (_, row) =>
          replicate(pair, this.copies, { columnSlots, columns, guards: false, rows: [row] }),
      ),
      foldedColumns: columns,
      close: this.close,
    };
  }
  /** The regions of the search, where the kernel has one. */
  search(columns: number): SearchRegions | null {
    const { search, records } = this.#kernel;
    if (search === null) return null;
    const columnSlots = Math.max(1, records.column.length);
    const turn = { columns, columnSlots, guards: false, inOrder: true };
    const { take } = search;
    return {
      start: this.#copy(search.start),
      begin: this.#copy(search.begin),
      turn: replicate(search.pair, this.copies, turn),
      end: this.#copy(search.end),
      settle: this.#copy(search.settle),
      takes: take === null ? [] : Array.from(
        { length: this.copies.rows },
        (_, row) => replicate(take, this.copies, { columnSlots, rows: [row] }),
      ),
      test: this.#copy(search.test),
    };
  }
  get close(): Region | null {
    const { close } = this.#kernel;
    return close === null ? null : this.#copy(close);
  }
  /** What deferred updates leave of it. */
  get restOfClose(): Region | null {
    const close = this.#deferred === null ? this.#kernel.close : this.#deferred.close;
    return close === null ? null : this.#copy(close);
  }
  get combine(): Region {
    return this.#copy(this.#kernel.combine);
  }
  get finish(): Region {
    return this.#copy(this.#kernel.finish);
  }
}
