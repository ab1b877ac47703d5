// Spells folds of points with themselves in C: a strip of rows meets later columns once, for both.
// What rows add to a column is kept in sums beside it, so many lanes wide whatever the machine's
// vectors, and spread over the column's own state after so many rows that few terms were added up
// plainly.
//
// Enters: the kernel's mirror, the function's writer. Leaves: the loads and stores around an inner
// loop, the function that spreads sums, the one that walks blocks.

import {
  bytesOf,
  type Cell,
  type Kernel,
  lengthOf,
  type Mirror,
  type Region,
  replicate,
  RowCopies,
  type StateItem,
} from "../../loop/mod.ts";
import type { CodeWriter } from "./code.ts";
import { type CLayout, CONTROL, FOLD_FLAGS, TASK } from "./layout.ts";
import type { Lines } from "./lines.ts";

/** Bytes of one component's lanes: the widest vector, so that all machines add in one order. */
const LANE_BYTES = 64;
/** Terms that a lane takes before it is spread: as many as a row's block. */
const TERMS = 64;
/** Bytes of sums that a strip works on: half of a core's second cache. */
const BLOCK_BYTES = 2 ** 18;
/** Columns of them: whole groups of rows and blocks of columns. */
const COLUMN_UNIT = 128;

/** Lanes of a column's sum. */
const lanesOf = (kernel: Kernel): number => LANE_BYTES / bytesOf(kernel.float, kernel.float);

/** Vectors of a column's sum: rows go to them in turn. */
export function phasesOf(kernel: Kernel, lanes: number): number {
  return Math.max(1, lanesOf(kernel) / lanes);
}

/** What a fold of points with themselves has beside that of all pairs. */
export class TileMirror {
  readonly #kernel: Kernel;
  readonly #mirror: Mirror;
  readonly #copies: RowCopies;
  readonly #layout: CLayout;
  /** Lanes of a sum, and vectors. */
  readonly #lanes: number;
  readonly #phases: number;
  readonly #columnSlots: number;
  readonly #size: number;

  private constructor(kernel: Kernel, mirror: Mirror, copies: RowCopies, layout: CLayout) {
    this.#kernel = kernel;
    this.#mirror = mirror;
    this.#copies = copies;
    this.#layout = layout;
    this.#lanes = lanesOf(kernel);
    this.#phases = phasesOf(kernel, layout.lanes);
    this.#columnSlots = kernel.records.column.length;
    this.#size = bytesOf(kernel.float, kernel.float);
  }

  /** Null where the kernel has none. */
  static of(kernel: Kernel, copies: RowCopies, layout: CLayout): TileMirror | null {
    const { mirror } = kernel;
    return mirror === null ? null : new TileMirror(kernel, mirror, copies, layout);
  }

  get pair(): Region {
    return this.#mirror.pair;
  }

  /** Numbers of a column's sums. */
  get #step(): number {
    return this.#mirror.sums.length * this.#lanes;
  }

  /** Columns that a strip works on at a time. */
  get #columns(): number {
    const fitting = BLOCK_BYTES / (this.#step * this.#size);
    return Math.max(1, Math.floor(fitting / COLUMN_UNIT)) * COLUMN_UNIT;
  }

  /** Bytes of the sums of those. */
  get sumBytes(): number {
    return this.#columns * this.#step * this.#size;
  }

  /** The sums of the columns of a turn, with the variables that hold them. */
  #each(turn: number, body: (memory: string, cell: Cell) => void): void {
    const phases = Math.min(this.#phases, this.#copies.rows);
    for (let column = 0; column < turn; column++) {
      this.#mirror.sums.forEach((sum, d) => {
        for (let phase = 0; phase < phases; phase++) {
          const at = column * this.#step + d * this.#lanes + phase * this.#layout.lanes;
          body(`*(vf*)(sums + ${at})`, this.#copies.of(sum, phase, column));
        }
      });
    }
  }

  /** Before a turn of so many columns. */
  load(lines: Lines, w: CodeWriter, turn: number): void {
    this.#each(turn, (memory, cell) => lines.add(`${w.place(cell)} = ${memory};`));
  }

  /** After it. */
  store(lines: Lines, w: CodeWriter, turn: number): void {
    this.#each(turn, (memory, cell) => lines.add(`${memory} = ${w.place(cell)};`));
    lines.add(`sums += ${turn * this.#step};`);
  }

  /**
   * Adds the sums of some columns, no more than a group of rows, to their state: vector by vector.
   */
  spread(lines: Lines, w: CodeWriter): void {
    const { lanes, groupRows } = this.#layout;
    lines.add("// the sum of a column's lanes, by halves");
    const halves: number[] = [];
    for (let half = this.#lanes / 2; half >= 2; half /= 2) halves.push(half);
    for (const half of halves) {
      const bytes = half * this.#size;
      lines.add(`typedef scalar part${half} __attribute__((vector_size(${bytes}), may_alias));`);
    }
    lines.block("APART scalar sum_of_lanes(const scalar* lanes)", () => {
      halves.forEach((half, k) => {
        const [low, high] = k === 0
          ? [`*(const part${half}*)lanes`, `*(const part${half}*)(lanes + ${half})`]
          : [0, 1].map((h) => `u${halves[k - 1]}.half[${h}]`);
        const next = halves[k + 1];
        const sum = `${low} + ${high}`;
        if (next === undefined) lines.add(`const part${half} last = ${sum};`);
        else {
          lines.add(`const union { part${half} whole; part${next} half[2]; } u${half} = {${sum}};`);
        }
      });
      lines.add("return last[0] + last[1];");
    });
    const { state, init, close } = this.#kernel;
    const { into } = this.#mirror;
    const single = new RowCopies(1, state);
    const copied = (region: Region): Region => replicate(region, single);
    const [fresh, closing] = [copied(init), close === null ? null : copied(close)];
    const items = state.map((item): StateItem =>
      item.kind === "cell"
        ? { kind: "cell", cell: single.of(item.cell, 0) }
        : { kind: "array", array: single.of(item.array, 0) }
    );
    const vectors = groupRows / lanes;
    /** The state of a group holds the vectors of its rows item by item. */
    const move = (direction: "load" | "save"): void => {
      lines.add("char* saved = state;");
      for (const item of items) {
        const name = w.place(item.kind === "cell" ? item.cell : item.array);
        const here = item.kind === "cell" ? `&${name}` : name;
        const bytes = item.kind === "cell"
          ? `sizeof ${name}`
          : `${lengthOf(item)} * sizeof *${name}`;
        const there = `saved + row * ${bytes}`;
        const [to, from] = direction === "load" ? [here, there] : [there, here];
        lines.add(`__builtin_memcpy(${to}, ${from}, ${bytes}); saved += ${vectors} * ${bytes};`);
      }
    };
    lines.block(
      "APART void spread(const scalar* sums, word count, char* state, int isNew, char* scratch)",
      () => {
        lines.add(`scalar terms[${into.length}][LANES] __attribute__((aligned(sizeof(vf))));`);
        w.declare(closing === null ? [fresh] : [fresh, closing], 0, items);
        lines.block(`for (word row = 0; row * LANES < count && row < ${vectors}; ++row)`, () => {
          lines.block("if (isNew)", () => w.region(fresh));
          lines.block("else", () => move("load"));
          lines.block("for (int k = 0; k < LANES; ++k)", () => {
            const at = `sums + (row * LANES + k) * ${this.#step} + d * ${this.#lanes}`;
            lines.add("const int there = row * LANES + k < count;");
            lines.add(`for (int d = 0; d < ${into.length}; ++d)`);
            lines.add(`  terms[d][k] = there ? sum_of_lanes(${at}) : 0;`);
          });
          into.forEach((cell, d) => {
            lines.add(`${w.place(single.of(cell, 0))} += *(const vf*)terms[${d}];`);
          });
          if (closing !== null) w.region(closing);
          lines.block("", () => move("save"));
        });
      },
    );
    lines.add("");
  }

  /**
   * The rows and columns of an item, block by block; a block with itself is folded for its rows
   * alone.
   */
  strip(lines: Lines): void {
    const { groupRows, stateBytes, lanes } = this.#layout;
    const columns = this.#columns;
    const rows = TERMS * this.#lanes;
    const states = (split: number): string =>
      `(char*)(word)task[${TASK.state}] + (word)item[${split}] * (word)task[${TASK.splitStride}]`;
    const phase = this.#phases === 1 ? "0" : `row / ${lanes} % ${this.#phases} * ${lanes}`;
    lines.add("APART void strip(const double* task, const double* item, const scalar* column,");
    lines.block("                const int* control, char* scratch)", () => {
      lines.add(
        `const word i0 = (word)task[${TASK.i0}], last = (word)task[${TASK.i1}] - 1;`,
        "const word from = (word)item[1], to = (word)item[2], j = (word)item[3], n = (word)item[4];",
        `char* const ofRows = ${states(5)};`,
        `char* const ofColumns = ${states(7)};`,
        "scalar* const sums = (scalar*)scratch;",
        `scratch += ${this.sumBytes};`,
      );
      lines.block(`for (word b = 0; b < n; b += ${columns})`, () => {
        lines.add(`const word count = n - b < ${columns} ? n - b : ${columns};`);
        lines.block(`for (word chunk = from; chunk < to; chunk += ${rows})`, () => {
          lines.add(
            `const word end = to - chunk < ${rows} ? to : chunk + ${rows};`,
            `if (__atomic_load_n(&control[${CONTROL.abort}], __ATOMIC_RELAXED)) return;`,
            `__builtin_memset(sums, 0, count * ${this.#step * this.#size});`,
          );
          lines.block(`for (word row = chunk; row < end; row += ${groupRows})`, () => {
            lines.add(
              `mirrored(task, i0 + row, last, column + b * ${this.#columnSlots}, j + b, count,`,
              `         ofRows + row / ${groupRows} * ${stateBytes},`,
              `         (b > 0 ? ${FOLD_FLAGS.resume | FOLD_FLAGS.save} : ${FOLD_FLAGS.save}),`,
              `         sums + ${phase}, scratch);`,
            );
          });
          lines.add(`if (!((word)item[6] & ${FOLD_FLAGS.mirror})) continue;`);
          lines.block(`for (word k = 0; k < count; k += ${groupRows})`, () => {
            lines.add(
              `spread(sums + k * ${this.#step}, count - k,`,
              `       ofColumns + (j - i0 + b + k) / ${groupRows} * ${stateBytes},`,
              "       chunk == from, scratch);",
            );
          });
        });
      });
    });
    lines.add("");
  }
}
