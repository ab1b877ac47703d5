// Kernel and schedule to a WebAssembly module: bytes for the engine, text for people. Pure.
//
// `pack` writes column records; `fold` runs groups of rows over packed columns, by calls of `tile`,
// one group each, so that V8's optimising tier takes over between calls. `combine` joins the states
// of column splits and finishes; it is a module of its own, because few launches need it.

import {
  type Cell,
  type Deferred,
  deferredOf,
  type Kernel,
  type LocalArray,
  pipeline,
  type Region,
  replicate,
  type Replication,
  RowCopies,
  type StateItem,
  tilesOf,
  type Type,
  type UpdateTile,
  visit,
} from "../../loop/mod.ts";
import { checkSchedule, type WasmSchedule } from "../../tiling/mod.ts";
import { assemble, FunctionBody } from "./assembler.ts";
import { CodeWriter, ConstantPool, type Frame } from "./code.ts";
import {
  FLAGS,
  JOB,
  type Layout,
  MINIMUM_PAGES,
  PARAMETERS,
  registersOf,
  Scratch,
  sizesOf,
  VECTOR_BYTES,
} from "./layout.ts";
import type { WasmFeatures } from "./spelling.ts";
import { emitSurvey, GROUP_COLUMNS, type SurveyFrame, type SurveyRegions } from "./survey.ts";
import { emitUpdates } from "./updates.ts";

export { vectorOf } from "./code.ts";
export type { WasmFeatures } from "./spelling.ts";
export {
  CONSTANTS_ADDRESS,
  CONSTANTS_END,
  FLAGS,
  JOB,
  type Layout,
  MINIMUM_PAGES,
  PARAMETERS,
  VECTOR_BYTES,
} from "./layout.ts";

/** Pages of 64 KiB that a module's memory may have at most. */
export const MAXIMUM_PAGES = 65536;

/** Vectors of an array of state that are moved one by one; more of them by one instruction. */
const COPIED_BY_VECTORS = 16;

/** An emitted kernel. */
export interface WasmModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly layout: Layout;
  /** Vector constants, to stand from CONSTANTS_ADDRESS on; `combine` may add some. */
  readonly constants: readonly { readonly type: Type; readonly value: number }[];
  /** The module that joins states, emitted when first needed, and the scratch that it needs. */
  readonly combine: () => {
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly scratchBytes: number;
  };
  /** The functions as text; made when asked for. */
  readonly text: () => string;
}

/** The regions of a kernel for a group of row vectors, each copied when first asked for. */
class Rows {
  readonly copies: RowCopies;
  readonly #kernel: Kernel;
  readonly #interleave: number;
  readonly #deferred: Deferred | null;
  /** The pair section, less what is deferred. */
  readonly #narrow: Region;
  readonly columnSlots: number;
  readonly heldSlots: number;
  readonly #made = new Map<Region, Region>();

  constructor(
    kernel: Kernel,
    { rowVectors, interleave }: WasmSchedule,
    deferred: Deferred | null,
    columnSlots: number,
  ) {
    // the smallest value of a group is remembered between its columns
    const { survey } = kernel;
    const smallest: StateItem[] = survey === null
      ? []
      : [survey.smallest, survey.smallestOfSpan].map((cell) => ({ kind: "cell", cell }));
    this.copies = new RowCopies(rowVectors, [...kernel.state, ...kernel.incoming, ...smallest]);
    this.#kernel = kernel;
    this.#interleave = interleave;
    this.#deferred = deferred;
    this.#narrow = deferred?.narrow ?? kernel.pair;
    this.columnSlots = columnSlots;
    this.heldSlots = deferred?.held.length ?? 0;
  }

  #copy(region: Region, replication: Replication = {}): Region {
    let copy = this.#made.get(region);
    if (copy === undefined) {
      copy = replicate(region, this.copies, replication);
      this.#made.set(region, copy);
    }
    return copy;
  }
  get row(): Region {
    return this.#copy(this.#kernel.row);
  }
  get init(): Region {
    return this.#copy(this.#kernel.init);
  }
  get pair(): Region {
    return this.#copy(this.#narrow, { interleave: this.#interleave });
  }
  /** The inner loop's region for several columns at once. */
  turn(columns: number): Region {
    const interleave = this.#interleave;
    const { columnSlots, heldSlots } = this;
    return replicate(this.#narrow, this.copies, { interleave, columns, columnSlots, heldSlots });
  }
  /** One column of a tile of deferred updates, several times. */
  updates(tile: UpdateTile, columns: number): Region {
    const { columnSlots, heldSlots } = this;
    return replicate(tile.column, this.copies, { columns, columnSlots, heldSlots, inOrder: true });
  }
  /** A region of a tile for all rows. */
  moves(region: Region): Region {
    return replicate(region, this.copies);
  }
  get careful(): { readonly test: Region; readonly pair: Region } | null {
    const { careful } = this.#kernel;
    if (careful === null) return null;
    return {
      test: this.#copy(careful.test),
      pair: this.#copy(careful.pair, { interleave: this.#interleave }),
    };
  }
  /** The regions of the survey, where the kernel has one. */
  get survey(): SurveyRegions | null {
    const { survey, close, pair, records } = this.#kernel;
    if (survey === null || close === null) return null;
    const columnSlots = Math.max(1, records.column.length);
    const group = { columns: GROUP_COLUMNS, columnSlots };
    return {
      beginSpan: this.#copy(survey.beginSpan),
      begin: this.#copy(survey.begin),
      group: replicate(survey.pair, this.copies, { ...group, guards: false, inOrder: true }),
      end: this.#copy(survey.end),
      bound: this.#copy(survey.bound),
      test: this.#copy(survey.test),
      folds: Array.from(
        { length: this.copies.rows },
        (_, row) => replicate(pair, this.copies, { ...group, guards: false, rows: [row] }),
      ),
      close: this.#copy(close),
    };
  }
  get close(): Region | null {
    const { close } = this.#kernel;
    return close === null ? null : this.#copy(close);
  }
  /** What deferred updates leave of it. */
  get restOfClose(): Region | null {
    const close = this.#deferred === null ? this.#kernel.close : this.#deferred.close;
    return close === null ? null : this.#copy(close);
  }
  get combine(): Region {
    return this.#copy(this.#kernel.combine);
  }
  get finish(): Region {
    return this.#copy(this.#kernel.finish);
  }
}

/** The locals that move with the column at hand. */
interface Columns {
  readonly record: number;
  readonly index: number;
  readonly held: number | undefined;
}

class ModuleEmitter {
  readonly #kernel: Kernel;
  readonly #schedule: WasmSchedule;
  readonly #features: WasmFeatures;
  readonly #withText: boolean;
  readonly #pool = new ConstantPool();
  readonly #scratch: Scratch;
  /** Of the pack pass, whose lanes are columns. */
  readonly #packScratch: Scratch;
  readonly #rows: Rows;
  /** What waits until a block of columns is done, if the schedule says so. */
  readonly #deferred: Deferred | null;
  readonly #sizes: ReturnType<typeof sizesOf>;

  constructor(
    kernel: Kernel,
    schedule: WasmSchedule,
    features: WasmFeatures,
    withText = false,
  ) {
    this.#withText = withText;
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#features = features;
    this.#scratch = new Scratch(kernel, schedule.rowVectors);
    this.#packScratch = new Scratch(kernel, 0);
    this.#sizes = sizesOf(kernel, schedule.rowVectors);
    this.#deferred = (schedule.components ?? 0) > 0 ? deferredOf(kernel) : null;
    const columnSlots = this.#sizes.recordBytes * this.#sizes.lanes / VECTOR_BYTES;
    this.#rows = new Rows(kernel, schedule, this.#deferred, columnSlots);
  }

  /** Bytes that one column's pairs hold for deferred updates. */
  get #heldBytes(): number {
    return this.#rows.heldSlots * this.#schedule.rowVectors * VECTOR_BYTES;
  }

  #function(name: string, parameters: readonly string[]): FunctionBody {
    return new FunctionBody(name, parameters.map(() => "i32"), this.#withText);
  }

  /** A new local with a field of the job block. */
  #field(f: FunctionBody, offset: number): number {
    const local = f.local("i32");
    f.get(0).op("i32.load", offset).set(local);
    return local;
  }

  /** Addresses of an axis's inputs at a first row; inputs of other axes get none. */
  #inputs(f: FunctionBody, axis: "row" | "column", first: number | null): number[] {
    const size = VECTOR_BYTES / this.#sizes.lanes;
    return this.#kernel.inputs.map((input, slot) => {
      if (input.axis !== axis) return -1;
      const local = this.#field(f, JOB.inputs + 4 * slot);
      const bytes = input.dim * (input.number === "index" ? 4 : size);
      if (first !== null) this.#advance(f, local, first, bytes);
      return local;
    });
  }

  #outputs(f: FunctionBody, first: number): number[] {
    const size = VECTOR_BYTES / this.#sizes.lanes;
    return this.#kernel.outputs.map(({ dim, number }, slot) => {
      const offset = JOB.inputs + 4 * (this.#kernel.inputs.length + slot);
      const local = this.#field(f, offset);
      this.#advance(f, local, first, dim * (number === "index" ? 4 : size));
      return local;
    });
  }

  /** local += rows · bytes */
  #advance(f: FunctionBody, local: number, rows: number, bytes: number): void {
    f.get(local).get(rows).i32(bytes).op("i32.mul").op("i32.add").set(local);
  }

  #writer(f: FunctionBody, frame: Frame, scratch = this.#scratch): CodeWriter {
    return new CodeWriter(
      f,
      this.#kernel,
      this.#features,
      this.#schedule,
      this.#pool,
      scratch,
      frame,
    );
  }

  /** Packs columns, one vector of them at a time; lanes are columns. */
  #pack(): FunctionBody {
    const f = this.#function("pack", PARAMETERS.pack);
    const [count, index, record, scratch] = [1, 2, 3, 4];
    const { lanes, recordBytes } = this.#sizes;
    const size = VECTOR_BYTES / lanes;
    const inputs = this.#inputs(f, "column", null);
    const frame: Frame = {
      uniforms: this.#field(f, JOB.uniforms),
      scratch,
      record,
      inputs,
      outputs: [],
      rowIndex: index,
      columnIndex: index,
      count,
    };
    f.op("block").get(count).op("i32.eqz").op("br_if", 0).op("loop");
    this.#writer(f, frame, this.#packScratch).region(this.#kernel.column);
    this.#kernel.inputs.forEach((input, slot) => {
      if (input.axis !== "column") return;
      const bytes = lanes * input.dim * (input.number === "index" ? 4 : size);
      f.get(inputs[slot]).i32(bytes).op("i32.add").set(inputs[slot]);
    });
    f.get(record).i32(lanes * recordBytes).op("i32.add").set(record);
    f.get(index).i32(lanes).op("i32.add").set(index);
    f.get(count).i32(lanes).op("i32.sub").op("local.tee", count);
    f.i32(0).op("i32.gt_s").op("br_if", 0).op("end").op("end");
    return f;
  }

  #rowFrame(
    f: FunctionBody,
    columns: Pick<Frame, "record" | "columnIndex" | "scratch" | "held">,
  ): Frame {
    const row = 1;
    const rowIndex = this.#field(f, JOB.rowIndex);
    f.get(rowIndex).get(row).op("i32.add").set(rowIndex);
    return {
      ...columns,
      uniforms: this.#field(f, JOB.uniforms),
      inputs: this.#inputs(f, "row", row),
      outputs: this.#outputs(f, row),
      rowIndex,
      count: this.#field(f, JOB.columnCount),
    };
  }

  /** Folds columns into one group of rows. */
  #tile(): FunctionBody {
    const f = this.#function("tile", PARAMETERS.fold);
    const [record, count, index, state, flags, scratch] = [3, 4, 5, 6, 7, 8];
    const { recordBytes } = this.#sizes;
    const deferred = this.#deferred;
    const held = deferred === null ? undefined : f.local("i32");
    const heldStart = this.#scratch.room(this.#kernel.block * this.#heldBytes / VECTOR_BYTES);
    const { state: items } = this.#kernel;
    const rows = this.#rows;
    const w = this.#writer(f, this.#rowFrame(f, { record, columnIndex: index, scratch, held }));
    w.region(rows.row);
    f.get(flags).i32(FLAGS.resume).op("i32.and").op("if");
    this.#moveState("load", f, w, items, state);
    f.op("else");
    w.region(rows.init);
    f.op("end");

    const last = f.local("i32");
    const place = { record, index, held };
    f.get(record).get(count).i32(recordBytes).op("i32.mul").op("i32.add").set(last);
    w.hoist(rows.pair);
    if (rows.careful !== null) w.hoist(rows.careful.pair);
    f.op("block").get(count).op("i32.eqz").op("br_if", 0);
    const special = rows.careful === null ? null : this.#anySpecial(f, w, rows.careful.test);
    const block = (end: number): void => {
      if (deferred === null || held === undefined) {
        this.#turns(f, w, place, end);
        return;
      }
      const start = f.local("i32");
      const rewind = (): unknown => f.get(scratch).i32(heldStart).op("i32.add").set(held);
      f.get(record).set(start);
      rewind();
      this.#turns(f, w, place, end);
      f.get(start).set(record);
      emitUpdates({
        f,
        writer: w,
        record,
        held,
        rewind,
        end,
        recordBytes,
        heldBytes: this.#heldBytes,
        tiles: tilesOf(deferred, this.#schedule.components ?? 1),
        rows,
      });
      f.get(end).set(record);
    };
    const close = (region: Region | null): void => {
      if (region !== null) w.region(region);
    };
    const columnsUpTo = (end: number): void => {
      if (rows.careful === null || special === null) {
        block(end);
        close(rows.restOfClose);
        return;
      }
      f.get(special).op("if");
      this.#columns(f, w, rows.careful.pair, { ...place, held: undefined }, end, 1);
      if (deferred !== null) close(rows.close);
      f.op("else");
      block(end);
      if (deferred !== null) close(rows.restOfClose);
      f.op("end");
      if (deferred === null) close(rows.close);
    };
    if (rows.close === null && deferred === null) {
      columnsUpTo(last);
    } else {
      if (this.#schedule.surveys) this.#survey(f, w, { record, index, scratch }, last);
      f.op("block").get(record).get(last).op("i32.ge_u").op("br_if", 0);
      // whole blocks, each closed (or its updates done), the last one short
      const end = f.local("i32");
      f.op("loop");
      f.get(record).i32(this.#kernel.block * recordBytes).op("i32.add").op("local.tee", end);
      f.get(last).get(end).get(last).op("i32.lt_u").op("select").set(end);
      columnsUpTo(end);
      f.get(record).get(last).op("i32.lt_u").op("br_if", 0).op("end").op("end");
    }
    f.op("end");

    f.get(flags).i32(FLAGS.save).op("i32.and").op("if");
    this.#moveState("save", f, w, items, state);
    f.op("else");
    w.region(rows.finish);
    f.op("end");
    return f;
  }

  /** Surveys the columns, and folds those that matter; leaves what is too little to survey. */
  #survey(
    f: FunctionBody,
    w: CodeWriter,
    { record, index, scratch }: { record: number; index: number; scratch: number },
    last: number,
  ): void {
    const { survey } = this.#kernel;
    const regions = this.#rows.survey;
    if (survey === null || regions === null) return;
    const { recordBytes, lanes } = this.#sizes;
    const { copies } = this.#rows;
    w.hoist(regions.group);
    const ofRows = <T extends Cell | LocalArray>(place: T): T[] =>
      Array.from({ length: copies.rows }, (_, row) => copies.of(place, row));
    const startsOf = (array: LocalArray): number[] =>
      ofRows(array).map((copy) => this.#scratch.offsetOf(copy));
    const frame: SurveyFrame = {
      f,
      write: (region) => w.region(region),
      local: (cell) => w.cell(cell)[0],
      scratch,
      record,
      index,
      groupBytes: GROUP_COLUMNS * recordBytes,
      lanes: lanes === 4 ? 4 : 2,
      ofGroups: { cells: ofRows(survey.smallest), starts: startsOf(survey.ofGroups) },
      ofSpans: { cells: ofRows(survey.smallestOfSpan), starts: startsOf(survey.ofSpans) },
      skips: ofRows(survey.skips),
      span: survey.span,
      spans: survey.spans,
      least: survey.least,
    };
    emitSurvey(frame, regions, last);
  }

  /** A local that tells whether any row of the group is special. */
  #anySpecial(f: FunctionBody, w: CodeWriter, test: Region): number {
    const special = f.local("i32");
    w.region(test);
    const { careful } = this.#kernel;
    if (careful === null) return special;
    for (let row = 0; row < this.#schedule.rowVectors; row++) {
      for (const local of w.cell(this.#rows.copies.of(careful.special, row))) f.get(local);
      if (row > 0) f.op("v128.or");
    }
    f.op("v128.any_true").set(special);
    return special;
  }

  /** The inner loop: turns of several columns while there are enough, single columns after. */
  #turns(f: FunctionBody, w: CodeWriter, place: Columns, end: number): void {
    const { columns } = this.#schedule;
    const { record } = place;
    if (columns === 1) {
      this.#columns(f, w, this.#rows.pair, place, end, 1);
      return;
    }
    const turnsEnd = f.local("i32");
    f.get(end).i32((columns - 1) * this.#sizes.recordBytes).op("i32.sub").set(turnsEnd);
    const unless = (limit: number, body: () => void): void => {
      f.op("block").get(record).get(limit).op("i32.lt_u").op("i32.eqz").op("br_if", 0);
      body();
      f.op("end");
    };
    unless(turnsEnd, () => {
      const turn = this.#rows.turn(columns);
      const ahead = columns * this.#rows.columnSlots;
      // packed columns are followed by room for one vector of them
      const fits = columns <= this.#sizes.lanes;
      const stages = fits ? pipeline(turn, this.#rows.copies, ahead) : null;
      if (stages !== null) w.region(stages.prologue);
      this.#columns(f, w, stages?.turn ?? turn, place, turnsEnd, columns);
    });
    unless(end, () => this.#columns(f, w, this.#rows.pair, place, end, 1));
  }

  /** A loop over packed columns, some at a time, up to an address. */
  #columns(
    f: FunctionBody,
    w: CodeWriter,
    pair: Region,
    { record, index, held }: Columns,
    end: number,
    columns: number,
  ): void {
    f.op("loop");
    w.region(pair);
    if (readsColumnIndex(pair)) f.get(index).i32(columns).op("i32.add").set(index);
    if (held !== undefined) {
      f.get(held).i32(columns * this.#heldBytes).op("i32.add").set(held);
    }
    f.get(record).i32(columns * this.#sizes.recordBytes).op("i32.add").op("local.tee", record);
    f.get(end).op("i32.lt_u").op("br_if", 0).op("end");
  }

  /** Joins the states of all splits of one group of rows, and finishes it. */
  #join(): FunctionBody {
    const f = this.#function("join", PARAMETERS.combine);
    const [row, state, splitStride, splits, scratch] = [1, 3, 4, 5, 6];
    const w = this.#writer(f, this.#rowFrame(f, { record: row, columnIndex: row, scratch }));
    w.region(this.#rows.row);
    this.#moveState("load", f, w, this.#kernel.state, state);
    f.op("block").op("loop");
    f.get(splits).i32(1).op("i32.sub").op("local.tee", splits).op("i32.eqz").op("br_if", 1);
    f.get(state).get(splitStride).op("i32.add").set(state);
    this.#moveState("load", f, w, this.#kernel.incoming, state);
    w.region(this.#rows.combine);
    f.op("br", 0).op("end").op("end");
    w.region(this.#rows.finish);
    return f;
  }

  /** A loop over groups of rows that calls a function of one group with the same parameters. */
  #groups(name: string, parameters: readonly string[], callee: number): FunctionBody {
    const f = this.#function(name, parameters);
    const [row, rowEnd] = [1, 2];
    const state = parameters.indexOf("state");
    const { groupRows, stateBytes } = this.#sizes;
    f.op("loop");
    parameters.forEach((_, k) => f.get(k));
    f.op("call", callee);
    f.get(state).i32(stateBytes).op("i32.add").set(state);
    f.get(row).i32(groupRows).op("i32.add").op("local.tee", row).get(rowEnd);
    f.op("i32.lt_u").op("br_if", 0).op("end");
    return f;
  }

  /** Moves the state of a group between its place in memory and the tile's cells and arrays. */
  #moveState(
    direction: "load" | "save",
    f: FunctionBody,
    w: CodeWriter,
    items: readonly StateItem[],
    state: number,
  ): void {
    let offset = 0;
    const move = (inTile: Cell | LocalArray, length: number | null): void => {
      const registers = registersOf(inTile.type, this.#kernel);
      if (length === null) {
        for (const local of w.cell(inTile)) {
          if (direction === "load") f.get(state).op("v128.load", offset).set(local);
          else f.get(state).get(local).op("v128.store", offset);
          offset += VECTOR_BYTES;
        }
        return;
      }
      const start = this.#scratch.offsetOf(inTile as LocalArray);
      const scratch = w.scratch;
      if (length * registers > COPIED_BY_VECTORS) {
        const bytes = length * registers * VECTOR_BYTES;
        const here = (): unknown => f.get(scratch).i32(start).op("i32.add");
        const saved = (): unknown => f.get(state).i32(offset).op("i32.add");
        for (const push of direction === "load" ? [here, saved] : [saved, here]) push();
        f.i32(bytes).op("memory.copy", 0, 0);
        offset += bytes;
        return;
      }
      for (let k = 0; k < length * registers; k++) {
        const here = start + k * VECTOR_BYTES;
        if (direction === "load") {
          f.get(scratch).get(state).op("v128.load", offset).op("v128.store", here);
        } else f.get(state).get(scratch).op("v128.load", here).op("v128.store", offset);
        offset += VECTOR_BYTES;
      }
    };
    for (const item of items) {
      for (let row = 0; row < this.#schedule.rowVectors; row++) {
        if (item.kind === "cell") move(this.#rows.copies.of(item.cell, row), null);
        else move(this.#rows.copies.of(item.array, row), item.array.length);
      }
    }
  }

  #main(): FunctionBody[] {
    return [this.#tile(), this.#groups("fold", PARAMETERS.fold, 0), this.#pack()];
  }

  #combining(): FunctionBody[] {
    return [this.#join(), this.#groups("combine", PARAMETERS.combine, 0)];
  }

  #assemble(functions: readonly FunctionBody[]): Uint8Array<ArrayBuffer> {
    const { shared } = this.#features;
    return assemble(functions, { shared, minimum: MINIMUM_PAGES, maximum: MAXIMUM_PAGES });
  }

  text(): string {
    return [...this.#main(), ...this.#combining()].map((f) => f.text()).join("\n");
  }

  emit(): WasmModule {
    const bytes = this.#assemble(this.#main());
    return {
      bytes,
      layout: {
        ...this.#sizes,
        scratchBytes: this.#scratch.bytes,
        packScratchBytes: this.#packScratch.bytes,
      },
      constants: this.#pool.entries,
      combine: () => {
        const combining = this.#assemble(this.#combining());
        return { bytes: combining, scratchBytes: this.#scratch.bytes };
      },
      text: () => new ModuleEmitter(this.#kernel, this.#schedule, this.#features, true).text(),
    };
  }
}

/** Whether a region reads the global index of its column. */
function readsColumnIndex(region: Region): boolean {
  let reads = false;
  visit(region, (s) => {
    if (s.kind === "let" && s.value.kind === "index" && s.value.axis === "column") reads = true;
  });
  return reads;
}

/** Emits a kernel. Throws `PairfoldError` (compile) for a schedule that it cannot have. */
export function emitWasm(
  kernel: Kernel,
  schedule: WasmSchedule,
  features: WasmFeatures,
): WasmModule {
  checkSchedule(schedule);
  return new ModuleEmitter(kernel, schedule, features).emit();
}
