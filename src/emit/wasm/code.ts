// Spells regions of the loop IR as WebAssembly SIMD instructions: their statements, in order.

import { PairfoldError } from "../../error.ts";
import { bytesOf, type Cell, type Region, type Statement } from "../../loop/mod.ts";
import type { Addressing } from "./addressing.ts";
import { type Append, type AppendFrame, emitAppends } from "./append.ts";
import { VECTOR_BYTES } from "./layout.ts";
import { type LastReads, noteLastReads } from "./locals.ts";
import { containsLoop, type Loop, rowsReadBy, sizeOf } from "./regions.ts";
import { type Surroundings, Values } from "./values.ts";

/** Statements of a loop's body that its turns may add up to when they stand side by side. */
const UNROLLED = 160;
const MAX_UNROLL = 4;
/**
 * Statements that a loop may come to which is written out whole, to read globals at fixed places.
 */
const WRITTEN_OUT = 2600;

/** Emits regions into one function. */
export class CodeWriter {
  readonly #around: Surroundings;
  readonly #values: Values;
  /** What the regions that were written so far read for the last time. */
  readonly #lastReads = new Map<Region, LastReads>();
  /** Whether loops that read globals are written out whole. */
  writesOut = false;
  /** Bytes of a lane, lanes of a vector. */
  readonly #size: number;
  readonly #lanes: number;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#values = new Values(around);
    const { float } = around.kernel;
    this.#size = bytesOf(float, float);
    this.#lanes = VECTOR_BYTES / this.#size;
  }

  /** The local with the address of the thread's scratch. */
  get scratch(): number {
    return this.#around.frame.scratch;
  }

  /** The locals of a cell. */
  cell(cell: Cell): readonly number[] {
    return this.#values.cell(cell);
  }

  /**
   * Keeps a cell in memory of the thread's own, from an address on; returns the address behind. V8
   * would spill what waits for a whole turn to its frame, which stands at any multiple of 8 bytes:
   * where a vector crosses a page, as at one place of a hundred, a Laplacian takes 1.5 to 1.7
   * times as long (Intel Xeon, AVX-512, Deno 2.9.6, 2026-11-23).
   */
  keepAside(cell: Cell, address: number): number {
    return this.#values.keepAside(cell, address);
  }

  /** Columns of the turn being written, whose loads stand side by side. */
  set sharedColumns(columns: number) {
    this.#values.access.sharedColumns = Math.min(columns, this.#lanes);
  }

  /** The addresses of the function. */
  get addresses(): Addressing {
    return this.#values.addresses;
  }

  /** Loads what the inner loop reads of rows and parameters to where it is at hand. */
  hoist(inner: Region): void {
    this.#values.hoistIntoLocals(inner);
    if (!this.writesOut) return;
    const loops = inner.statements.filter((s): s is Loop => s.kind === "for");
    this.#values.hoistIntoGlobals(loops.filter((loop) => this.#isWrittenOut(loop)));
  }

  /**
   * Emits a region that reads no value of another one; `before` and `after` see its statements as
   * they are written.
   */
  region(
    root: Region,
    before?: (statement: Statement) => void,
    after?: (statement: Statement) => void,
  ): void {
    if (!this.#lastReads.has(root)) noteLastReads(root, this.#lastReads);
    this.#region(root, before, after);
  }

  /** Emits a region's statements; appends come last, behind one test. */
  #region(
    region: Region,
    before?: (statement: Statement) => void,
    after?: (statement: Statement) => void,
  ): void {
    const appends: Append[] = [];
    const lastReads = this.#lastReads.get(region);
    if (lastReads === undefined) {
      throw new PairfoldError("internal", "a region's last reads are unknown");
    }
    region.statements.forEach((s, k) => {
      before?.(s);
      if (s.kind === "append") appends.push(s);
      else this.#statement(s);
      after?.(s);
      this.#values.forget(lastReads[k]);
    });
    if (appends.length > 0) this.#append(appends);
    this.#values.forget(lastReads[region.statements.length]);
  }

  #statement(s: Statement): void {
    const { access } = this.#values;
    switch (s.kind) {
      case "let":
        this.#values.define(s.value);
        return;
      case "set":
        this.#values.set(s.cell, s.value);
        return;
      case "store":
        access.store(s.memory, s.place, s.value, s.row);
        return;
      case "scatter":
        access.scatterLanes(s.index, s.parts);
        return;
      case "append":
        throw new PairfoldError("internal", "appends are emitted with their region");
      case "for":
        this.#for(s);
        return;
      case "when":
        this.#when(s);
        return;
    }
    s satisfies never;
  }

  #when(s: Statement & { kind: "when" }): void {
    const { f } = this.#around;
    const { access } = this.#values;
    this.#values.push(s.mask);
    if (s.test === "any") f.op("v128.any_true");
    else this.#anyFails();
    // V8 allocates registers badly for loops in what is rarely entered
    if (containsLoop(s.body) || s.columns !== undefined) f.op("if");
    else f.ifRarely();
    const { innermost: loop, sharedColumns } = access;
    access.innermost = null; // what a branch loads is not there for the turns after it
    access.sharedColumns = 1;
    if (s.columns === undefined) this.#region(s.body);
    else this.#columns(s.body, s.columns);
    if (s.otherwise !== undefined) {
      f.op("else");
      this.#region(s.otherwise);
    }
    access.innermost = loop;
    access.sharedColumns = sharedColumns;
    f.op("end");
  }

  /**
   * A region for each of some columns. V8 would find straight code to compute what the turn has
   * computed before, and keep all of that in memory for it.
   */
  #columns(body: Region, count: number): void {
    const { f, frame: { record, columnIndex }, records } = this.#around;
    const [first, firstIndex, end] = [0, 0, 0].map(() => f.local("i32"));
    const bytes = records.step;
    f.get(record).set(first).get(columnIndex).set(firstIndex);
    f.get(record).i32(count * bytes).op("i32.add").set(end);
    f.op("loop");
    this.#region(body);
    f.get(columnIndex).i32(1).op("i32.add").set(columnIndex);
    f.get(record).i32(bytes).op("i32.add").op("local.tee", record).get(end);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    f.get(first).set(record).get(firstIndex).set(columnIndex);
  }

  /** From a mask on the stack: whether any lane fails. */
  #anyFails(): void {
    const { f } = this.#around;
    // three instructions on x86, where all_true takes seven
    f.op(this.#size === 4 ? "i32x4.bitmask" : "i64x2.bitmask");
    f.i32(2 ** this.#lanes - 1).op("i32.ne");
  }

  #append(appends: readonly Append[]): void {
    const { f, frame, scratch } = this.#around;
    const append: AppendFrame = {
      f,
      size: this.#size === 4 ? 4 : 8,
      scratch: frame.scratch,
      columnIndex: frame.columnIndex,
      push: (value) => this.#values.push(value),
      startOf: (array) => this.addresses.arrayPlace(array, 0).start,
      waiting: (vectors) => scratch.room(vectors),
    };
    emitAppends(append, appends);
  }

  /**
   * Whether a loop's turns are all written out, so that what it reads of rows stands in globals.
   */
  #isWrittenOut(s: Loop): boolean {
    return this.writesOut && this.#values.access.innermost === null && !containsLoop(s.body) &&
      s.count * sizeOf(s.body) <= WRITTEN_OUT && rowsReadBy(s).length > 0;
  }

  /** A loop, some turns of it at a time; what it addresses is pointed at, not computed anew. */
  #for(s: Loop): void {
    const { f } = this.#around;
    const { addresses, access } = this.#values;
    const { counter, count } = s;
    if (this.#isWrittenOut(s)) {
      const { turns } = access; // of a loop that this one's branch is in
      addresses.fix(counter);
      access.innermost = counter;
      access.turns = 1;
      for (let k = 0; k < count; k++) {
        addresses.setTurn(counter, k);
        this.#region(s.body);
      }
      access.innermost = null;
      access.turns = turns;
      addresses.leave(counter);
      return;
    }
    const local = f.local("i32");
    const turns = Math.min(count, MAX_UNROLL, Math.max(1, Math.floor(UNROLLED / sizeOf(s.body))));
    const steps = addresses.point(s.body, counter);
    addresses.enter(counter, local);
    const turn = (unrolled: number): void => {
      addresses.setTurn(counter, unrolled);
      this.#region(s.body);
    };
    const whole = count - count % turns;
    const [around, turnsAround] = [access.innermost, access.turns];
    access.innermost = counter;
    access.turns = turns;
    f.i32(0).set(local).op("loop");
    for (let k = 0; k < turns; k++) turn(k);
    access.turns = 1;
    for (const { pointer, step } of steps.values()) {
      f.get(pointer).i32(step * turns).op("i32.add").set(pointer);
    }
    f.get(local).i32(turns).op("i32.add").op("local.tee", local).i32(whole);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    for (let k = 0; k < count - whole; k++) turn(k);
    access.innermost = around;
    access.turns = turnsAround;
    addresses.leave(counter);
    addresses.unpoint(steps);
  }
}
