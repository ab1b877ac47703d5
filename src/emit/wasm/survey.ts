// Spells a survey: a pass that only keeps the smallest value of every group of columns, and of
// every span of groups, without a branch, then a bound from these, then the groups that a row's
// bound does not keep out.
//
// Enters: the regions of the survey, the function's locals. Leaves: the loops over some columns,
// which stand before the loop that folds what is left.

import type { Cell, Region } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import { VECTOR_BYTES } from "./layout.ts";

/** Columns of a group: a lane has a bit for each in one word of appends. */
export const GROUP_COLUMNS = 8;

/** The regions of a survey, copied for the rows of a tile. */
export interface SurveyRegions {
  readonly beginSpan: Region;
  readonly begin: Region;
  /** All columns of a group. */
  readonly group: Region;
  readonly end: Region;
  readonly bound: Region;
  readonly test: Region;
  /** By row vector: some columns of a group folded into it. */
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
  readonly groupBytes: number;
  /** Lanes of a vector. */
  readonly lanes: 2 | 4;
  readonly ofGroups: Smallest;
  readonly ofSpans: Smallest;
  readonly skips: readonly Cell[];
  readonly span: number;
  readonly spans: number;
  readonly least: number;
}

/**
 * Surveys and folds columns from the one at hand to the address in `last`, but for some at the end.
 */
export function emitSurvey(frame: SurveyFrame, regions: SurveyRegions, last: number): void {
  const { f, write, local, scratch, record, index, groupBytes, ofGroups, ofSpans } = frame;
  const { span, spans } = frame;
  const spanBytes = span * groupBytes;
  const [begin, beginIndex, end, ofGroup, ofSpan, spanEnd, groupEnd] = [0, 1, 2, 3, 4, 5, 6]
    .map(() => f.local("i32"));
  const advance = (pointer: number, bytes: number): unknown =>
    f.get(pointer).i32(bytes).op("i32.add").set(pointer);
  /** Goes on with the innermost loop while there are columns. */
  const again = (limit: number): unknown =>
    f.get(record).get(limit).op("i32.lt_u").op("br_if", 0).op("end");
  const store = (pointer: number, { cells, starts }: Smallest): void =>
    starts.forEach((start, row) => {
      f.get(pointer).get(local(cells[row])).op("v128.store", start);
    });
  /** Loads what a test asks about. */
  const load = (pointer: number, starts: readonly number[]): void =>
    starts.forEach((start, row) => {
      f.get(pointer).op("v128.load", start).set(local(ofGroups.cells[row]));
    });
  /** From a mask on the stack: whether any lane fails. */
  const anyFails = (): unknown =>
    f.op(frame.lanes === 4 ? "i32x4.bitmask" : "i64x2.bitmask").i32(2 ** frame.lanes - 1)
      .op("i32.ne");
  const toBegin = (): void => {
    f.get(begin).set(record).get(beginIndex).set(index);
    f.get(scratch).set(ofGroup).get(scratch).set(ofSpan);
  };
  /** Folds a group into one row vector, and goes back to its first column. */
  const foldGroup = (fold: Region): void => {
    const columns = regions.foldedColumns;
    if (columns === GROUP_COLUMNS) {
      write(fold);
      return;
    }
    f.get(record).i32(groupBytes).op("i32.add").set(groupEnd);
    f.op("loop");
    write(fold);
    advance(index, columns);
    advance(record, columns * groupBytes / GROUP_COLUMNS);
    again(groupEnd);
    advance(index, -GROUP_COLUMNS);
    advance(record, -groupBytes);
  };
  const toSpanEnd = (): unknown => f.get(record).i32(spanBytes).op("i32.add").set(spanEnd);

  f.op("block").op("loop");
  // whole spans, as many as there is room for
  f.get(last).get(record).op("i32.sub").i32(spanBytes).op("i32.div_u").set(end);
  f.get(end).i32(frame.least).op("i32.lt_u").op("br_if", 1);
  f.i32(spans).get(end).get(end).i32(spans).op("i32.gt_u").op("select");
  f.i32(spanBytes).op("i32.mul").get(record).op("i32.add").set(end);

  f.get(record).set(begin).get(index).set(beginIndex);
  toBegin();
  f.op("loop");
  write(regions.beginSpan);
  toSpanEnd();
  f.op("loop");
  write(regions.begin);
  write(regions.group);
  store(ofGroup, ofGroups);
  write(regions.end);
  advance(ofGroup, VECTOR_BYTES);
  advance(index, GROUP_COLUMNS);
  advance(record, groupBytes);
  again(spanEnd);
  store(ofSpan, ofSpans);
  advance(ofSpan, VECTOR_BYTES);
  again(end);
  // beyond the last span: nothing
  write(regions.beginSpan);
  f.op("block").op("loop");
  f.get(ofSpan).get(scratch).op("i32.sub").i32(spans * VECTOR_BYTES).op("i32.ge_u");
  f.op("br_if", 1);
  store(ofSpan, ofSpans);
  advance(ofSpan, VECTOR_BYTES);
  f.op("br", 0).op("end").op("end");

  write(regions.bound);

  toBegin();
  f.op("loop");
  load(ofSpan, ofSpans.starts);
  advance(ofSpan, VECTOR_BYTES);
  write(regions.test);
  frame.skips.forEach((cell, row) => {
    f.get(local(cell));
    if (row > 0) f.op("v128.and");
  });
  anyFails();
  f.op("if");
  toSpanEnd();
  f.op("loop");
  load(ofGroup, ofGroups.starts);
  write(regions.test);
  regions.folds.forEach((fold, row) => {
    f.get(local(frame.skips[row]));
    anyFails();
    f.ifRarely();
    foldGroup(fold);
    f.op("end");
  });
  advance(ofGroup, VECTOR_BYTES);
  advance(index, GROUP_COLUMNS);
  advance(record, groupBytes);
  again(spanEnd);
  if (regions.close !== null) write(regions.close);
  f.op("else");
  advance(ofGroup, span * VECTOR_BYTES);
  advance(index, span * GROUP_COLUMNS);
  advance(record, spanBytes);
  f.op("end");
  again(end);
  f.op("br", 0).op("end").op("end");
}
