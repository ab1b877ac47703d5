// The deferred updates of a block of columns in C: tiles of a few components, whose sums stay in
// registers while all columns of the block pass, as in a matrix product. Enters: a kernel whose
// wide sums may wait. Leaves: the inner loop without them, and the text of the tiles.

import {
  type Counter,
  type Deferred,
  deferredOf,
  type Kernel,
  type Region,
  replicate,
  type RowCopies,
  tilesOf,
} from "../../loop/mod.ts";
import type { NativeSchedule } from "../../tiling/mod.ts";
import type { CodeWriter } from "./code.ts";
import type { Lines } from "./lines.ts";

/** Tiles of one shape, copied for the rows of a group. */
interface Tiles {
  readonly counter: Counter;
  readonly load: Region;
  readonly column: Region;
  readonly store: Region;
}

export class TileUpdates {
  readonly #deferred: Deferred;
  readonly #block: number;
  readonly #columnSlots: number;
  readonly #tiles: readonly Tiles[];
  /** What the tiles leave to close. */
  readonly close: Region | null;

  private constructor(kernel: Kernel, deferred: Deferred, components: number, copies: RowCopies) {
    this.#deferred = deferred;
    this.#block = kernel.block;
    this.#columnSlots = kernel.records.column.length;
    this.close = deferred.close === null ? null : replicate(deferred.close, copies);
    this.#tiles = tilesOf(deferred, components).map(({ counter, cells, ...tile }) => {
      for (const cell of cells) copies.remember(cell);
      const heldSlots = this.heldSlots;
      return {
        counter,
        load: replicate(tile.load, copies),
        column: replicate(tile.column, copies, { heldSlots, inOrder: true }),
        store: replicate(tile.store, copies),
      };
    });
  }

  /** Null where the schedule has none, or no update may wait. */
  static of(
    kernel: Kernel,
    { components = 0 }: NativeSchedule,
    copies: RowCopies,
  ): TileUpdates | null {
    const deferred = components > 0 ? deferredOf(kernel) : null;
    return deferred === null ? null : new TileUpdates(kernel, deferred, components, copies);
  }

  /** What runs once per pair. */
  get narrow(): Region {
    return this.#deferred.narrow;
  }

  /** How many values a pair holds for the tiles. */
  get heldSlots(): number {
    return this.#deferred.held.length;
  }

  get regions(): Region[] {
    const tiles = this.#tiles.flatMap(({ load, column, store }) => [load, column, store]);
    return this.close === null ? tiles : [...tiles, this.close];
  }

  declare(w: CodeWriter, rows: number): void {
    w.declareHeld(rows, this.#deferred.held, this.#block);
  }

  /** Folds the `here` columns from `start` on into the state. */
  emit(lines: Lines, w: CodeWriter): void {
    for (const { counter, load, column, store } of this.#tiles) {
      w.counted(counter, () => {
        w.region(load);
        lines.add("const scalar* restrict column = start;");
        lines.block("for (word t = 0; t < here; ++t)", () => {
          w.region(column);
          lines.add(`column += ${this.#columnSlots};`);
        });
        w.region(store);
      });
    }
    if (this.close !== null) w.region(this.close);
  }
}
