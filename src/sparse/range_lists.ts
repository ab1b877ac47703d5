// Lists of ranges as people pass them. Enters: nested or flat arrays. Leaves: checked integers.

import { type ErrorCode, PairfoldError, shown } from "../error.ts";

/** Ranges [start, end): a list of pairs, or a flat array of twice as many numbers. */
export type RangeList = ArrayLike<number> | ArrayLike<ArrayLike<number>>;

/** Which clusters meet: a matrix, a flat array of it row by row, or a function. */
export type KeepMatrix =
  | ArrayLike<ArrayLike<boolean | number>>
  | ArrayLike<boolean | number>
  | ((row: number, column: number) => boolean);

/** Beyond, no index of a row fits into 32 bits. */
const LARGEST = 2 ** 31 - 1;

/** Throws what is wrong with what an operation was given. */
export function refuse(op: string, code: ErrorCode, message: string): never {
  throw new PairfoldError(code, `${op}: ${message}`);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return typeof value === "object" && value !== null && "length" in value &&
    Number.isInteger(value.length) && Number(value.length) >= 0;
}

/** What a list is that is none. */
const kindOf = (value: unknown): string =>
  typeof value === "object" && value !== null && "resolve" in value
    ? "a tensor (its numbers are await t.data())"
    : shown(value);

/** Indices from 0, as people pass them. */
export function integersOf(op: string, what: string, list: unknown): Int32Array<ArrayBuffer> {
  if (!isList(list)) {
    refuse(op, "dtype", `got ${kindOf(list)} as ${what}; expected an array of integers`);
  }
  const out = new Int32Array(list.length);
  for (let k = 0; k < list.length; k++) {
    const value = list[k];
    if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > LARGEST) {
      refuse(op, "shape", `got ${shown(value)} in ${what}; expected integers from 0 to ${LARGEST}`);
    }
    out[k] = Number(value);
  }
  return out;
}

/** Ranges as a flat array of integers, each of which begins before it ends. */
export function rangesOf(op: string, what: string, list: RangeList): Int32Array<ArrayBuffer> {
  const name = `ranges of ${what}`;
  if (!isList(list)) refuse(op, "dtype", `got ${kindOf(list)} as ${name}; expected an array`);
  const isNested = list.length > 0 && !ArrayBuffer.isView(list) && typeof list[0] === "object";
  const flat: unknown[] = [];
  if (isNested) {
    for (let k = 0; k < list.length; k++) {
      const range: unknown = list[k];
      if (!isList(range) || range.length !== 2) {
        refuse(op, "shape", `got ${shown(range)} in ${name}; expected pairs [start, end]`);
      }
      flat.push(range[0], range[1]);
    }
  }
  const ranges = integersOf(op, name, isNested ? flat : list);
  if (ranges.length % 2 !== 0) {
    refuse(op, "shape", `got ${ranges.length} numbers as ${name}; expected pairs [start, end]`);
  }
  for (let k = 0; k < ranges.length; k += 2) {
    if (ranges[k] <= ranges[k + 1]) continue;
    const got = `[${ranges[k]}, ${ranges[k + 1]}]`;
    refuse(op, "shape", `got ${got} in ${name}; expected a start that is not beyond the end`);
  }
  return ranges;
}

/** Numbers of ranges that are not empty, by where they begin. */
export function inOrder(ranges: Int32Array): number[] {
  const order: number[] = [];
  let isSorted = true;
  for (let k = 0, before = 0; 2 * k < ranges.length; k++) {
    if (ranges[2 * k] === ranges[2 * k + 1]) continue;
    isSorted &&= ranges[2 * k] >= before;
    before = ranges[2 * k];
    order.push(k);
  }
  return isSorted ? order : order.sort((a, b) => ranges[2 * a] - ranges[2 * b]);
}

/** Throws where ranges overlap; `order` is that of `inOrder`. */
export function checkApart(
  op: string,
  what: string,
  ranges: Int32Array,
  order: readonly number[],
): void {
  for (let n = 1; n < order.length; n++) {
    const [a, b] = [order[n - 1], order[n]];
    if (ranges[2 * a + 1] <= ranges[2 * b]) continue;
    const [one, other] = [a, b].map((k) => `[${ranges[2 * k]}, ${ranges[2 * k + 1]}]`);
    refuse(op, "shape", `got ranges ${one} and ${other} of ${what}; expected none that overlap`);
  }
}

/** A matrix of so many rows and columns as a function. */
export function booleansOf(
  op: string,
  keep: KeepMatrix,
  rows: number,
  columns: number,
): (row: number, column: number) => boolean {
  const truth = (value: unknown): boolean => {
    if (typeof value === "boolean") return value;
    if (typeof value === "number" && !Number.isNaN(value)) return value !== 0;
    return refuse(op, "dtype", `got ${shown(value)} in keep; expected booleans or numbers`);
  };
  if (typeof keep === "function") return (row, column) => truth(keep(row, column));
  if (!isList(keep)) {
    refuse(op, "dtype", `got ${kindOf(keep)} as keep; expected a matrix or a function`);
  }
  const isNested = !ArrayBuffer.isView(keep) && keep.length > 0 && isList(keep[0]);
  const wanted = `${rows} × ${columns}, the ranges of rows and of columns`;
  if (!isNested) {
    const isEmptyRows = keep.length === rows && columns === 0;
    if (keep.length !== rows * columns && !isEmptyRows) {
      refuse(op, "shape", `got ${keep.length} numbers as keep; expected ${wanted}`);
    }
    return (row, column) => truth(keep[row * columns + column]);
  }
  const lists: ArrayLike<unknown> = keep;
  const matrix = Array.from(lists, (own, row): ArrayLike<unknown> => {
    if (isList(own) && own.length === columns) return own;
    const got = isList(own) ? `${own.length} numbers` : shown(own);
    return refuse(op, "shape", `got ${got} in row ${row} of keep; expected ${wanted}`);
  });
  if (matrix.length !== rows) {
    refuse(op, "shape", `got ${matrix.length} rows of keep; expected ${wanted}`);
  }
  return (row, column) => truth(matrix[row][column]);
}
