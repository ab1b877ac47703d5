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
import type { Closing, Deferred } from "./deferred.ts";
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
  /** How its block may be closed while the next tile's columns pass; null: only at once. */
  readonly waiting: WaitingTile | null;
}

/** What a tile has gathered waits, in memory of what pairs hold, to close its block later. */
export interface WaitingTile {
  /** Cells into that memory. */
  readonly store: Region;
  /** From there into what closes a block, component by component. */
  readonly close: readonly Region[];
  /** Counts the tiles that are closed. */
  readonly counter: Counter;
  /** Elements between the first tile's and the end of the arrays, behind which others fit. */
  readonly beyond: number;
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
      const waiting = close === null
        ? null
        : waitingOf(close, { first, wide, counter, elements, count: loop.count });
      tiles.push({ load, column: removeDead(column), store, cells, counter, waiting });
    }
  }
  return tiles;
}

/** A tile's components, of so many. */
interface TilePlace {
  readonly first: number;
  readonly wide: number;
  readonly count: number;
  readonly counter: Counter;
  readonly elements: readonly Element[];
}

function waitingOf(
  { loop, around, constants }: Closing,
  { first, wide, count, counter, elements }: TilePlace,
): WaitingTile {
  const closed: Counter = { ...counter, id: -1 - counter.id };
  const each = elements.length / wide;
  const memory: Memory = { kind: "held" };
  const store = region("root");
  elements.forEach(({ cell }, offset) => {
    const base = { type: cell.type, region: store, perRow: true, row: 0, column: 0 };
    const value: Value = { kind: "get", cell, id: -1, ...base };
    store.statements.push({ kind: "let", value });
    store.statements.push({ kind: "store", memory, place: { offset, terms: [] }, value, row: 0 });
  });
  const close = Array.from({ length: wide }, (_, t) => {
    const to = region("root");
    for (const value of around) to.statements.push({ kind: "let", value });
    const own = elements.slice(t * each, (t + 1) * each);
    const gathered = new Map<Value, Value>();
    const others = loop.body.statements.filter((s) => {
      if (s.kind === "store") return s.memory.kind !== "array" || !constants.has(s.memory.array);
      if (s.kind !== "let" || s.value.kind !== "load" || s.value.memory.kind !== "array") {
        return true;
      }
      const { array } = s.value.memory;
      const element = own.findIndex((e) => e.array === array);
      if (element < 0) return true;
      const place = { offset: t * each + element, terms: [] };
      const value: Value = { ...s.value, memory, place };
      gathered.set(s.value, value);
      to.statements.push({ kind: "let", value });
      return false;
    });
    const placeOf = ({ offset, terms }: Place): Place => {
      const step = terms.find((term) => term.counter === loop.counter)?.step ?? 0;
      return {
        offset: offset + step * (first + t),
        terms: step === 0 ? [] : [{ counter: closed, step: step * wide }],
      };
    };
    to.statements.push(...copyOf(others, gathered, placeOf, () => null));
    return removeDead(to);
  });
  return { store, close, counter: closed, beyond: count - first };
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
