// Builds regions of the loop IR: shares equal values, hoists what a loop does not change, folds
// constants where that is exact, contracts a·b + c.

import { PairfoldError } from "../error.ts";
import {
  type Cell,
  type Counter,
  type FloatType,
  integerOf,
  isFloat,
  type LocalArray,
  type MathOperation,
  type Memory,
  type Operation,
  type Place,
  type Region,
  region,
  type ScatterPart,
  type Section,
  type Type,
  type Value,
} from "./ir.ts";
import { nameOf, type Names } from "./names.ts";
import { placeKey } from "./place.ts";

const COMMUTATIVE: ReadonlySet<Operation> = new Set([
  "add",
  "mul",
  "and",
  "or",
  "eq",
  "maskAnd",
  "maskOr",
]);

type Shape<T> = T extends Value ? Omit<T, "id" | "region" | "row" | "column"> : never;

/** Components of a vector up to which they are scalars, where nothing else is said. */
export const SCALARS = 32;

/** Builds the region of one section of a kernel. */
export class Builder {
  readonly section: Section;
  /** The kernel's float type (float64 in the uniform section). */
  readonly float: FloatType;
  readonly integer: "i32" | "i64";
  /** Components that a fold remembers up to which they are scalars, and no array. */
  readonly scalars: number;
  readonly root: Region = region("root");
  readonly #names: Names;
  readonly #open: Region[] = [this.root];

  constructor(section: Section, float: FloatType, names: Names, scalars = SCALARS) {
    this.section = section;
    this.scalars = scalars;
    this.float = float;
    this.integer = integerOf(float);
    this.#names = names;
  }

  get #current(): Region {
    return this.#open[this.#open.length - 1];
  }

  /** Values of pair and row sections differ between rows; those of columns do not. */
  get #sectionIsPerRow(): boolean {
    return this.section === "row" || this.section === "finish";
  }

  #emit(shape: Shape<Value>, home: Region): Value {
    const value = { ...shape, id: this.#names.next(), region: home, row: 0, column: 0 } as Value;
    home.statements.push({ kind: "let", value });
    return value;
  }

  /** The region that the builder adds to. */
  get here(): Region {
    return this.#current;
  }

  /** Whether what a region holds (a value, an array that it fills) may be used where one stands. */
  sees({ region }: { readonly region: Region }): boolean {
    return this.#open.includes(region);
  }

  /** The outermost place from which no loop is entered that `needs` does not hold. */
  #levelOf(needs: readonly Region[]): number {
    let level = this.#open.length - 1;
    while (
      level > 0 && this.#open[level].kind === "for" && !needs.includes(this.#open[level])
    ) level--;
    return level;
  }

  /** Runs `body` before the loops around, but for those whose counters it needs. */
  before<T>(needs: readonly Counter[], body: () => T): T {
    const loops = needs.map((counter) => this.#loopOf(counter));
    const inner = this.#open.splice(this.#levelOf(loops) + 1);
    const result = body();
    this.#open.push(...inner);
    return result;
  }

  /** Emits a pure value once, in the outermost loop that it does not depend on. */
  #share(key: string, shape: Shape<Value>, needs: readonly Region[]): Value {
    const level = this.#levelOf(needs);
    for (let k = level; k >= 0; k--) {
      const found = this.#open[k].known.get(key);
      if (found !== undefined) return found;
    }
    const value = this.#emit(shape, this.#open[level]);
    this.#open[level].known.set(key, value);
    return value;
  }

  constant(value: number, type: Type = this.float): Value {
    const key = `constant:${type}:${Object.is(value, -0) ? "-0" : value}`;
    return this.#share(key, { kind: "constant", type, value, perRow: false }, []);
  }

  /** The global index of the row or the column at hand. */
  index(axis: "row" | "column"): Value {
    const perRow = axis === "row";
    return this.#share(`index:${axis}`, { kind: "index", type: this.integer, axis, perRow }, []);
  }

  /** The number of columns that were folded. */
  count(): Value {
    return this.#share("count", { kind: "count", type: this.integer, perRow: false }, []);
  }

  /** The number of turns that a loop around has taken. */
  counter(counter: Counter): Value {
    const shape = { kind: "counter", type: this.integer, counter, perRow: false } as const;
    return this.#share(`counter:${counter.id}`, shape, [this.#loopOf(counter)]);
  }

  /** Loads from memory that this section does not write (inputs, records of earlier sections). */
  load(memory: Memory, place: Place, type: Type = this.float): Value {
    const perRow = memory.kind === "record"
      ? memory.section === "row"
      : memory.kind === "array" || this.#sectionIsPerRow;
    const key = `load:${nameOf(memory)}:${type}:${placeKey(place)}`;
    const loops = place.terms.map((t) => this.#loopOf(t.counter));
    return this.#share(key, { kind: "load", type, memory, place, perRow }, loops);
  }

  /** Reads an element of an array of state, as it is now. */
  fetch(array: LocalArray, place: Place): Value {
    const memory = { kind: "array", array } as const;
    const shape = { kind: "load", type: array.type, memory, place, perRow: true } as const;
    return this.#emit(shape, this.#current);
  }

  /** Reads a cell, as it is now. */
  get(cell: Cell): Value {
    return this.#emit({ kind: "get", type: cell.type, cell, perRow: true }, this.#current);
  }

  set(cell: Cell, value: Value): void {
    this.#expect(value.type === cell.type, `set ${cell.name}: ${value.type} into ${cell.type}`);
    this.#current.statements.push({ kind: "set", cell, value });
  }

  store(memory: Memory, place: Place, value: Value): void {
    this.#current.statements.push({ kind: "store", memory, place, value, row: 0 });
  }

  /** Each lane stores to its own place, which must lie in the arrays. */
  scatter(index: Value, parts: readonly ScatterPart[]): void {
    this.#expect(index.type === this.integer, `scatter at ${index.type}`);
    for (const { array, value } of parts) {
      this.#expect(value.type === array.type, `scatter: ${value.type} into ${array.type}`);
    }
    this.#current.statements.push({ kind: "scatter", index, parts });
  }

  /** Lanes where the mask fails store to the place that `size` tells, and count it up. */
  append(
    unless: Value,
    size: LocalArray,
    parts: readonly ScatterPart[],
    skipsNaN = false,
  ): void {
    this.#expect(unless.type === "mask" && size.type === this.integer, "append wants a mask");
    this.#current.statements.push({ kind: "append", unless, skipsNaN, size, parts });
  }

  cell(name: string, type: Type = this.float): Cell {
    return { id: this.#names.next(), name, type };
  }

  array(name: string, length: number, type: Type = this.float): LocalArray {
    return { id: this.#names.next(), name, type, length };
  }

  readonly #loops = new Map<Counter, Region>();

  #loopOf(counter: Counter): Region {
    const found = this.#loops.get(counter);
    if (found === undefined) throw new PairfoldError("internal", "a counter is used outside");
    return found;
  }

  /** A loop over 0 … count − 1. */
  for(count: number, body: (counter: Counter) => void): void {
    const counter = { id: this.#names.next(), count };
    const inner = region("for");
    this.#loops.set(counter, inner);
    this.#open.push(inner);
    body(counter);
    this.#open.pop();
    this.#current.statements.push({ kind: "for", counter, count, body: inner });
  }

  /** Runs `body` if any lane's mask holds (or if not all hold). */
  when(test: "any" | "notAll", mask: Value, body: () => void, skipsNaN = false): void {
    this.#expect(mask.type === "mask", "when wants a mask");
    const inner = region("when");
    this.#open.push(inner);
    body();
    this.#open.pop();
    this.#current.statements.push({ kind: "when", test, mask, body: inner, skipsNaN });
  }

  /**
   * Runs `body` unless a bound keeps its place against a value (bound ≤ value, or value ≤ bound) in
   * all lanes. Where the value is NaN the body may run, but must change nothing.
   */
  unless(keeps: Value, body: () => void): void {
    this.#expect(keeps.kind === "operation" && keeps.operation === "le", "unless wants a ≤ b");
    this.when("notAll", keeps, body, true);
  }

  #expect(condition: boolean, message: string): void {
    if (!condition) throw new PairfoldError("internal", `loop IR, ${this.section}: ${message}`);
  }

  #operation(operation: Operation, type: Type, args: readonly Value[], attribute = 0): Value {
    let ids = args.map((a) => a.id);
    if (COMMUTATIVE.has(operation)) ids = ids.sort((a, b) => a - b);
    const key = `${operation}:${attribute}:${ids}`;
    const perRow = args.some((a) => a.perRow);
    const needs = args.map((a) => a.region);
    return this.#share(key, { kind: "operation", operation, type, args, attribute, perRow }, needs);
  }

  #same(operation: Operation, ...args: readonly Value[]): Value {
    const type = args[0].type;
    for (const a of args) {
      this.#expect(a.type === type, `${operation} of ${args.map((v) => v.type)}`);
    }
    return this.#operation(operation, type, args);
  }

  /** a + b, as `madd` where one side is a product, as `nmadd` where it is minus a product. */
  add(a: Value, b: Value): Value {
    if (isFloat(a.type)) {
      for (const [product, other] of [[b, a], [a, b]]) {
        if (product.kind !== "operation") continue;
        if (product.operation === "mul") {
          return this.madd(product.args[0], product.args[1], other);
        }
        const [negated] = product.args;
        if (product.operation !== "neg" || negated.kind !== "operation") continue;
        if (negated.operation === "mul") {
          return this.nmadd(negated.args[0], negated.args[1], other);
        }
      }
    }
    return this.#same("add", a, b);
  }
  sub(a: Value, b: Value): Value {
    if (isFloat(b.type) && b.kind === "operation" && b.operation === "mul") {
      return this.#same("nmadd", b.args[0], b.args[1], a);
    }
    return this.#same("sub", a, b);
  }
  mul(a: Value, b: Value): Value {
    return this.#same("mul", a, b);
  }
  div(a: Value, b: Value): Value {
    return this.#same("div", a, b);
  }
  madd(a: Value, b: Value, c: Value): Value {
    return this.#same("madd", a, b, c);
  }
  /** c − a·b. */
  nmadd(a: Value, b: Value, c: Value): Value {
    return this.#same("nmadd", a, b, c);
  }
  /** a + b and a − b that must round on their own (compensated sums, magic rounding). */
  addExactly(a: Value, b: Value): Value {
    return this.#same("add", a, b);
  }
  subExactly(a: Value, b: Value): Value {
    return this.#same("sub", a, b);
  }
  neg(x: Value): Value {
    if (x.kind === "constant") return this.constant(-x.value, x.type);
    return this.#same("neg", x);
  }
  abs(x: Value): Value {
    return this.#same("abs", x);
  }
  sqrt(x: Value): Value {
    return this.#same("sqrt", x);
  }
  floor(x: Value): Value {
    return this.#same("floor", x);
  }
  pmin(a: Value, b: Value): Value {
    return this.#same("pmin", a, b);
  }
  pmax(a: Value, b: Value): Value {
    return this.#same("pmax", a, b);
  }
  shl(x: Value, amount: number): Value {
    return this.#operation("shl", x.type, [x], amount);
  }
  shr(x: Value, amount: number): Value {
    return this.#operation("shr", x.type, [x], amount);
  }
  and(a: Value, b: Value): Value {
    return this.#same("and", a, b);
  }
  or(a: Value, b: Value): Value {
    return this.#same("or", a, b);
  }
  /** Integers of 32 bits as pairs of 16: the sum of two products. */
  dot16(a: Value, b: Value): Value {
    this.#expect(a.type === "i32", `dot16 of ${a.type}`);
    return this.#same("dot16", a, b);
  }
  bits(x: Value): Value {
    return this.#operation("bits", x.type === "f32" ? "i32" : "i64", [x]);
  }
  asFloat(x: Value): Value {
    return this.#operation("float", x.type === "i32" ? "f32" : "f64", [x]);
  }
  convert(x: Value): Value {
    return this.#operation("convert", this.float, [x]);
  }
  promote(x: Value): Value {
    return x.type === "f64" ? x : this.#operation("promote", "f64", [x]);
  }
  demote(x: Value): Value {
    return x.type === this.float ? x : this.#operation("demote", "f32", [x]);
  }

  #compare(operation: "lt" | "le" | "eq", a: Value, b: Value): Value {
    this.#expect(a.type === b.type, `${operation} of ${a.type} and ${b.type}`);
    // (m ? 1 : 0) = 0 is not m; comparisons of chosen constants are masks again
    for (const [chosen, other, swapped] of [[a, b, false], [b, a, true]] as const) {
      if (chosen.kind !== "operation" || chosen.operation !== "select") continue;
      const [mask, yes, no] = chosen.args;
      if (yes.kind !== "constant" || no.kind !== "constant" || other.kind !== "constant") continue;
      const test = (x: number): boolean => {
        const [l, r] = swapped ? [other.value, x] : [x, other.value];
        return operation === "lt" ? l < r : operation === "le" ? l <= r : l === r;
      };
      if (test(yes.value) && !test(no.value)) return mask;
      if (!test(yes.value) && test(no.value)) return this.maskNot(mask);
    }
    return this.#operation(operation, "mask", [a, b]);
  }
  lt(a: Value, b: Value): Value {
    return this.#compare("lt", a, b);
  }
  le(a: Value, b: Value): Value {
    return this.#compare("le", a, b);
  }
  eq(a: Value, b: Value): Value {
    return this.#compare("eq", a, b);
  }
  /** −1 where a mask holds, else 0: counts by subtraction. */
  holds(m: Value): Value {
    return this.#operation("holds", this.integer, [m]);
  }
  maskNot(m: Value): Value {
    if (m.kind === "operation" && m.operation === "maskNot") return m.args[0];
    return this.#same("maskNot", m);
  }
  maskAnd(a: Value, b: Value): Value {
    return this.#same("maskAnd", a, b);
  }
  maskOr(a: Value, b: Value): Value {
    return this.#same("maskOr", a, b);
  }
  select(mask: Value, a: Value, b: Value): Value {
    this.#expect(mask.type === "mask" && a.type === b.type, `select of ${a.type} and ${b.type}`);
    if (mask.kind === "operation" && mask.operation === "maskNot") {
      return this.#operation("select", a.type, [mask.args[0], b, a]);
    }
    return this.#operation("select", a.type, [mask, a, b]);
  }
  /** A math function that the target has. */
  primitive(operation: MathOperation, ...args: readonly Value[]): Value {
    return this.#same(operation, ...args);
  }
}
