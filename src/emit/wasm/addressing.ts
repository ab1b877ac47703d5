// Where things of a function stand: addresses from base locals and the counters of loops, and
// pointers that loops move instead of computing an address anew.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Counter,
  isFloat,
  type Kernel,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  type Type,
  visit,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import type { Frame, Pointer } from "./frame.ts";
import { type ColumnRecords, registersOf, type Scratch, VECTOR_BYTES } from "./layout.ts";

/** Names an address without its fixed offset. */
function pointerKey(base: number, { terms }: Place, stride: number): string {
  return `${base}:${terms.map((t) => `${t.counter.id}*${t.step * stride}`).sort()}`;
}

/** The addresses of one function. */
export class Addressing {
  readonly #f: FunctionBody;
  readonly #kernel: Kernel;
  readonly #schedule: WasmSchedule;
  readonly #scratch: Scratch;
  readonly #frame: Frame;
  /** Locals of the counters of the loops around. */
  readonly #locals = new Map<Counter, number>();
  /** Turns of a loop that stand side by side: which of them is being written. */
  readonly #unrolled = new Map<Counter, number>();
  /** Counters of loops that are written out. */
  readonly #fixed = new Set<Counter>();
  /**
   * Where the columns of a whole block are written out, how many stand before those at hand, and
   * the bytes that each one's pairs hold, at addresses that are numbers; else null.
   */
  before: { readonly columns: number; readonly heldBytes: number } | null = null;
  /** Locals that hold the addresses which loops move. */
  readonly #pointers = new Map<string, number>();
  /** Bytes of a lane. */
  readonly #size: number;
  readonly #records: ColumnRecords;

  constructor(
    f: FunctionBody,
    kernel: Kernel,
    schedule: WasmSchedule,
    scratch: Scratch,
    frame: Frame,
    records: ColumnRecords,
  ) {
    this.#records = records;
    this.#f = f;
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#scratch = scratch;
    this.#frame = frame;
    this.#size = bytesOf(kernel.float, kernel.float);
  }

  /** Enters a loop, whose counter is a local. */
  enter(counter: Counter, local: number): void {
    this.#locals.set(counter, local);
  }

  /** Enters a loop that is written out: its counter is a number at every place. */
  fix(counter: Counter): void {
    this.#fixed.add(counter);
  }

  isFixed(counter: Counter): boolean {
    return this.#fixed.has(counter);
  }

  /** A place as a number, where all its counters are numbers; else null. */
  fixed({ offset, terms }: Place): number | null {
    if (!terms.every(({ counter }) => this.#fixed.has(counter))) return null;
    return terms.reduce((sum, { counter, step }) => sum + step * this.turnOf(counter), offset);
  }

  leave(counter: Counter): void {
    this.#locals.delete(counter);
    this.#fixed.delete(counter);
    this.#unrolled.delete(counter);
  }

  /** Which turn of a loop is written now, of those that stand side by side. */
  setTurn(counter: Counter, turn: number): void {
    this.#unrolled.set(counter, turn);
  }

  turnOf(counter: Counter): number {
    return this.#unrolled.get(counter) ?? 0;
  }

  counter(counter: Counter): number {
    const local = this.#locals.get(counter);
    if (local === undefined) throw new PairfoldError("internal", "a counter has no local");
    return local;
  }

  /** Sets a pointer for every address that moves with a counter; returns them with their steps. */
  point(
    body: Region,
    counter: Counter,
    steps: Map<string, Pointer> = new Map(),
  ): Map<string, Pointer> {
    const f = this.#f;
    visit(body, (s) => {
      const access = s.kind === "store" ? s : s.kind === "let" ? s.value : null;
      if (access === null || !("memory" in access)) return;
      const { place, memory } = access;
      const own = place.terms.find((t) => t.counter === counter);
      const others = place.terms.filter((t) => t !== own);
      if (own === undefined || place.terms.some((t) => t.step < 0)) return;
      if (!others.every((t) => this.#locals.has(t.counter))) return;
      const type = "type" in access ? access.type : access.value.type;
      const { base, stride } = this.#location(memory, type);
      const key = pointerKey(base, place, stride);
      if (this.#pointers.has(key)) return;
      this.address(base, { offset: 0, terms: others }, stride); // each use adds unrolled turns
      const pointer = f.local("i32");
      f.set(pointer);
      this.#pointers.set(key, pointer);
      steps.set(key, { pointer, step: own.step * stride, base });
    });
    return steps;
  }

  /** Forgets pointers, which moved. */
  unpoint(steps: ReadonlyMap<string, Pointer>): void {
    for (const key of steps.keys()) this.#pointers.delete(key);
  }

  #held(): number {
    const { held } = this.#frame;
    if (held === undefined) throw new PairfoldError("internal", "nothing is held here");
    return held;
  }

  /**
   * Leaves the address of what a pair holds on the stack; returns the offset. V8 checks no address
   * that is a number and lies within a memory that cannot grow.
   */
  heldAddress(place: Place, row: number): number {
    const stride = this.#schedule.rowVectors * VECTOR_BYTES;
    const offset = row * VECTOR_BYTES;
    if (this.before === null) return this.address(this.#held(), place, stride) + offset;
    const { columns, heldBytes } = this.before;
    this.#f.i32(columns * heldBytes + place.offset * stride + offset);
    return 0;
  }

  /** Where memory of a kind starts, and the bytes between its elements. */
  #location(memory: Memory, type: Type): { readonly base: number; readonly stride: number } {
    const { inputs, outputs, record, scratch, uniforms } = this.#frame;
    switch (memory.kind) {
      case "array":
        return {
          base: scratch,
          stride: registersOf(memory.array.type, this.#kernel) * VECTOR_BYTES,
        };
      case "input":
        return { base: inputs[memory.slot], stride: isFloat(type) ? this.#size : 4 };
      case "output": {
        const isIndex = this.#kernel.outputs[memory.slot].number === "index";
        return { base: outputs[memory.slot], stride: isIndex ? 4 : this.#size };
      }
      case "held":
        return { base: this.#held(), stride: this.#schedule.rowVectors * VECTOR_BYTES };
      case "record":
        switch (memory.section) {
          case "uniform":
            return { base: uniforms, stride: VECTOR_BYTES };
          case "row":
            return { base: scratch, stride: this.#schedule.rowVectors * VECTOR_BYTES };
          case "column":
            return { base: record, stride: this.#records.slot };
        }
    }
  }

  /**
   * Adds an offset to the address on the stack, and leaves none to the instruction: V8 keeps base
   * plus offset in a register for each offset, and the inner loop has few.
   */
  added(offset: number): number {
    if (offset > 0) this.#f.i32(offset).op("i32.add");
    return 0;
  }

  /** Which column of a turn a place is one of, and its slot. */
  columnOf({ offset, terms }: Place): { readonly column: number; readonly slot: Place } {
    const { slots } = this.#records;
    return { column: Math.floor(offset / slots), slot: { offset: offset % slots, terms } };
  }

  /** Leaves the address of a slot of the column at hand, or of a later one; returns the offset. */
  columnAddress(place: Place): number {
    const { step, slot: stride } = this.#records;
    const { column, slot } = this.columnOf(place);
    const before = this.before?.columns ?? 0;
    return this.address(this.#frame.record, slot, stride) + (before + column) * step;
  }

  /** Leaves an address on the stack: a base local plus the counters' shares; returns the offset. */
  address(base: number, place: Place, stride: number): number {
    const f = this.#f;
    let offset = place.offset * stride;
    for (const { counter, step } of place.terms) {
      offset += step * stride * (this.turnOf(counter));
    }
    const pointer = this.#pointers.get(pointerKey(base, place, stride));
    if (pointer !== undefined) {
      f.get(pointer);
      return offset;
    }
    f.get(base);
    // the offset of an instruction does not wrap: what counts down starts from the whole address
    const countsDown = place.terms.some((t) => t.step < 0);
    if (countsDown) f.i32(offset).op("i32.add");
    for (const { counter, step } of place.terms) {
      if (this.#fixed.has(counter)) continue;
      f.get(this.counter(counter)).i32(step * stride).op("i32.mul").op("i32.add");
    }
    return countsDown ? 0 : offset;
  }

  arrayPlace(array: LocalArray, half: number): { start: number; stride: number } {
    const start = this.#scratch.offsetOf(array) + half * VECTOR_BYTES;
    return { start, stride: registersOf(array.type, this.#kernel) * VECTOR_BYTES };
  }
}
