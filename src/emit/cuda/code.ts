// Regions of the loop IR as CUDA C++ statements of one thread, whose rows were replicated.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Cell,
  type Counter,
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
import { literal, operation, TYPES } from "./spelling.ts";

/** Lines of source, indented by their depth. */
export class Lines {
  readonly #lines: string[] = [];
  #depth = 0;

  add(...lines: readonly string[]): void {
    for (const line of lines) this.#lines.push(line === "" ? "" : "  ".repeat(this.#depth) + line);
  }

  /** A block in braces after a head (none: a scope of its own). */
  block(head: string, body: () => void, tail = ""): void {
    this.add(head === "" ? "{" : `${head} {`);
    this.#depth++;
    body();
    this.#depth--;
    this.add(`}${tail}`);
  }

  toString(): string {
    return this.#lines.join("\n");
  }
}

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

const isConstant = (place: Place): boolean => place.terms.length === 0;
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
export class CodeWriter {
  readonly lines: Lines;
  readonly #kernel: Kernel;
  readonly #around: Surroundings;
  readonly #values = new Map<Value, string>();
  readonly #places = new Map<Cell | LocalArray, string>();
  readonly #taken = new Set<string>();
  readonly #counters = new Map<Counter, string>();
  /** Vectors of the column's record that stand in variables. */
  readonly #loaded = new Map<number, string>();
  /** Arrays that stand in memory: stored to at computed places, or by loops that stay loops. */
  readonly #indexed = new Set<Cell | LocalArray>();
  #next = 0;

  constructor(lines: Lines, kernel: Kernel, around: Surroundings) {
    this.lines = lines;
    this.#kernel = kernel;
    this.#around = around;
  }

  /** The variable of a cell or array; declared by `declare`. */
  place(original: Cell | LocalArray): string {
    let name = this.#places.get(original);
    if (name === undefined) {
      const plain = original.name.replace(/[^A-Za-z0-9]+/g, "_");
      name = plain;
      for (let k = 1; this.#taken.has(name) || isTaken(name); k++) name = `${plain}_${k}`;
      this.#taken.add(name);
      this.#places.set(original, name);
    }
    return name;
  }

  /** Declares the cells and arrays that regions use, items of state, and records of rows. */
  declare(regions: readonly Region[], rows: number, items: readonly StateItem[] = []): void {
    const found = new Set<Cell | LocalArray>();
    for (const item of items) found.add(item.kind === "cell" ? item.cell : item.array);
    for (const region of regions) {
      visit(region, (s) => {
        for (const place of placesIn(s)) {
          found.add(place);
          const isLong = "length" in place && place.length > REGISTER_ARRAY;
          const isComputed = s.kind === "scatter" || s.kind === "append";
          if (isLong || isComputed) this.#indexed.add(place);
        }
        if (s.kind === "for" && s.count * unrolledStatements(s.body) > LOOP_BUDGET) {
          visit(s.body, (inner) => placesIn(inner).forEach((place) => this.#indexed.add(place)));
        }
      });
    }
    for (const place of found) {
      const length = "length" in place ? `[${place.length}]` : "";
      this.lines.add(`${TYPES[place.type]} ${this.place(place)}${length};`);
    }
    const { length } = this.#kernel.records.row;
    if (length === 0) return;
    for (let row = 0; row < rows; row++) {
      this.lines.add(`${TYPES[this.#kernel.float]} row${row}[${length}];`);
    }
  }

  /** Loads what every turn of the inner loop reads of its column. */
  loadColumn(pair: Region): void {
    const { type, width } = vectorOf(this.#kernel);
    this.#loaded.clear();
    const wanted = new Set<number>();
    for (const s of pair.statements) {
      if (s.kind !== "let" || s.value.kind !== "load" || !isColumn(s.value.memory)) continue;
      if (isConstant(s.value.place)) wanted.add(Math.floor(s.value.place.offset / width));
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

  region(region: Region): void {
    for (const s of region.statements) this.#statement(s);
  }

  #statement(s: Statement): void {
    const { lines } = this;
    switch (s.kind) {
      case "let":
        this.#define(s.value);
        return;
      case "set":
        lines.add(`${this.place(s.cell)} = ${this.#use(s.value)};`);
        return;
      case "store":
        this.#store(s.memory, s.place, s.value, s.row);
        return;
      case "scatter":
        for (const { array, value } of s.parts) {
          lines.add(`${this.place(array)}[${this.#use(s.index)}] = ${this.#use(value)};`);
        }
        return;
      case "append":
        lines.block(`if (!${this.#use(s.unless)})`, () => {
          const size = `${this.place(s.size)}[0]`;
          for (const { array, value } of s.parts) {
            lines.add(`${this.place(array)}[${size}] = ${this.#use(value)};`);
          }
          lines.add(`${size} = ${size} + 1;`);
        });
        return;
      case "for":
        this.#for(s);
        return;
      case "when": {
        const mask = this.#use(s.mask);
        lines.block(`if (${s.test === "any" ? mask : `!${mask}`})`, () => this.region(s.body));
        const { otherwise } = s;
        if (otherwise !== undefined) lines.block("else", () => this.region(otherwise));
        return;
      }
    }
    s satisfies never;
  }

  #for({ counter, count, body }: Statement & { kind: "for" }): void {
    const name = `k${this.#counters.size}`;
    this.#counters.set(counter, name);
    this.lines.add(this.#isIndexed(body) ? "#pragma unroll 1" : unrollOf(count, PARTLY_UNROLLED));
    this.lines.block(`for (int ${name} = 0; ${name} < ${count}; ++${name})`, () => {
      this.region(body);
    });
    this.#counters.delete(counter);
  }

  /** Whether a loop works on arrays that no unrolling brings into registers, or holds others. */
  #isIndexed(body: Region): boolean {
    let isIndexed = false;
    visit(body, (s) => {
      if (s.kind === "for" && s.count * PARTLY_UNROLLED > REGISTER_ARRAY) isIndexed = true;
      if (placesIn(s).some((place) => this.#indexed.has(place))) isIndexed = true;
    });
    return isIndexed;
  }

  #define(value: Value): void {
    if (value.kind === "constant") return; // spelt where it is used
    const name = `v${this.#next++}`;
    this.lines.add(`const ${TYPES[value.type]} ${name} = ${this.#expression(value)};`);
    this.#values.set(value, name);
  }

  #use(value: Value): string {
    if (value.kind === "constant") return literal(value.type, value.value);
    const name = this.#values.get(value);
    if (name === undefined) {
      throw new PairfoldError("internal", `value ${value.id} is used before its definition`);
    }
    return name;
  }

  #expression(value: Value): string {
    switch (value.kind) {
      case "constant":
        return literal(value.type, value.value);
      case "index":
        return `(${TYPES[value.type]})${this.#around.index(value.axis, value.row)}`;
      case "count":
        return `(${TYPES[value.type]})${this.#around.count}`;
      case "counter":
        return `(${TYPES[value.type]})${this.#counter(value.counter)}`;
      case "get":
        return this.place(value.cell);
      case "load":
        return this.#load(value.memory, value.place, value.type, value.row);
      case "operation": {
        const args = value.args.map((a) => this.#use(a));
        const [{ type }] = value.args;
        return operation(value.operation, value.type, type, args, value.attribute);
      }
    }
    value satisfies never;
    throw new PairfoldError("internal", "a value of no kind");
  }

  #counter(counter: Counter): string {
    const name = this.#counters.get(counter);
    if (name === undefined) throw new PairfoldError("internal", "a counter has no loop");
    return name;
  }

  #element({ offset, terms }: Place): string {
    const parts = terms.map(({ counter, step }) =>
      step === 1 ? this.#counter(counter) : `${step} * ${this.#counter(counter)}`
    );
    return [...parts, ...(offset !== 0 || parts.length === 0 ? [`${offset}`] : [])].join(" + ");
  }

  #load(memory: Memory, place: Place, type: Type, row: number): string {
    const at = this.#element(place);
    switch (memory.kind) {
      case "array":
        return `${this.place(memory.array)}[${at}]`;
      case "input": {
        const isIndex = this.#kernel.inputs[memory.slot].number === "index";
        const element = `${this.#around.input(memory.slot, row)}[${at}]`;
        return isIndex ? `(${TYPES[type]})${element}` : element;
      }
      case "record":
        return this.#cast(this.#recordElement(memory.section, place, at, row), type);
      case "output":
        throw new PairfoldError("internal", "a kernel may not load from its outputs");
    }
    memory satisfies never;
    throw new PairfoldError("internal", "memory of no kind");
  }

  #recordElement(section: RecordSection, place: Place, at: string, row: number): string {
    switch (section) {
      case "uniform":
        return `uniforms[${at}]`;
      case "row":
        return `row${row}[${at}]`;
      case "column": {
        const { width } = vectorOf(this.#kernel);
        const vector = this.#loaded.get(Math.floor(place.offset / width));
        if (vector === undefined || !isConstant(place)) return `${this.#around.column}[${at}]`;
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
    const text = this.#use(value);
    switch (value.type) {
      case "i32":
        return `__int_as_float(${text})`;
      case "i64":
        return `__longlong_as_double(${text})`;
      case "mask":
        return `(${TYPES[this.#kernel.float]})${text}`;
      default:
        return text;
    }
  }

  #store(memory: Memory, place: Place, value: Value, row: number): void {
    const at = this.#element(place);
    const { lines } = this;
    if (memory.kind === "array") {
      lines.add(`${this.place(memory.array)}[${at}] = ${this.#use(value)};`);
    } else if (memory.kind === "record" && memory.section === "row") {
      lines.add(`row${row}[${at}] = ${this.#uncast(value)};`);
    } else if (memory.kind === "record" && memory.section === "column") {
      lines.add(`${this.#around.column}[${at}] = ${this.#uncast(value)};`);
    } else if (memory.kind === "output") {
      const isIndex = this.#kernel.outputs[memory.slot].number === "index";
      const text = isIndex ? `(int)${this.#use(value)}` : this.#use(value);
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

/** The cells and arrays that a statement itself touches. */
function placesIn(s: Statement): (Cell | LocalArray)[] {
  switch (s.kind) {
    case "set":
      return [s.cell];
    case "store":
      return s.memory.kind === "array" ? [s.memory.array] : [];
    case "scatter":
      return s.parts.map(({ array }) => array);
    case "append":
      return [...s.parts.map(({ array }) => array), s.size];
    case "let":
      if (s.value.kind === "get") return [s.value.cell];
      return s.value.kind === "load" && s.value.memory.kind === "array"
        ? [s.value.memory.array]
        : [];
    case "for":
    case "when":
      return [];
  }
  s satisfies never;
  return [];
}
