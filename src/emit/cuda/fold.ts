// The kernel that folds: rows of a thread, tiles of columns in shared memory, blocks of the sum.

import { PairfoldError } from "../../error.ts";
import {
  type Cell,
  type Contraction,
  lengthOf,
  type LocalArray,
  placesIn,
  type Region,
  replicate,
  RowCopies,
  type StateItem,
  visit,
} from "../../loop/mod.ts";
import {
  HANDED,
  HANDED_STRIDE,
  hasLongRows,
  innerLoops,
  patchOf,
  REGISTER_ARRAY,
  registersOfFold,
  sliceableOf,
} from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { columnLoop, eitherTurns, overColumns, rareLoop, rareOf, turnLoops } from "./columns.ts";
import { type Surroundings, vectorOf } from "./surroundings.ts";
import { layoutOf, SEGMENT, SEGMENT_FLAGS } from "./layout.ts";
import { PatchLoops, VECTOR } from "./patch.ts";
import { rolled } from "./rolled.ts";
import type { Slice } from "./unrolling.ts";
import { ENTRIES, FIND_SEGMENT, type SourceWriter } from "./writer.ts";

/** Every thread takes some rows and walks the columns. */
export function writeFold(source: SourceWriter): void {
  const { rows, threads, tile, columns: perTurn, chunk } = source.schedule;
  const kernel = source.kernel;
  const patch = chunk === 0 ? null : patchOf(kernel);
  const loops = patch === null ? null : new PatchLoops(source, patch);
  const { pair, careful } = innerLoops(
    patch ?? { pair: kernel.pair, careful: kernel.careful?.pair ?? null },
  );
  const lines = source.lines;
  const { slices, staged } = source.record;
  const { type, width } = vectorOf(kernel, staged);
  const { blockRows } = layoutOf(kernel, source.schedule);
  const copies = new RowCopies(rows, [...kernel.state, ...kernel.incoming]);
  const slots = kernel.records.column.length;
  const copy = (region: Region): Region => replicate(region, copies);
  const longest = registersOfFold(kernel, source.schedule.slice);
  const cut = source.record.slice === 0 ? null : sliceableOf(kernel);
  const areRowsLong = hasLongRows(kernel, longest, cut?.counters ?? new Set());
  const regions = {
    row: copy(areRowsLong ? rolled(kernel.row) : kernel.row),
    init: copy(kernel.init),
    pair: copy(pair),
    turn: perTurn === 1 ? null : replicate(pair, copies, {
      columns: perTurn,
      columnSlots: slots,
      heldSlots: 1,
      oneByOne: true,
    }),
    test: kernel.careful === null || careful === null ? null : copy(kernel.careful.test),
    careful: careful === null ? null : copy(careful),
    close: kernel.close === null ? null : closeOf(kernel.close, copies),
    finish: copy(kernel.finish),
  };
  const all = Object.values(regions).filter((r): r is Region => r !== null);
  const isTiled = tile > 0 && staged > 0;
  const bounds = loops === null ? threads : `${threads}, ${loops.residentBlocks}`;
  source.function(ENTRIES.fold, bounds, source.foldParameters(), () => {
    const items = source.stateOfRows(kernel.state, copies, rows);
    const slice = sliceOf(source, items);
    const around: Surroundings = {
      ...source.rowSurroundings("(j + c)"),
      ...(patch === null ? {} : patchSurroundings(source, patch)),
    };
    const w = new CodeWriter(lines, kernel, around, { slice, longest });
    if (loops !== null) loops.declare();
    else if (isTiled) lines.add(`__shared__ ${type} tile[${tile * (staged / width)}];`);
    lines.add(...FIND_SEGMENT);
    lines.add(`const long long last = segment[${SEGMENT.i1}] - 1;`);
    const unit = `(unit - (unsigned)segment[${SEGMENT.firstUnit}])`;
    if (slices > 1) lines.add(`const int slice = (int)(${unit} % ${slices});`);
    else if (slice !== null) lines.add("const int slice = 0;");
    const rowOfUnit = `${slices > 1 ? `(${unit} / ${slices})` : unit} * (long long)${blockRows}`;
    lines.add(`const long long first = segment[${SEGMENT.i0}] + ${rowOfUnit} + threadIdx.x;`);
    lines.add("// rows beyond the last repeat it; they are not written");
    for (let row = 0; row < rows; row++) {
      lines.add(`const long long i${row} = min(${source.rowOf(row)}, last);`);
    }
    lines.add(`const long long count = segment[${SEGMENT.count}];`);
    lines.add(
      `const ${source.float}* uniforms = parameters + segment[${SEGMENT.uniforms}];`,
    );
    source.pointers("row");
    w.declare(all, rows);
    w.region(regions.row);
    if (patch?.products === "tf32") source.roundVector(VECTOR, patch.counter.count);
    lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.resume})`, () => {
      source.moveState("load", w, items, `segment[${SEGMENT.state}]`, SEGMENT.i0);
    });
    lines.block("else", () => w.sideBySide(1, () => w.region(regions.init)));
    let special: string | null = null;
    if (kernel.careful !== null && regions.test !== null) {
      const cell = kernel.careful.special;
      w.region(regions.test);
      const names = Array.from({ length: rows }, (_, row) => w.place(copies.of(cell, row)));
      lines.add(`const bool special = ${names.join(" || ")};`);
      special = "special";
    }
    const rare = rareOf(regions.turn);
    if (rare !== null && special !== null) {
      throw new PairfoldError("internal", "a warp cannot vote where threads go ways of their own");
    }
    // one loop for all turns, but where several of them stand side by side or registers are few
    const isPlain = chunk === 0 && slice === null && special === null;
    const isOnce = rare !== null || (regions.turn !== null && isPlain);
    const pairs = (turns: string, isWhole: boolean): void => {
      const whole = { turns, isWhole };
      const plain = (pair: Region): void => columnLoop(source, w, pair, whole);
      const { careful, turn } = regions;
      const usual = (): void =>
        turn !== null && rare !== null
          ? rareLoop(source, w, turn, rare)
          : turn !== null && isOnce
          ? turnLoops(source, w, turn, regions.pair)
          : turn !== null && isWhole
          ? columnLoop(source, w, turn, { ...whole, columns: perTurn })
          : plain(regions.pair);
      if (special === null || careful === null) return usual();
      lines.block(`if (${special})`, () => plain(careful));
      lines.block("else", usual);
    };
    const close = (): void => {
      const { close } = regions;
      if (close !== null) w.sideBySide(vectorOf(kernel, 4).width, () => w.regionOfWarp(close));
    };
    const kept = [regions.pair, regions.turn, regions.careful].filter((r) => r !== null);
    const inRegisters = (body: () => void): void =>
      slice === null ? body() : lines.block("", () => w.withRegisters(kept, body));
    const columns = (): void => {
      lines.add(
        `const float* own = (const float*)(rowChunks + warpRows + lane * ${HANDED_STRIDE});`,
      );
      eitherTurns(source, HANDED, !isOnce, pairs);
    };
    if (loops !== null) loops.write({ columns, close });
    else overColumns(source, isTiled, { pairs, inRegisters, close, hasTail: !isOnce });
    lines.block(`if (segment[${SEGMENT.flags}] & ${SEGMENT_FLAGS.save})`, () => {
      source.moveState("save", w, items, `segment[${SEGMENT.state}]`, SEGMENT.i0);
      lines.add("return;");
    });
    // one row after another, for only those that are there may be written
    finish(source, w, copies, items);
  });
}

/**
 * The end of a block of columns for a thread's rows: row after row where it branches, so that no
 * test of all rows stands around those of each, on which the threads of a warp vote.
 */
function closeOf(close: Region, copies: RowCopies): Region {
  return replicate(close, copies, {
    rowByRow: close.statements.some(({ kind }) => kind === "when"),
  });
}

/** What a block of threads keeps of the state of its rows; null for all of it. */
function sliceOf({ kernel, record }: SourceWriter, items: readonly StateItem[][]): Slice | null {
  const sliceable = record.slice === 0 ? null : sliceableOf(kernel);
  if (sliceable === null) return null;
  const arrays = items.flat().flatMap((item) => item.kind === "array" ? [item.array] : []);
  const { length: whole, counters } = sliceable;
  return { length: record.slice, whole, counters, arrays: new Set(arrays) };
}

/** Where a row's vector stands, and what its patches hold for a turn's columns. */
export function patchSurroundings(
  { schedule: { chunk } }: SourceWriter,
  { row, counter: { count } }: Contraction,
): Pick<Surroundings, "vector" | "held"> {
  const padded = chunk * Math.ceil(count / chunk);
  return {
    vector: { name: VECTOR, first: row, length: count, padded },
    held: (column) => `held[${column}]`,
  };
}

/** Puts what finishing reads of a row's record and state in the place of the first row's. */
function moveRow(
  { kernel, lines }: SourceWriter,
  w: CodeWriter,
  items: readonly StateItem[][],
  row: number,
): void {
  const elements = (length: number, one: string): void =>
    lines.add(w.unrollMove(length), `for (int k = 0; k < ${length}; ++k) ${one}`);
  const { length } = kernel.records.row;
  const read = readBy(kernel.finish);
  if (read.has("row")) elements(length, `row0[k] = row${row}[k];`);
  items[0].forEach((item, n) => {
    const own = items[row][n];
    const state = kernel.state[n];
    if (!read.has(state.kind === "cell" ? state.cell : state.array)) return;
    if (item.kind === "cell" && own.kind === "cell") {
      lines.add(`${w.place(item.cell)} = ${w.place(own.cell)};`);
    } else if (item.kind === "array" && own.kind === "array") {
      const [target, source] = [w.place(item.array), w.place(own.array)];
      elements(lengthOf(item), `${target}[k] = ${source}[k];`);
    }
  });
}

/** The cells and arrays that a region reads, and "row" where it reads rows' records. */
function readBy(region: Region): Set<Cell | LocalArray | "row"> {
  const read = new Set<Cell | LocalArray | "row">();
  visit(region, (s) => {
    // what is stored to in part is read
    for (const place of placesIn(s)) read.add(place);
    if (s.kind !== "let" || s.value.kind !== "load" || s.value.memory.kind !== "record") return;
    if (s.value.memory.section === "row") read.add("row");
  });
  return read;
}

/** Finishes the rows of a thread that are no repetitions. */
function finish(
  source: SourceWriter,
  w: CodeWriter,
  copies: RowCopies,
  items: readonly StateItem[][],
): void {
  const rows = items.length;
  const isLong = !w.isSliced && items[0].some((item) => lengthOf(item) > REGISTER_ARRAY);
  // sorting long lists is much code: it stands once, and rows take the place of the first in turn
  if (isLong && rows > 1) {
    const { lines, kernel, schedule: { threads } } = source;
    lines.add("#pragma unroll 1");
    lines.block(`for (int r = 0; r < ${rows}; ++r)`, () => {
      for (let row = 1; row < rows; row++) {
        lines.block(`if (r == ${row})`, () => {
          moveRow(source, w, items, row);
        });
      }
      lines.add(`const long long i0 = first + r * ${threads};`, "if (i0 > last) break;");
      w.region(replicate(kernel.finish, copies, { rows: [0] }));
    });
    return;
  }
  for (let row = 0; row < rows; row++) {
    const finish = replicate(source.kernel.finish, copies, { rows: [row] });
    source.lines.block(`if (${source.rowOf(row)} <= last)`, () => w.region(finish));
  }
}
