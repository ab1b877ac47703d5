// Spells a search: a pass over groups of columns that keeps the best value of each lane, without a
// branch, then a look at the groups in which a lane got better last, the later columns first, for
// ties go to the first.
//
// Enters: the regions of the search, the function's locals. Leaves: the loops over whole groups of
// columns, which stand before the loop that folds what is left; where a row has found nothing, that
// loop begins anew.

import type { Cell, Region } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";

/**
 * Columns of a group: longer ones end less often, and take longer to look through, once a row.
 */
export const SEARCHED_COLUMNS = 16;

/** The regions of a search, copied for the rows of a tile. */
export interface SearchRegions {
  readonly start: Region;
  readonly begin: Region;
  /** Some columns of a group. */
  readonly turn: Region;
  readonly end: Region;
  readonly settle: Region;
  /** By row vector: one column, where it is looked for. */
  readonly takes: readonly Region[];
  readonly test: Region;
}

/** What a search needs of the writer of the function. */
export interface SearchFrame {
  readonly f: FunctionBody;
  readonly write: (region: Region) => void;
  readonly local: (cell: Cell) => number;
  /** The locals with the address of the column at hand, and with its index. */
  readonly record: number;
  readonly index: number;
  /** Columns of `turn`, a divisor of a group's, and bytes of one. */
  readonly columns: number;
  readonly columnBytes: number;
  /** Lanes of a vector. */
  readonly lanes: 2 | 4;
  /** By row vector. */
  readonly ages: readonly Cell[];
  readonly misses: readonly Cell[];
}

/** Searches whole groups of columns from the one at hand to the address in `last`. */
export function emitSearch(frame: SearchFrame, regions: SearchRegions, last: number): void {
  const { f, write, record, index, columns, columnBytes } = frame;
  const groupBytes = SEARCHED_COLUMNS * columnBytes;
  const [begin, beginIndex, groups, end, group] = Array.from({ length: 5 }, () => f.local("i32"));
  /** Goes to a group by the number of groups before it, which is on the stack. */
  const toGroup = (): void => {
    f.op("local.tee", group).i32(groupBytes).op("i32.mul").get(begin).op("i32.add").set(record);
    f.get(group).i32(SEARCHED_COLUMNS).op("i32.mul").get(beginIndex).op("i32.add").set(index);
  };

  f.op("block");
  f.get(last).get(record).op("i32.sub").i32(groupBytes).op("i32.div_u").op("local.tee", groups);
  f.op("i32.eqz").op("br_if", 0);
  f.get(record).set(begin).get(index).set(beginIndex);
  f.get(groups).i32(groupBytes).op("i32.mul").get(record).op("i32.add").set(end);

  write(regions.start);
  f.op("loop");
  write(regions.begin);
  if (columns < SEARCHED_COLUMNS) overGroup(frame, columns, () => write(regions.turn));
  else {
    write(regions.turn);
    f.get(index).i32(columns).op("i32.add").set(index);
    f.get(record).i32(columns * columnBytes).op("i32.add").set(record);
  }
  write(regions.end);
  f.get(record).get(end).op("i32.lt_u").op("br_if", 0).op("end");

  write(regions.settle);
  if (regions.takes.length > 0) emitTakes(frame, regions.takes, groups, toGroup);

  write(regions.test);
  f.get(groups).i32(0);
  frame.misses.forEach((cell, row) => {
    f.get(frame.local(cell));
    if (row > 0) f.op("v128.or");
  });
  f.op("v128.any_true").op("i32.eqz").op("select");
  toGroup();
  f.op("end");
}

/** All columns of a group, some at a time; a negative number: from the one at hand backwards. */
function overGroup(
  { f, record, index, columnBytes }: SearchFrame,
  columns: number,
  body: () => void,
): void {
  const end = f.local("i32");
  f.get(record).i32(Math.sign(columns) * SEARCHED_COLUMNS * columnBytes).op("i32.add").set(end);
  f.op("loop");
  body();
  f.get(index).i32(columns).op("i32.add").set(index);
  f.get(record).i32(columns * columnBytes).op("i32.add").op("local.tee", record);
  f.get(end).op("i32.ne").op("br_if", 0).op("end");
}

/** Looks through the groups in which a lane got better last, the youngest first. */
function emitTakes(
  frame: SearchFrame,
  takes: readonly Region[],
  groups: number,
  toGroup: () => void,
): void {
  const { f, write, local, record, index, columnBytes, lanes } = frame;
  const [before, next, age] = [0, 0, 0].map(() => f.local("i32"));
  f.i32(-1).set(before);
  f.op("block").op("loop");
  // what did not get better is as old as there are groups
  f.get(groups).set(next);
  for (const cell of frame.ages) {
    for (let lane = 0; lane < lanes; lane++) {
      f.get(local(cell)).op("i32x4.extract_lane", lane * 4 / lanes).op("local.tee", age);
      f.get(next).get(age).get(before).op("i32.gt_s").get(next).get(age).op("i32.gt_s");
      f.op("i32.and").op("select").set(next);
    }
  }
  f.get(next).get(groups).op("i32.eq").op("br_if", 1);
  takes.forEach((take, row) => {
    f.get(local(frame.ages[row])).get(next);
    if (lanes === 4) f.op("i32x4.splat").op("i32x4.eq");
    else f.op("i64.extend_i32_s").op("i64x2.splat").op("i64x2.eq");
    f.op("v128.any_true").op("if");
    f.get(groups).i32(1).op("i32.sub").get(next).op("i32.sub");
    toGroup();
    f.get(index).i32(SEARCHED_COLUMNS - 1).op("i32.add").set(index);
    f.get(record).i32((SEARCHED_COLUMNS - 1) * columnBytes).op("i32.add").set(record);
    overGroup(frame, -1, () => write(take));
    f.op("end");
  });
  f.get(next).set(before).op("br", 0).op("end").op("end");
}
