// Loads and stores of one function: rows and columns, records, local arrays, inputs and outputs.

import { PairfoldError } from "../../error.ts";
import {
  bytesOf,
  type Counter,
  isFloat,
  type Kernel,
  type Memory,
  type Place,
  type ScatterPart,
  type Value,
} from "../../loop/mod.ts";
import type { WasmSchedule } from "../../tiling/mod.ts";
import type { Addressing } from "./addressing.ts";
import type { FunctionBody } from "./assembler.ts";
import type { Frame } from "./frame.ts";
import { type ColumnRecords, isLinear, registersOf, VECTOR_BYTES } from "./layout.ts";

/**
 * Emits loads and stores into one function; `push` leaves a value, or one half of it, on the stack.
 */
export class MemoryAccess {
  readonly #f: FunctionBody;
  readonly #kernel: Kernel;
  readonly #schedule: WasmSchedule;
  readonly #addresses: Addressing;
  readonly #frame: Frame;
  readonly #records: ColumnRecords;
  readonly #isBlocked: boolean;
  readonly #push: (value: Value, half?: number) => void;
  /** The loop being written, and how many of its turns stand side by side; null in a branch. */
  innermost: Counter | null = null;
  turns = 1;
  /** Columns of a turn, whose loads stand side by side; 1 where they do not. */
  sharedColumns = 1;
  /** Vectors of packed columns that such turns share, by counter and slot. */
  readonly #runs = new Map<string, number>();
  /** Bytes of a lane, lanes of a vector. */
  readonly #size: number;
  readonly #lanes: number;

  constructor(
    f: FunctionBody,
    kernel: Kernel,
    schedule: WasmSchedule,
    addresses: Addressing,
    frame: Frame,
    records: ColumnRecords,
    push: (value: Value, half?: number) => void,
  ) {
    this.#records = records;
    this.#isBlocked = !isLinear(records);
    this.#f = f;
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#addresses = addresses;
    this.#frame = frame;
    this.#push = push;
    this.#size = bytesOf(kernel.float, kernel.float);
    this.#lanes = VECTOR_BYTES / this.#size;
  }

  /** One number of the packed column in all lanes; in an unrolled loop, by vectors of them. */
  #loadColumn(place: Place): void {
    const f = this.#f;
    const [term, ...others] = place.terms;
    // written-out products have loads to spare, but shuffles may take a port that multiplies
    if (this.sharedColumns > 1 && this.#isBlocked) return this.#loadSome(place, this.sharedColumns);
    const isRun = this.turns === this.#lanes && term?.counter === this.innermost &&
      term?.step === 1 && others.length === 0 && !this.#isBlocked;
    if (!isRun) {
      const offset = this.#addresses.columnAddress(place);
      const how = this.#size === 4 ? "v128.load32_splat" : "v128.load64_splat";
      f.op(how, this.#addresses.added(offset));
      return;
    }
    const turn = this.#addresses.turnOf(term.counter);
    const key = `${term.counter.id}:${place.offset}`;
    let vector = this.#runs.get(key);
    if (vector === undefined) {
      this.#runs.set(key, vector = f.local("v128"));
    }
    if (turn === 0) {
      f.op("v128.load", this.#addresses.columnAddress(place)).set(vector);
    }
    this.#splat(vector, turn);
  }

  /** One number of a column; a vector that begins with it has those of some more. */
  #loadSome(place: Place, some: number): void {
    const f = this.#f;
    const { column, slot } = this.#addresses.columnOf(place);
    const lane = column % some;
    const counters = slot.terms.map(({ counter }) =>
      `${counter.id}+${this.#addresses.turnOf(counter)}`
    );
    const key = `columns:${slot.offset}:${counters}:${column - lane}`;
    let vector = this.#runs.get(key);
    if (vector === undefined) {
      if (lane > 0) throw new PairfoldError("internal", "a column is read before its neighbours");
      this.#runs.set(key, vector = f.local("v128"));
    }
    if (lane === 0) {
      const offset = this.#addresses.columnAddress(place);
      f.op("v128.load", this.#addresses.added(offset)).set(vector);
    }
    this.#splat(vector, lane);
  }

  /** One lane of a vector in all lanes. */
  #splat(vector: number, lane: number): void {
    const bytes = Array.from(
      { length: VECTOR_BYTES },
      (_, k) => lane * this.#size + k % this.#size,
    );
    this.#f.get(vector).get(vector).op("i8x16.shuffle", ...bytes);
  }

  /** A load or store of what a pair holds, where that stands. */
  #accessHeld(name: "v128.load" | "v128.store", offset: number): void {
    if (this.#frame.holdsInOwn) this.#f.ownMemory(name, offset);
    else this.#f.op(name, offset);
  }

  load(memory: Memory, place: Place, value: Value, half: number): void {
    const f = this.#f;
    if (memory.kind === "array") {
      const { start, stride } = this.#addresses.arrayPlace(memory.array, half);
      const offset = this.#addresses.address(this.#frame.scratch, place, stride);
      f.op("v128.load", start + offset);
      return;
    }
    if (memory.kind === "held") {
      this.#accessHeld("v128.load", this.#addresses.heldAddress(place, value.row));
      return;
    }
    if (memory.kind !== "record") {
      throw new PairfoldError("internal", `a kernel may not load from ${memory.kind} here`);
    }
    switch (memory.section) {
      case "uniform": {
        const offset = this.#addresses.address(this.#frame.uniforms, place, VECTOR_BYTES);
        f.op("v128.load", offset);
        return;
      }
      case "row": {
        const stride = this.#schedule.rowVectors * VECTOR_BYTES;
        const offset = this.#addresses.address(this.#frame.scratch, place, stride);
        f.op("v128.load", this.#addresses.added(offset + value.row * VECTOR_BYTES));
        return;
      }
      case "column":
        this.#loadColumn(place);
        return;
    }
    memory.section satisfies never;
  }

  /** Loads one element of an input for each lane's row (in the pack pass: column). */
  gather(value: Value & { kind: "load" }, slot: number, local: number): void {
    const f = this.#f;
    const { dim } = this.#kernel.inputs[slot];
    const isNarrow = !isFloat(value.type) && this.#size === 8; // int32 in float64 kernels
    const size = isNarrow ? 4 : this.#size;
    const row = value.row * (this.#frame.rowStep ?? 1);
    for (let lane = 0; lane < this.#lanes; lane++) {
      const start = (row * this.#lanes + lane) * dim * size;
      const address = (): number =>
        start + this.#addresses.address(this.#frame.inputs[slot], value.place, size);
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

  store(memory: Memory, place: Place, value: Value, row: number): void {
    const f = this.#f;
    if (memory.kind === "array") {
      for (let half = 0; half < registersOf(value.type, this.#kernel); half++) {
        const { start, stride } = this.#addresses.arrayPlace(memory.array, half);
        const offset = this.#addresses.address(this.#frame.scratch, place, stride);
        this.#push(value, half);
        f.op("v128.store", start + offset);
      }
      return;
    }
    if (memory.kind === "held") {
      const offset = this.#addresses.heldAddress(place, row);
      this.#push(value);
      this.#accessHeld("v128.store", offset);
      return;
    }
    if (memory.kind === "record" && memory.section === "row") {
      const stride = this.#schedule.rowVectors * VECTOR_BYTES;
      const offset = this.#addresses.address(this.#frame.scratch, place, stride);
      this.#push(value);
      f.op("v128.store", offset + row * VECTOR_BYTES);
      return;
    }
    if (memory.kind === "record" && memory.section === "column") {
      if (this.#isBlocked) { // lanes are columns side by side
        const offset = this.#addresses.columnAddress(place);
        this.#push(value);
        f.op("v128.store", offset);
        return;
      }
      const { step } = this.#records;
      this.#scatter(value, this.#frame.record, place, this.#size, step, 0);
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
  scatterLanes(index: Value, parts: readonly ScatterPart[]): void {
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
        const { start } = this.#addresses.arrayPlace(array, 0);
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
      const offset = first + lane * rowBytes + this.#addresses.address(base, place, size);
      this.#push(value);
      const lane32 = lane * (this.#size / 4); // the low half of a 64-bit lane
      if (size === 4) f.op("v128.store32_lane", offset, lane32);
      else f.op("v128.store64_lane", offset, lane);
    }
  }
}
