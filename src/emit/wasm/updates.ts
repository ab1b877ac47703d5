// Emits the deferred updates of a block of columns: tiles of a few components, whose state stays in
// locals while all the columns of the block pass.

import type { Region, UpdateTile } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import type { Pointer } from "./frame.ts";
import { closingLater, type TilesFrame } from "./later.ts";

/** What the updates of a block work with. */
export interface UpdatesFrame extends TilesFrame {
  /** Locals: the record of the block's first column, what its pairs hold, the block's end. */
  readonly record: number;
  readonly held: number;
  readonly end: number;
  /** Sets `held` to the block's first column. */
  readonly rewind: () => void;
  /** Bytes from one column to the next. */
  readonly step: number;
  /** Columns of a whole block where these are written out, one after another; null: loops alone. */
  readonly writtenOut: number | null;
  readonly tiles: readonly UpdateTile[];
  /** Copies regions for the rows of the group. */
  readonly rows: TilesFrame["rows"] & {
    readonly copies: { remember(cell: UpdateTile["cells"][number]): void };
    /** Rows that a tile takes at a time; their columns are in the cache for the next ones. */
    readonly batches: readonly (readonly number[])[];
    updates(tile: UpdateTile, columns: number, rows: readonly number[]): Region;
  };
}

/** Columns that one turn takes: they share the loop's own work. */
const COLUMNS = 4;

/** Emits all tiles; `record` is back at the block's first column afterwards. */
export function emitUpdates(frame: UpdatesFrame): void {
  const { f, record, end } = frame;
  const [span, turnsEnd] = [f.local("i32"), f.local("i32")];
  f.get(end).get(record).op("i32.sub").set(span);
  f.get(end).i32((COLUMNS - 1) * frame.step).op("i32.sub").set(turnsEnd);
  for (const batch of frame.rows.batches) {
    for (const tile of frame.tiles) emitTiles(frame, tile, batch, span, turnsEnd);
  }
}

/** All tiles of one shape, for some rows. */
function emitTiles(
  frame: UpdatesFrame,
  tile: UpdateTile,
  batch: readonly number[],
  span: number,
  turnsEnd: number,
): void {
  const { f, writer, record, rows } = frame;
  const { counter } = tile;
  for (const cell of tile.cells) rows.copies.remember(cell);
  const [load, store] = [rows.moves(tile.load, batch), rows.moves(tile.store, batch)];
  const turn = rows.updates(tile, COLUMNS, batch);
  const pointers = new Map<string, Pointer>();
  for (const region of [load, turn, store]) writer.addresses.point(region, counter, pointers);
  // those into column records move with the columns
  const moving = [...pointers.values()].filter(({ base }) => base === record);
  const { writtenOut, heldBytes } = frame;
  const later = writtenOut === null ? null : closingLater(frame, tile, batch, writtenOut);
  const left = f.local("i32");
  f.i32(counter.count).set(left).op("loop");
  frame.rewind();
  writer.region(load);
  const columns = (body: Region, count: number, limit: number): void => {
    f.op("block").get(record).get(limit).op("i32.lt_u").op("i32.eqz").op("br_if", 0).op("loop");
    writer.region(body);
    const advance = (local: number, bytes: number): FunctionBody =>
      f.get(local).i32(count * bytes).op("i32.add");
    advance(frame.held, frame.heldBytes).set(frame.held);
    for (const { pointer } of moving) advance(pointer, frame.step).set(pointer);
    advance(record, frame.step).op("local.tee", record).get(limit);
    f.op("i32.lt_u").op("br_if", 0).op("end").op("end");
  };
  const loops = (): void => {
    columns(turn, COLUMNS, turnsEnd);
    columns(rows.updates(tile, 1, batch), 1, frame.end);
  };
  const isWhole = (columns: number): FunctionBody =>
    f.get(span).i32(columns * frame.step).op("i32.eq");
  if (writtenOut === null) {
    loops();
    writer.region(store);
  } else {
    isWhole(writtenOut).op("if");
    const turns = writtenOut / COLUMNS;
    for (let k = 0; k < turns; k++) {
      writer.addresses.before = { columns: k * COLUMNS, heldBytes };
      writer.region(turn);
      later?.close(k, turns);
    }
    writer.addresses.before = null;
    for (const { pointer } of moving) f.get(pointer).get(span).op("i32.add").set(pointer);
    f.get(record).get(span).op("i32.add").set(record);
    later?.store();
    f.op("else");
    loops();
    if (later !== null) writer.region(store);
    f.op("end");
    if (later === null) writer.region(store);
  }
  f.get(record).get(span).op("i32.sub").set(record);
  for (const { pointer, step, base } of pointers.values()) {
    f.get(pointer).i32(step).op("i32.add");
    if (base === record) f.get(span).op("i32.sub");
    f.set(pointer);
  }
  later?.advance();
  f.get(left).i32(1).op("i32.sub").op("local.tee", left).op("br_if", 0).op("end");
  if (later !== null && writtenOut !== null) {
    isWhole(writtenOut).op("if");
    later.close(0, 1);
    f.op("end");
    later.forget();
  }
  writer.addresses.unpoint(pointers);
}
