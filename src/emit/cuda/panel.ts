// The code around a panel: a warp's rows × some columns of values in shared memory, which it
// multiplies with the components of these columns. Each thread writes the values of its own row;
// then it adds to the sums of some other rows and components, which are its registers.
//
// The panel is `values`, a warp's own, row after row; behind each row's values there is room for
// the factors of four columns. Where a row's sums are scaled, the panel ends with the four columns
// at hand.

import {
  type Cell,
  type Counter,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  type Statement,
  type Type,
  visit,
} from "../../loop/mod.ts";
import { type Panel, PANEL_PAD, panelShape } from "../../tiling/mod.ts";
import { CodeWriter } from "./code.ts";
import { loadsOf, placeOf } from "./pieces.ts";
import type { Surroundings } from "./surroundings.ts";
import type { SourceWriter } from "./writer.ts";

/** Columns of a turn. */
const TURN = 4;

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
  readonly #slice: number;
  /** Whether a loop over the thread's rows is around already. */
  #isInRow = false;
  #isClosing = false;
  /** What has been declared otherwise. */
  readonly #declared: Set<Cell | LocalArray>;

  constructor(source: SourceWriter, around: Surroundings, panel: Panel) {
    super(source.lines, source.kernel, around);
    this.#panel = panel;
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
    this.lines.add(`float ${this.place(cell)} = ${value};`);
    this.#declared.add(cell);
  }

  /** Declares the arrays of state: sums in registers, all else in memory. */
  declareArrays(): void {
    for (const array of this.#panel.arrays) {
      const align = array === this.#panel.sums ? "" : "__align__(16) ";
      this.lines.add(`${align}float ${this.place(array)}[${this.rows * this.components}];`);
    }
  }

  /** The row of the warp that is row r of the thread, within its block of threads. */
  rowOf(r: string): string {
    const step = 32 / this.rows;
    return `(warpRow + lane / ${this.rows} + ${r} * ${step})`;
  }

  /** Component q of the thread: pieces of four, two and one beside those of the other threads. */
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
    let meets = false;
    visit(body, (s) => {
      const memory = s.kind === "store"
        ? s.memory
        : s.kind === "let" && s.value.kind === "load"
        ? s.value.memory
        : null;
      if (memory?.kind === "array" && memory.array === this.#panel.sums) meets = true;
    });
    return meets;
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

/** Writes what happens to a panel's columns. */
export class PanelCode {
  readonly #source: SourceWriter;
  readonly #panel: Panel;
  readonly #w: PanelWriter;
  /** The pair section of a row. */
  readonly #narrow: Region;
  readonly #stride: number;
  readonly #isHeld: boolean;

  constructor(source: SourceWriter, panel: Panel, w: PanelWriter, narrow: Region) {
    this.#source = source;
    this.#panel = panel;
    this.#w = w;
    this.#narrow = narrow;
    this.#stride = (source.schedule.panel ?? 0) + PANEL_PAD;
    this.#isHeld = source.schedule.chunk > 0;
  }

  /** Floats from one row of the panel to the next. */
  get stride(): number {
    return this.#stride;
  }

  /** Meets columns `c0` … `c0 + turns − 1` of `chunk`. */
  columns(): void {
    const { lines } = this.#source;
    lines.add(`float* own = values + lane * ${this.#stride};`);
    if (this.#panel.factor === null) {
      lines.add("const int from = 0;");
      return this.#part();
    }
    lines.block("for (int from = 0; from < turns;)", () => this.#part());
  }

  /** Walks columns from `from` on, and multiplies them. */
  #part(): void {
    const { lines } = this.#source;
    const isScaling = this.#panel.factor !== null;
    lines.add("int to = from;");
    if (isScaling) lines.add(`bool isScaled = false;`, `float scales[${TURN}];`);
    const stop = isScaling ? " && !isScaled" : "";
    lines.add("#pragma unroll 1");
    lines.block(`for (; to + ${TURN} <= turns${stop}; to += ${TURN})`, () => this.#walkTurn());
    lines.block(isScaling ? "if (!isScaled)" : "", () => {
      lines.add("#pragma unroll 1");
      lines.block("for (; to < turns; ++to)", () => this.#walkOne());
    });
    if (isScaling) {
      lines.block("if (isScaled)", () => {
        const all = Array.from({ length: TURN }, (_, u) => `scales[${u}]`).join(", ");
        lines.add(`*(float4*)(own + ${this.#stride - PANEL_PAD}) = make_float4(${all});`);
      });
    }
    lines.add("__syncwarp();");
    this.#multiply();
    lines.add("__syncwarp();");
    if (isScaling) lines.add("from = to;");
  }

  /** The pair section for column `c`. */
  #pair(): void {
    const { lines, record, schedule } = this.#source;
    lines.add(`const float* column = chunk + c * ${record.staged};`);
    if (schedule.slice >= record.staged) lines.add("(void)column;");
    this.#w.loadColumn(this.#narrow);
    this.#w.region(this.#narrow);
    this.#w.leaveColumn();
  }

  /** Values of four columns. */
  #walkTurn(): void {
    const { lines } = this.#source;
    const { value, factor } = this.#panel;
    const w = this.#w;
    if (this.#isHeld) {
      lines.add(
        "const float4 v = *(const float4*)(own + to);",
        "const float handedOver[4] = { v.x, v.y, v.z, v.w };",
      );
    }
    lines.add(`float p[${TURN}];`, "#pragma unroll");
    lines.block(`for (int u = 0; u < ${TURN}; ++u)`, () => {
      lines.add("const int c = c0 + to + u;");
      if (this.#isHeld) lines.add("const float held[1] = { handedOver[u] };");
      if (factor !== null) lines.add(`${w.place(factor)}[0] = 1.0f;`);
      this.#pair();
      lines.add(`p[u] = ${w.place(value)}[0];`);
      if (factor !== null) lines.add(`scales[u] = ${w.place(factor)}[0];`);
    });
    lines.add("*(float4*)(own + to) = make_float4(p[0], p[1], p[2], p[3]);");
    if (factor === null) return;
    const any = Array.from({ length: TURN }, (_, u) => `scales[${u}] != 1.0f`).join(" || ");
    lines.add(`isScaled = __any_sync(0xffffffffu, ${any});`);
  }

  /** The value of one column at the end. */
  #walkOne(): void {
    const { lines } = this.#source;
    const { value, factor } = this.#panel;
    const w = this.#w;
    lines.add("const int c = c0 + to;");
    if (this.#isHeld) lines.add("const float held[1] = { own[to] };");
    if (factor !== null) lines.add(`${w.place(factor)}[0] = 1.0f;`);
    this.#pair();
    lines.add(`own[to] = ${w.place(value)}[0];`);
    if (factor === null) return;
    lines.add("#pragma unroll");
    lines.block(`for (int u = 0; u < ${TURN}; ++u)`, () => {
      lines.add(`if (u == to % ${TURN}) scales[u] = ${w.place(factor)}[0];`);
      lines.add(`else if (to % ${TURN} == 0) scales[u] = 1.0f;`);
    });
    // the others of a turn follow: they are multiplied with it
    lines.add(
      `isScaled = isScaled || __any_sync(0xffffffffu, ${w.place(factor)}[0] != 1.0f);`,
    );
  }

  /** Adds the products of columns `from` … `to − 1` to the sums of the thread. */
  #multiply(): void {
    const { lines, record } = this.#source;
    const w = this.#w;
    const { rows, components } = w;
    const isScaling = this.#panel.factor !== null;
    const step = 32 / rows * this.#stride;
    lines.add(
      `const float* rowsAt = values + lane / ${rows} * ${this.#stride};`,
      `const float* columnsAt = chunk + c0 * ${record.staged};`,
      `const int whole = ${isScaling ? `isScaled ? (to - 1) / ${TURN} * ${TURN} : ` : ""}` +
        `to / ${TURN} * ${TURN};`,
      "int k = from;",
      "#pragma unroll 1",
    );
    const add = (value: string): void => {
      lines.add("#pragma unroll");
      lines.block(`for (int r = 0; r < ${rows}; ++r)`, () => {
        lines.add("#pragma unroll");
        const sum = `${w.place(this.#panel.sums)}[r * ${components} + q]`;
        lines.add(
          `for (int q = 0; q < ${components}; ++q) ${sum} = fmaf(${value}, b[q], ${sum});`,
        );
      });
    };
    lines.block(`for (; k < whole; k += ${TURN})`, () => {
      lines.add(`float a[${rows}][${TURN}];`, "#pragma unroll");
      lines.block(`for (int r = 0; r < ${rows}; ++r)`, () => {
        lines.add(
          `const float4 v = *(const float4*)(rowsAt + r * ${step} + k);`,
          "a[r][0] = v.x; a[r][1] = v.y; a[r][2] = v.z; a[r][3] = v.w;",
        );
      });
      lines.add("#pragma unroll");
      lines.block(`for (int u = 0; u < ${TURN}; ++u)`, () => {
        this.#loadComponents(`columnsAt + (k + u) * ${record.staged}`);
        add("a[r][u]");
      });
    });
    lines.add("#pragma unroll 1");
    lines.block("for (; k < to; ++k)", () => {
      if (isScaling) {
        lines.block("if (isScaled)", () => this.#scale(step));
      }
      this.#loadComponents(`columnsAt + k * ${record.staged}`);
      lines.add(`float a[${rows}];`, "#pragma unroll");
      lines.add(`for (int r = 0; r < ${rows}; ++r) a[r] = rowsAt[r * ${step} + k];`);
      add("a[r]");
    });
  }

  /** Scales the sums of rows by their factors of column k. */
  #scale(step: number): void {
    const { lines } = this.#source;
    const w = this.#w;
    const factor = `rowsAt[r * ${step} + ${this.#stride - PANEL_PAD} + k % ${TURN}]`;
    for (const isSums of [true, false]) {
      const arrays = this.#panel.scaled.filter((array) => (array === this.#panel.sums) === isSums);
      if (arrays.length === 0) continue;
      w.overSums(isSums, (index) => {
        for (const array of arrays) {
          const element = `${w.place(array)}[${index}]`;
          lines.add(`${element} = ${element} * ${factor};`);
        }
      });
    }
  }

  /** Loads the thread's components of a column. */
  #loadComponents(at: string): void {
    const { lines } = this.#source;
    lines.add(`float b[${this.#w.components}];`);
    lines.block("", () => {
      lines.add(`const float* at = ${at};`, ...loadsOf(this.#w));
    });
  }
}
