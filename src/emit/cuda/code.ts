// Regions of the loop IR as CUDA C++ statements of one thread, whose rows were replicated.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Cell,
  type Kernel,
  type LocalArray,
  type Memory,
  type Place,
  type RecordSection,
  type Region,
  type StateItem,
  type Statement,
  type Type,
  type Value,
  visit,
} from "../../loop/mod.ts";
import {
  PARTLY_UNROLLED,
  recordStride,
  REGISTER_ARRAY,
  unrolledStatements,
} from "../../tiling/mod.ts";
import type { Lines } from "../c/lines.ts";
import { isFixed, placesIn, placesOf, StatementWriter } from "../c/statements.ts";
import { literal, operation, TYPES } from "./spelling.ts";

/** What the code of a section stands in: how it names its rows, columns and memory. */
export interface Surroundings {
  /** Name of the index of a row of the thread (in the pack kernel: of its column). */
  readonly index: (axis: "row" | "column", row: number) => string;
  /** Number of columns folded. */
  readonly count: string;
  /** Element 0 of the input's row that a thread's row reads. */
  readonly input: (slot: number, row: number) => string;
  readonly output: (slot: number, row: number) => string;
  /** Pointer to the column's record, as numbers. */
  readonly column: string;
}

const COMPONENTS = ["x", "y", "z", "w"] as const;

/**
 * How a loop over elements is unrolled: wholly where its arrays then fit into registers. Left to
 * itself the compiler unrolls longer ones too, and takes half a minute for arrays of 100 (NVRTC 13).
 */
export const unrollOf = (count: number, turns = 1): string =>
  count <= REGISTER_ARRAY ? "#pragma unroll" : `#pragma unroll ${turns}`;

/** The vector type that records are read by, and its width. */
export function vectorOf(kernel: Kernel): { readonly type: string; readonly width: number } {
  const scalar = TYPES[kernel.float];
  const stride = recordStride(kernel);
  const width = [16 / bytesOf(kernel.float, kernel.float), 2].find((w) => stride % w === 0) ?? 1;
  return { type: width === 1 ? scalar : `${scalar}${width}`, width };
}

/** Statements of a loop, all turns together, beyond which it stays one, and its arrays in memory. */
const LOOP_BUDGET = 400;

/** Writes the regions of one kernel function. */
export class CodeWriter extends StatementWriter {
  readonly #around: Surroundings;
  /** Vectors of the column's record that stand in variables. */
  readonly #loaded = new Map<number, string>();
  /** Arrays that stand in memory: stored to at computed places, or by loops that stay loops. */
  readonly #indexed = new Set<Cell | LocalArray>();

  constructor(lines: Lines, kernel: Kernel, around: Surroundings) {
    super(lines, kernel);
    this.#around = around;
  }

  /** Declares the cells and arrays that regions use, items of state, and records of rows. */
  declare(regions: readonly Region[], rows: number, items: readonly StateItem[] = []): void {
    for (const region of regions) this.#noteIndexed(region);
    for (const place of placesOf(regions, items)) {
      const length = "length" in place ? `[${place.length}]` : "";
      this.lines.add(`${TYPES[place.type]} ${this.place(place)}${length};`);
    }
    const { length } = this.kernel.records.row;
    if (length === 0) return;
    for (let row = 0; row < rows; row++) {
      this.lines.add(`${TYPES[this.kernel.float]} row${row}[${length}];`);
    }
  }

  /** Loads what every turn of the inner loop reads of its column. */
  loadColumn(pair: Region): void {
    const { type, width } = vectorOf(this.kernel);
    this.#loaded.clear();
    const wanted = new Set<number>();
    for (const s of pair.statements) {
      if (s.kind !== "let" || s.value.kind !== "load" || !isColumn(s.value.memory)) continue;
      if (isFixed(s.value.place)) wanted.add(Math.floor(s.value.place.offset / width));
    }
    for (const vector of [...wanted].sort((a, b) => a - b)) {
      const name = `y${vector}`;
      this.lines.add(
        `const ${type} ${name} = ((const ${type}*)${this.#around.column})[${vector}];`,
      );
      this.#loaded.set(vector, name);
    }
  }

  /** Forgets the column's variables, at the end of their scope. */
  leaveColumn(): void {
    this.#loaded.clear();
  }

  protected get count(): string {
    return this.#around.count;
  }

  protected typeOf(type: Type): string {
    return TYPES[type];
  }

  protected literal(type: Type, value: number): string {
    return literal(type, value);
  }

  protected operation(value: Value & { kind: "operation" }): string {
    const args = value.args.map((a) => this.use(a));
    const [{ type }] = value.args;
    return operation(value.operation, value.type, type, args, value.attribute);
  }

  protected index(value: Value & { kind: "index" }): string {
    return this.integer(value.type, this.#around.index(value.axis, value.row));
  }

  protected integer(type: Type, text: string): string {
    return `(${TYPES[type]})${text}`;
  }

  protected scatter({ index, parts }: Statement & { kind: "scatter" }): void {
    for (const { array, value } of parts) {
      this.lines.add(`${this.place(array)}[${this.use(index)}] = ${this.use(value)};`);
    }
  }

  protected append(appends: readonly (Statement & { kind: "append" })[]): void {
    for (const { unless, size, parts } of appends) {
      this.lines.block(`if (!${this.use(unless)})`, () => {
        const end = `${this.place(size)}[0]`;
        for (const { array, value } of parts) {
          this.lines.add(`${this.place(array)}[${end}] = ${this.use(value)};`);
        }
        this.lines.add(`${end} = ${end} + 1;`);
      });
    }
  }

  protected condition({ test, mask }: Statement & { kind: "when" }): string {
    return test === "any" ? this.use(mask) : `!${this.use(mask)}`;
  }

  protected loopHead({ count, body }: Statement & { kind: "for" }): string[] {
    return [this.#isIndexed(body) ? "#pragma unroll 1" : unrollOf(count, PARTLY_UNROLLED)];
  }

  /** Notes the arrays that no unrolling brings into registers. */
  #noteIndexed(region: Region): void {
    visit(region, (s) => {
      for (const place of placesIn(s)) {
        const isLong = "length" in place && place.length > REGISTER_ARRAY;
        const isComputed = s.kind === "scatter" || s.kind === "append";
        if (isLong || isComputed) this.#indexed.add(place);
      }
      if (s.kind === "for" && s.count * unrolledStatements(s.body) > LOOP_BUDGET) {
        visit(s.body, (inner) => placesIn(inner).forEach((place) => this.#indexed.add(place)));
      }
    });
  }

  /** Whether a loop works on such arrays, or holds a loop of many turns. */
  #isIndexed(body: Region): boolean {
    let isIndexed = false;
    visit(body, (s) => {
      if (s.kind === "for" && s.count * PARTLY_UNROLLED > REGISTER_ARRAY) isIndexed = true;
      if (placesIn(s).some((place) => this.#indexed.has(place))) isIndexed = true;
    });
    return isIndexed;
  }

  protected isTaken(name: string): boolean {
    return isTaken(name);
  }

  protected load(memory: Memory, place: Place, type: Type, row: number): string {
    const at = this.element(place);
    switch (memory.kind) {
      case "array":
        return `${this.place(memory.array)}[${at}]`;
      case "input": {
        const isIndex = this.kernel.inputs[memory.slot].number === "index";
        const element = `${this.#around.input(memory.slot, row)}[${at}]`;
        return isIndex ? `(${TYPES[type]})${element}` : element;
      }
      case "record":
        return this.#cast(this.#recordElement(memory.section, place, at, row), type);
      case "output":
        throw new PairfoldError("internal", "a kernel may not load from its outputs");
    }
    memory.kind satisfies "held";
    throw new PairfoldError("internal", "CUDA code defers no updates");
  }

  #recordElement(section: RecordSection, place: Place, at: string, row: number): string {
    switch (section) {
      case "uniform":
        return `uniforms[${at}]`;
      case "row":
        return `row${row}[${at}]`;
      case "column": {
        const { width } = vectorOf(this.kernel);
        const vector = this.#loaded.get(Math.floor(place.offset / width));
        if (vector === undefined || !isFixed(place)) return `${this.#around.column}[${at}]`;
        return width === 1 ? vector : `${vector}.${COMPONENTS[place.offset % width]}`;
      }
    }
    section satisfies never;
    throw new PairfoldError("internal", "a record of no section");
  }

  /** Records hold floats; integers stand in them bit for bit. */
  #cast(float: string, type: Type): string {
    switch (type) {
      case "i32":
        return `__float_as_int(${float})`;
      case "i64":
        return `__double_as_longlong(${float})`;
      case "mask":
        return `${float} != 0`;
      default:
        return float;
    }
  }

  #uncast(value: Value): string {
    const text = this.use(value);
    switch (value.type) {
      case "i32":
        return `__int_as_float(${text})`;
      case "i64":
        return `__longlong_as_double(${text})`;
      case "mask":
        return `(${TYPES[this.kernel.float]})${text}`;
      default:
        return text;
    }
  }

  protected store({ memory, place, value, row }: Statement & { kind: "store" }): void {
    const at = this.element(place);
    const { lines } = this;
    if (memory.kind === "array") {
      lines.add(`${this.place(memory.array)}[${at}] = ${this.use(value)};`);
    } else if (memory.kind === "record" && memory.section === "row") {
      lines.add(`row${row}[${at}] = ${this.#uncast(value)};`);
    } else if (memory.kind === "record" && memory.section === "column") {
      lines.add(`${this.#around.column}[${at}] = ${this.#uncast(value)};`);
    } else if (memory.kind === "output") {
      const isIndex = this.kernel.outputs[memory.slot].number === "index";
      const text = isIndex ? `(int)${this.use(value)}` : this.use(value);
      lines.add(`${this.#around.output(memory.slot, row)}[${at}] = ${text};`);
    } else {
      throw new PairfoldError("internal", `a kernel may not store to ${memory.kind} here`);
    }
  }
}

const isColumn = (memory: Memory): boolean =>
  memory.kind === "record" && memory.section === "column";

/** Names of the code around, and words of the language. */
const RESERVED: ReadonlySet<string> = new Set([
  ...["segment", "segments", "length", "parameters", "records", "uniforms", "state", "stateRows"],
  ...["first", "last", "count", "special", "tile", "packed", "chunk", "here", "turns", "column"],
  ...["j", "c", "k", "t", "s", "at"],
  ...["int", "float", "double", "bool", "long", "char", "const", "if", "else", "for", "return"],
  ...["min", "max", "fold", "pack", "combine"],
]);

/** Whether a cell or array may not be called so: numbered names are those of values and rows. */
const isTaken = (name: string): boolean => RESERVED.has(name) || /^[a-z]+\d+$/.test(name);
