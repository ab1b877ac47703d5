// Emits folds of points with themselves: a strip of rows meets later columns once, for both. What
// rows add to a column is kept in vectors of lanes beside it and spread over the column's own state
// after so many rows that few terms were added up plainly.
//
// Enters: a module whose kernel has a mirror. Leaves: `mirrored`, the tile of one group of rows,
// whose vectors are so far apart that they add to one of a column's vectors, which is then loaded
// and stored once for all of them; `spread`, which adds a group of columns' lanes to their state;
// `strip`, which walks the rows and columns of an item. Each lane gets its terms in the order of
// the rows, so that all schedules, and native code, add up alike.

import {
  type Cell,
  type Mirror,
  pipeline,
  type Region,
  type Statement,
  visit,
} from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import type { CodeWriter } from "./code.ts";
import type { ModuleContext } from "./context.ts";
import {
  ABORT_ADDRESS,
  FLAGS,
  MIRROR_PHASES,
  MIRROR_STATES,
  type MirrorWalk,
  PARAMETERS,
  VECTOR_BYTES,
} from "./layout.ts";

/** Emits the functions of one module. */
class MirrorEmitter {
  readonly #module: ModuleContext;
  readonly #mirror: Mirror;
  readonly #walk: MirrorWalk;

  constructor(module: ModuleContext, mirror: Mirror, walk: MirrorWalk) {
    this.#module = module;
    this.#mirror = mirror;
    this.#walk = walk;
  }

  /** Folds columns into one group of rows, and the rows into the columns' sums. */
  tile(): FunctionBody {
    const module = this.#module;
    const { kernel, rows } = module;
    const f = module.function("mirrored", PARAMETERS.mirrored);
    const [record, count, index, state, flags, sums, scratch] = [2, 3, 4, 5, 6, 7, 8];
    const { records: { step: recordBytes } } = module.sizes;
    const frame = { record, columnIndex: index, scratch, rowStep: MIRROR_PHASES };
    const w = module.writer(f, module.rowFrame(f, frame));
    w.region(rows.row);
    f.get(flags).i32(FLAGS.resume).op("i32.and").op("if");
    module.moveState("load", f, w, kernel.state, state, MIRROR_PHASES);
    f.op("else");
    w.region(rows.init);
    f.op("end");
    const single = rows.mirrored(this.#mirror.pair, 1);
    w.hoist(single);
    const last = f.local("i32");
    f.get(record).get(count).i32(recordBytes).op("i32.mul").op("i32.add").set(last);
    const end = f.local("i32");
    f.op("block").get(record).get(last).op("i32.ge_u").op("br_if", 0).op("loop");
    f.get(record).i32(kernel.block * recordBytes).op("i32.add").op("local.tee", end);
    f.get(last).get(end).get(last).op("i32.lt_u").op("select").set(end);
    this.#block(f, w, single, { record, index, sums }, end);
    if (rows.close !== null) w.region(rows.close);
    f.get(record).get(last).op("i32.lt_u").op("br_if", 0).op("end").op("end");
    module.moveState("save", f, w, kernel.state, state, MIRROR_PHASES);
    return f;
  }

  /** The inner loop: turns of several columns while there are enough, single columns after. */
  #block(f: FunctionBody, w: CodeWriter, single: Region, place: Columns, end: number): void {
    const { schedule: { columns }, sizes: { records: { step: recordBytes }, lanes }, rows } =
      this.#module;
    const { record } = place;
    const unless = (limit: number, body: () => void): void => {
      f.op("block").get(record).get(limit).op("i32.lt_u").op("i32.eqz").op("br_if", 0);
      body();
      f.op("end");
    };
    const some = (turn: Region, limit: number, step: number): void => {
      f.op("loop");
      this.#turn(f, w, turn, place.sums, step);
      if (readsColumnIndex(turn)) f.get(place.index).i32(step).op("i32.add").set(place.index);
      f.get(place.sums).i32(step * this.#walk.columnBytes).op("i32.add").set(place.sums);
      f.get(record).i32(step * recordBytes).op("i32.add").op("local.tee", record);
      f.get(limit).op("i32.lt_u").op("br_if", 0).op("end");
    };
    if (columns > 1) {
      const turnsEnd = f.local("i32");
      f.get(end).i32((columns - 1) * recordBytes).op("i32.sub").set(turnsEnd);
      unless(turnsEnd, () => {
        const turn = rows.mirrored(this.#mirror.pair, columns);
        const stages = columns <= lanes
          ? pipeline(turn, rows.copies, columns * rows.columnSlots)
          : null;
        if (stages !== null) w.region(stages.prologue);
        some(stages?.turn ?? turn, turnsEnd, columns);
      });
    }
    unless(end, () => some(single, end, 1));
  }

  /**
   * A turn; each sum is in a register from the first statement that reads it to the last that sets
   * it.
   */
  #turn(f: FunctionBody, w: CodeWriter, turn: Region, sums: number, columns: number): void {
    const { copies } = this.#module.rows;
    const places = new Map<Cell, number>();
    for (let column = 0; column < columns; column++) {
      this.#mirror.sums.forEach((sum, d) => {
        const at = column * this.#walk.columnBytes + d * VECTOR_BYTES;
        places.set(copies.of(sum, 0, column), at);
      });
    }
    const last = new Map<Cell, Statement>();
    for (const s of turn.statements) {
      if (s.kind === "set" && places.has(s.cell)) last.set(s.cell, s);
    }
    const address = (at: number): FunctionBody => {
      f.get(sums);
      return at === 0 ? f : f.i32(at).op("i32.add");
    };
    const loaded = new Set<Cell>();
    const load = (s: Statement): void => {
      const cell = s.kind === "let" && s.value.kind === "get" ? s.value.cell : null;
      const from = cell === null ? undefined : places.get(cell);
      if (cell !== null && from !== undefined && !loaded.has(cell)) {
        loaded.add(cell);
        address(from).op("v128.load", 0).set(w.cell(cell)[0]);
      }
    };
    const store = (s: Statement): void => {
      if (s.kind !== "set" || last.get(s.cell) !== s) return;
      address(places.get(s.cell) ?? 0).get(w.cell(s.cell)[0]).op("v128.store", 0);
    };
    w.region(turn, load, store);
  }

  /** Adds the lanes of a group of columns to their state. */
  spread(): FunctionBody {
    const module = this.#module;
    const { kernel, rows, sizes: { lanes } } = module;
    const f = module.function("spread", PARAMETERS.spread);
    const [sums, state, isNew] = [0, 1, 2];
    const none = f.local("i32"); // no region here reads rows or columns
    const w = module.writer(f, {
      uniforms: none,
      scratch: none,
      record: none,
      inputs: [],
      outputs: [],
      rowIndex: none,
      columnIndex: none,
      count: none,
    });
    f.get(isNew).op("if");
    w.region(rows.init);
    f.op("else");
    module.moveState("load", f, w, kernel.state, state);
    f.op("end");
    const columns = Array.from({ length: lanes }, () => f.local("v128"));
    for (let row = 0; row < module.schedule.rowVectors; row++) {
      this.#mirror.into.forEach((cell, d) => {
        columns.forEach((local, lane) => {
          const column = row * lanes + lane;
          this.#sumOfPhases(f, sums, column * this.#walk.columnBytes + d * VECTOR_BYTES);
          f.set(local);
        });
        const [total] = w.cell(rows.copies.of(cell, row));
        f.get(total);
        if (lanes === 4) sumsOfFour(f, columns);
        else sumsOfTwo(f, columns);
        f.op(lanes === 4 ? "f32x4.add" : "f64x2.add").set(total);
      });
    }
    if (rows.close !== null) w.region(rows.close);
    module.moveState("save", f, w, kernel.state, state);
    return f;
  }

  /** Leaves the sum of a column's vectors, by halves, on the stack. */
  #sumOfPhases(f: FunctionBody, sums: number, at: number): void {
    const add = this.#module.sizes.lanes === 4 ? "f32x4.add" : "f64x2.add";
    const phaseBytes = this.#walk.sumBytes / MIRROR_PHASES;
    const load = (phase: number): FunctionBody =>
      f.get(sums).op("v128.load", at + phase * phaseBytes);
    load(0);
    load(2).op(add);
    load(1);
    load(3).op(add).op(add);
  }

  /** Walks the rows and columns of an item. */
  strip(mirrored: number, spread: number): FunctionBody {
    const module = this.#module;
    const f = module.function("strip", PARAMETERS.fold);
    const [job, row, rowEnd, record, count, index, state, flags, scratch] = PARAMETERS.fold.keys();
    const { groupRows, lanes, records: { step: recordBytes } } = module.sizes;
    const { rows, columns, columnBytes, sumBytes } = this.#walk;
    const phaseBytes = sumBytes / MIRROR_PHASES;
    const { vectorStateBytes } = module;
    const [ofRows, ofColumns, sums, first, here, chunk, end, at, group, k] = Array.from(
      { length: 10 },
      () => f.local("i32"),
    );
    f.get(state).op("i32.load", MIRROR_STATES.ofRows).set(ofRows);
    f.get(state).op("i32.load", MIRROR_STATES.ofColumns).set(ofColumns);
    f.get(scratch).set(sums);
    f.get(scratch).i32(sumBytes).op("i32.add").set(scratch);
    f.get(row).set(first);
    const add = (local: number, bytes: number): FunctionBody =>
      f.get(local).i32(bytes).op("i32.add").set(local);
    const least = (a: number, b: () => unknown, to: number): void => {
      f.get(a);
      b();
      f.get(a);
      b();
      f.op("i32.lt_u").op("select").set(to);
    };

    f.op("block").get(count).op("i32.eqz").op("br_if", 0).op("loop");
    least(count, () => f.i32(columns), here);
    f.get(first).set(chunk);
    f.get(ofRows).set(at);
    f.op("loop");
    f.i32(0).op("i32.load", ABORT_ADDRESS).op("if").op("return").op("end");
    const chunkEnd = (): unknown => f.get(chunk).i32(rows).op("i32.add");
    least(rowEnd, chunkEnd, end);
    for (let phase = 0; phase < MIRROR_PHASES; phase++) {
      f.get(sums).i32(phase * phaseBytes).op("i32.add").i32(0);
      f.get(here).i32(groupRows - 1).op("i32.add").i32(-groupRows).op("i32.and");
      f.i32(columnBytes).op("i32.mul").op("memory.fill", 0);
    }
    f.get(chunk).set(group).op("loop");
    for (let phase = 0; phase < MIRROR_PHASES; phase++) {
      f.get(job).get(group).i32(phase * lanes).op("i32.add").get(record).get(here).get(index);
      f.get(at).i32(phase * vectorStateBytes).op("i32.add").get(flags);
      f.get(sums).i32(phase * phaseBytes).op("i32.add").get(scratch).op("call", mirrored);
    }
    add(at, MIRROR_PHASES * module.sizes.stateBytes);
    f.get(group).i32(MIRROR_PHASES * groupRows).op("i32.add").op("local.tee", group);
    f.get(end).op("i32.lt_u").op("br_if", 0).op("end");
    f.i32(0).set(k).op("loop");
    f.get(sums).get(k).i32(columnBytes).op("i32.mul").op("i32.add");
    f.get(ofColumns).get(k).i32(lanes).op("i32.div_u").i32(vectorStateBytes).op("i32.mul");
    f.op("i32.add");
    f.get(chunk).get(first).op("i32.ne").get(flags).i32(FLAGS.joins).op("i32.and").op("i32.or");
    f.op("i32.eqz").op("call", spread);
    f.get(k).i32(groupRows).op("i32.add").op("local.tee", k).get(here);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    f.get(end).op("local.tee", chunk).get(rowEnd).op("i32.lt_u").op("br_if", 0).op("end");
    // the next columns, whose rows go on
    f.get(flags).i32(FLAGS.resume).op("i32.or").set(flags);
    add(record, columns * recordBytes);
    add(index, columns);
    add(ofColumns, columns / lanes * vectorStateBytes);
    f.get(count).get(here).op("i32.sub").op("local.tee", count).op("br_if", 0);
    f.op("end").op("end");
    return f;
  }
}

/** The locals that move with the column at hand. */
interface Columns {
  readonly record: number;
  readonly index: number;
  readonly sums: number;
}

/** Bytes of a shuffle that takes 32-bit lanes, those of the second vector from 4 on. */
const lanes32 = (...lanes: readonly number[]): number[] =>
  lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));

/** Leaves the sums of four vectors' lanes: (0 + 2) + (1 + 3) of each. */
function sumsOfFour(f: FunctionBody, columns: readonly number[]): void {
  const halves = [columns.slice(0, 2), columns.slice(2)].map(([a, b]) => {
    const local = f.local("v128");
    f.get(a).get(b).op("i8x16.shuffle", ...lanes32(0, 1, 4, 5));
    f.get(a).get(b).op("i8x16.shuffle", ...lanes32(2, 3, 6, 7));
    f.op("f32x4.add").set(local);
    return local;
  });
  for (const k of [0, 1]) {
    for (const local of halves) f.get(local);
    f.op("i8x16.shuffle", ...lanes32(k, 2 + k, 4 + k, 6 + k));
  }
  f.op("f32x4.add");
}

/** Leaves the sums of two vectors' lanes. */
function sumsOfTwo(f: FunctionBody, columns: readonly number[]): void {
  for (const k of [0, 2]) {
    for (const local of columns) f.get(local);
    f.op("i8x16.shuffle", ...lanes32(k, k + 1, 4 + k, 5 + k));
  }
  f.op("f64x2.add");
}

/** Whether a region reads the global index of its column. */
function readsColumnIndex(root: Region): boolean {
  let reads = false;
  visit(root, (s) => {
    if (s.kind === "let" && s.value.kind === "index" && s.value.axis === "column") reads = true;
  });
  return reads;
}

/**
 * The functions for points with themselves, the first of which has the index given; none without a
 * mirror.
 */
export function emitMirror(module: ModuleContext, index: number): FunctionBody[] {
  const { kernel: { mirror }, walk } = module;
  if (mirror === null || walk === null) return [];
  const emitter = new MirrorEmitter(module, mirror, walk);
  return [emitter.tile(), emitter.spread(), emitter.strip(index, index + 1)];
}
