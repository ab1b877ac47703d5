// The functions of a kernel with a schedule in C. `pack` writes column records, `tile` folds
// columns into one group of rows, `mirrored`, `spread` and `strip` do so for points with
// themselves, each pair once,
// `join` joins the states of column splits.
//
// Enters: a kernel, a schedule. Leaves: the text of those functions that a source asks for.

import { PairfoldError } from "../../error.ts";
import {
  type Cell,
  type Kernel,
  lengthOf,
  type LocalArray,
  type Region,
  replicate,
  type Replication,
  RowCopies,
  type StateItem,
  surveyCells,
} from "../../loop/mod.ts";
import type { NativeSchedule } from "../../tiling/mod.ts";
import { CodeWriter, type Lanes } from "./code.ts";
import { type CLayout, FOLD_FLAGS, layoutOf, TASK } from "./layout.ts";
import { commentOf, Lines } from "./lines.ts";
import { phasesOf, TileMirror } from "./mirror.ts";
import { preludeOf, shortsText } from "./prelude.ts";
import { isCopy, rolledState } from "./rolled.ts";
import { placesOf } from "./statements.ts";
import { TileSurvey } from "./survey.ts";
import { TileUpdates } from "./updates.ts";

/** Writes the functions of one source. */
export class FunctionWriter {
  readonly #kernel: Kernel;
  readonly #schedule: NativeSchedule;
  readonly #vectorBytes: number;
  readonly layout: CLayout;
  readonly lines = new Lines();
  readonly #copies: RowCopies;
  readonly #mirror: TileMirror | null;
  #scratchBytes = 0;

  constructor(kernel: Kernel, schedule: NativeSchedule, vectorBytes: number) {
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#vectorBytes = vectorBytes;
    this.layout = layoutOf(kernel, schedule.rowVectors, vectorBytes);
    // the smallest value of a group is remembered between its columns
    const { survey } = kernel;
    const smallest: StateItem[] = survey === null
      ? []
      : surveyCells(survey).map((cell) => ({ kind: "cell", cell }));
    const remembered = [...kernel.state, ...kernel.incoming, ...smallest];
    const { lanes } = this.layout;
    const shared = new Map(kernel.mirror?.sums.map((sum) => [sum, phasesOf(kernel, lanes)]));
    this.#copies = new RowCopies(schedule.rowVectors, remembered, shared);
    this.#mirror = TileMirror.of(kernel, this.#copies, this.layout);
  }

  /** Bytes of scratch memory that the functions so far need. */
  get scratchBytes(): number {
    return this.#scratchBytes;
  }

  head(): void {
    const { rowVectors, columns } = this.#schedule;
    this.lines.add(
      `// ${commentOf(this.#kernel.title)}`,
      `// ${rowVectors} vectors of ${this.layout.lanes} rows, ${columns} columns per turn`,
      ...preludeOf(this.#kernel.float, this.#vectorBytes).split("\n"),
      ...(this.#kernel.hasKeys === true ? shortsText(this.#vectorBytes).split("\n") : []),
    );
  }

  #copy(region: Region, replication: Replication = {}): Region {
    return replicate(region, this.#copies, replication);
  }

  #writer(
    lanes: Lanes,
    rolled: ReadonlySet<Cell | LocalArray> | null = null,
  ): CodeWriter {
    return new CodeWriter(this.lines, this.#kernel, this.#vectorBytes, lanes, rolled);
  }

  /** Keeps the most that any function of the source needs. */
  #needs({ scratchBytes }: CodeWriter): void {
    this.#scratchBytes = Math.max(this.#scratchBytes, scratchBytes);
  }

  /** Addresses of an axis's inputs, and of the outputs. */
  #pointers(axis: "row" | "column"): void {
    const { inputs, outputs } = this.#kernel;
    const lines = this.lines;
    lines.add(
      `const scalar* const restrict uniforms = (const scalar*)(word)task[${TASK.uniforms}];`,
    );
    lines.add(`const word whole = (word)task[${TASK.count}];`);
    inputs.forEach((input, slot) => {
      if (input.axis !== axis) return;
      const type = input.number === "index" ? "int" : "scalar";
      const at = `task[${TASK.addresses + slot}]`;
      lines.add(`const ${type}* const restrict x${slot} = (const ${type}*)(word)${at};`);
    });
    if (axis === "column") return;
    outputs.forEach((output, slot) => {
      const type = output.number === "index" ? "int" : "scalar";
      const at = `task[${TASK.addresses + inputs.length + slot}]`;
      lines.add(`${type}* const restrict z${slot} = (${type}*)(word)${at};`);
    });
  }

  /** The rows of a group: those beyond the last repeat it, and are not written. */
  #rows(isRolled = false): void {
    const lines = this.lines;
    const { rowVectors } = this.#schedule;
    this.#pointers("row");
    lines.add("const word left = last - first + 1;");
    if (isRolled) {
      lines.add(`word at[${rowVectors}][LANES];`);
      lines.block(`for (int k = 0; k < ${rowVectors} * LANES; ++k)`, () => {
        lines.add("at[0][k] = first + k < last ? first + k : last;");
      });
      return;
    }
    for (let row = 0; row < rowVectors; row++) {
      lines.add(`word at${row}[LANES];`);
      lines.block("for (int k = 0; k < LANES; ++k)", () => {
        lines.add(`const word i = first + ${row} * LANES + k;`);
        lines.add(`at${row}[k] = i < last ? i : last;`);
      });
    }
  }

  /** Writes column records. */
  pack(): void {
    const kernel = this.#kernel;
    const lines = this.lines;
    const size = kernel.records.column.length;
    const parameters = "const double* task, word from, word to, word place, char* scratch";
    lines.block(`APART void pack(${parameters})`, () => {
      this.#pointers("column");
      lines.add(`scalar* const records = (scalar*)(word)task[${TASK.records}];`);
      const record = `records + (place + j - from) * ${size}`;
      if (isCopy(kernel.column, kernel)) {
        lines.block("for (word j = from; j < to; ++j)", () => {
          lines.add(`scalar* const restrict column = ${record};`);
          this.#writer("column").region(kernel.column);
        });
        return;
      }
      lines.block("for (word j = from; j < to; j += LANES)", () => {
        lines.add("const word left = to - j;");
        lines.add("word at0[LANES];");
        lines.add("for (int k = 0; k < LANES; ++k) at0[k] = k < left ? j + k : to - 1;");
        lines.add(`scalar* const restrict column = ${record};`);
        const w = this.#writer("columns");
        w.declare([kernel.column], 0);
        w.region(kernel.column);
        this.#needs(w);
      });
    });
    lines.add("");
  }

  /** Moves the state of a group between variables and memory. */
  #moveState(direction: "load" | "save", w: CodeWriter, items: readonly StateItem[]): void {
    const lines = this.lines;
    lines.add("char* saved = state;");
    for (const item of items) {
      if (item.kind === "cell" && w.isRolled(item.cell)) {
        const here = w.place(item.cell);
        const [to, from] = direction === "load" ? [here, "saved"] : ["saved", here];
        lines.add(`__builtin_memcpy(${to}, ${from}, sizeof ${here}); saved += sizeof ${here};`);
        continue;
      }
      for (let row = 0; row < this.#schedule.rowVectors; row++) {
        const isCell = item.kind === "cell";
        const name = w.place(this.#copies.of(isCell ? item.cell : item.array as LocalArray, row));
        const here = isCell ? `&${name}` : name;
        const bytes = isCell ? `sizeof ${name}` : `${lengthOf(item)} * sizeof *${name}`;
        const [to, from] = direction === "load" ? [here, "saved"] : ["saved", here];
        lines.add(`__builtin_memcpy(${to}, ${from}, ${bytes}); saved += ${bytes};`);
      }
    }
  }

  /** State of all rows of a group, so that it is declared where only memory holds it. */
  #stateOf(items: readonly StateItem[]): StateItem[] {
    const rows = Array.from({ length: this.#schedule.rowVectors }, (_, row) => row);
    return items.flatMap((item) =>
      rows.map((row): StateItem =>
        item.kind === "cell"
          ? { kind: "cell", cell: this.#copies.of(item.cell, row) }
          : { kind: "array", array: this.#copies.of(item.array, row) }
      )
    );
  }

  /** Folds columns into a group of rows. */
  tile(): void {
    this.#tile(null);
  }

  /**
   * Folds columns into a group of rows; with a mirror, adds what the rows are to the columns too.
   */
  #tile(mirror: TileMirror | null): void {
    const kernel = this.#kernel;
    const lines = this.lines;
    const { columns, interleave, rowVectors } = this.#schedule;
    const columnSlots = kernel.records.column.length;
    const updates = mirror === null ? TileUpdates.of(kernel, this.#schedule, this.#copies) : null;
    const inner = updates?.narrow ?? mirror?.pair ?? kernel.pair;
    const heldSlots = updates?.heldSlots ?? 0;
    const rolled = rolledState(kernel, this.#schedule, this.#vectorBytes);
    const around = (region: Region): Region => rolled === null ? this.#copy(region) : region;
    const regions = {
      row: around(kernel.row),
      init: around(kernel.init),
      pair: this.#copy(inner, { interleave }),
      turn: columns === 1
        ? null
        : this.#copy(inner, { interleave, columns, columnSlots, heldSlots }),
      test: kernel.careful === null ? null : around(kernel.careful.test),
      careful: kernel.careful === null ? null : this.#copy(kernel.careful.pair, { interleave }),
      close: kernel.close === null ? null : around(kernel.close),
      // with a mirror, states wait for those of the other blocks
      finish: mirror === null ? around(kernel.finish) : null,
    };
    const survey = this.#schedule.surveys
      ? TileSurvey.of(kernel, this.#copies, regions.close)
      : null;
    const all = [
      ...Object.values(regions).filter((r): r is Region => r !== null),
      ...(survey?.regions ?? []),
      ...(updates?.regions ?? []),
    ];
    lines.add(
      `APART void ${
        mirror === null ? "tile" : "mirrored"
      }(const double* task, word first, word last,`,
      "                const scalar* restrict column, word j, word count, char* state, word flags,",
    );
    lines.block(
      `                ${mirror === null ? "" : "scalar* sums, "}char* scratch)`,
      () => {
        this.#rows(rolled !== null);
        const w = this.#writer("rows", rolled);
        const state = rolled === null ? this.#stateOf(kernel.state) : kernel.state;
        w.declare(all, rowVectors, [...state, ...(survey?.items ?? [])]);
        updates?.declare(w, rowVectors);
        /** What runs once per row vector. */
        const each = (region: Region, after: () => void = () => {}): void => {
          const write = (): void => {
            w.region(region);
            after();
          };
          if (rolled === null) write();
          else w.eachRow(rowVectors, write);
        };
        each(regions.row);
        lines.block(`if (flags & ${FOLD_FLAGS.resume})`, () => {
          this.#moveState("load", w, kernel.state);
        });
        lines.block("else", () => each(regions.init));
        if (kernel.careful !== null && regions.test !== null) {
          const { special } = kernel.careful;
          const names = Array.from(
            { length: rolled === null ? rowVectors : 1 },
            (_, row) => w.place(rolled === null ? this.#copies.of(special, row) : special),
          );
          const test = `any(${names.join(" | ")})`;
          if (rolled === null) {
            w.region(regions.test);
            lines.add(`const int special = ${test};`);
          } else {
            lines.add("int special = 0;");
            each(regions.test, () => lines.add(`special |= ${test};`));
          }
        }
        const loop = (pair: Region, step: number): void => {
          lines.block(`for (; t + ${step} <= here; t += ${step})`, () => {
            mirror?.load(lines, w, step);
            w.region(pair);
            mirror?.store(lines, w, step);
            lines.add(`column += ${step * columnSlots};`);
            lines.add(`j += ${step};`);
          });
        };
        const { turn, pair, careful, close } = regions;
        const pairs = (): void => {
          if (turn !== null) loop(turn, columns);
          loop(pair, 1);
        };
        const closed = (): void => {
          if (close !== null) each(close);
        };
        /** What folds the columns of a block. */
        const folded = (): void => {
          if (updates === null) {
            if (careful !== null) lines.block("if (special)", () => loop(careful, 1));
            pairs();
            return;
          }
          const waiting = (): void => {
            lines.add("const scalar* const start = column;");
            pairs();
            updates.emit(lines, w);
          };
          if (careful === null) {
            waiting();
            return;
          }
          lines.block("if (special)", () => {
            loop(careful, 1);
            closed();
          });
          lines.block("else", waiting);
        };
        const { block } = kernel;
        const inRegisters = rolled === null ? [] : this.#heldBetween(w, rolled, inner);
        survey?.emit(lines, w);
        lines.block("while (count > 0)", () => {
          lines.add(
            `const word here = ${
              close === null && updates === null ? "count" : `count < ${block} ? count : ${block}`
            };`,
          );
          lines.add("count -= here;");
          lines.add("word t = 0;");
          for (const [cell, held] of inRegisters) lines.add(`${w.place(cell)} = ${held};`);
          folded();
          for (const [cell, held] of inRegisters) lines.add(`${held} = ${w.place(cell)};`);
          if (updates === null) closed();
        });
        const save = (): void => this.#moveState("save", w, kernel.state);
        const { finish } = regions;
        if (finish === null) save();
        else {
          lines.block(`if (flags & ${FOLD_FLAGS.save})`, save);
          lines.block("else", () => each(finish));
        }
        this.#needs(w);
      },
    );
    lines.add("");
  }

  /**
   * The state of each row that an inner loop touches, with the place that holds it around the loop.
   */
  #heldBetween(
    w: CodeWriter,
    rolled: ReadonlySet<Cell | LocalArray>,
    inner: Region,
  ): [cell: Cell, held: string][] {
    const { careful } = this.#kernel;
    const touched = placesOf(careful === null ? [inner] : [inner, careful.pair]);
    const rows = Array.from({ length: this.#schedule.rowVectors }, (_, row) => row);
    return [...touched].flatMap((place) =>
      rolled.has(place) && !("length" in place)
        ? rows.map((
          row,
        ): [Cell, string] => [this.#copies.of(place, row), `${w.place(place)}[${row}]`])
        : []
    );
  }

  /** Folds blocks of rows and of columns, for both. */
  strip(): void {
    const mirror = this.#mirror;
    if (mirror === null) throw new PairfoldError("internal", "C: the kernel has no mirror");
    this.#tile(mirror);
    const w = this.#writer("rows");
    mirror.spread(this.lines, w);
    this.#needs(w);
    mirror.strip(this.lines);
    this.#scratchBytes += mirror.sumBytes;
  }

  /** Joins the states of one group of rows, and finishes them. */
  join(): void {
    const kernel = this.#kernel;
    const lines = this.lines;
    const { rowVectors } = this.#schedule;
    const [row, combine, finish] = [kernel.row, kernel.combine, kernel.finish]
      .map((region) => this.#copy(region));
    lines.block(
      "APART void join(const double* task, word first, word last, char* state, char* scratch)",
      () => {
        this.#rows();
        const w = this.#writer("rows");
        const items = this.#stateOf([...kernel.state, ...kernel.incoming]);
        w.declare([row, combine, finish], rowVectors, items);
        w.region(row);
        lines.block("", () => this.#moveState("load", w, kernel.state));
        lines.block(`for (word s = 1; s < (word)task[${TASK.splits}]; ++s)`, () => {
          lines.add(`state += (word)task[${TASK.splitStride}];`);
          this.#moveState("load", w, kernel.incoming);
          w.region(combine);
        });
        w.region(finish);
        this.#needs(w);
      },
    );
    lines.add("");
  }
}
