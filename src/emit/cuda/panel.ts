// The code around a panel: a warp's rows × some columns of values in shared memory, which it
// multiplies with the components of these columns. Each thread writes the values of its own row;
// then it adds to the sums of some other rows and components, which are its registers.
//
// The panel is `values`, a warp's own, row after row; behind each row's values there is room for
// the factors of four columns. Where a row's sums are scaled, the panel ends with the four columns
// at hand.

import type { Region } from "../../loop/mod.ts";
import { type Panel, PANEL_PAD } from "../../tiling/mod.ts";
import type { PanelWriter } from "./panel_writer.ts";
import { loadsOf } from "./pieces.ts";
import { literal } from "./spelling.ts";
import type { Numbers } from "./surroundings.ts";
import type { SourceWriter } from "./writer.ts";

/** Columns of a turn. */
const TURN = 4;

/** Writes what happens to a panel's columns. */
export class PanelCode {
  readonly #source: SourceWriter;
  readonly #panel: Panel;
  readonly #w: PanelWriter;
  /** The pair section of a row. */
  readonly #narrow: Region;
  readonly #numbers: Numbers;
  readonly #pad: number;
  readonly #stride: number;
  readonly #isHeld: boolean;

  constructor(source: SourceWriter, panel: Panel, w: PanelWriter, narrow: Region) {
    this.#source = source;
    this.#panel = panel;
    this.#w = w;
    this.#narrow = narrow;
    this.#numbers = w.numbers;
    this.#pad = PANEL_PAD[w.numbers.float];
    this.#stride = (source.schedule.panel ?? 0) + this.#pad;
    this.#isHeld = source.schedule.chunk > 0;
  }

  /** Numbers from one row of the panel to the next. */
  get stride(): number {
    return this.#stride;
  }

  /** Meets columns `c0` … `c0 + turns − 1` of `chunk`. */
  columns(): void {
    const { lines } = this.#source;
    lines.add(`${this.#numbers.one}* own = values + lane * ${this.#stride};`);
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
    if (isScaling) lines.add(`bool isScaled = false;`, `${this.#numbers.one} scales[${TURN}];`);
    const stop = isScaling ? " && !isScaled" : "";
    lines.add("#pragma unroll 1");
    lines.block(`for (; to + ${TURN} <= turns${stop}; to += ${TURN})`, () => this.#walkTurn());
    lines.block(isScaling ? "if (!isScaled)" : "", () => {
      lines.add("#pragma unroll 1");
      lines.block("for (; to < turns; ++to)", () => this.#walkOne());
    });
    if (isScaling) {
      lines.block("if (isScaled)", () => this.#write(`${this.#stride - this.#pad}`, "scales"));
    }
    lines.add("__syncwarp();");
    this.#multiply();
    lines.add("__syncwarp();");
    if (isScaling) lines.add("from = to;");
  }

  /** Writes the numbers of a turn to the thread's row. */
  #write(place: string, name: string): void {
    const { vector, width } = this.#numbers;
    for (let u = 0; u < TURN; u += width) {
      const all = Array.from({ length: width }, (_, n) => `${name}[${u + n}]`).join(", ");
      const at = u === 0 ? place : `${place} + ${u}`;
      this.#source.lines.add(`*(${vector}*)(own + ${at}) = make_${vector}(${all});`);
    }
  }

  /** What a pair's sums are scaled by where they are not. */
  get #unscaled(): string {
    return literal(this.#numbers.float, 1);
  }

  /** The pair section for column `c`. */
  #pair(): void {
    const { lines, record, schedule } = this.#source;
    lines.add(`const ${this.#numbers.one}* column = chunk + c * ${record.staged};`);
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
      const { one, vector, width } = this.#numbers;
      const parts = ["x", "y", "z", "w"].slice(0, width);
      const all = Array.from(
        { length: TURN },
        (_, u) => `v${Math.floor(u / width)}.${parts[u % width]}`,
      );
      for (let u = 0; u < TURN; u += width) {
        lines.add(`const ${vector} v${u / width} = *(const ${vector}*)(own + to + ${u});`);
      }
      lines.add(`const ${one} handedOver[${TURN}] = { ${all.join(", ")} };`);
    }
    lines.add(`${this.#numbers.one} p[${TURN}];`, "#pragma unroll");
    lines.block(`for (int u = 0; u < ${TURN}; ++u)`, () => {
      lines.add("const int c = c0 + to + u;");
      if (this.#isHeld) lines.add(`const ${this.#numbers.one} held[1] = { handedOver[u] };`);
      if (factor !== null) lines.add(`${w.place(factor)}[0] = ${this.#unscaled};`);
      this.#pair();
      lines.add(`p[u] = ${w.place(value)}[0];`);
      if (factor !== null) lines.add(`scales[u] = ${w.place(factor)}[0];`);
    });
    this.#write("to", "p");
    if (factor === null) return;
    const any = Array.from({ length: TURN }, (_, u) => `scales[${u}] != ${this.#unscaled}`)
      .join(" || ");
    lines.add(`isScaled = __any_sync(0xffffffffu, ${any});`);
  }

  /** The value of one column at the end. */
  #walkOne(): void {
    const { lines } = this.#source;
    const { value, factor } = this.#panel;
    const w = this.#w;
    lines.add("const int c = c0 + to;");
    if (this.#isHeld) lines.add(`const ${this.#numbers.one} held[1] = { own[to] };`);
    if (factor !== null) lines.add(`${w.place(factor)}[0] = ${this.#unscaled};`);
    this.#pair();
    lines.add(`own[to] = ${w.place(value)}[0];`);
    if (factor === null) return;
    lines.add("#pragma unroll");
    lines.block(`for (int u = 0; u < ${TURN}; ++u)`, () => {
      lines.add(`if (u == to % ${TURN}) scales[u] = ${w.place(factor)}[0];`);
      lines.add(`else if (to % ${TURN} == 0) scales[u] = ${this.#unscaled};`);
    });
    // the others of a turn follow: they are multiplied with it
    lines.add(
      `isScaled = isScaled || ` +
        `__any_sync(0xffffffffu, ${w.place(factor)}[0] != ${this.#unscaled});`,
    );
  }

  /** Adds the products of columns `from` … `to − 1` to the sums of the thread. */
  #multiply(): void {
    const { lines, record } = this.#source;
    const w = this.#w;
    const { rows, components } = w;
    const { one, vector, width, fma } = this.#numbers;
    const isScaling = this.#panel.factor !== null;
    const step = 32 / rows * this.#stride;
    lines.add(
      `const ${one}* rowsAt = values + lane / ${rows} * ${this.#stride};`,
      `const ${one}* columnsAt = chunk + c0 * ${record.staged};`,
      `const int whole = ${isScaling ? `isScaled ? (to - 1) / ${TURN} * ${TURN} : ` : ""}` +
        `to / ${width} * ${width};`,
      "int k = from;",
      "#pragma unroll 1",
    );
    const add = (value: string): void => {
      lines.add("#pragma unroll");
      lines.block(`for (int r = 0; r < ${rows}; ++r)`, () => {
        lines.add("#pragma unroll");
        const sum = `${w.place(this.#panel.sums)}[r * ${components} + q]`;
        lines.add(
          `for (int q = 0; q < ${components}; ++q) ${sum} = ${fma}(${value}, b[q], ${sum});`,
        );
      });
    };
    lines.block(`for (; k < whole; k += ${width})`, () => {
      lines.add(`${one} a[${rows}][${width}];`, "#pragma unroll");
      lines.block(`for (int r = 0; r < ${rows}; ++r)`, () => {
        const parts = ["x", "y", "z", "w"].slice(0, width);
        lines.add(
          `const ${vector} v = *(const ${vector}*)(rowsAt + r * ${step} + k);`,
          parts.map((part, u) => `a[r][${u}] = v.${part};`).join(" "),
        );
      });
      lines.add("#pragma unroll");
      lines.block(`for (int u = 0; u < ${width}; ++u)`, () => {
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
      lines.add(`${one} a[${rows}];`, "#pragma unroll");
      lines.add(`for (int r = 0; r < ${rows}; ++r) a[r] = rowsAt[r * ${step} + k];`);
      add("a[r]");
    });
  }

  /** Scales the sums of rows by their factors of column k. */
  #scale(step: number): void {
    const { lines } = this.#source;
    const w = this.#w;
    const factor = `rowsAt[r * ${step} + ${this.#stride - this.#pad} + k % ${TURN}]`;
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
    const { one } = this.#numbers;
    lines.add(`${one} b[${this.#w.components}];`);
    lines.block("", () => {
      lines.add(`const ${one}* at = ${at};`, ...loadsOf(this.#w));
    });
  }
}
