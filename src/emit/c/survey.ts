// Spells a survey in C: a pass that only keeps the smallest value of every group of columns, and of
// every span of groups, then a bound from these, then the groups that a row's bound does not keep
// out.
//
// Enters: the kernel's survey, how regions are copied, the function's writer. Leaves: the regions
// to declare, and the loop over some columns that stands before the one that folds what is left.

import {
  type Cell,
  hasAppends,
  hasLoops,
  type Kernel,
  type LocalArray,
  type Region,
  replicate,
  type RowCopies,
  type StateItem,
  type Survey,
} from "../../loop/mod.ts";
import type { CodeWriter } from "./code.ts";
import type { Lines } from "./lines.ts";

/** Columns of a group. */
const GROUP_COLUMNS = 8;
/** Columns of a group whose distances are computed together where they are loops. */
const LOOPED_COLUMNS = 4;

/** A survey for the rows of a tile. */
export class TileSurvey {
  readonly #survey: Survey;
  readonly #copies: RowCopies;
  readonly #columnSlots: number;
  readonly #close: Region | null;
  readonly #regions: Readonly<
    Record<"beginSpan" | "begin" | "group" | "end" | "bound" | "test", Region>
  >;
  /** By row vector: some columns of a group folded into it. */
  readonly #folds: readonly Region[];
  readonly #foldedColumns: number;

  private constructor(kernel: Kernel, survey: Survey, copies: RowCopies, close: Region | null) {
    const columnSlots = kernel.records.column.length;
    // loops load what they share once for all columns of a group
    const inOrder = !hasLoops(survey.pair);
    const group = { columns: GROUP_COLUMNS, columnSlots, guards: false, inOrder };
    this.#survey = survey;
    this.#copies = copies;
    this.#columnSlots = columnSlots;
    this.#close = close;
    this.#regions = {
      beginSpan: replicate(survey.beginSpan, copies),
      begin: replicate(survey.begin, copies),
      group: replicate(survey.pair, copies, group),
      end: replicate(survey.end, copies),
      bound: replicate(survey.bound, copies),
      test: replicate(survey.test, copies),
    };
    // appends are short; what else a column does need not be there eight times, but one loop over
    // components waits for itself
    this.#foldedColumns = hasAppends(kernel.pair)
      ? GROUP_COLUMNS
      : kernel.hasKeys === true && hasLoops(kernel.pair)
      ? LOOPED_COLUMNS
      : 1;
    const folded = { ...group, columns: this.#foldedColumns, inOrder: false };
    this.#folds = Array.from(
      { length: copies.rows },
      (_, row) => replicate(kernel.pair, copies, { ...folded, rows: [row] }),
    );
  }

  /** Null where the kernel has none; `close` is its closing step, copied, if it has one. */
  static of(kernel: Kernel, copies: RowCopies, close: Region | null): TileSurvey | null {
    const { survey } = kernel;
    return survey === null ? null : new TileSurvey(kernel, survey, copies, close);
  }

  get regions(): Region[] {
    return [...Object.values(this.#regions), ...this.#folds];
  }

  #ofRows<T extends Cell | LocalArray>(place: T): T[] {
    return Array.from({ length: this.#copies.rows }, (_, row) => this.#copies.of(place, row));
  }

  /** What is to be declared beside what the regions use. */
  get items(): StateItem[] {
    const { ofGroups, ofSpans } = this.#survey;
    return [ofGroups, ofSpans].flatMap((list) =>
      this.#ofRows(list).map((array) => ({ kind: "array", array } as const))
    );
  }

  /** Surveys and folds `count` columns from `column` and `j` on, but for some at the end. */
  emit(lines: Lines, w: CodeWriter): void {
    const { span, spans, least, ofGroups, ofSpans, smallest, smallestOfSpan, skips } = this.#survey;
    const { beginSpan, begin, group, end, bound, test } = this.#regions;
    const names = (place: Cell | LocalArray): string[] =>
      this.#ofRows(place).map((p) => w.place(p));
    const cells = names(smallest);
    const store = (to: LocalArray, at: string, from: readonly string[]): void =>
      names(to).forEach((name, row) => lines.add(`${name}[${at}] = ${from[row]};`));
    const load = (from: LocalArray, at: string): void =>
      names(from).forEach((name, row) => lines.add(`${cells[row]} = ${name}[${at}];`));
    const advance = (columns: number): void => {
      lines.add(`column += ${columns * this.#columnSlots};`, `j += ${columns};`);
    };
    const spanColumns = span * GROUP_COLUMNS;
    const eachGroup = (body: () => void): void =>
      lines.block(`for (word g = s * ${span}; g < (s + 1) * ${span}; ++g)`, () => {
        body();
        advance(GROUP_COLUMNS);
      });

    const foldGroup = (fold: Region): void => {
      const columns = this.#foldedColumns;
      if (columns === GROUP_COLUMNS) {
        w.region(fold);
        return;
      }
      lines.block(`for (word t = 0; t < ${GROUP_COLUMNS}; t += ${columns})`, () => {
        w.region(fold);
        advance(columns);
      });
      advance(-GROUP_COLUMNS);
    };

    lines.block(`while (count >= ${least * spanColumns})`, () => {
      lines.add(
        `const word looked = count < ${spans * spanColumns} ? count / ${spanColumns} : ${spans};`,
      );
      lines.add("const scalar* const restrict begun = column;", "const word j0 = j;");
      lines.add(`count -= looked * ${spanColumns};`);
      lines.block("for (word s = 0; s < looked; ++s)", () => {
        w.region(beginSpan);
        eachGroup(() => {
          w.region(begin);
          w.region(group);
          store(ofGroups, "g", cells);
          w.region(end);
        });
        store(ofSpans, "s", names(smallestOfSpan));
      });
      // beyond the last span: nothing
      lines.block("", () => {
        w.region(beginSpan);
        lines.block(`for (word s = looked; s < ${spans}; ++s)`, () => {
          store(ofSpans, "s", names(smallestOfSpan));
        });
      });
      lines.block("", () => w.region(bound));
      lines.add("column = begun;", "j = j0;");
      lines.block("for (word s = 0; s < looked; ++s)", () => {
        load(ofSpans, "s");
        lines.block("", () => w.region(test));
        lines.block(`if (all(${names(skips).join(" & ")}))`, () => advance(spanColumns));
        lines.block("else", () => {
          eachGroup(() => {
            load(ofGroups, "g");
            lines.block("", () => w.region(test));
            this.#folds.forEach((fold, row) => {
              lines.block(`if (!all(${names(skips)[row]}))`, () => foldGroup(fold));
            });
          });
          if (this.#close !== null) w.region(this.#close);
        });
      });
    });
  }
}
