// Regions of a kernel with panels as statements of one thread, of which it does what belongs to its
// row, or to its rows and components.

import {
  type Cell,
  type Counter,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  type Statement,
  touches,
  type Type,
} from "../../loop/mod.ts";
import { type Panel, panelShape } from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { placeOf } from "./pieces.ts";
import { type Numbers, numbersOf, type Surroundings } from "./surroundings.ts";
import type { SourceWriter } from "./writer.ts";

/**
 * Elements that are closed between two fences, which are no instructions: the compiler compares
 * each access of memory with those before it, as far back as a fence. Whole vectors, so that
 * accesses stay vectors. Of 100 components it takes two thirds as long for the same machine code
 * (NVRTC 13.5, EPYC, 2026-11-23).
 */
const FENCED = 8;
const FENCE = 'asm volatile("" ::: "memory");';

type For = Statement & { readonly kind: "for" };

/** Writes regions: of each a thread does what belongs to its row, or to its rows and components. */
export class PanelWriter extends CodeWriter {
  readonly #panel: Panel;
  readonly #width: number;
  readonly rows: number;
  readonly components: number;
  readonly numbers: Numbers;
  readonly #slice: number;
  /** Whether a loop over the thread's rows is around already. */
  #isInRow = false;
  #isClosing = false;
  /** What has been declared otherwise. */
  readonly #declared: Set<Cell | LocalArray>;

  constructor(source: SourceWriter, around: Surroundings, panel: Panel) {
    super(source.lines, source.kernel, around);
    this.#panel = panel;
    this.numbers = numbersOf(source.kernel.float);
    this.#declared = new Set(panel.arrays);
    this.#slice = source.schedule.slice;
    const [counter] = panel.counters;
    this.#width = counter.count;
    ({ rows: this.rows, components: this.components } = panelShape(this.#slice));
  }

  protected override declares(place: Cell | LocalArray): boolean {
    return !this.#declared.has(place);
  }

  /** Declares a cell with what it begins with; it is not declared once more. */
  define(cell: Cell, value: string): void {
    this.lines.add(`${this.numbers.one} ${this.place(cell)} = ${value};`);
    this.#declared.add(cell);
  }

  /** Declares the arrays of state: sums in registers, all else in memory. */
  declareArrays(): void {
    for (const array of this.#panel.arrays) {
      const align = array === this.#panel.sums ? "" : "__align__(16) ";
      const length = this.rows * this.components;
      this.lines.add(`${align}${this.numbers.one} ${this.place(array)}[${length}];`);
    }
  }

  /** The row of the warp that is row r of the thread, within its block of threads. */
  rowOf(r: string): string {
    const step = 32 / this.rows;
    return `(warpRow + lane / ${this.rows} + ${r} * ${step})`;
  }

  /** Component q of the thread: pieces of vectors beside those of the other threads. */
  componentOf(q: string): string {
    return `slice * ${this.#slice} + (${placeOf(q, this)})`;
  }

  /** Loops over the thread's rows, one after another or all at once. */
  overRows(isUnrolled: boolean, body: () => void): void {
    this.lines.add(`#pragma unroll${isUnrolled ? "" : " 1"}`);
    this.lines.block(`for (int r = 0; r < ${this.rows}; ++r)`, () => {
      this.#isInRow = true;
      body();
      this.#isInRow = false;
    });
  }

  /** Loops over the thread's rows and components. */
  overSums(isUnrolled: boolean, body: (index: string) => void): void {
    this.overRows(isUnrolled, () => {
      this.lines.add(`#pragma unroll${isUnrolled ? "" : " 1"}`);
      this.lines.block(
        `for (int q = 0; q < ${this.components}; ++q)`,
        () => body(`r * ${this.components} + q`),
      );
    });
  }

  protected override loopHead(s: For): string[] {
    if (!this.#panel.counters.has(s.counter)) return super.loopHead(s);
    return this.#isInRow ? [`#pragma unroll${this.#meetsSums(s.body) ? "" : " 1"}`] : [];
  }

  protected override loop(s: For, name: string, body: () => void): void {
    if (!this.#panel.counters.has(s.counter)) return super.loop(s, name, body);
    if (this.#isClosing) {
      this.lines.add(`#pragma unroll${this.#meetsSums(s.body) ? "" : " 1"}`);
      this.lines.block(`for (int p = 0; p < ${this.rows * this.components}; ++p)`, () => {
        this.lines.add(`if (p % ${FENCED} == 0) ${FENCE}`);
        body();
      });
      return;
    }
    if (!this.#isInRow) return this.overSums(this.#meetsSums(s.body), body);
    this.lines.block(`for (int q = 0; q < ${this.components}; ++q)`, () => {
      this.lines.add(`const int ${name} = ${this.componentOf("q")};`);
      const isWhole = this.#width % this.#slice === 0;
      this.lines.block(isWhole ? "" : `if (${name} < ${this.#width})`, body);
    });
  }

  /** Whether a loop works on what is in registers. */
  #meetsSums(body: Region): boolean {
    return touches(body, new Set([this.#panel.sums]));
  }

  #elementOf(memory: Memory): string | null {
    if (memory.kind !== "array" || !this.#panel.arrays.has(memory.array)) return null;
    const name = this.place(memory.array);
    if (!this.#isClosing) return `${name}[r * ${this.components} + q]`;
    return memory.array === this.#panel.sums ? `${name}[p]` : `${name}[none + p]`;
  }

  /**
   * Closes a block of columns from j on, elements one after another. The compiler would bring all
   * arrays into registers, so many that it moves every number for itself: a summand that is 0, and
   * of which it cannot know, keeps them in memory.
   */
  closing(close: Region): void {
    this.lines.block("", () => {
      this.lines.add("const int none = 4 * (int)(j >> 62);");
      this.#isClosing = true;
      this.region(close);
      this.#isClosing = false;
    });
  }

  protected override load(memory: Memory, place: Place, type: Type, row: number): string {
    return this.#elementOf(memory) ?? super.load(memory, place, type, row);
  }

  protected override store(s: Statement & { kind: "store" }): void {
    const element = this.#elementOf(s.memory);
    if (element !== null) {
      this.lines.add(`${element} = ${this.use(s.value)};`);
      return;
    }
    const isOnce = s.memory.kind === "output" &&
      !s.place.terms.some(({ counter }: { counter: Counter }) => this.#panel.counters.has(counter));
    if (isOnce) this.lines.add(`if (slice == 0 && lane % ${this.rows} == 0)`);
    super.store(s);
  }
}
