// Spells a survey: a pass that only keeps the smallest value of every group of columns, without a
// branch, then a bound from these, then the groups that a row's bound does not keep out.
//
// Enters: the regions of the survey, the function's locals. Leaves: the loops over some columns, which
// stand before the loop that folds what is left.

import type { Cell, Region } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import { VECTOR_BYTES } from "./layout.ts";

/** Columns of a group: a lane has a bit for each in one word of appends. */
export const GROUP_COLUMNS = 8;

/** The regions of a survey, copied for the rows of a tile. */
export interface SurveyRegions {
  readonly begin: Region;
  /** All columns of a group. */
  readonly group: Region;
  readonly bound: Region;
  readonly test: Region;
  /** By row vector: a group folded into it. */
  readonly folds: readonly Region[];
  readonly close: Region;
}

/** What a survey needs of the writer of the function. */
export interface SurveyFrame {
  readonly f: FunctionBody;
  readonly write: (region: Region) => void;
  readonly local: (cell: Cell) => number;
  /** The locals with the addresses of scratch and of the column at hand, with the column's index. */
  readonly scratch: number;
  readonly record: number;
  readonly index: number;
  readonly groupBytes: number;
  readonly blockBytes: number;
  /** Lanes of a vector. */
  readonly lanes: 2 | 4;
  /** By row vector: the cells, and where in scratch the minima stand. */
  readonly smallest: readonly Cell[];
  readonly skips: readonly Cell[];
  readonly minima: readonly number[];
  readonly groups: number;
  readonly least: number;
}

/** Surveys and folds columns from the one at hand to the address in `last`, but for some at the end. */
export function emitSurvey(frame: SurveyFrame, regions: SurveyRegions, last: number): void {
  const { f, write, local, scratch, record, index, groupBytes, blockBytes, groups } = frame;
  const [begin, beginIndex, end, minimum, blockEnd] = [0, 1, 2, 3, 4].map(() => f.local("i32"));
  /** Leaves an address on the stack. */
  const at = (pointer: number, offset: number): unknown => {
    f.get(pointer);
    return offset > 0 ? f.i32(offset).op("i32.add") : f;
  };
  const advance = (pointer: number, bytes: number): unknown =>
    f.get(pointer).i32(bytes).op("i32.add").set(pointer);
  /** Goes on with the innermost loop while there are columns. */
  const again = (limit: number): unknown =>
    f.get(record).get(limit).op("i32.lt_u").op("br_if", 0).op("end");
  const storeMinima = (push: (row: number) => void): void =>
    frame.minima.forEach((start, row) => {
      at(minimum, start);
      push(row);
      f.op("v128.store", 0);
    });

  f.op("block").op("loop");
  // whole groups, as many as there is room for
  f.get(last).get(record).op("i32.sub").i32(groupBytes).op("i32.div_u").set(end);
  f.get(end).i32(frame.least).op("i32.lt_u").op("br_if", 1);
  f.i32(groups).get(end).get(end).i32(groups).op("i32.gt_u").op("select");
  f.i32(groupBytes).op("i32.mul").get(record).op("i32.add").set(end);

  f.get(record).set(begin).get(index).set(beginIndex).get(scratch).set(minimum);
  f.op("loop");
  write(regions.begin);
  write(regions.group);
  storeMinima((row) => f.get(local(frame.smallest[row])));
  advance(minimum, VECTOR_BYTES);
  advance(index, GROUP_COLUMNS);
  advance(record, groupBytes);
  again(end);
  // beyond the last group: nothing
  write(regions.begin);
  f.op("block").op("loop");
  f.get(minimum).get(scratch).op("i32.sub").i32(groups * VECTOR_BYTES).op("i32.ge_u");
  f.op("br_if", 1);
  storeMinima((row) => f.get(local(frame.smallest[row])));
  advance(minimum, VECTOR_BYTES);
  f.op("br", 0).op("end").op("end");

  write(regions.bound);

  f.get(begin).set(record).get(beginIndex).set(index).get(scratch).set(minimum);
  f.op("loop");
  f.get(record).i32(blockBytes).op("i32.add").op("local.tee", blockEnd);
  f.get(end).get(blockEnd).get(end).op("i32.lt_u").op("select").set(blockEnd);
  f.op("loop");
  frame.minima.forEach((start, row) => {
    at(minimum, start);
    f.op("v128.load", 0).set(local(frame.smallest[row]));
  });
  write(regions.test);
  const bitmask = frame.lanes === 4 ? "i32x4.bitmask" : "i64x2.bitmask";
  regions.folds.forEach((fold, row) => {
    f.get(local(frame.skips[row])).op(bitmask).i32(2 ** frame.lanes - 1).op("i32.ne");
    f.ifRarely();
    write(fold);
    f.op("end");
  });
  advance(minimum, VECTOR_BYTES);
  advance(index, GROUP_COLUMNS);
  advance(record, groupBytes);
  again(blockEnd);
  write(regions.close);
  again(end);
  f.op("br", 0).op("end").op("end");
}
