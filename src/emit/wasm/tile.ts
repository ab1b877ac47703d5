// Emits `tile`, which folds packed columns into one group of rows: turns of several columns, blocks
// that close, deferred updates, the survey, and the careful loop of rows that are not finite.

import {
  type Cell,
  type LocalArray,
  pipeline,
  type Region,
  tilesOf,
  visit,
} from "../../loop/mod.ts";
import type { FunctionBody } from "./assembler.ts";
import type { CodeWriter } from "./code.ts";
import type { ModuleContext } from "./context.ts";
import { FLAGS, jumpOf, PARAMETERS, VECTOR_BYTES } from "./layout.ts";
import { emitSearch, type SearchFrame } from "./search.ts";
import { emitSurvey, ENTRY_BYTES, groupColumnsOf, type SurveyFrame } from "./survey.ts";
import { emitUpdates } from "./updates.ts";

/** The locals that move with the column at hand. */
interface Columns {
  readonly record: number;
  readonly index: number;
  readonly held: number | undefined;
}

/** Emits the function of one module. */
class TileEmitter {
  readonly #module: ModuleContext;

  constructor(module: ModuleContext) {
    this.#module = module;
  }

  /** Whether the loops of a turn are written out. */
  get #writesOut(): boolean {
    return this.#module.schedule.columns > 1 && this.#module.schedule.writesOut === true &&
      this.#module.deferred === null;
  }

  /** Whether groups of columns are searched. */
  get #searches(): boolean {
    return this.#module.schedule.searches === true && this.#module.kernel.search !== null;
  }

  /** Columns of a turn of the inner loop; what a search leaves is less than a turn. */
  get #turnColumns(): number {
    return this.#searches ? 1 : this.#module.schedule.columns;
  }

  /** Folds columns into one group of rows. */
  emit(): FunctionBody {
    const f = this.#module.function("tile", PARAMETERS.fold);
    const [record, count, index, state, flags, scratch] = [3, 4, 5, 6, 7, 8];
    const { records } = this.#module.sizes;
    const { step } = records;
    const deferred = this.#module.deferred;
    const held = deferred === null ? undefined : f.local("i32");
    const { holdsInOwn, heldBytes } = this.#module;
    const heldStart = holdsInOwn
      ? 0
      : this.#module.scratch.room(records.block * heldBytes / VECTOR_BYTES);
    const { state: items } = this.#module.kernel;
    const rows = this.#module.rows;
    const w = this.#module.writer(
      f,
      this.#module.rowFrame(f, { record, columnIndex: index, scratch, held, holdsInOwn }),
    );
    w.region(rows.row);
    f.get(flags).i32(FLAGS.resume).op("i32.and").op("if");
    this.#module.moveState("load", f, w, items, state);
    f.op("else");
    w.region(rows.init);
    f.op("end");

    const last = f.local("i32");
    const place = { record, index, held };
    f.get(record).get(count).i32(step).op("i32.mul").op("i32.add");
    const jump = jumpOf(records);
    if (jump > 0) {
      f.get(count).i32(records.block).op("i32.div_u").i32(jump).op("i32.mul").op("i32.add");
    }
    f.set(last);
    const columns = this.#turnColumns;
    const turn = columns > 1 ? rows.turn(columns) : rows.pair;
    w.hoist(rows.pair);
    w.writesOut = this.#writesOut;
    w.hoist(turn);
    w.writesOut = false;
    if (rows.careful !== null) w.hoist(rows.careful.pair);
    f.op("block").get(count).op("i32.eqz").op("br_if", 0);
    const special = rows.careful === null ? null : this.#anySpecial(f, w, rows.careful.test);
    const block = (end: number): void => {
      if (deferred === null || held === undefined) {
        this.#turns(f, w, turn, place, end);
        return;
      }
      const start = f.local("i32");
      const rewind = (): unknown =>
        holdsInOwn ? f.i32(0).set(held) : f.get(scratch).i32(heldStart).op("i32.add").set(held);
      f.get(record).set(start);
      rewind();
      this.#turns(f, w, turn, place, end);
      f.get(start).set(record);
      emitUpdates({
        kernel: this.#module.kernel,
        f,
        writer: w,
        record,
        held,
        rewind,
        end,
        step,
        heldBytes,
        writtenOut: holdsInOwn ? records.block : null,
        tiles: tilesOf(deferred, this.#module.schedule.components ?? 1),
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
    if (this.#module.schedule.surveys) this.#survey(f, w, { record, index, scratch }, last);
    if (this.#searches) this.#search(f, w, { record, index }, last);
    f.op("block").get(record).get(last).op("i32.ge_u").op("br_if", 0);
    if (rows.close === null && deferred === null) {
      columnsUpTo(last);
    } else {
      // whole blocks, each closed (or its updates done), the last one short
      const end = f.local("i32");
      f.op("loop");
      const whole = f.local("i32");
      f.get(record).i32(records.block * step).op("i32.add").op("local.tee", whole);
      f.op("local.tee", end).get(last).get(end).get(last).op("i32.lt_u").op("select").set(end);
      columnsUpTo(end);
      if (jump > 0) {
        f.get(record).get(record).get(whole).op("i32.eq").i32(jump).op("i32.mul").op("i32.add");
        f.set(record);
      }
      f.get(record).get(last).op("i32.lt_u").op("br_if", 0).op("end");
    }
    f.op("end").op("end");

    f.get(flags).i32(FLAGS.save).op("i32.and").op("if");
    this.#module.moveState("save", f, w, items, state);
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
    const { survey } = this.#module.kernel;
    const regions = this.#module.rows.survey;
    if (survey === null || regions === null) return;
    const { records: { step }, lanes } = this.#module.sizes;
    const { copies } = this.#module.rows;
    const groupColumns = groupColumnsOf(this.#module.kernel);
    w.writesOut = this.#module.schedule.writesOut === true;
    w.hoist(regions.turn);
    w.writesOut = false;
    const ofRows = <T extends Cell | LocalArray>(place: T): T[] =>
      Array.from({ length: copies.rows }, (_, row) => copies.of(place, row));
    const startsOf = (array: LocalArray): number[] =>
      ofRows(array).map((copy) => this.#module.scratch.offsetOf(copy));
    // room for all, and one entry that is written and not kept
    const listOf = ({ length }: LocalArray): number =>
      this.#module.scratch.room(length * ENTRY_BYTES / VECTOR_BYTES + 1);
    const frame: SurveyFrame = {
      f,
      write: (region) => {
        w.writesOut = region === regions.turn && this.#module.schedule.writesOut === true;
        if (w.writesOut) w.sharedColumns = regions.turnColumns;
        w.region(region);
        w.writesOut = false;
        w.sharedColumns = 1;
      },
      local: (cell) => w.cell(cell)[0],
      scratch,
      record,
      index,
      groupColumns,
      groupBytes: groupColumns * step,
      lanes: lanes === 4 ? 4 : 2,
      ofGroups: { cells: ofRows(survey.smallest), starts: startsOf(survey.ofGroups) },
      ofSpans: { cells: ofRows(survey.smallestOfSpan), starts: startsOf(survey.ofSpans) },
      skips: ofRows(survey.skips),
      spanList: listOf(survey.ofSpans),
      groupLists: ofRows(survey.ofGroups).map(listOf),
      span: survey.span,
      spans: survey.spans,
      least: survey.least,
    };
    emitSurvey(frame, regions, last);
  }

  /** Searches whole groups of columns; leaves what is less, or all where that found nothing. */
  #search(
    f: FunctionBody,
    w: CodeWriter,
    { record, index }: { record: number; index: number },
    last: number,
  ): void {
    const { kernel: { search }, schedule: { columns } } = this.#module;
    const regions = this.#module.rows.search(columns);
    if (search === null || regions === null) return;
    const { records: { step }, lanes } = this.#module.sizes;
    const { copies } = this.#module.rows;
    w.hoist(regions.turn);
    const ofRows = (cell: Cell): Cell[] =>
      Array.from({ length: copies.rows }, (_, row) => copies.of(cell, row));
    const frame: SearchFrame = {
      f,
      write: (region) => w.region(region),
      local: (cell) => w.cell(cell)[0],
      record,
      index,
      columns,
      columnBytes: step,
      lanes: lanes === 4 ? 4 : 2,
      ages: ofRows(search.age),
      misses: ofRows(search.misses),
    };
    emitSearch(frame, regions, last);
  }

  /** A local that tells whether any row of the group is special. */
  #anySpecial(f: FunctionBody, w: CodeWriter, test: Region): number {
    const special = f.local("i32");
    w.region(test);
    const { careful } = this.#module.kernel;
    if (careful === null) return special;
    for (let row = 0; row < this.#module.schedule.rowVectors; row++) {
      for (const local of w.cell(this.#module.rows.copies.of(careful.special, row))) f.get(local);
      if (row > 0) f.op("v128.or");
    }
    f.op("v128.any_true").set(special);
    return special;
  }

  /** The inner loop: turns of several columns while there are enough, single columns after. */
  #turns(f: FunctionBody, w: CodeWriter, turn: Region, place: Columns, end: number): void {
    const columns = this.#turnColumns;
    const { record } = place;
    if (columns === 1) {
      this.#columns(f, w, this.#module.rows.pair, place, end, 1);
      return;
    }
    const turnsEnd = f.local("i32");
    f.get(end).i32((columns - 1) * this.#module.sizes.records.step).op("i32.sub").set(turnsEnd);
    const unless = (limit: number, body: () => void): void => {
      f.op("block").get(record).get(limit).op("i32.lt_u").op("i32.eqz").op("br_if", 0);
      body();
      f.op("end");
    };
    unless(turnsEnd, () => {
      const ahead = columns * this.#module.rows.columnSlots;
      // packed columns are followed by room for one vector of them
      const fits = columns <= this.#module.sizes.lanes;
      const stages = fits ? pipeline(turn, this.#module.rows.copies, ahead) : null;
      if (stages !== null) this.#module.keepAside(w, stages.waiting);
      if (stages !== null) w.region(stages.prologue);
      w.writesOut = this.#writesOut;
      w.sharedColumns = columns;
      this.#columns(f, w, stages?.turn ?? turn, place, turnsEnd, columns);
      w.sharedColumns = 1;
      w.writesOut = false;
    });
    unless(end, () => this.#columns(f, w, this.#module.rows.pair, place, end, 1));
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
      f.get(held).i32(columns * this.#module.heldBytes).op("i32.add").set(held);
    }
    f.get(record).i32(columns * this.#module.sizes.records.step).op("i32.add").op(
      "local.tee",
      record,
    );
    f.get(end).op("i32.lt_u").op("br_if", 0).op("end");
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

/** Folds columns into one group of rows. */
export function emitTile(module: ModuleContext): FunctionBody {
  return new TileEmitter(module).emit();
}
