// Spells the values of one function: where they stand (locals, globals, memory of the thread's own),
// which are loaded again at each use, and the instructions that compute them.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Cell,
  type Kernel,
  type Region,
  type Type,
  type Value,
  visit,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import { MemoryAccess } from "./access.ts";
import { Addressing } from "./addressing.ts";
import type { FunctionBody } from "./assembler.ts";
import { type ConstantPool, countingFrom, vectorOf } from "./constants.ts";
import type { Frame } from "./frame.ts";
import {
  type ColumnRecords,
  CONSTANTS_ADDRESS,
  CONSTANTS_END,
  registersOf,
  type Scratch,
  VECTOR_BYTES,
} from "./layout.ts";
import { ValueLocals } from "./locals.ts";
import { type Load, type Loop, recordKey, recordKeyAt, rowsReadBy } from "./regions.ts";
import { Spelling, type WasmFeatures } from "./spelling.ts";

/** What a function is written with. */
export interface Surroundings {
  readonly f: FunctionBody;
  readonly kernel: Kernel;
  readonly features: WasmFeatures;
  readonly schedule: WasmSchedule;
  readonly pool: ConstantPool;
  readonly scratch: Scratch;
  readonly frame: Frame;
  readonly records: ColumnRecords;
  readonly newGlobal: () => number;
}

/** The values and cells of one function. */
export class Values {
  readonly #f: FunctionBody;
  readonly #kernel: Kernel;
  readonly #spelling: Spelling;
  readonly #schedule: WasmSchedule;
  readonly #pool: ConstantPool;
  readonly #frame: Frame;
  readonly #newGlobal: () => number;
  readonly addresses: Addressing;
  readonly access: MemoryAccess;
  readonly #locals: ValueLocals;
  readonly #cells = new Map<Cell, readonly number[]>();
  /** Cells that wait in memory of the thread's own, at these addresses. */
  readonly #aside = new Map<Cell, number>();
  /** Row and uniform values that were loaded into locals before the inner loop. */
  readonly #hoisted = new Map<string, number>();
  /** The same in memory that only this instance has, and that no address leads to: globals. */
  readonly #globals = new Map<string, number>();
  /** Bytes of a lane, lanes of a vector. */
  readonly #size: number;
  readonly #lanes: number;

  constructor(around: Surroundings) {
    const { f, kernel, features, schedule, pool, scratch, frame, records, newGlobal } = around;
    this.#f = f;
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#pool = pool;
    this.#frame = frame;
    this.#newGlobal = newGlobal;
    const push = (value: Value, half?: number): void => this.push(value, half);
    this.#spelling = new Spelling(f, kernel.float, features, push);
    this.addresses = new Addressing(f, kernel, schedule, scratch, frame, records);
    this.access = new MemoryAccess(f, kernel, schedule, this.addresses, frame, records, push);
    this.#locals = new ValueLocals(() => f.local("v128"));
    this.#size = bytesOf(kernel.float, kernel.float);
    this.#lanes = VECTOR_BYTES / this.#size;
  }

  /** The locals of a cell. */
  cell(cell: Cell): readonly number[] {
    let locals = this.#cells.get(cell);
    if (locals === undefined) {
      locals = Array.from({ length: this.#registersOf(cell.type) }, () => this.#f.local("v128"));
      this.#cells.set(cell, locals);
    }
    return locals;
  }

  /** Keeps a cell in memory of the thread's own, from an address on; returns the address behind. */
  keepAside(cell: Cell, address: number): number {
    this.#aside.set(cell, address);
    return address + this.#registersOf(cell.type) * VECTOR_BYTES;
  }

  /** Sets a cell to a value. */
  set(cell: Cell, value: Value): void {
    const f = this.#f;
    const aside = this.#aside.get(cell);
    const registers = this.#registersOf(cell.type);
    for (let half = 0; half < registers; half++) {
      if (aside !== undefined) f.i32(0);
      this.push(value, half);
      if (aside === undefined) f.set(this.cell(cell)[half]);
      else f.ownMemory("v128.store", aside + half * VECTOR_BYTES);
    }
  }

  #registersOf(type: Type): number {
    return registersOf(type, this.#kernel);
  }

  /** Whether each use loads the value again, instead of keeping it in a local. */
  #reloads(value: Value): boolean {
    if (value.kind === "constant") return true;
    // two instructions, which should not hold a register until a rare branch needs them
    if (value.kind === "index") return this.#frame.columnIndex !== this.#frame.rowIndex;
    const key = recordKey(value);
    if (key === null) return false;
    return this.#schedule.operands !== "locals" || this.#hoisted.has(key);
  }

  /** Loads what a region reads at fixed places of rows and parameters into locals. */
  hoistIntoLocals(inner: Region): void {
    if (this.#schedule.operands !== "locals") return;
    visit(inner, (s) => {
      const key = s.kind === "let" ? recordKey(s.value) : null;
      if (s.kind !== "let" || key === null || this.#hoisted.has(key)) return;
      this.#compute(s.value, 0);
      const local = this.#f.local("v128");
      this.#f.set(local);
      this.#hoisted.set(key, local);
    });
  }

  /**
   * Loads what loops that are written out read of rows. V8 checks the address of every load;
   * globals have none, so that a use takes one instruction, not three. Gaussian of 64 components
   * 1.06 times as fast; where few numbers are read, as in three dimensions, it gains nothing (Zen 4,
   * Deno 2.9.6, 2026-11-23).
   */
  hoistIntoGlobals(loops: readonly Loop[]): void {
    const into = (value: Load, offset: number): void => {
      const key = recordKeyAt(value, offset);
      if (key === null || this.#globals.has(key)) return;
      this.access.load(value.memory, { offset, terms: [] }, value, 0);
      const global = this.#newGlobal();
      this.#f.op("global.set", global);
      this.#globals.set(key, global);
    };
    for (const loop of loops) {
      for (const value of rowsReadBy(loop)) {
        const { offset, terms: [{ step }] } = value.place;
        for (let turn = 0; turn < loop.count; turn++) into(value, offset + turn * step);
      }
    }
  }

  /** Computes a value into locals of its own, unless its uses load it. */
  define(value: Value): void {
    if (this.#reloads(value)) return;
    const locals = this.#locals.give(value, this.#registersOf(value.type));
    if (value.kind === "load" && value.memory.kind === "input") {
      this.access.gather(value, value.memory.slot, locals[0]);
    } else {
      locals.forEach((local, half) => {
        this.#compute(value, half);
        this.#f.set(local);
      });
    }
  }

  /** Takes back the locals of values that nothing reads any more. */
  forget(values: readonly Value[]): void {
    this.#locals.takeBack(values);
  }

  /** Leaves a value (or one half of a wide one) on the stack. */
  push(value: Value, half = 0): void {
    const locals = this.#locals.of(value);
    if (locals !== undefined) this.#f.get(locals[half]);
    else if (this.#reloads(value)) this.#compute(value, half);
    else throw new PairfoldError("internal", `a value (${value.kind}) is read after its last use`);
  }

  #compute(value: Value, half: number): void {
    const f = this.#f;
    switch (value.kind) {
      case "constant":
        this.#constant(value.type, value.value);
        return;
      case "index":
        this.#index(value);
        return;
      case "count":
        f.get(this.#frame.count);
        this.#splatInteger();
        return;
      case "counter":
        f.i32(this.addresses.turnOf(value.counter));
        if (!this.addresses.isFixed(value.counter)) {
          f.get(this.addresses.counter(value.counter)).op("i32.add");
        }
        this.#splatInteger();
        return;
      case "get": {
        const aside = this.#aside.get(value.cell);
        if (aside !== undefined) f.i32(0).ownMemory("v128.load", aside + half * VECTOR_BYTES);
        else f.get(this.cell(value.cell)[half]);
        return;
      }
      case "load":
        this.#load(value, half);
        return;
      case "operation":
        this.#spelling.operation(value, half);
        return;
    }
    value satisfies never;
  }

  #load(value: Load, half: number): void {
    const offset = this.addresses.fixed(value.place);
    const key = offset === null ? null : recordKeyAt(value, offset);
    const global = key === null ? undefined : this.#globals.get(key);
    const local = key === null ? undefined : this.#hoisted.get(key);
    if (global !== undefined) this.#f.op("global.get", global);
    else if (local !== undefined) this.#f.get(local);
    else this.access.load(value.memory, value.place, value, half);
  }

  #constant(type: Type, number: number): void {
    const index = this.#pool.indexOf(type, number);
    const address = CONSTANTS_ADDRESS + index * VECTOR_BYTES;
    if (address < CONSTANTS_END) this.#f.i32(address).op("v128.load", 0);
    else this.#f.op("v128.const", ...vectorOf(type, number));
  }

  #splatInteger(): void {
    if (this.#size === 4) this.#f.op("i32x4.splat");
    else this.#f.op("i64.extend_i32_s").op("i64x2.splat");
  }

  /** The global index: the same for all lanes of a column, counting up over rows. In the pack pass
   * lanes are columns. */
  #index(value: Value & { kind: "index" }): void {
    const f = this.#f;
    const ofLanes = value.axis === "row" || this.#frame.columnIndex === this.#frame.rowIndex;
    f.get(value.axis === "row" ? this.#frame.rowIndex : this.#frame.columnIndex);
    if (value.axis === "column" && value.column > 0) f.i32(value.column).op("i32.add");
    this.#splatInteger();
    if (!ofLanes) return;
    const first = value.row * (this.#frame.rowStep ?? 1) * this.#lanes;
    f.op("v128.const", ...countingFrom(first, this.#lanes));
    f.op(this.#size === 4 ? "i32x4.add" : "i64x2.add");
  }
}
