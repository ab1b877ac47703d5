// A lowered fold: what every emitter takes. Regions are in the order in which they run.

import type { Cell, FloatType, LocalArray, Region, Statement, Type } from "./ir.ts";

/** One input array of a kernel, (rows, dim), row-major. */
export interface KernelInput {
  /** Which points its rows belong to; uniform ones have one row. */
  readonly axis: "uniform" | "row" | "column";
  readonly dim: number;
  /** int32 indices or numbers of the kernel's float type (uniform: float64). */
  readonly number: "float" | "index";
}

/** One output array of a kernel, (rows, dim), row-major. */
export interface KernelOutput {
  readonly number: "float" | "index";
  readonly dim: number;
}

/** One thing that a row's fold remembers between columns. */
export type StateItem =
  | { readonly kind: "cell"; readonly cell: Cell }
  | { readonly kind: "array"; readonly array: LocalArray };

/** Types of the elements of a record, one per slot. */
export type RecordLayout = readonly Type[];

/**
 * A second inner loop for rows whose factor is not finite, so that it could not leave the sum. The
 * test runs once per row, after `row`, and sets `special` where a row needs it.
 */
export interface CarefulLoop {
  readonly test: Region;
  readonly special: Cell;
  readonly pair: Region;
}

/**
 * A look at the columns before they are folded, by groups of them: a group whose smallest value a
 * row's bound keeps out changes nothing and need not be folded. Some groups make a span, which is
 * asked for before they are. It changes speed, never a bit: emitters may leave it out.
 */
export interface Survey {
  /** Groups of a span. */
  readonly span: number;
  /** Spans that are looked at before the first of them is folded, and fewer that are worth it. */
  readonly spans: number;
  readonly least: number;
  /** The smallest value of each group, and of each span; +∞ beyond the last span. Not state. */
  readonly ofGroups: LocalArray;
  readonly ofSpans: LocalArray;
  /** The smallest value of the group at hand: what `pair` leaves there, what `test` asks about. */
  readonly smallest: Cell;
  /** The smallest value of the span at hand. */
  readonly smallestOfSpan: Cell;
  /**
   * Where smallest values are keys, integers that bound values: from which key on a row leaves a
   * group out, as `bound` found it. Else null.
   */
  readonly limit: Cell | null;
  /** Whether a row may leave a group out: what `test` sets. */
  readonly skips: Cell;
  /** Before a span. */
  readonly beginSpan: Region;
  /** Before a group. */
  readonly begin: Region;
  /** One column of a group. */
  readonly pair: Region;
  /** After a group. */
  readonly end: Region;
  /** After all spans: lowers the bound by their smallest values. */
  readonly bound: Region;
  /** Before a group is folded, or a span is looked into. */
  readonly test: Region;
}

/**
 * Another way to fold columns, for folds that keep the best of them: a pass over groups of columns,
 * which tells lane by lane what the best value is, and how many groups came after that in which it
 * stands. Those groups alone are looked at again for the column. It changes speed, never a bit:
 * emitters may leave it out.
 */
export interface Search {
  /** The best value of the group at hand. */
  readonly ofGroup: Cell;
  /** How many groups ago the best of all got better; as many as there were: it did not. */
  readonly age: Cell;
  /** Before the first group. */
  readonly start: Region;
  /** Before a group, one column of it, and after it. */
  readonly begin: Region;
  readonly pair: Region;
  readonly end: Region;
  /** After the last group: takes what was found into the state, but for the column. */
  readonly settle: Region;
  /**
   * One column of a group in which a row got better last, the later columns first: takes it into
   * the state where it is what was found. Null where the state has no column.
   */
  readonly take: Region | null;
  /** At last: whether a row still has nothing, so that all columns must be folded. */
  readonly test: Region;
  readonly misses: Cell;
}

/**
 * A second inner loop for folds of a table with itself, in which a pair of points i, j is met once:
 * what j adds to row i goes into the state, what i adds to row j into sums that belong to the
 * column. Engines that make no use of it fold all pairs with `pair`.
 */
export interface Mirror {
  /** Instead of `pair`; touches the sums after all else, row after row. */
  readonly pair: Region;
  /** What rows add to the column, by component. All rows of a group share them. */
  readonly sums: readonly Cell[];
  /** The cells of a row's state that such sums are added to, before `close`. */
  readonly into: readonly Cell[];
}

/**
 * Products of long dot products on tensor cores: of numbers rounded to 11 bits (TF32), or of two
 * such parts of each, all but the product of the small ones.
 */
export type TensorProducts = "tf32x3" | "tf32";

/**
 * A fold over columns, for every row, in loop IR. Its fields may be made when they are asked for.
 */
export interface Kernel {
  /** The formula and reduction, for people. */
  readonly title: string;
  /**
   * What it was lowered from, as text: in one version of Pairfold, kernels for one set of math
   * functions with equal texts are equal. Absent where nobody knows.
   */
  readonly identity?: string;
  readonly float: FloatType;
  readonly inputs: readonly KernelInput[];
  readonly outputs: readonly KernelOutput[];
  readonly records: Readonly<Record<"uniform" | "row" | "column", RecordLayout>>;
  /** Once per launch, on the host, in float64: parameters to the uniform record. */
  readonly uniform: Region;
  /** Once per row: row inputs to the row record. */
  readonly row: Region;
  /** Once per column, lanes are columns: column inputs to the column record. */
  readonly column: Region;
  /** Neutral state. */
  readonly init: Region;
  /** One column into the state: the inner loop. */
  readonly pair: Region;
  /** Runs instead of `pair` for a group of rows any of which is special. */
  readonly careful: CarefulLoop | null;
  /**
   * The same fold for launches with a uniform number that is not finite, which this one must not
   * meet; absent or null: it may.
   */
  readonly carefully?: (() => Kernel) | null;
  /** Null where rows and columns are not one table's, or a pair has nothing to share. */
  readonly mirror: Mirror | null;
  /** Null where every column is folded anyway. */
  readonly survey: Survey | null;
  /** Whether the survey looks at keys; default no. */
  readonly hasKeys?: boolean;
  /** Null where more than one column may matter, or all do. */
  readonly search: Search | null;
  /** After every `block` columns, and at the end of every split. */
  readonly close: Region | null;
  readonly block: number;
  /** The state of later columns, in `incoming`, into the state of earlier ones. */
  readonly combine: Region;
  /** State to outputs. */
  readonly finish: Region;
  readonly state: readonly StateItem[];
  readonly incoming: readonly StateItem[];
  /** How tensor cores may multiply the contraction's components; default not at all. */
  readonly products?: TensorProducts;
}

/** All regions of a kernel with their names, in the order in which they run. */
export function regionsOf(kernel: Kernel): [name: string, region: Region][] {
  const all: [string, Region | null][] = [
    ["uniform", kernel.uniform],
    ["row", kernel.row],
    ["column", kernel.column],
    ["init", kernel.init],
    ["pair", kernel.pair],
    ["careful test", kernel.careful?.test ?? null],
    ["careful pair", kernel.careful?.pair ?? null],
    ["mirror pair", kernel.mirror?.pair ?? null],
    ["survey span", kernel.survey?.beginSpan ?? null],
    ["survey begin", kernel.survey?.begin ?? null],
    ["survey pair", kernel.survey?.pair ?? null],
    ["survey end", kernel.survey?.end ?? null],
    ["survey bound", kernel.survey?.bound ?? null],
    ["survey test", kernel.survey?.test ?? null],
    ["search start", kernel.search?.start ?? null],
    ["search begin", kernel.search?.begin ?? null],
    ["search pair", kernel.search?.pair ?? null],
    ["search end", kernel.search?.end ?? null],
    ["search settle", kernel.search?.settle ?? null],
    ["search take", kernel.search?.take ?? null],
    ["search test", kernel.search?.test ?? null],
    ["close", kernel.close],
    ["combine", kernel.combine],
    ["finish", kernel.finish],
  ];
  return all.filter((entry): entry is [string, Region] => entry[1] !== null);
}

/** Number of values that an item holds per row. */
export function lengthOf(item: StateItem): number {
  return item.kind === "cell" ? 1 : item.array.length;
}

/** Type of the values that an item holds. */
export function typeOf(item: StateItem): Type {
  return item.kind === "cell" ? item.cell.type : item.array.type;
}

/** What a survey remembers between its columns, and from its bound to its tests. */
export const surveyCells = ({ smallest, smallestOfSpan, limit }: Survey): Cell[] =>
  limit === null ? [smallest, smallestOfSpan] : [smallest, smallestOfSpan, limit];

/** Whether columns are appended to lists. */
export const hasAppends = ({ statements }: Region): boolean =>
  statements.some(({ kind }) => kind === "append");

/** Whether one of some statements is a loop. */
export const hasLoops = ({ statements }: { readonly statements: readonly Statement[] }): boolean =>
  statements.some(({ kind }) => kind === "for");
