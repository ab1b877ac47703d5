// Stages a wave's data in linear memory: row inputs, uniform records, packed columns; and copies
// its outputs back. Tasks that differ in their rows and columns alone share what can be shared, so
// that thousands of small ones cost little more than their numbers do.

import {
  columnBytes,
  CONSTANTS_ADDRESS,
  CONSTANTS_END,
  isLinear,
  JOB,
  VECTOR_BYTES,
} from "../../emit/wasm/mod.ts";
import { uniformRecord } from "../../loop/mod.ts";
import type { NumberArray } from "../engine.ts";
import type { LinearMemory } from "./memory.ts";
import {
  type ColumnRun,
  columnRuns,
  haveSameColumns,
  rowBytes,
  type Task,
  type Wave,
} from "../plan.ts";
import { PACK_COLUMNS } from "./footprint.ts";
import type { WasmProgram } from "./program.ts";
import type { KernelExports } from "./protocol.ts";

/** Where a task's rows stand: from a row of a job on, which tasks may share. */
export interface RowBlock {
  readonly job: number;
  readonly row: number;
  /** The address of the first row in each output. */
  readonly outputs: readonly number[];
  readonly state: number;
  /** Bytes between the states of two column splits. */
  readonly splitStride: number;
}

/** Where a task's packed columns stand. */
export interface ColumnBlock {
  readonly record: number;
}

const rowsOf = ({ i0, i1 }: Task): number => i1 - i0;
const columnsOf = ({ j0, j1 }: Task): number => j1 - j0;

/** Cuts a list into runs: an item goes on with the run of the one before it, or starts another. */
function* runsOf<T>(
  list: readonly T[],
  goesOn: (before: T, item: T) => boolean,
): Generator<readonly T[]> {
  for (let start = 0; start < list.length;) {
    let end = start + 1;
    while (end < list.length && goesOn(list[end - 1], list[end])) end++;
    yield list.slice(start, end);
    start = end;
  }
}

/** Up to so many numbers are copied one by one: a view of them takes 0.3 µs to make. */
const FEW = 128;

/** Copies numbers from one array to another, which is of the same type. */
function copy(from: NumberArray, start: number, end: number, to: NumberArray, at: number): void {
  if (end - start > FEW) to.set(from.subarray(start, end), at);
  else for (let k = start; k < end; k++) to[at + k - start] = from[k];
}

/** Stages for one launch. */
export class Stage {
  readonly #memory: LinearMemory;
  readonly #program: WasmProgram;
  readonly #inputs: readonly NumberArray[];
  readonly #outputs: readonly NumberArray[];
  /** Inputs by what their rows belong to. */
  readonly #slots: WasmProgram["slots"];
  #isFinite = true;

  constructor(
    memory: LinearMemory,
    program: WasmProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
  ) {
    this.#memory = memory;
    this.#program = program;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#slots = program.slots;
  }

  /** Whether all uniform numbers so far are finite. */
  get isFinite(): boolean {
    return this.#isFinite;
  }

  #viewOf(array: NumberArray): NumberArray {
    if (array instanceof Float32Array) return this.#memory.view("f32");
    return this.#memory.view(array instanceof Float64Array ? "f64" : "i32");
  }

  /** Copies elements of a host array to an address. */
  #copyIn(source: NumberArray, start: number, end: number, address: number): void {
    const to = address / source.BYTES_PER_ELEMENT;
    copy(source, start, end, this.#viewOf(source), to);
  }

  #copyOut(target: NumberArray, start: number, end: number, address: number): void {
    const from = address / target.BYTES_PER_ELEMENT;
    copy(this.#viewOf(target), from, from + end - start, target, start);
  }

  #padded(rows: number): number {
    const { groupRows } = this.#program.layout;
    return Math.ceil(rows / groupRows) * groupRows;
  }

  /** The first row of a task in an input. */
  #firstRow(task: Task, slot: number): number {
    return task.i0 + (task.segment.offsets[slot] ?? 0);
  }

  /** Whether two tasks read the same parameters. */
  #sameUniforms({ segment: a }: Task, { segment: b }: Task): boolean {
    if (a === b) return true;
    return this.#slots.uniform.every((slot) => a.offsets[slot] === b.offsets[slot]) &&
      a.j1 - a.j0 === b.j1 - b.j0;
  }

  /**
   * Stages the rows of a wave's tasks one after another, each padded to whole groups by its last
   * row. Neighbours that differ in nothing else are rows of one job.
   */
  rows(wave: Wave): RowBlock[] {
    const { kernel, layout } = this.#program;
    const memory = this.#memory;
    let rows = 0;
    const starts = wave.map((task) => {
      const start = rows;
      rows += this.#padded(rowsOf(task));
      return start;
    });
    const addresses = kernel.inputs.map((input, slot) => {
      if (input.axis !== "row") return 0;
      const address = memory.alloc(rows * rowBytes(kernel, input));
      this.#copyRows(wave, starts, slot, address);
      return address;
    });
    const outputs = kernel.outputs.map((output) => memory.alloc(rows * rowBytes(kernel, output)));
    const blocks: RowBlock[] = [];
    let uniforms = 0;
    let job = 0;
    let first = 0; // row of the job
    wave.forEach((task, k) => {
      const before = wave[k - 1];
      const isSame = k > 0 && this.#sameUniforms(before, task);
      if (!isSame) uniforms = this.#uniforms(task);
      const joins = isSame && !before.keepsState && !task.keepsState && !this.#program.usesRowIndex;
      if (!joins) {
        first = starts[k];
        job = this.#job(task, uniforms, first, addresses, outputs);
      }
      const splitStride = this.#padded(rowsOf(task)) / layout.groupRows * layout.stateBytes;
      blocks.push({
        job,
        row: starts[k] - first,
        outputs: outputs.map((address, slot) =>
          address + starts[k] * rowBytes(kernel, kernel.outputs[slot])
        ),
        state: task.keepsState ? memory.alloc(splitStride * task.splits.count) : 0,
        splitStride,
      });
    });
    return blocks;
  }

  /** Writes a job whose first row is a row of the staged inputs and outputs. */
  #job(
    { i0, segment }: Task,
    uniforms: number,
    row: number,
    inputs: readonly number[],
    outputs: readonly number[],
  ): number {
    const { kernel } = this.#program;
    const job = this.#memory.alloc(JOB.inputs + 4 * (inputs.length + outputs.length));
    const words = this.#memory.view("i32");
    let at = job >>> 2;
    words[at + JOB.uniforms / 4] = uniforms;
    words[at + JOB.rowIndex / 4] = i0;
    words[at + JOB.columnCount / 4] = segment.j1 - segment.j0;
    at += JOB.inputs / 4;
    kernel.inputs.forEach((input, slot) => {
      words[at++] = input.axis === "row" ? inputs[slot] + row * rowBytes(kernel, input) : 0;
    });
    kernel.outputs.forEach((output, slot) => {
      words[at++] = outputs[slot] + row * rowBytes(kernel, output);
    });
    return job;
  }

  /** Copies the rows of tasks from an input; those that stand together, together. */
  #copyRows(wave: Wave, starts: readonly number[], slot: number, address: number): void {
    const { dim } = this.#program.kernel.inputs[slot];
    const source = this.#inputs[slot];
    const view = this.#viewOf(source);
    const base = address / source.BYTES_PER_ELEMENT;
    for (let k = 0; k < wave.length;) {
      const from = this.#firstRow(wave[k], slot);
      const to = base + starts[k] * dim;
      let count = 0;
      let padding = 0;
      do {
        const own = rowsOf(wave[k]);
        count += own;
        padding = this.#padded(own) - own;
        k++;
      } while (padding === 0 && k < wave.length && this.#firstRow(wave[k], slot) === from + count);
      copy(source, from * dim, (from + count) * dim, view, to);
      const end = to + count * dim;
      for (let n = end; n < end + padding * dim; n++) view[n] = view[n - dim];
    }
  }

  /** The uniform record of a task, each value as a vector of equal lanes. */
  #uniforms(task: Task): number {
    const { kernel, layout } = this.#program;
    const values = uniformRecord(
      kernel.uniform,
      kernel.inputs.map((input, slot) => {
        if (input.axis !== "uniform") return null;
        const first = (task.segment.offsets[slot] ?? 0) * input.dim;
        return first === 0 ? this.#inputs[slot] : this.#inputs[slot].subarray(first);
      }),
      layout.uniforms,
    );
    this.#isFinite &&= values.every(Number.isFinite);
    const address = this.#memory.alloc(values.length * VECTOR_BYTES);
    const view = this.#memory.view(kernel.float === "f32" ? "f32" : "f64");
    const lanes = VECTOR_BYTES / view.BYTES_PER_ELEMENT;
    const at = address / view.BYTES_PER_ELEMENT;
    for (let k = 0; k < values.length * lanes; k++) view[at + k] = values[Math.floor(k / lanes)];
    return address;
  }

  /** Writes the program's constants to their fixed place; all launches use it in turn. */
  constants(): void {
    const { constants } = this.#program;
    const room = CONSTANTS_END - CONSTANTS_ADDRESS;
    const fit = constants.length <= room ? constants : constants.subarray(0, room);
    this.#memory.bytesView.set(fit, CONSTANTS_ADDRESS);
  }

  /** Packs the columns of a wave's tasks into records; those that stand together, together. */
  columns(wave: Wave, blocks: readonly RowBlock[], exports: KernelExports): ColumnBlock[] {
    const { usesColumnIndex, packsUniforms, layout: { records } } = this.#program;
    const { column } = this.#slots;
    const columns: ColumnBlock[] = [];
    const shares = (a: Task, b: Task): boolean => !packsUniforms || this.#sameUniforms(a, b);
    const isGathered = ({ segment }: Task): boolean => segment.columns !== undefined;
    const isSame = (a: Task, b: Task): boolean =>
      a.j0 === b.j0 && a.j1 === b.j1 && haveSameColumns(a.segment, b.segment) && shares(a, b) &&
      column.every((slot) => a.segment.offsets[slot] === b.segment.offsets[slot]);
    const follows = (a: Task, b: Task): boolean =>
      !usesColumnIndex && isLinear(records) && shares(a, b) && !isGathered(a) && !isGathered(b) &&
      column.every((slot) => {
        const [from, to] = [a.segment.offsets[slot] ?? 0, b.segment.offsets[slot] ?? 0];
        return a.j1 + from === b.j0 + to;
      });
    for (const same of runsOf([...runsOf(wave, isSame)], ([a], [b]) => follows(a, b))) {
      const count = same.reduce((sum, [task]) => sum + columnsOf(task), 0);
      const first = columns.length;
      let record = this.#pack(same[0][0], count, blocks[first].job, exports);
      for (const tasks of same) {
        for (let k = 0; k < tasks.length; k++) columns.push({ record });
        record += columnBytes(records, columnsOf(tasks[0]));
      }
    }
    return columns;
  }

  /** Packs so many columns, those of a task and what stands behind them. */
  #pack(task: Task, count: number, job: number, exports: KernelExports): number {
    const { kernel, layout } = this.#program;
    const memory = this.#memory;
    // blocks are whole; a vector of columns is packed, or read, at a time
    const room = isLinear(layout.records) ? count : Math.ceil(count / layout.records.block) *
      layout.records.block;
    const record = memory.alloc(
      columnBytes(layout.records, room) + layout.records.slots * VECTOR_BYTES,
    );
    if (count === 0 || kernel.records.column.length === 0) return record;
    const mark = memory.mark;
    const chunk = Math.min(count, PACK_COLUMNS);
    const { column } = this.#slots;
    const addresses = column.map((slot) =>
      memory.alloc((chunk + layout.lanes) * rowBytes(kernel, kernel.inputs[slot]))
    );
    const scratch = memory.alloc(layout.packScratchBytes);
    const words = memory.view("i32");
    column.forEach((slot, k) => words[(job + JOB.inputs) / 4 + slot] = addresses[k]);
    for (let start = 0; start < count; start += chunk) {
      const length = Math.min(chunk, count - start);
      const first = task.j0 + start;
      const runs = [...columnRuns(task.segment, first, first + length)];
      column.forEach((slot, k) => {
        const offset = task.segment.offsets[slot] ?? 0;
        this.#copyColumns(runs, slot, offset, addresses[k]);
      });
      exports.pack(
        job,
        length,
        task.j0 + start,
        record + columnBytes(layout.records, start),
        scratch,
      );
    }
    memory.reset(mark);
    return record;
  }

  /** Copies columns of an input, one run after another. */
  #copyColumns(runs: readonly ColumnRun[], slot: number, offset: number, address: number): void {
    const source = this.#inputs[slot];
    const { dim } = this.#program.kernel.inputs[slot];
    let at = address;
    for (const { column, count } of runs) {
      const first = (column + offset) * dim;
      this.#copyIn(source, first, first + count * dim, at);
      at += count * dim * source.BYTES_PER_ELEMENT;
    }
  }

  /** Copies the outputs of a wave's finished tasks to the host's arrays. */
  finish(wave: Wave, blocks: readonly RowBlock[]): void {
    const { kernel } = this.#program;
    kernel.outputs.forEach((output, slot) => {
      const { dim } = output;
      const bytes = rowBytes(kernel, output);
      for (let k = 0; k < wave.length;) {
        if (!wave[k].last) {
          k++;
          continue;
        }
        const first = wave[k].i0 + wave[k].segment.output;
        const address = blocks[k].outputs[slot];
        let count = 0;
        do count += rowsOf(wave[k++]); while (
          k < wave.length && wave[k].last &&
          wave[k].i0 + wave[k].segment.output === first + count &&
          blocks[k].outputs[slot] === address + count * bytes
        );
        this.#copyOut(this.#outputs[slot], first * dim, (first + count) * dim, address);
      }
    });
  }
}
