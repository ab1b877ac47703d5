// Spells the appends of a turn: a word with a bit for each lane that appends, two lists at a time,
// and a loop over its bits. Enters: the appends at the end of a region. Leaves: their instructions.

import type { LocalArray, Statement, Value } from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import { VECTOR_BYTES } from "./layout.ts";

/** What appends need of the writer of the function. */
export interface AppendFrame {
  readonly f: FunctionBody;
  /** Bytes of a lane. */
  readonly size: 4 | 8;
  /** The locals with the address of the thread's scratch, and with the column's index. */
  readonly scratch: number;
  readonly columnIndex: number;
  /** Leaves a value on the stack. */
  readonly push: (value: Value) => void;
  /** Where an array stands in scratch. */
  readonly startOf: (array: LocalArray) => number;
  /** Where vectors that wait to be taken apart stand in scratch. */
  readonly waiting: (vectors: number) => number;
}

export type Append = Statement & { readonly kind: "append" };

const WORD_BITS = 32;
/** Lists of a word: wherever they stand, the second is a fixed distance from the first. */
const LISTS = 2;

/** Appends list by list, each list's in the order of the columns. */
function byList(appends: readonly Append[]): Append[][] {
  const lists = new Map<LocalArray, Append[]>();
  for (const append of appends) {
    const list = lists.get(append.size) ?? [];
    lists.set(append.size, list);
    list.push(append);
  }
  return [...lists.values()];
}

/** Slices of a list. */
function slices<T>(list: readonly T[], length: number): T[][] {
  const count = Math.ceil(list.length / length);
  return Array.from({ length: count }, (_, k) => list.slice(k * length, (k + 1) * length));
}

/** Emits the appends that a region ends with. */
export function emitAppends(frame: AppendFrame, appends: readonly Append[]): void {
  const lanes = VECTOR_BYTES / frame.size;
  for (const lists of slices(byList(appends), LISTS)) {
    const columns = lists.map((list) => slices(list, WORD_BITS / lanes / lists.length));
    columns[0].forEach((_, k) => emitWord(frame, columns.map((list) => list[k])));
  }
}

/** Takes the lanes of some columns of some lists one after another. */
function emitWord(frame: AppendFrame, lists: readonly (readonly Append[])[]): void {
  const { f, size, scratch } = frame;
  const lanes = VECTOR_BYTES / size;
  const all = lists.flat();
  const [first] = all;
  const columns = lists[0].length;
  const isIndex = first.parts.map((_, part) => size === 4 && countsColumns(lists, part));
  const [bits, bit, lane, count, sizeAt] = [0, 1, 2, 3, 4].map(() => f.local("i32"));

  all.forEach(({ unless }, k) => {
    frame.push(unless);
    f.op(size === 4 ? "i32x4.bitmask" : "i64x2.bitmask");
    if (k > 0) f.i32(k * lanes).op("i32.shl").op("i32.or");
  });
  f.i32(all.length * lanes === WORD_BITS ? -1 : 2 ** (all.length * lanes) - 1).op("i32.xor");
  f.op("local.tee", bits).op("if");
  const waiting = first.parts.map((_, part) => {
    if (isIndex[part]) return 0;
    const start = frame.waiting(all.length);
    all.forEach(({ parts }, k) => {
      f.get(scratch);
      frame.push(parts[part].value);
      f.op("v128.store", start + k * VECTOR_BYTES);
    });
    return start;
  });

  f.op("loop").get(bits).op("i32.ctz").set(bit);
  /**
   * Adds how far the array of the bit's list is beyond the one that stands first, whose place it
   * gives: an instruction's offset, to which no negative distance can be added.
   */
  const addDistance = (arrays: readonly LocalArray[]): number => {
    const [near, far = near] = arrays.map(frame.startOf);
    if (near === far) return near;
    f.get(bit).i32(Math.log2(columns * lanes)).op("i32.shr_u");
    if (far < near) f.i32(1).op("i32.xor");
    f.i32(Math.abs(far - near)).op("i32.mul").op("i32.add");
    return Math.min(near, far);
  };
  f.get(bit).i32(lanes - 1).op("i32.and").i32(Math.log2(size)).op("i32.shl");
  f.get(scratch).op("i32.add").op("local.tee", lane);
  const sizeStart = addDistance(lists.map(([append]) => append.size));
  f.op("local.tee", sizeAt).op("i32.load", sizeStart).op("local.tee", count);
  f.i32(Math.log2(VECTOR_BYTES)).op("i32.shl").get(lane).op("i32.add").set(lane);
  first.parts.forEach((_, part) => {
    f.get(lane);
    const start = addDistance(lists.map(([append]) => append.parts[part].array));
    if (isIndex[part]) {
      f.get(frame.columnIndex).get(bit).i32(Math.log2(lanes)).op("i32.shr_u");
      f.i32(columns - 1).op("i32.and").i32(first.parts[part].value.column).op("i32.add");
      f.op("i32.add");
    } else {
      f.get(bit).i32(Math.log2(size)).op("i32.shl").get(scratch).op("i32.add");
      f.op(size === 4 ? "i32.load" : "i64.load", waiting[part]);
    }
    f.op(size === 4 ? "i32.store" : "i64.store", start);
  });
  f.get(sizeAt).get(count).i32(1).op("i32.add").op("i32.store", sizeStart);
  f.get(bits).get(bits).i32(1).op("i32.sub").op("i32.and").op("local.tee", bits);
  f.op("br_if", 0).op("end").op("end");
}

/** Whether a part of every append is the index of its column, the columns side by side. */
function countsColumns(lists: readonly (readonly Append[])[], part: number): boolean {
  return lists.every((list) =>
    list.every(({ parts }, k) => {
      const { value } = parts[part];
      return value.kind === "index" && value.axis === "column" &&
        value.column === list[0].parts[part].value.column + k;
    })
  );
}
