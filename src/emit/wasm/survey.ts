// Spells a survey: a pass that only keeps the smallest value of every group of columns, and of
// every span of groups, without a branch, then a bound from these, then lists of the groups that a
// row's bound does not keep out, made without a branch too, then what these hold.
//
// Enters: the regions of the survey, the function's locals. Leaves: the loops over some columns,
// which stand before the loop that folds what is left.

import { type Cell, hasAppends, hasLoops, type Kernel, type Region } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import { VECTOR_BYTES } from "./layout.ts";

/**
 * Columns of a group: a lane has a bit for each in one word of appends. Keys cost so little that
 * storing the smallest of 8 is felt: of 16, 1 smallest takes 1.03 times less in 3-D, 1.06 in 10-D
 * (Intel Xeon, AVX-512, 2026-11-24, taking turns).
 */
export const groupColumnsOf = (kernel: Kernel): number =>
  kernel.hasKeys === true && !hasAppends(kernel.pair) && !hasLoops(kernel.pair) ? 16 : 8;

/** The regions of a survey, copied for the rows of a tile. */
export interface SurveyRegions {
  readonly beginSpan: Region;
  readonly begin: Region;
  /** Some columns of a group. */
  readonly turn: Region;
  readonly turnColumns: number;
  readonly end: Region;
  readonly bound: Region;
  readonly test: Region;
  /** By row vector: the same test; some columns of a group folded into it. */
  readonly tests: readonly Region[];
  readonly folds: readonly Region[];
  readonly foldedColumns: number;
  readonly close: Region | null;
}

/** A cell by row vector, and where in scratch its values of all groups (or spans) stand. */
interface Smallest {
  readonly cells: readonly Cell[];
  readonly starts: readonly number[];
}

/** What a survey needs of the writer of the function. */
export interface SurveyFrame {
  readonly f: FunctionBody;
  readonly write: (region: Region) => void;
  readonly local: (cell: Cell) => number;
  /**
   * The locals with the addresses of scratch and of the column at hand, with the column's index.
   */
  readonly scratch: number;
  readonly record: number;
  readonly index: number;
  readonly groupColumns: number;
  readonly groupBytes: number;
  /** Lanes of a vector. */
  readonly lanes: 2 | 4;
  readonly ofGroups: Smallest;
  readonly ofSpans: Smallest;
  readonly skips: readonly Cell[];
  /** Where the list of spans stands in scratch, and by row vector that of groups. */
  readonly spanList: number;
  readonly groupLists: readonly number[];
  readonly span: number;
  readonly spans: number;
  readonly least: number;
}

/** Bytes of an entry of a list: where the smallest values of a group stand. */
export const ENTRY_BYTES = 4;
/** Entries of a list that are folded before the rows' states are closed: a block of columns. */
const CLOSED = 8;

/**
 * Surveys and folds columns from the one at hand to the address in `last`, but for some at the end.
 */
export function emitSurvey(frame: SurveyFrame, regions: SurveyRegions, last: number): void {
  const { f, write, local, scratch, record, index, groupBytes, ofGroups, ofSpans } = frame;
  const { groupColumns, span, spans } = frame;
  const spanBytes = span * groupBytes;
  const [begin, beginIndex, end, endIndex, ofGroup, ofSpan, spanEnd, groupEnd] = Array.from(
    { length: 8 },
    () => f.local("i32"),
  );
  const advance = (pointer: number, bytes: number): unknown =>
    f.get(pointer).i32(bytes).op("i32.add").set(pointer);
  /** Goes on with the innermost loop while there are columns. */
  const again = (limit: number): unknown =>
    f.get(record).get(limit).op("i32.lt_u").op("br_if", 0).op("end");
  const store = (pointer: number, { cells, starts }: Smallest): void =>
    starts.forEach((start, row) => {
      f.get(pointer).get(local(cells[row])).op("v128.store", start);
    });

  f.op("block").op("loop");
  // whole spans, as many as there is room for
  f.get(last).get(record).op("i32.sub").i32(spanBytes).op("i32.div_u").set(end);
  f.get(end).i32(frame.least).op("i32.lt_u").op("br_if", 1);
  f.i32(spans).get(end).get(end).i32(spans).op("i32.gt_u").op("select");
  f.i32(spanBytes).op("i32.mul").get(record).op("i32.add").set(end);

  f.get(record).set(begin).get(index).set(beginIndex);
  f.get(scratch).set(ofGroup).get(scratch).set(ofSpan);
  f.op("loop");
  write(regions.beginSpan);
  f.get(record).i32(spanBytes).op("i32.add").set(spanEnd);
  f.op("loop");
  write(regions.begin);
  const turns = groupColumns / regions.turnColumns;
  if (turns > 1) {
    f.get(record).i32(groupBytes).op("i32.add").set(groupEnd);
    f.op("loop");
  }
  write(regions.turn);
  advance(record, groupBytes / turns);
  if (turns > 1) again(groupEnd);
  store(ofGroup, ofGroups);
  write(regions.end);
  advance(ofGroup, VECTOR_BYTES);
  advance(index, groupColumns);
  again(spanEnd);
  store(ofSpan, ofSpans);
  advance(ofSpan, VECTOR_BYTES);
  again(end);
  f.get(index).set(endIndex);
  // beyond the last span: nothing
  write(regions.beginSpan);
  f.op("block").op("loop");
  f.get(ofSpan).get(scratch).op("i32.sub").i32(spans * VECTOR_BYTES).op("i32.ge_u");
  f.op("br_if", 1);
  store(ofSpan, ofSpans);
  advance(ofSpan, VECTOR_BYTES);
  f.op("br", 0).op("end").op("end");

  write(regions.bound);

  const ends = listGroups(frame, regions.test, begin, end);
  foldGroups(frame, regions, ends, (group) => {
    f.get(group).get(scratch).op("i32.sub").i32(Math.log2(VECTOR_BYTES)).op("i32.shr_u");
    f.op("local.tee", group).i32(groupBytes).op("i32.mul").get(begin).op("i32.add").set(record);
    f.get(group).i32(groupColumns).op("i32.mul").get(beginIndex).op("i32.add").set(index);
  });
  f.get(end).set(record).get(endIndex).set(index);
  f.op("br", 0).op("end").op("end");
}

/** From a mask on the stack: whether any lane fails. */
function anyFails({ f, lanes }: SurveyFrame): unknown {
  return f.op(lanes === 4 ? "i32x4.bitmask" : "i64x2.bitmask").i32(2 ** lanes - 1).op("i32.ne");
}

/** Loads what a test of some rows asks about, from a pointer on. */
function loadSmallest(
  { f, local, ofGroups: { cells } }: SurveyFrame,
  pointer: number,
  starts: readonly number[],
  rows: readonly number[],
): void {
  for (const row of rows) f.get(pointer).op("v128.load", starts[row]).set(local(cells[row]));
}

/**
 * Lists the groups that the rows' bounds do not keep out, by row vector: from the spans that they do
 * not keep out of any. An entry is written in any case and stays where the next one moves on: about
 * a third of the spans are entered, which no host foresees. Leaves the locals with the lists' ends.
 */
function listGroups(frame: SurveyFrame, test: Region, begin: number, end: number): number[] {
  const { f, write, local, scratch, record, groupBytes, ofGroups, ofSpans, span, skips } = frame;
  const [ofGroup, ofSpan, from, spanEnd] = [0, 1, 2, 3].map(() => f.local("i32"));
  const ends = skips.map(() => f.local("i32"));
  const rows = skips.map((_, row) => row);
  const advance = (pointer: number, bytes: number): unknown =>
    f.get(pointer).i32(bytes).op("i32.add").set(pointer);
  /** Adds an entry to the list that ends at a pointer, if the masks say that a lane fails. */
  const add = (pointer: number, start: number, entry: () => void, masks: readonly Cell[]): void => {
    f.get(pointer);
    entry();
    f.op("i32.store", start);
    f.get(pointer);
    masks.forEach((mask, k) => {
      f.get(local(mask));
      if (k > 0) f.op("v128.and");
    });
    anyFails(frame);
    f.i32(Math.log2(ENTRY_BYTES)).op("i32.shl").op("i32.add").set(pointer);
  };

  f.get(scratch).set(ofGroup).get(scratch).set(ofSpan).get(scratch).set(spanEnd);
  f.get(begin).set(record);
  f.op("loop");
  loadSmallest(frame, ofSpan, ofSpans.starts, rows);
  write(test);
  add(spanEnd, frame.spanList, () => f.get(ofGroup), skips);
  advance(ofSpan, VECTOR_BYTES);
  advance(ofGroup, span * VECTOR_BYTES);
  advance(record, span * groupBytes);
  f.get(record).get(end).op("i32.lt_u").op("br_if", 0).op("end");

  for (const pointer of [from, ...ends]) f.get(scratch).set(pointer);
  f.op("block").op("loop");
  f.get(from).get(spanEnd).op("i32.ge_u").op("br_if", 1);
  f.get(from).op("i32.load", frame.spanList).set(ofGroup);
  for (let group = 0; group < span; group++) {
    loadSmallest(frame, ofGroup, ofGroups.starts.map((at) => at + group * VECTOR_BYTES), rows);
    write(test);
    const entry = (): unknown => f.get(ofGroup).i32(group * VECTOR_BYTES).op("i32.add");
    for (const row of rows) add(ends[row], frame.groupLists[row], entry, [skips[row]]);
  }
  advance(from, ENTRY_BYTES);
  f.op("br", 0).op("end").op("end");
  return ends;
}

/** Folds the groups of the rows' lists, some of each list before the rows' states are closed. */
function foldGroups(
  frame: SurveyFrame,
  regions: SurveyRegions,
  ends: readonly number[],
  toGroup: (group: number) => void,
): void {
  const { f, write, local, scratch, record, index, groupColumns, groupBytes, ofGroups, skips } =
    frame;
  const { close, foldedColumns } = regions;
  const from = ends.map(() => f.local("i32"));
  const [limit, group, groupEnd] = [0, 1, 2].map(() => f.local("i32"));
  /** Folds the group at hand into one row vector. */
  const foldGroup = (fold: Region): void => {
    if (foldedColumns === groupColumns) {
      write(fold);
      return;
    }
    f.get(record).i32(groupBytes).op("i32.add").set(groupEnd);
    f.op("loop");
    write(fold);
    f.get(index).i32(foldedColumns).op("i32.add").set(index);
    f.get(record).i32(foldedColumns * groupBytes / groupColumns).op("i32.add");
    f.op("local.tee", record).get(groupEnd).op("i32.lt_u").op("br_if", 0).op("end");
  };

  for (const pointer of from) f.get(scratch).set(pointer);
  f.op("loop");
  regions.folds.forEach((fold, row) => {
    if (close === null) f.get(ends[row]).set(limit);
    else {
      f.get(from[row]).i32(CLOSED * ENTRY_BYTES).op("i32.add").op("local.tee", limit).get(
        ends[row],
      );
      f.get(limit).get(ends[row]).op("i32.lt_u").op("select").set(limit);
    }
    f.op("block").op("loop");
    f.get(from[row]).get(limit).op("i32.ge_u").op("br_if", 1);
    f.get(from[row]).op("i32.load", frame.groupLists[row]).set(group);
    f.get(from[row]).i32(ENTRY_BYTES).op("i32.add").set(from[row]);
    // what came before may have lowered the bound
    loadSmallest(frame, group, ofGroups.starts, [row]);
    write(regions.tests[row]);
    f.get(local(skips[row]));
    anyFails(frame);
    f.op("i32.eqz").op("br_if", 0);
    toGroup(group);
    foldGroup(fold);
    f.op("br", 0).op("end").op("end");
  });
  if (close !== null) write(close);
  from.forEach((pointer, row) => {
    f.get(pointer).get(ends[row]).op("i32.lt_u");
    if (row > 0) f.op("i32.or");
  });
  f.op("br_if", 0).op("end");
}
