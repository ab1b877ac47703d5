// Regions of the loop IR as statements of a language like C: what C and CUDA C++ have in common.
// Names, scopes and the walk are here; how a target spells types, values and memory is its own.

import { PairfoldError } from "../../error.ts";
import {
  type Cell,
  type Counter,
  type Kernel,
  type LocalArray,
  type Memory,
  type Place,
  placesIn,
  type Region,
  type StateItem,
  type Statement,
  type Type,
  type Value,
  visit,
} from "../../loop/mod.ts";
import type { Lines } from "./lines.ts";

type Of<K extends Statement["kind"]> = Statement & { readonly kind: K };

/** Writes the regions of one function. */
export abstract class StatementWriter {
  readonly lines: Lines;
  protected readonly kernel: Kernel;
  readonly #values = new Map<Value, string>();
  readonly #places = new Map<Cell | LocalArray, string>();
  readonly #taken = new Set<string>();
  readonly #counters = new Map<Counter, string>();
  #next = 0;

  constructor(lines: Lines, kernel: Kernel) {
    this.lines = lines;
    this.kernel = kernel;
  }

  /** The variable type of one value. */
  protected abstract typeOf(type: Type): string;
  protected abstract literal(type: Type, value: number): string;
  protected abstract operation(value: Value & { kind: "operation" }): string;
  protected abstract index(value: Value & { kind: "index" }): string;
  /** An integer of the host language as a value. */
  protected abstract integer(type: Type, text: string): string;
  /** The name of the number of columns folded. */
  protected abstract readonly count: string;
  protected abstract load(memory: Memory, at: Place, type: Type, row: number): string;
  protected abstract store(statement: Of<"store">): void;
  protected abstract scatter(statement: Of<"scatter">): void;
  protected abstract append(statements: readonly Of<"append">[]): void;
  protected abstract condition(statement: Of<"when">): string;
  /** What stands before the head of a loop over elements. */
  protected abstract loopHead(loop: Of<"for">): readonly string[];
  /** Whether a name belongs to the code around. */
  protected abstract isTaken(name: string): boolean;

  /** The variable of a cell or array. */
  place(original: Cell | LocalArray): string {
    let name = this.#places.get(original);
    if (name === undefined) {
      const plain = original.name.replace(/[^A-Za-z0-9]+/g, "_");
      name = plain;
      for (let k = 1; this.#taken.has(name) || this.isTaken(name); k++) name = `${plain}_${k}`;
      this.#taken.add(name);
      this.#places.set(original, name);
    }
    return name;
  }

  /** Statements in order; appends take effect at the end. */
  region(region: Region): void {
    const appends: Of<"append">[] = [];
    for (const s of region.statements) {
      if (s.kind === "append") appends.push(s);
      else this.#statement(s);
    }
    if (appends.length > 0) this.append(appends);
  }

  #statement(s: Exclude<Statement, { kind: "append" }>): void {
    const { lines } = this;
    switch (s.kind) {
      case "let":
        this.#define(s.value);
        return;
      case "set":
        lines.add(`${this.place(s.cell)} = ${this.use(s.value)};`);
        return;
      case "store":
        this.store(s);
        return;
      case "scatter":
        this.scatter(s);
        return;
      case "for":
        this.#for(s);
        return;
      case "when": {
        lines.block(`if (${this.condition(s)})`, () => this.region(s.body));
        const { otherwise } = s;
        if (otherwise !== undefined) lines.block("else", () => this.region(otherwise));
        return;
      }
    }
    s satisfies never;
  }

  /** What is written by `body`, in a loop. */
  counted(counter: Counter, body: () => void): void {
    this.#named(counter, (name) => this.turns(name, 0, counter.count, body));
  }

  #for(s: Of<"for">): void {
    this.#named(s.counter, (name) => {
      this.lines.add(...this.loopHead(s));
      this.loop(s, name, () => this.region(s.body));
    });
  }

  /** What is written while a counter has a name. */
  #named(counter: Counter, write: (name: string) => void): void {
    const name = `k${this.#counters.size}`;
    this.#counters.set(counter, name);
    write(name);
    this.#counters.delete(counter);
  }

  /** The loop itself, whose counter has a name. */
  protected loop({ count }: Of<"for">, name: string, body: () => void): void {
    this.turns(name, 0, count, body);
  }

  /** The turns of a loop from one on, up to another one. */
  protected turns(name: string, from: number, to: number, body: () => void): void {
    this.lines.block(`for (int ${name} = ${from}; ${name} < ${to}; ++${name})`, body);
  }

  #define(value: Value): void {
    if (value.kind === "constant") return; // spelt where it is used
    this.bind(value, this.#expression(value));
  }

  /** Gives a value a variable. */
  protected bind(value: Value, text: string): void {
    const name = `v${this.#next++}`;
    this.lines.add(`const ${this.typeOf(value.type)} ${name} = ${text};`);
    this.#values.set(value, name);
  }

  /** What stands for a value: its variable, or a constant. */
  protected use(value: Value): string {
    if (value.kind === "constant") return this.literal(value.type, value.value);
    const name = this.#values.get(value);
    if (name === undefined) {
      throw new PairfoldError("internal", `value ${value.id} is used before its definition`);
    }
    return name;
  }

  #expression(value: Value): string {
    switch (value.kind) {
      case "constant":
        return this.literal(value.type, value.value);
      case "index":
        return this.index(value);
      case "count":
        return this.integer(value.type, this.count);
      case "counter":
        return this.integer(value.type, this.#counter(value.counter));
      case "get":
        return this.place(value.cell);
      case "load":
        return this.load(value.memory, value.place, value.type, value.row);
      case "operation":
        return this.operation(value);
    }
    value satisfies never;
    throw new PairfoldError("internal", "a value of no kind");
  }

  #counter(counter: Counter): string {
    const name = this.#counters.get(counter);
    if (name === undefined) throw new PairfoldError("internal", "a counter has no loop");
    return name;
  }

  /** A place as an integer expression. */
  protected element({ offset, terms }: Place): string {
    const parts = terms.map(({ counter, step }) =>
      step === 1 ? this.#counter(counter) : `${step} * ${this.#counter(counter)}`
    );
    return [...parts, ...(offset !== 0 || parts.length === 0 ? [`${offset}`] : [])].join(" + ");
  }
}

/** The cells and arrays that regions use, and items of state. */
export function placesOf(
  regions: readonly Region[],
  items: readonly StateItem[] = [],
): Set<Cell | LocalArray> {
  const found = new Set<Cell | LocalArray>();
  for (const item of items) found.add(item.kind === "cell" ? item.cell : item.array);
  for (const region of regions) {
    visit(region, (s) => {
      for (const place of placesIn(s)) found.add(place);
    });
  }
  return found;
}

/** Whether a place does not move with any counter. */
export const isFixed = (place: Place): boolean => place.terms.length === 0;
