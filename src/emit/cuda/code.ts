// Regions of the loop IR as CUDA C++ statements of one thread, whose rows were replicated.

import { PairfoldError } from "../../error.ts";
import {
  type Cell,
  type Kernel,
  type LocalArray,
  type Memory,
  type Place,
  placesIn,
  type RecordSection,
  type Region,
  type StateItem,
  type Statement,
  type Type,
  type Value,
  visit,
} from "../../loop/mod.ts";
import { PARTLY_UNROLLED, registerArray } from "../../tiling/mod.ts";
import type { Lines } from "../c/lines.ts";
import { placesOf, StatementWriter } from "../c/statements.ts";
import { ColumnReads } from "./column_reads.ts";
import { type Function, partsOf, writeRun } from "./repeated.ts";
import { fromFloat, literal, operation, toFloat, TYPES } from "./spelling.ts";
import type { Surroundings } from "./surroundings.ts";
import { meetsOthers, type Slice, Unrolling } from "./unrolling.ts";
import { isTaken } from "./words.ts";

/** What the names of arrays in registers begin with. */
const HOT = "hot_";

/** A branch whose body meets the columns of a turn one after another. */
export type Rare = Statement & { readonly kind: "when" };

/** Writes the regions of one kernel function. */
export class CodeWriter extends StatementWriter {
  readonly #around: Surroundings;
  readonly #columns: ColumnReads;
  readonly #slice: Slice | null;
  readonly #unrolling: Unrolling;
  /** Whether a region over pairs is written: slices of arrays are in registers there. */
  #isPair = false;
  /** Whether all threads of a warp reach the next branch together. */
  #isTogether = false;
  /** Loops of functions so far. */
  #runs = 0;

  constructor(
    lines: Lines,
    kernel: Kernel,
    around: Surroundings,
    { slice = null, longest = registerArray(kernel.float) }: {
      readonly slice?: Slice | null;
      readonly longest?: number;
    } = {},
  ) {
    super(lines, kernel);
    this.#around = around;
    this.#columns = new ColumnReads(kernel, around);
    this.#slice = slice;
    this.#unrolling = new Unrolling(slice, longest, around.vector !== undefined);
  }

  /** Whether only a slice of the state is kept. */
  get isSliced(): boolean {
    return this.#slice !== null;
  }

  /** Writes what runs rarely, or waits for memory: so many turns of loops over it side by side. */
  sideBySide(turns: number, write: () => void): void {
    this.#unrolling.turns = turns;
    write();
    this.#unrolling.turns = PARTLY_UNROLLED;
  }

  /** How a loop that moves the elements of an array is unrolled. */
  unrollMove(count: number): string {
    return this.#unrolling.pragma(count, 1);
  }

  /** Statements in order, functions of doubles that are many in loops. */
  override region(region: Region): void {
    for (const part of partsOf(region)) {
      if (part.kind === "region") super.region(part.region);
      else this.#run(part.functions);
    }
  }

  /** Writes many functions as a loop. */
  #run(functions: readonly Function[]): void {
    const array = `many${this.#runs++}`;
    writeRun(this.lines, array, functions, functions.map(({ args }) => this.use(args[0])));
    functions.forEach((value, n) => this.bind(value, `${array}[${n}]`));
  }

  /** Writes a region over a column, whose record has room for all components of the last slice. */
  pairRegion(pair: Region): void {
    this.#isPair = true;
    this.region(pair);
    this.#isPair = false;
  }

  /**
   * Writes a region over the columns of a turn, which begins anew where a branch is to be taken:
   * the threads of a warp leave the loop together then, so that they stay together.
   */
  turnRegion(turn: Region, rare: Rare): void {
    this.pairRegion({ ...turn, statements: turn.statements.filter((s) => s !== rare) });
    this.#isTogether = true;
    this.lines.add(`if (${this.condition(rare)}) break;`);
    if (rare.otherwise !== undefined) this.pairRegion(rare.otherwise);
  }

  /**
   * Writes a region that all threads of a warp reach together. What stands behind one of its
   * branches all of them do as soon as one has to, as lanes of a vector do: one after another they
   * would take as often as long. Branches within are each thread's own: a region of several rows
   * has one for each row, and none around them.
   */
  regionOfWarp(region: Region): void {
    for (const s of region.statements) {
      this.#isTogether = s.kind === "when";
      this.region({ ...region, statements: [s] });
    }
  }

  /**
   * Writes loops over columns with the slices that they meet in registers: loops over components
   * are unrolled there, and nowhere else, so that everything around stays short.
   */
  withRegisters(pairs: readonly Region[], loops: () => void): void {
    const hot = new Set<LocalArray>();
    for (const pair of pairs) {
      visit(pair, (s) => {
        for (const place of placesIn(s)) {
          if ("length" in place && this.#slice?.arrays.has(place)) hot.add(place);
        }
      });
    }
    const move = (text: (name: string) => string): void => {
      for (const array of hot) {
        this.lines.add(
          "#pragma unroll",
          `for (int q = 0; q < ${this.#slice?.length}; ++q) ${text(this.place(array))}`,
        );
      }
    };
    for (const array of hot) {
      const name = this.place(array);
      this.lines.add(`${TYPES[array.type]} ${HOT}${name}[${this.#slice?.length}];`);
    }
    move((name) => `${HOT}${name}[q] = ${name}[q];`);
    loops();
    move((name) => `${name}[q] = ${HOT}${name}[q];`);
  }

  /** Declares the cells and arrays that regions use, items of state, and records of rows. */
  declare(regions: readonly Region[], rows: number, items: readonly StateItem[] = []): void {
    this.#unrolling.note(regions);
    for (const place of placesOf(regions, items)) {
      if (!this.declares(place)) continue;
      this.lines.add(`${TYPES[place.type]} ${this.place(place)}${this.#lengthOf(place)};`);
    }
    const { vector } = this.#around;
    if (vector !== undefined) {
      const isZeroed = vector.padded > vector.length;
      const { name: vectorName, padded } = vector;
      const name = `__align__(16) ${TYPES[this.kernel.float]} ${vectorName}[${padded}]`;
      this.lines.add(`${name}${isZeroed ? " = {}" : ""};`);
    }
    const length = this.kernel.records.row.length - (vector?.length ?? 0);
    if (length === 0) return;
    for (let row = 0; row < rows; row++) {
      this.lines.add(`${TYPES[this.kernel.float]} row${row}[${this.#padded(length)}];`);
    }
  }

  /** Elements of a vector in memory: several are one load where all of them begin at 16 bytes. */
  #padded(length: number): number {
    return length <= this.#unrolling.longest ? length : 4 * Math.ceil(length / 4);
  }

  /** Whether a cell or array is declared with the others. */
  protected declares(_place: Cell | LocalArray): boolean {
    return true;
  }

  /** The brackets of a declaration; what the last slice lacks is defined all the same. */
  #lengthOf(place: Cell | LocalArray): string {
    if (!("length" in place)) return "";
    if (this.#slice?.arrays.has(place)) return `[${this.#slice.length}] = {}`;
    return `[${this.#padded(place.length)}]`;
  }

  /**
   * Loads what every turn of the inner loop reads of its column, or of so many columns, which stand
   * side by side and begin where a vector may.
   */
  loadColumn(pair: Region, columns = 1): void {
    this.#columns.load(this.lines, pair, columns);
  }

  /** Forgets the column's variables, at the end of their scope. */
  leaveColumn(): void {
    this.#columns.leave();
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
    const name = this.#around.index(value.axis, value.row);
    return this.integer(value.type, value.column === 0 ? name : `(${name} + ${value.column})`);
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
    // most pairs append nothing: one branch asks for all of them
    const all = appends.map(({ unless }) => this.use(unless)).join(" & ");
    this.lines.block(appends.length === 1 ? "" : `if (!(${all}))`, () => {
      for (const { unless, size, parts } of appends) {
        this.lines.block(`if (!${this.use(unless)})`, () => {
          const end = `${this.place(size)}[0]`;
          for (const { array, value } of parts) {
            this.lines.add(`${this.place(array)}[${end}] = ${this.use(value)};`);
          }
          this.lines.add(`${end} = ${end} + 1;`);
        });
      }
    });
  }

  protected condition({ test, mask }: Statement & { kind: "when" }): string {
    const own = this.use(mask);
    if (!this.#isTogether) return test === "any" ? own : `!${own}`;
    this.#isTogether = false; // those within are each thread's own
    return test === "any" ? `__any_sync(0xffffffffu, ${own})` : `!__all_sync(0xffffffffu, ${own})`;
  }

  protected loopHead({ counter, count, body }: Statement & { kind: "for" }): string[] {
    if (this.#slice?.counters.has(counter)) {
      return [this.#isPair ? "#pragma unroll" : `#pragma unroll ${PARTLY_UNROLLED}`];
    }
    return [this.#unrolling.pragmaOf(count, body)];
  }

  protected override loop(s: Statement & { kind: "for" }, name: string, body: () => void): void {
    const slice = this.#slice;
    if (slice === null || !slice.counters.has(s.counter)) {
      const rest = s.count % this.#unrolling.turns;
      if (rest === 0 || !this.#unrolling.standsSideBySide(s.body)) return super.loop(s, name, body);
      // what is left over comes last: the compiler would put it first, and vectors were not aligned
      super.loop({ ...s, count: s.count - rest }, name, body);
      this.lines.add("#pragma unroll 1");
      this.turns(name, s.count - rest, s.count, body);
      return;
    }
    this.lines.block(`for (int q = 0; q < ${slice.length}; ++q)`, () => {
      this.lines.add(`const int ${name} = slice * ${slice.length} + q;`);
      if (slice.whole % slice.length === 0) return body();
      if (this.#isPair && !meetsOthers(s.body, s.counter)) return body();
      this.lines.block(`if (${name} < ${slice.whole})`, body);
    });
  }

  protected isTaken(name: string): boolean {
    return isTaken(name);
  }

  protected load(memory: Memory, place: Place, type: Type, row: number): string {
    const at = this.element(place);
    switch (memory.kind) {
      case "array":
        return this.#arrayElement(memory.array, at);
      case "input": {
        const isIndex = this.kernel.inputs[memory.slot].number === "index";
        const element = `${this.#around.input(memory.slot, row)}[${at}]`;
        return isIndex ? `(${TYPES[type]})${element}` : element;
      }
      case "record":
        return fromFloat(this.#recordElement(memory.section, place, at, row), type);
      case "output":
        throw new PairfoldError("internal", "a kernel may not load from its outputs");
    }
    memory.kind satisfies "held";
    const { held } = this.#around;
    if (held === undefined) throw new PairfoldError("internal", "no patches, and a pair holds");
    return held(place.offset);
  }

  #recordElement(section: RecordSection, place: Place, at: string, row: number): string {
    switch (section) {
      case "uniform":
        return `uniforms[${at}]`;
      case "row":
        return this.#rowElement(place, row);
      case "column": {
        const stood = this.#columns.placeOf(place);
        const element = this.#isWindow(place) ? `q + ${stood.offset}` : this.element(stood);
        return this.#columns.variable(place) ?? `${this.#around.column}[${element}]`;
      }
    }
    section satisfies never;
    throw new PairfoldError("internal", "a record of no section");
  }

  /** An element of a row's record. */
  #rowElement(place: Place, row: number): string {
    const { vector } = this.#around;
    if (vector === undefined || place.offset < vector.first) {
      return `row${row}[${this.element(place)}]`;
    }
    const offset = place.offset - vector.first;
    if (offset < vector.length) return `${vector.name}[${this.element({ ...place, offset })}]`;
    const rest = this.element({ ...place, offset: place.offset - vector.length });
    return `row${row}[${rest}]`;
  }

  /** Whether a loop over components moves a place: of columns, it is in a window then. */
  #isWindow({ terms }: Place): boolean {
    return terms.some(({ counter }) => this.#slice?.counters.has(counter) ?? false);
  }

  /** An element of an array: of slices, the loop over components counts. */
  #arrayElement(array: LocalArray, at: string): string {
    if (!this.#slice?.arrays.has(array)) return `${this.place(array)}[${at}]`;
    return `${this.#isPair ? HOT : ""}${this.place(array)}[q]`;
  }

  protected store({ memory, place, value, row }: Statement & { kind: "store" }): void {
    const at = this.element(place);
    const { lines } = this;
    if (memory.kind === "array") {
      lines.add(`${this.#arrayElement(memory.array, at)} = ${this.use(value)};`);
    } else if (memory.kind === "record" && memory.section === "row") {
      lines.add(
        `${this.#rowElement(place, row)} = ${
          toFloat(this.use(value), value.type, this.kernel.float)
        };`,
      );
    } else if (memory.kind === "record" && memory.section === "column") {
      const stood = this.element(this.#columns.placeOf(place));
      lines.add(
        `${this.#around.column}[${stood}] = ${
          toFloat(this.use(value), value.type, this.kernel.float)
        };`,
      );
    } else if (memory.kind === "output") {
      const isIndex = this.kernel.outputs[memory.slot].number === "index";
      const text = isIndex ? `(int)${this.use(value)}` : this.use(value);
      const stored = `${this.#around.output(memory.slot, row)}[${at}] = ${text};`;
      // what is no component of a slice is written once
      const isOnce = this.#slice !== null && !this.#isWindow(place);
      lines.add(isOnce ? `if (slice == 0) ${stored}` : stored);
    } else {
      throw new PairfoldError("internal", `a kernel may not store to ${memory.kind} here`);
    }
  }
}
