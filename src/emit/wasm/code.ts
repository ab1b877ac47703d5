// Spells regions of the loop IR as WebAssembly SIMD instructions.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Cell,
  type Counter,
  isFloat,
  type Kernel,
  type LocalArray,
  type Memory,
  type Place,
  type Region,
  type ScatterPart,
  type Statement,
  type Type,
  type Value,
  visit,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import { type Append, type AppendFrame, emitAppends } from "./append.ts";
import type { FunctionBody } from "./assembler.ts";
import {
  CONSTANTS_ADDRESS,
  CONSTANTS_END,
  registersOf,
  type Scratch,
  VECTOR_BYTES,
} from "./layout.ts";
import { Spelling, type WasmFeatures } from "./spelling.ts";

/** Vector constants that functions load from memory, each once. */
export class ConstantPool {
  readonly #indices = new Map<string, number>();
  readonly entries: { readonly type: Type; readonly value: number }[] = [];

  indexOf(type: Type, value: number): number {
    const key = `${type}:${Object.is(value, -0) ? "-0" : value}`;
    let index = this.#indices.get(key);
    if (index === undefined) {
      index = this.entries.length;
      this.#indices.set(key, index);
      this.entries.push({ type, value });
    }
    return index;
  }
}

/** A vector constant's bytes. */
export function vectorOf(type: Type, value: number): Uint8Array {
  switch (type) {
    case "f32":
      return new Uint8Array(new Float32Array(4).fill(value).buffer);
    case "f64":
      return new Uint8Array(new Float64Array(2).fill(value).buffer);
    case "i32":
      return new Uint8Array(new Int32Array(4).fill(value).buffer);
    case "i64":
      return new Uint8Array(new BigInt64Array(2).fill(BigInt(value)).buffer);
    case "mask":
      return new Uint8Array(VECTOR_BYTES).fill(value === 0 ? 0 : 255);
  }
}

/** The locals that regions of one function work with. */
export interface Frame {
  /** Base addresses. */
  readonly uniforms: number;
  readonly scratch: number;
  /** The packed record at hand (pair), or where to pack to (column). */
  readonly record: number;
  /** What the pairs of a block hold for deferred updates: the address of the pair at hand. */
  readonly held?: number;
  /** Per input and output: address of the first row (or column) at hand. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Global index of the first row at hand, of the column at hand, and number of columns. */
  readonly rowIndex: number;
  readonly columnIndex: number;
  readonly count: number;
}

/** A local with an address that a loop moves. */
export interface Pointer {
  readonly pointer: number;
  /** Bytes from one turn to the next. */
  readonly step: number;
  /** The local with the address that it started from. */
  readonly base: number;
}

/** Names a fixed place of a row's or the uniform record; null for other values. */
function recordKey(value: Value): string | null {
  if (value.kind !== "load" || value.memory.kind !== "record") return null;
  const { section } = value.memory;
  if (section === "column" || value.place.terms.length > 0) return null;
  return `${section}:${value.place.offset}:${section === "row" ? value.row : 0}`;
}

/** Names an address without its fixed offset. */
function pointerKey(base: number, { terms }: Place, stride: number): string {
  return `${base}:${terms.map((t) => `${t.counter.id}*${t.step * stride}`).sort()}`;
}

/** Statements of a loop's body that its turns may add up to when they stand side by side. */
const UNROLLED = 128;
const MAX_UNROLL = 4;

/** How many statements a region holds. */
function sizeOf(body: Region): number {
  let size = 0;
  visit(body, () => size++);
  return Math.max(1, size);
}

function containsLoop(body: Region): boolean {
  let contains = false;
  visit(body, (s) => {
    if (s.kind === "for") contains = true;
  });
  return contains;
}

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
  readonly #counters = new Map<Counter, number>();
  /** Turns of a loop that stand side by side: which of them is being written. */
  readonly #unrolled = new Map<Counter, number>();
  /** The loop being written, and how many of its turns stand side by side; null in a branch. */
  #innermost: Counter | null = null;
  #turns = 1;
  /** Vectors of packed columns that such turns share, by counter and slot. */
  readonly #runs = new Map<string, number>();
  /** Locals that hold the addresses which loops move. */
  readonly #pointers = new Map<string, number>();
  /** Row and uniform values that were loaded into locals before the inner loop. */
  readonly #hoisted = new Map<string, readonly number[]>();
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
  ) {
    this.#f = f;
    this.#kernel = kernel;
    this.#spelling = new Spelling(f, kernel.float, features, (x, half) => this.#push(x, half));
    this.#schedule = schedule;
    this.#pool = pool;
    this.#scratch = scratch;
    this.#frame = frame;
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

  #newLocals(type: Type): readonly number[] {
    const count = registersOf(type, this.#kernel);
    return Array.from({ length: count }, () => this.#f.local("v128"));
  }

  /** One number of the packed column in all lanes; in an unrolled loop, by vectors of them. */
  #loadColumn(place: Place): void {
    const f = this.#f;
    const { record } = this.#frame;
    const [term, ...others] = place.terms;
    const turn = this.#unrolled.get(term?.counter);
    const isRun = this.#turns === this.#lanes && term?.counter === this.#innermost &&
      term?.step === 1 && others.length === 0;
    if (!isRun || turn === undefined) {
      const offset = this.#address(record, place, this.#size);
      const how = this.#size === 4 ? "v128.load32_splat" : "v128.load64_splat";
      f.op(how, this.#added(offset));
      return;
    }
    const key = `${term.counter.id}:${place.offset}`;
    let vector = this.#runs.get(key);
    if (vector === undefined) {
      this.#runs.set(key, vector = f.local("v128"));
    }
    if (turn === 0) {
      f.op("v128.load", this.#address(record, place, this.#size)).set(vector);
    }
    const bytes = Array.from(
      { length: VECTOR_BYTES },
      (_, k) => turn * this.#size + k % this.#size,
    );
    f.get(vector).get(vector).op("i8x16.shuffle", ...bytes);
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
        const locals = this.cell(s.cell);
        locals.forEach((local, half) => {
          this.#push(s.value, half);
          f.set(local);
        });
        return;
      }
      case "store":
        this.#store(s.memory, s.place, s.value, s.row);
        return;
      case "scatter":
        this.#scatterLanes(s.index, s.parts);
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
        if (containsLoop(s.body)) f.op("if");
        else f.ifRarely();
        const loop = this.#innermost;
        this.#innermost = null; // what a branch loads is not there for the turns after it
        this.region(s.body);
        if (s.otherwise !== undefined) {
          f.op("else");
          this.region(s.otherwise);
        }
        this.#innermost = loop;
        f.op("end");
        return;
      }
    }
    s satisfies never;
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
      startOf: (array) => this.#arrayPlace(array, 0).start,
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

  /** Loads what the inner loop reads of rows and parameters into locals, where so scheduled. */
  hoist(inner: Region): void {
    if (this.#schedule.operands !== "locals") return;
    visit(inner, (s) => {
      const key = s.kind === "let" ? recordKey(s.value) : null;
      if (s.kind !== "let" || key === null || this.#hoisted.has(key)) return;
      const locals = this.#newLocals(s.value.type);
      this.#compute(s.value, 0);
      this.#f.set(locals[0]);
      this.#hoisted.set(key, locals);
    });
  }

  #define(value: Value): void {
    if (this.#reloads(value)) return;
    const hoisted = this.#hoisted.get(recordKey(value) ?? "");
    if (hoisted !== undefined) {
      this.#values.set(value, hoisted);
      return;
    }
    const locals = this.#newLocals(value.type);
    if (value.kind === "load" && value.memory.kind === "input") {
      this.#gather(value, value.memory.slot, locals[0]);
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
        f.get(this.#counter(value.counter));
        f.i32(this.#unrolled.get(value.counter) ?? 0).op("i32.add");
        this.#splatInteger();
        return;
      case "get":
        f.get(this.cell(value.cell)[half]);
        return;
      case "load":
        this.#load(value.memory, value.place, value, half);
        return;
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
    const bytes = new Uint8Array(VECTOR_BYTES);
    const view = new DataView(bytes.buffer);
    for (let lane = 0; lane < this.#lanes; lane++) {
      view.setInt32(lane * this.#size, value.row * this.#lanes + lane, true);
    }
    f.op("v128.const", ...bytes).op(this.#size === 4 ? "i32x4.add" : "i64x2.add");
  }

  #counter(counter: Counter): number {
    const local = this.#counters.get(counter);
    if (local === undefined) throw new PairfoldError("internal", "a counter has no local");
    return local;
  }

  /** A loop, some turns of it at a time; what it addresses is pointed at, not computed anew. */
  #for(s: Statement & { kind: "for" }): void {
    const f = this.#f;
    const { counter, count } = s;
    const local = f.local("i32");
    const turns = Math.min(count, MAX_UNROLL, Math.max(1, Math.floor(UNROLLED / sizeOf(s.body))));
    const steps = this.point(s.body, counter);
    this.#counters.set(counter, local);
    const turn = (unrolled: number): void => {
      this.#unrolled.set(counter, unrolled);
      this.region(s.body);
    };
    const whole = count - count % turns;
    const [around, turnsAround] = [this.#innermost, this.#turns];
    this.#innermost = counter;
    this.#turns = turns;
    f.i32(0).set(local).op("loop");
    for (let k = 0; k < turns; k++) turn(k);
    this.#turns = 1;
    for (const { pointer, step } of steps.values()) {
      f.get(pointer).i32(step * turns).op("i32.add").set(pointer);
    }
    f.get(local).i32(turns).op("i32.add").op("local.tee", local).i32(whole);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    for (let k = 0; k < count - whole; k++) turn(k);
    this.#innermost = around;
    this.#turns = turnsAround;
    this.#counters.delete(counter);
    this.#unrolled.delete(counter);
    this.unpoint(steps);
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
      if (!others.every((t) => this.#counters.has(t.counter))) return;
      const type = "type" in access ? access.type : access.value.type;
      const { base, stride } = this.#location(memory, type);
      const key = pointerKey(base, place, stride);
      if (this.#pointers.has(key)) return;
      this.#address(base, { offset: 0, terms: others }, stride); // each use adds unrolled turns
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
            return { base: record, stride: this.#size };
        }
    }
  }

  /**
   * Adds an offset to the address on the stack, and leaves none to the instruction: V8 keeps base plus
   * offset in a register for each offset, and the inner loop has few.
   */
  #added(offset: number): number {
    if (offset > 0) this.#f.i32(offset).op("i32.add");
    return 0;
  }

  /** Leaves an address on the stack: a base local plus the counters' shares; returns the offset. */
  #address(base: number, place: Place, stride: number): number {
    const f = this.#f;
    let offset = place.offset * stride;
    for (const { counter, step } of place.terms) {
      offset += step * stride * (this.#unrolled.get(counter) ?? 0);
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
      f.get(this.#counter(counter)).i32(step * stride).op("i32.mul").op("i32.add");
    }
    return countsDown ? 0 : offset;
  }

  #arrayPlace(array: LocalArray, half: number): { start: number; stride: number } {
    const start = this.#scratch.offsetOf(array) + half * VECTOR_BYTES;
    return { start, stride: registersOf(array.type, this.#kernel) * VECTOR_BYTES };
  }

  #load(memory: Memory, place: Place, value: Value, half: number): void {
    const f = this.#f;
    if (memory.kind === "array") {
      const { start, stride } = this.#arrayPlace(memory.array, half);
      const offset = this.#address(this.#frame.scratch, place, stride);
      f.op("v128.load", start + offset);
      return;
    }
    if (memory.kind === "held") {
      const stride = this.#schedule.rowVectors * VECTOR_BYTES;
      const offset = this.#address(this.#held(), place, stride);
      f.op("v128.load", offset + value.row * VECTOR_BYTES);
      return;
    }
    if (memory.kind !== "record") {
      throw new PairfoldError("internal", `a kernel may not load from ${memory.kind} here`);
    }
    switch (memory.section) {
      case "uniform": {
        const offset = this.#address(this.#frame.uniforms, place, VECTOR_BYTES);
        f.op("v128.load", offset);
        return;
      }
      case "row": {
        const stride = this.#schedule.rowVectors * VECTOR_BYTES;
        const offset = this.#address(this.#frame.scratch, place, stride);
        f.op("v128.load", this.#added(offset + value.row * VECTOR_BYTES));
        return;
      }
      case "column":
        this.#loadColumn(place);
        return;
    }
    memory.section satisfies never;
  }

  /** Loads one element of an input for each lane's row (in the pack pass: column). */
  #gather(value: Value & { kind: "load" }, slot: number, local: number): void {
    const f = this.#f;
    const { dim } = this.#kernel.inputs[slot];
    const isNarrow = !isFloat(value.type) && this.#size === 8; // int32 in float64 kernels
    const size = isNarrow ? 4 : this.#size;
    for (let lane = 0; lane < this.#lanes; lane++) {
      const start = (value.row * this.#lanes + lane) * dim * size;
      const address = (): number =>
        start + this.#address(this.#frame.inputs[slot], value.place, size);
      if (isNarrow) {
        if (lane > 0) f.get(local);
        f.op("i64.load32_s", address());
        if (lane === 0) f.op("i64x2.splat");
        else f.op("i64x2.replace_lane", lane);
      } else if (lane === 0) {
        f.op(size === 4 ? "v128.load32_splat" : "v128.load64_splat", address());
      } else {
        const offset = address();
        f.get(local).op(size === 4 ? "v128.load32_lane" : "v128.load64_lane", offset, lane);
      }
      f.set(local);
    }
  }

  #store(memory: Memory, place: Place, value: Value, row: number): void {
    const f = this.#f;
    if (memory.kind === "array") {
      for (let half = 0; half < registersOf(value.type, this.#kernel); half++) {
        const { start, stride } = this.#arrayPlace(memory.array, half);
        const offset = this.#address(this.#frame.scratch, place, stride);
        this.#push(value, half);
        f.op("v128.store", start + offset);
      }
      return;
    }
    if (memory.kind === "held" || (memory.kind === "record" && memory.section === "row")) {
      const stride = this.#schedule.rowVectors * VECTOR_BYTES;
      const base = memory.kind === "held" ? this.#held() : this.#frame.scratch;
      const offset = this.#address(base, place, stride);
      this.#push(value);
      f.op("v128.store", offset + row * VECTOR_BYTES);
      return;
    }
    if (memory.kind === "record" && memory.section === "column") {
      const recordBytes = this.#kernel.records.column.length * this.#size;
      this.#scatter(value, this.#frame.record, place, this.#size, recordBytes, 0);
      return;
    }
    if (memory.kind === "output") {
      const { dim, number } = this.#kernel.outputs[memory.slot];
      const size = number === "index" ? 4 : this.#size;
      const first = row * this.#lanes * dim * size;
      this.#scatter(value, this.#frame.outputs[memory.slot], place, size, dim * size, first);
      return;
    }
    throw new PairfoldError("internal", `a kernel may not store to ${memory.kind} here`);
  }

  /** Stores each lane to its own place of arrays. */
  #scatterLanes(index: Value, parts: readonly ScatterPart[]): void {
    const f = this.#f;
    const bytes = f.local("v128");
    const shift = Math.log2(VECTOR_BYTES);
    this.#push(index);
    f.i32(shift).op(this.#size === 4 ? "i32x4.shl" : "i64x2.shl").set(bytes);
    const address = f.local("i32");
    for (let lane = 0; lane < this.#lanes; lane++) {
      const lane32 = lane * (this.#size / 4); // the low half of a 64-bit lane
      f.get(bytes).op("i32x4.extract_lane", lane32).get(this.#frame.scratch).op("i32.add");
      f.set(address);
      for (const { array, value } of parts) {
        if (registersOf(array.type, this.#kernel) > 1) {
          throw new PairfoldError("internal", "scatter of wide values");
        }
        const { start } = this.#arrayPlace(array, 0);
        f.get(address);
        this.#push(value);
        f.op(this.#size === 4 ? "v128.store32_lane" : "v128.store64_lane", ...[
          start + lane * this.#size,
          lane,
        ]);
      }
    }
  }

  /** Stores each lane to its own row: `first + lane · rowBytes`. */
  #scatter(
    value: Value,
    base: number,
    place: Place,
    size: number,
    rowBytes: number,
    first: number,
  ): void {
    const f = this.#f;
    for (let lane = 0; lane < this.#lanes; lane++) {
      const offset = first + lane * rowBytes + this.#address(base, place, size);
      this.#push(value);
      const lane32 = lane * (this.#size / 4); // the low half of a 64-bit lane
      if (size === 4) f.op("v128.store32_lane", offset, lane32);
      else f.op("v128.store64_lane", offset, lane);
    }
  }
}
