// Closes the block of a tile while the columns of the next tile pass. Closing is a chain of
// dependent additions for each sum, and V8 checks what it loads and stores: alone it took 0.39 of
// 3.25 ns per pair of 64 weights, in which nothing was multiplied (Intel Xeon, AVX-512,
// 2026-11-23). The next tile's multiplications leave the processor idle places: with this, and each
// column's number loaded by itself, a pair takes 2.80 ns instead of 3.17 (one run).

import { PairfoldError } from "../../error.ts";
import { type Kernel, type Region, type UpdateTile, visit } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import type { CodeWriter } from "./code.ts";
import type { Pointer } from "./frame.ts";
import { registersOf, VECTOR_BYTES } from "./layout.ts";

/** What the tiles of a block work with, as far as closing goes. */
export interface TilesFrame {
  readonly kernel: Kernel;
  readonly f: FunctionBody;
  readonly writer: CodeWriter;
  readonly heldBytes: number;
  /** Copies regions for the rows of the group. */
  readonly rows: { moves(region: Region, rows: readonly number[]): Region };
}

/** The closing of the tile before the one at hand. */
export interface ClosingLater {
  /** Emits one of so many parts of it. */
  close(part: number, parts: number): void;
  /** Emits the stores of what the tile at hand has gathered. */
  store(): void;
  /** Goes on to the next tile. */
  advance(): void;
  /** Forgets pointers, which moved. */
  forget(): void;
}

/** Tiles of one shape below which closing them at once takes no longer. */
const FEWEST_TILES = 4;

/**
 * How the tiles of a shape close their blocks later; null where they do not. The first tile closes
 * what stands behind the state's arrays, so that it needs no code of its own.
 */
export function closingLater(
  frame: TilesFrame,
  { waiting, counter }: UpdateTile,
  batch: readonly number[],
  columns: number,
): ClosingLater | null {
  if (waiting === null || counter.count < FEWEST_TILES) return null;
  const { f, writer: { addresses }, writer, rows, heldBytes } = frame;
  if (![waiting.store, ...waiting.close].every((region) => isPlain(region, frame))) return null;
  const gathered = rows.moves(waiting.store, batch);
  const sums = waiting.close.flatMap((close) => batch.map((row) => rows.moves(close, [row])));
  const pointers = new Map<string, Pointer>();
  for (const sum of sums) addresses.point(sum, waiting.counter, pointers);
  const [moved] = pointers.values(); // arrays of whole registers stand at one distance from it
  if (pointers.size !== 1) {
    throw new PairfoldError("internal", "state that is closed has a pointer");
  }
  const back = f.local("i32");
  f.i32(waiting.beyond * VECTOR_BYTES).set(back);
  f.get(moved.pointer).get(back).op("i32.add").set(moved.pointer);
  /** What waits stands behind what the pairs of a block hold. */
  const behindHeld = (body: () => void): void => {
    const { before } = addresses;
    addresses.before = { columns, heldBytes };
    body();
    addresses.before = before;
  };
  return {
    close: (part, parts) => {
      const start = (part: number): number => Math.floor(sums.length * part / parts);
      behindHeld(() =>
        sums.slice(start(part), start(part + 1)).forEach((sum) => writer.region(sum))
      );
    },
    store: () => behindHeld(() => writer.region(gathered)),
    advance: () => {
      // to the first tile at first, then on
      f.get(moved.pointer).get(back).op("i32.sub").set(moved.pointer);
      f.i32(-moved.step).set(back);
    },
    forget: () => addresses.unpoint(pointers),
  };
}

/** Whether a region loads and stores only what waits, and state, one register for each value. */
function isPlain(region: Region, { kernel }: TilesFrame): boolean {
  let plain = true;
  visit(region, (s) => {
    if (s.kind !== "let" && s.kind !== "store") return;
    const { memory } = s.kind === "store"
      ? s
      : s.value.kind === "load"
      ? s.value
      : { memory: null };
    if (registersOf(s.value.type, kernel) > 1) plain = false;
    if (memory !== null && memory.kind !== "array" && memory.kind !== "held") plain = false;
  });
  return plain;
}
