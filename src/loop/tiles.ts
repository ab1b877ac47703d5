// Deferred updates in register tiles: some components of the state become cells, which the columns
// of a block pass, and a tile closes the block where nothing else must.

import {
  type Cell,
  type Counter,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  region,
  type Statement,
  type Value,
} from "./ir.ts";
import { copyOf } from "./copies.ts";
import type { Deferred } from "./deferred.ts";
import { removeDead } from "./passes.ts";

/** Some components whose updates run together, for every column of a block. */
export interface UpdateTile {
  /** State into the cells that stand for it. */
  readonly load: Region;
  /** One column. */
  readonly column: Region;
  /** Cells back into the state, or into what closes a block. */
  readonly store: Region;
  /** The cells that stand for elements of arrays. */
  readonly cells: readonly Cell[];
  /** Counts tiles of this shape: moves places on. */
  readonly counter: Counter;
}

/** How many components the tiles of a loop take, as equal as can be: [first, width, tiles]. */
function cutsOf(count: number, width: number): [first: number, width: number, n: number][] {
  const tiles = Math.ceil(count / width);
  const wide = Math.ceil(count / tiles);
  const narrow = wide * tiles - count; // tiles that are one component narrower
  const cuts: [number, number, number][] = [];
  if (tiles > narrow) cuts.push([0, wide, tiles - narrow]);
  if (narrow > 0) cuts.push([wide * (tiles - narrow), wide - 1, narrow]);
  return cuts;
}

/** The updates of a deferred part in tiles of so many components. */
export function tilesOf(deferred: Deferred, width: number): UpdateTile[] {
  const { shared, updates } = deferred;
  const tiles: UpdateTile[] = [];
  for (const { loop, statements, close } of updates) {
    for (const [first, wide, n] of cutsOf(loop.count, width)) {
      const counter: Counter = { ...loop.counter, count: n };
      const elements: Element[] = [];
      const closing: Statement[] = [];
      for (const value of close?.around ?? []) closing.push({ kind: "let", value });
      const body = Array.from({ length: wide }, (_, t) => {
        const placeOf = (of: Counter) => ({ offset, terms }: Place): Place => {
          const step = terms.find((term) => term.counter === of)?.step ?? 0;
          return {
            offset: offset + step * (first + t),
            terms: step === 0 ? [] : [{ counter, step: step * wide }],
          };
        };
        const cells = new Map<LocalArray, Cell>();
        for (const s of statements) {
          const access = s.kind === "store" ? s : s.kind === "let" ? s.value : null;
          if (access === null || !("memory" in access) || access.memory.kind !== "array") continue;
          const { array } = access.memory;
          if (cells.has(array)) continue;
          const cell: Cell = { id: array.id, name: `${array.name}_${t}`, type: array.type };
          cells.set(array, cell);
          const constant = close?.constants.get(array) ?? null;
          elements.push({ cell, array, place: placeOf(loop.counter)(access.place), constant });
        }
        const cellOf = (array: LocalArray): Cell | null => cells.get(array) ?? null;
        if (close !== null) {
          const { counter, body } = close.loop;
          closing.push(...copyOf(body.statements, new Map(), placeOf(counter), cellOf));
        }
        return copyOf(statements, new Map(), placeOf(loop.counter), cellOf);
      });
      const cells = elements.map(({ cell }) => cell);
      const closed = region("root");
      // what is constant again afterwards needs no cell
      closed.statements.push(...closing.filter((s) => s.kind !== "set"));
      const store = close === null ? moves(elements, "store") : removeDead(closed);
      const column = region("root");
      column.statements.push(...shared, ...body.flat());
      const load = moves(elements, "load");
      tiles.push({ load, column: removeDead(column), store, cells, counter });
    }
  }
  return tiles;
}

/** An element of an array of state, and the cell that stands for it in a tile. */
interface Element {
  readonly cell: Cell;
  readonly array: LocalArray;
  readonly place: Place;
  /** What it holds before every block, where that is known. */
  readonly constant: Value | null;
}

/** Moves elements into their cells, or back. */
function moves(elements: readonly Element[], direction: "load" | "store"): Region {
  const to = region("root");
  for (const { cell, array, place, constant } of elements) {
    if (direction === "load" && constant !== null) {
      to.statements.push({ kind: "let", value: constant }, { kind: "set", cell, value: constant });
      continue;
    }
    const memory: Memory = { kind: "array", array };
    const base = { id: -1, type: array.type, region: to, perRow: true, row: 0, column: 0 };
    const value: Value = direction === "load"
      ? { kind: "load", memory, place, ...base }
      : { kind: "get", cell, ...base };
    to.statements.push({ kind: "let", value });
    to.statements.push(
      direction === "load"
        ? { kind: "set", cell, value }
        : { kind: "store", memory, place, value, row: 0 },
    );
  }
  return to;
}
