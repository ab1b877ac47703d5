// Regions of the loop IR as C statements on vectors of rows (in the pack function: of columns).

import { PairfoldError } from "../../error.ts";
import {
  type Cell,
  divisorRoots,
  type Kernel,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  type StateItem,
  type Statement,
  type Type,
  type Value,
} from "../../loop/mod.ts";
import { ALIGNMENT, vectorBytesOf } from "./layout.ts";
import type { Lines } from "./lines.ts";
import { PRELUDE_NAMES } from "./prelude.ts";
import { literal, operation, typeOf } from "./spelling.ts";
import { placesOf, StatementWriter } from "./statements.ts";

/**
 * Bytes up to which an array stands in the function's own variables, else in scratch memory:
 * threads' stacks are short.
 */
export const OWN_ARRAY_BYTES = 4096;

/** What the lanes of a function are; of one column, values are plain numbers. */
export type Lanes = "rows" | "columns" | "column";

/** Writes the regions of one function. */
export class CodeWriter extends StatementWriter {
  readonly #lanes: Lanes;
  readonly #vectorBytes: number;
  /** Square roots that need no variable, for quotients take their inverse. */
  #divisorRoots: ReadonlySet<Value> | null = null;
  #scratchBytes = 0;
  #appended = 0;
  /** Types of what a pair holds for deferred updates. */
  #heldTypes: readonly Type[] = [];
  /** State that stands in arrays over the rows, and whether what is written runs row by row. */
  readonly #rolled: ReadonlySet<Cell | LocalArray> | null;
  #isEach = false;

  constructor(
    lines: Lines,
    kernel: Kernel,
    vectorBytes: number,
    lanes: Lanes,
    rolled: ReadonlySet<Cell | LocalArray> | null = null,
  ) {
    super(lines, kernel);
    this.#lanes = lanes;
    this.#vectorBytes = vectorBytes;
    this.#rolled = rolled;
  }

  /** Bytes of scratch memory that what was declared takes. */
  get scratchBytes(): number {
    return this.#scratchBytes;
  }

  /** Declares the cells and arrays that regions use, items of state, and records of rows. */
  declare(regions: readonly Region[], rows: number, items: readonly StateItem[] = []): void {
    for (const place of placesOf(regions, items)) {
      const type = this.typeOf(place.type);
      if (this.isRolled(place)) this.lines.add(`${type} ${super.place(place)}[${rows}];`);
      else if ("length" in place) this.#array(type, this.place(place), place.type, place.length);
      else this.lines.add(`${type} ${this.place(place)};`);
    }
    const { length } = this.kernel.records.row;
    if (length === 0) return;
    if (this.#rolled !== null) {
      this.lines.add(`vf row[${rows}][${length}];`);
      return;
    }
    for (let row = 0; row < rows; row++) {
      this.#array("vf", `row${row}`, this.kernel.float, length);
    }
  }

  /** Declares what the pairs of a block hold for deferred updates. */
  declareHeld(rows: number, types: readonly Type[], columns: number): void {
    this.#heldTypes = types;
    for (let row = 0; row < rows; row++) {
      for (const [slot, type] of types.entries()) {
        this.#array(this.typeOf(type), `held${row}x${slot}`, type, columns);
      }
    }
  }

  /** What the pair of column `t` holds, or that of a later column of the turn. */
  #held(row: number, { offset }: Place): string {
    const { length } = this.#heldTypes;
    return `held${row}x${offset % length}[t + ${Math.floor(offset / length)}]`;
  }

  /** Whether a cell stands in an array over the rows. */
  isRolled(place: Cell | LocalArray): boolean {
    return this.#rolled?.has(place) ?? false;
  }

  /** What is written by `body`, once for all rows of a group: in a loop over them. */
  eachRow(rows: number, body: () => void): void {
    this.#isEach = true;
    this.lines.block(`for (int r = 0; r < ${rows}; ++r)`, body);
    this.#isEach = false;
  }

  override place(original: Cell | LocalArray): string {
    const name = super.place(original);
    return this.#isEach && this.isRolled(original) ? `${name}[r]` : name;
  }

  /** The row vector of a value in the group. */
  #row(row: number): string {
    return this.#isEach ? "r" : `${row}`;
  }

  /** What a row vector has of its own. */
  #ofRow(name: "at" | "row", row: number): string {
    return this.#rolled === null ? `${name}${row}` : `${name}[${this.#row(row)}]`;
  }

  #array(name: string, variable: string, type: Type, length: number): void {
    const bytes = length * vectorBytesOf(type, this.kernel, this.#vectorBytes);
    if (bytes <= OWN_ARRAY_BYTES) {
      this.lines.add(`${name} ${variable}[${length}];`);
      return;
    }
    this.lines.add(
      `${name}* const restrict ${variable} = (${name}*)(scratch + ${this.#scratchBytes});`,
    );
    this.#scratchBytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  }

  protected get count(): string {
    return "whole";
  }

  override region(region: Region): void {
    const isOutermost = this.#divisorRoots === null;
    this.#divisorRoots ??= divisorRoots(region, this.kernel.float);
    super.region(region);
    if (isOutermost) this.#divisorRoots = null;
  }

  protected typeOf(type: Type): string {
    if (this.#lanes === "column") return "scalar";
    return typeOf(type, this.kernel.float);
  }

  protected literal(type: Type, value: number): string {
    return literal(type, value, this.kernel.float);
  }

  protected operation(value: Value & { kind: "operation" }): string {
    const { args, attribute } = value;
    const [a, b] = args;
    if (value.operation === "div" && b.kind === "operation" && this.#divisorRoots?.has(b)) {
      const inverse = `inverse_root(${this.use(b.args[0])})`;
      return a.kind === "constant" && a.value === 1 ? inverse : `${this.use(a)} * ${inverse}`;
    }
    const spelt = args.map((a) => this.use(a));
    const { float } = this.kernel;
    return operation(value.operation, value.type, args[0].type, spelt, attribute, float);
  }

  protected index({ axis, row, column }: Value & { kind: "index" }): string {
    if (this.#lanes === "columns") return "splat_i((integer)j) + iota()";
    if (axis === "row") return `splat_i((integer)first + ${this.#row(row)} * LANES) + iota()`;
    return `splat_i((integer)j${column > 0 ? ` + ${column}` : ""})`;
  }

  protected integer(_type: Type, text: string): string {
    return `splat_i((integer)${text})`;
  }

  protected load(memory: Memory, place: Place, type: Type, row: number): string {
    const at = this.element(place);
    switch (memory.kind) {
      case "held":
        return this.#held(row, place);
      case "array":
        return `${this.place(memory.array)}[${at}]`;
      case "input": {
        const { dim, number } = this.kernel.inputs[memory.slot];
        if (this.#lanes === "column") return `x${memory.slot}[j * ${dim} + ${at}]`;
        const from = `x${memory.slot} + ${at}, ${this.#ofRow("at", row)}, ${dim}`;
        if (number !== "index") return `gather(${from})`;
        return this.kernel.float === "f32"
          ? `gather_i(${from})`
          : `__builtin_convertvector(gather_i(${from}), vi)`;
      }
      case "record":
        break;
      case "output":
        throw new PairfoldError("internal", "a kernel may not load from its outputs");
    }
    const isFloat = type === this.kernel.float;
    switch (memory.section) {
      case "uniform":
        if (type === "mask") return `(vi)(splat(uniforms[${at}]) != 0)`;
        if (!isFloat) throw new PairfoldError("internal", `a parameter of type ${type}`);
        return `splat(uniforms[${at}])`;
      case "row":
        return `${isFloat ? "" : "(vi)"}${this.#ofRow("row", row)}[${at}]`;
      case "column":
        return isFloat ? `splat(column[${at}])` : `splat_i(((const integer_a*)column)[${at}])`;
    }
    memory.section satisfies never;
    throw new PairfoldError("internal", "a record of no section");
  }

  protected store({ memory, place, value, row }: Statement & { kind: "store" }): void {
    const at = this.element(place);
    const { lines } = this;
    const isFloat = value.type === this.kernel.float;
    const bits = isFloat ? this.use(value) : `(vf)${this.use(value)}`;
    if (memory.kind === "array") {
      lines.add(`${this.place(memory.array)}[${at}] = ${this.use(value)};`);
    } else if (memory.kind === "held") {
      lines.add(`${this.#held(row, place)} = ${this.use(value)};`);
    } else if (memory.kind === "record" && memory.section === "row") {
      lines.add(`${this.#ofRow("row", row)}[${at}] = ${bits};`);
    } else if (memory.kind === "record" && memory.section === "column") {
      const { length } = this.kernel.records.column;
      if (this.#lanes === "column") lines.add(`column[${at}] = ${bits};`);
      else lines.add(`scatter(column + ${at}, ${length}, left, ${bits});`);
    } else if (memory.kind === "output") {
      const { dim, number } = this.kernel.outputs[memory.slot];
      const isIndex = number === "index";
      const before = `${this.#row(row)} * LANES`;
      const to = `z${memory.slot} + (first + ${before}) * ${dim} + ${at}`;
      const left = `left - ${before}`;
      const text = this.use(value);
      lines.add(`${isIndex ? "scatter_i" : "scatter"}(${to}, ${dim}, ${left}, ${text});`);
    } else {
      throw new PairfoldError("internal", `a kernel may not store to ${memory.kind} here`);
    }
  }

  /** The type of one element of an array. */
  #element(array: LocalArray): string {
    const { float } = this.kernel;
    if (array.type === float) return "scalar";
    if (array.type === "f32" || array.type === "f64") {
      throw new PairfoldError("internal", "scatter of wide values");
    }
    return "integer";
  }

  protected scatter({ index, parts }: Statement & { kind: "scatter" }): void {
    const at = this.use(index);
    for (const { array, value } of parts) {
      const to = `((${this.#element(array)}*)${this.place(array)})`;
      this.lines.block(
        "for (int k = 0; k < LANES; ++k)",
        () => this.lines.add(`${to}[${at}[k] * LANES + k] = ${this.use(value)}[k];`),
      );
    }
  }

  /** One test for all of a turn, which mostly ends it; then one turn per lane that fails. */
  protected append(appends: readonly (Statement & { kind: "append" })[]): void {
    const { lines } = this;
    const all = appends.map(({ unless }) => this.use(unless)).join(" & ");
    lines.block(`if (__builtin_expect(!all(${all}), 0))`, () => {
      for (const { unless, size, parts } of appends) {
        const n = this.#appended++;
        lines.block("", () => {
          const waiting = parts.map(({ array, value }, k) => {
            const element = this.#element(array);
            lines.add(
              `union { ${this.typeOf(value.type)} v; ${element} e[LANES]; } w${n}x${k} = ` +
                `{${this.use(value)}};`,
            );
            return `w${n}x${k}.e[k]`;
          });
          const sizes = `((integer*)${this.place(size)})`;
          lines.block(
            `for (unsigned bits = holding(~${this.use(unless)}); bits != 0; bits &= bits - 1)`,
            () => {
              lines.add("const int k = __builtin_ctz(bits);");
              lines.add(`const word n = ${sizes}[k];`);
              parts.forEach(({ array }, p) => {
                const to = `((${this.#element(array)}*)${this.place(array)})`;
                lines.add(`${to}[n * LANES + k] = ${waiting[p]};`);
              });
              lines.add(`${sizes}[k] = (integer)(n + 1);`);
            },
          );
        });
      }
    });
  }

  protected condition({ test, mask }: Statement & { kind: "when" }): string {
    const text = this.use(mask);
    return `__builtin_expect(${test === "any" ? `any(${text})` : `!all(${text})`}, 0)`;
  }

  protected loopHead(): string[] {
    return [];
  }

  protected isTaken(name: string): boolean {
    return RESERVED.has(name) || /^((v|x|z|k|at|row)\d+|at|(w|held)\d+x\d+)$/.test(name);
  }
}

/** Names of the code around, and words of the language. */
const RESERVED: ReadonlySet<string> = new Set([
  ...PRELUDE_NAMES,
  ...[
    "task",
    "tasks",
    "first",
    "last",
    "left",
    "whole",
    "uniforms",
    "column",
    "j",
    "count",
    "state",
  ],
  ...[
    "flags",
    "scratch",
    "special",
    "here",
    "start",
    "end",
    "t",
    "k",
    "n",
    "r",
    "bits",
    "saved",
    ...["looked", "begun", "j0", "s", "g"],
    "item",
    "items",
  ],
  ...["tile", "pack", "join", "control", "row", "holding", "inline", "restrict", "register"],
  ...["int", "float", "double", "long", "char", "const", "if", "else", "for", "return", "static"],
  ...["union", "struct", "enum", "void", "while", "do", "break", "continue", "switch", "case"],
  ...["auto", "short", "signed", "unsigned", "sizeof", "typedef", "volatile", "default", "goto"],
]);
