// Spells regions of the loop IR as WebAssembly SIMD instructions.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Cell,
  type Kernel,
  type Region,
  type Statement,
  type Type,
  type Value,
  visit,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import { MemoryAccess } from "./access.ts";
import { Addressing } from "./addressing.ts";
import { type Append, type AppendFrame, emitAppends } from "./append.ts";
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
import { containsLoop, type Load, recordKey, recordKeyAt, rowsReadBy, sizeOf } from "./regions.ts";
import { Spelling, type WasmFeatures } from "./spelling.ts";

/** Statements of a loop's body that its turns may add up to when they stand side by side. */
const UNROLLED = 160;
const MAX_UNROLL = 4;
/**
 * Statements that a loop may come to which is written out whole, to read globals at fixed places.
 */
const WRITTEN_OUT = 2600;

/** Emits regions into one function. */
export class CodeWriter {
  readonly #f: FunctionBody;
  readonly #kernel: Kernel;
  readonly #spelling: Spelling;
  readonly #schedule: WasmSchedule;
  readonly #pool: ConstantPool;
  readonly #scratch: Scratch;
  readonly #frame: Frame;
  readonly #values = new Map<Value, readonly number[]>();
  readonly #cells = new Map<Cell, readonly number[]>();
  readonly #addresses: Addressing;
  readonly #access: MemoryAccess;
  /** Row and uniform values that were loaded into locals before the inner loop. */
  readonly #hoisted = new Map<string, readonly number[]>();
  readonly #records: ColumnRecords;
  readonly #newGlobal: () => number;
  /** The same in memory that only this instance has, and that no address leads to: globals. */
  readonly #globals = new Map<string, number>();
  /** Cells that wait in memory of the thread's own, at these addresses. */
  readonly #aside = new Map<Cell, number>();
  /** Whether loops that read globals are written out whole. */
  writesOut = false;
  /** Bytes of a lane, lanes of a vector. */
  readonly #size: number;
  readonly #lanes: number;

  constructor(
    f: FunctionBody,
    kernel: Kernel,
    features: WasmFeatures,
    schedule: WasmSchedule,
    pool: ConstantPool,
    scratch: Scratch,
    frame: Frame,
    records: ColumnRecords,
    newGlobal: () => number,
  ) {
    this.#records = records;
    this.#f = f;
    this.#newGlobal = newGlobal;
    this.#kernel = kernel;
    this.#spelling = new Spelling(f, kernel.float, features, (x, half) => this.#push(x, half));
    this.#schedule = schedule;
    this.#pool = pool;
    this.#scratch = scratch;
    this.#frame = frame;
    this.#addresses = new Addressing(f, kernel, schedule, scratch, frame, records);
    const push = (value: Value, half?: number): void => this.#push(value, half);
    this.#access = new MemoryAccess(f, kernel, schedule, this.#addresses, frame, records, push);
    this.#size = bytesOf(kernel.float, kernel.float);
    this.#lanes = VECTOR_BYTES / this.#size;
  }

  /** The local with the address of the thread's scratch. */
  get scratch(): number {
    return this.#frame.scratch;
  }

  /** The locals of a cell. */
  cell(cell: Cell): readonly number[] {
    let locals = this.#cells.get(cell);
    if (locals === undefined) {
      locals = this.#newLocals(cell.type);
      this.#cells.set(cell, locals);
    }
    return locals;
  }

  /**
   * Keeps a cell in memory of the thread's own, from an address on; returns the address behind. V8
   * would spill what waits for a whole turn to its frame, which stands at any multiple of 8 bytes:
   * where a vector crosses a page, as at one place of a hundred, a Laplacian takes 1.5 to 1.7
   * times as long (Sapphire Rapids, Deno 2.9.6, 2026-11-23).
   */
  keepAside(cell: Cell, address: number): number {
    this.#aside.set(cell, address);
    return address + registersOf(cell.type, this.#kernel) * VECTOR_BYTES;
  }

  #newLocals(type: Type): readonly number[] {
    const count = registersOf(type, this.#kernel);
    return Array.from({ length: count }, () => this.#f.local("v128"));
  }

  /** Columns of the turn being written, whose loads stand side by side. */
  set sharedColumns(columns: number) {
    this.#access.sharedColumns = Math.min(columns, this.#lanes);
  }

  /** The addresses of the function. */
  get addresses(): Addressing {
    return this.#addresses;
  }

  /** Emits a region's statements; appends come last, behind one test. */
  region(region: Region): void {
    const appends: Append[] = [];
    for (const s of region.statements) {
      if (s.kind === "append") appends.push(s);
      else this.#statement(s);
    }
    if (appends.length > 0) this.#append(appends);
  }

  #statement(s: Statement): void {
    const f = this.#f;
    switch (s.kind) {
      case "let":
        this.#define(s.value);
        return;
      case "set": {
        const aside = this.#aside.get(s.cell);
        if (aside !== undefined) {
          for (let half = 0; half < registersOf(s.cell.type, this.#kernel); half++) {
            f.i32(0);
            this.#push(s.value, half);
            f.ownMemory("v128.store", aside + half * VECTOR_BYTES);
          }
          return;
        }
        const locals = this.cell(s.cell);
        locals.forEach((local, half) => {
          this.#push(s.value, half);
          f.set(local);
        });
        return;
      }
      case "store":
        this.#access.store(s.memory, s.place, s.value, s.row);
        return;
      case "scatter":
        this.#access.scatterLanes(s.index, s.parts);
        return;
      case "append":
        throw new PairfoldError("internal", "appends are emitted with their region");
      case "for": {
        this.#for(s);
        return;
      }
      case "when": {
        this.#push(s.mask);
        if (s.test === "any") f.op("v128.any_true");
        else this.#anyFails();
        // V8 allocates registers badly for loops in what is rarely entered
        if (containsLoop(s.body) || s.columns !== undefined) f.op("if");
        else f.ifRarely();
        const { innermost: loop, sharedColumns } = this.#access;
        this.#access.innermost = null; // what a branch loads is not there for the turns after it
        this.#access.sharedColumns = 1;
        if (s.columns === undefined) this.region(s.body);
        else this.#columns(s.body, s.columns);
        if (s.otherwise !== undefined) {
          f.op("else");
          this.region(s.otherwise);
        }
        this.#access.innermost = loop;
        this.#access.sharedColumns = sharedColumns;
        f.op("end");
        return;
      }
    }
    s satisfies never;
  }

  /**
   * A region for each of some columns. V8 would find straight code to compute what the turn has
   * computed before, and keep all of that in memory for it.
   */
  #columns(body: Region, count: number): void {
    const f = this.#f;
    const { record, columnIndex } = this.#frame;
    const [first, firstIndex, end] = [0, 0, 0].map(() => f.local("i32"));
    const bytes = this.#records.step;
    f.get(record).set(first).get(columnIndex).set(firstIndex);
    f.get(record).i32(count * bytes).op("i32.add").set(end);
    f.op("loop");
    this.region(body);
    f.get(columnIndex).i32(1).op("i32.add").set(columnIndex);
    f.get(record).i32(bytes).op("i32.add").op("local.tee", record).get(end);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    f.get(first).set(record).get(firstIndex).set(columnIndex);
  }

  /** From a mask on the stack: whether any lane fails. */
  #anyFails(): void {
    // three instructions on x86, where all_true takes seven
    this.#f.op(this.#size === 4 ? "i32x4.bitmask" : "i64x2.bitmask");
    this.#f.i32(2 ** this.#lanes - 1).op("i32.ne");
  }

  #append(appends: readonly Append[]): void {
    const frame: AppendFrame = {
      f: this.#f,
      size: this.#size === 4 ? 4 : 8,
      scratch: this.#frame.scratch,
      columnIndex: this.#frame.columnIndex,
      push: (value) => this.#push(value),
      startOf: (array) => this.#addresses.arrayPlace(array, 0).start,
      waiting: (vectors) => this.#scratch.room(vectors),
    };
    emitAppends(frame, appends);
  }

  /** Whether each use loads the value again, instead of keeping it in a local. */
  #reloads(value: Value): boolean {
    if (value.kind === "constant") return true;
    // two instructions, which should not hold a register until a rare branch needs them
    if (value.kind === "index") return this.#frame.columnIndex !== this.#frame.rowIndex;
    if (this.#schedule.operands === "locals") return false;
    return recordKey(value) !== null;
  }

  /** Loads what the inner loop reads of rows and parameters to where it is at hand. */
  hoist(inner: Region): void {
    if (this.#schedule.operands === "locals") this.#hoistIntoLocals(inner);
    if (this.writesOut) this.#hoistIntoGlobals(inner);
  }

  #hoistIntoLocals(inner: Region): void {
    visit(inner, (s) => {
      const key = s.kind === "let" ? recordKey(s.value) : null;
      if (s.kind !== "let" || key === null || this.#hoisted.has(key)) return;
      const locals = this.#newLocals(s.value.type);
      this.#compute(s.value, 0);
      this.#f.set(locals[0]);
      this.#hoisted.set(key, locals);
    });
  }

  /**
   * V8 checks the address of every load; globals have none, so that a use takes one instruction,
   * not three. Loops must be written out for it. Gaussian of 64 components 1.06 times as fast;
   * where few numbers are read, as in three dimensions, it gains nothing (Zen 4, Deno 2.9.6,
   * 2026-11-23).
   */
  #hoistIntoGlobals(inner: Region): void {
    const into = (value: Load, offset: number): void => {
      const key = recordKeyAt(value, offset);
      if (key === null || this.#globals.has(key)) return;
      this.#access.load(value.memory, { offset, terms: [] }, value, 0);
      const global = this.#newGlobal();
      this.#f.op("global.set", global);
      this.#globals.set(key, global);
    };
    for (const s of inner.statements) {
      if (s.kind !== "for" || !this.#isWrittenOut(s)) continue;
      for (const value of rowsReadBy(s)) {
        const { offset, terms: [{ step }] } = value.place;
        for (let turn = 0; turn < s.count; turn++) into(value, offset + turn * step);
      }
    }
  }

  /**
   * Whether a loop's turns are all written out, so that what it reads of rows stands in globals.
   */
  #isWrittenOut(s: Statement & { kind: "for" }): boolean {
    return this.writesOut && this.#access.innermost === null && !containsLoop(s.body) &&
      s.count * sizeOf(s.body) <= WRITTEN_OUT && rowsReadBy(s).length > 0;
  }

  #define(value: Value): void {
    if (this.#reloads(value)) return;
    const hoisted = this.#hoisted.get(recordKey(value) ?? "");
    if (hoisted !== undefined) {
      this.#values.set(value, hoisted);
      return;
    }
    // regions that are written several times use the same locals
    const locals = this.#values.get(value) ?? this.#newLocals(value.type);
    if (value.kind === "load" && value.memory.kind === "input") {
      this.#access.gather(value, value.memory.slot, locals[0]);
    } else {
      locals.forEach((local, half) => {
        this.#compute(value, half);
        this.#f.set(local);
      });
    }
    this.#values.set(value, locals);
  }

  /** Leaves a value (or one half of a wide one) on the stack. */
  #push(value: Value, half = 0): void {
    const locals = this.#values.get(value);
    if (locals !== undefined) this.#f.get(locals[half]);
    else this.#compute(value, half);
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
        f.i32(this.#addresses.turnOf(value.counter));
        if (!this.#addresses.isFixed(value.counter)) {
          f.get(this.#addresses.counter(value.counter)).op("i32.add");
        }
        this.#splatInteger();
        return;
      case "get": {
        const aside = this.#aside.get(value.cell);
        if (aside !== undefined) f.i32(0).ownMemory("v128.load", aside + half * VECTOR_BYTES);
        else f.get(this.cell(value.cell)[half]);
        return;
      }
      case "load": {
        const offset = this.#addresses.fixed(value.place);
        const key = offset === null ? null : recordKeyAt(value, offset);
        const global = key === null ? undefined : this.#globals.get(key);
        if (global !== undefined) f.op("global.get", global);
        else this.#access.load(value.memory, value.place, value, half);
        return;
      }
      case "operation":
        this.#spelling.operation(value, half);
        return;
    }
    value satisfies never;
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

  /** A loop, some turns of it at a time; what it addresses is pointed at, not computed anew. */
  #for(s: Statement & { kind: "for" }): void {
    const f = this.#f;
    const { counter, count } = s;
    if (this.#isWrittenOut(s)) {
      this.#addresses.fix(counter);
      this.#access.innermost = counter;
      for (let k = 0; k < count; k++) {
        this.#addresses.setTurn(counter, k);
        this.region(s.body);
      }
      this.#access.innermost = null;
      this.#addresses.leave(counter);
      return;
    }
    const local = f.local("i32");
    const turns = Math.min(count, MAX_UNROLL, Math.max(1, Math.floor(UNROLLED / sizeOf(s.body))));
    const steps = this.#addresses.point(s.body, counter);
    this.#addresses.enter(counter, local);
    const turn = (unrolled: number): void => {
      this.#addresses.setTurn(counter, unrolled);
      this.region(s.body);
    };
    const whole = count - count % turns;
    const [around, turnsAround] = [this.#access.innermost, this.#access.turns];
    this.#access.innermost = counter;
    this.#access.turns = turns;
    f.i32(0).set(local).op("loop");
    for (let k = 0; k < turns; k++) turn(k);
    this.#access.turns = 1;
    for (const { pointer, step } of steps.values()) {
      f.get(pointer).i32(step * turns).op("i32.add").set(pointer);
    }
    f.get(local).i32(turns).op("i32.add").op("local.tee", local).i32(whole);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    for (let k = 0; k < count - whole; k++) turn(k);
    this.#access.innermost = around;
    this.#access.turns = turnsAround;
    this.#addresses.leave(counter);
    this.#addresses.unpoint(steps);
  }
}
