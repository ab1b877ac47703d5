// Lays out what kernels read and write beside the tensors themselves: tables of tasks and items,
// uniform records, packed columns, kept states.

import {
  ALIGNMENT,
  COMBINE_WORDS,
  FOLD_FLAGS,
  FOLD_WORDS,
  PACK_WORDS,
  TASK,
} from "../../emit/c/mod.ts";
import { PairfoldError } from "../../error.ts";
import { bytesOf, type Kernel } from "../../loop/mod.ts";
import type { NumberArray } from "../engine.ts";
import {
  columnRuns,
  type Footprint,
  piecesOf,
  rowBytes,
  type SplitRule,
  type Task,
  type Wave,
} from "../plan.ts";
import type { NativeProgram } from "./program.ts";

/** 64 rows are what the widest tile folds together; splits of 4096 columns cost little to join. */
export const SPLIT: SplitRule = { rows: 64, units: 64, columns: 4096 };

/** Columns of one item that packs. */
const PACK_COLUMNS = 8192;

/** What a row, and a column, of a kernel take beside the tensors. */
export function footprintOf({ layout }: NativeProgram): Footprint {
  return {
    row: 0,
    record: layout.recordBytes,
    column: 0,
    state: layout.stateBytes / layout.groupRows,
    packing: 0,
  };
}

/** Memory outside of the collector's sight, whose address is known. */
export class Block {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Aligned for vectors. */
  readonly address: number;
  readonly #start: number;
  #used = 0;

  constructor(bytes: number) {
    try {
      this.bytes = new Uint8Array(bytes + ALIGNMENT);
    } catch (error) {
      throw new PairfoldError("memory", `fold: cannot allocate ${bytes} bytes`, { cause: error });
    }
    const address = addressOf(this.bytes);
    this.address = Math.ceil(address / ALIGNMENT) * ALIGNMENT;
    this.#start = this.address - address;
  }

  /** Forgets what was allocated. */
  reset(): void {
    this.#used = 0;
  }

  /** Allocates bytes; the offset from `address`. */
  alloc(bytes: number): number {
    const at = this.#used;
    this.#used += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return at;
  }

  /** Copies numbers to an offset. */
  write(numbers: Float32Array | Float64Array, at: number): void {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    this.bytes.set(bytes, this.#start + at);
  }
}

const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** The address of an array's first number. */
export function addressOf(array: NumberArray | Uint8Array<ArrayBuffer>): number {
  const pointer = Deno.UnsafePointer.of(array as Uint8Array<ArrayBuffer>);
  return Number(Deno.UnsafePointer.value(pointer));
}

/** Items of one kind: the address of the first one, and how many there are. */
export interface Items {
  readonly address: number;
  readonly count: number;
}

/** The lists of a wave. */
export interface Tables {
  /** Address of the first task. */
  readonly tasks: number;
  readonly packs: Items;
  readonly folds: Items;
  readonly combines: Items;
  /** Pairs folded once so many items are done. */
  readonly pairs: readonly number[];
  /** What the addresses in the lists point into. */
  readonly held: readonly unknown[];
}

/** Stages for one launch. */
export class Stage {
  readonly #program: NativeProgram;
  readonly #inputs: readonly NumberArray[];
  readonly #outputs: readonly NumberArray[];
  readonly #addresses: readonly number[];
  /** States of the rows whose columns come in several waves. */
  #state: { readonly block: Block; readonly offsets: readonly number[] } | null = null;
  #spare: Block | null;
  #isFinite = true;

  constructor(
    program: NativeProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
    spare: Block | null,
  ) {
    this.#program = program;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#addresses = [...inputs, ...outputs].map(addressOf);
    this.#spare = spare;
  }

  /** Whether all uniform numbers so far are finite. */
  get isFinite(): boolean {
    return this.#isFinite;
  }

  /** Memory that a later launch may use. */
  get spare(): Block | null {
    return this.#spare;
  }

  /** The lists of a wave, whose fold items have about `itemPairs` pairs. */
  tables(wave: Wave, itemPairs: number): Tables {
    const { kernel, layout } = this.#program;
    const size = bytesOf(kernel.float, kernel.float);
    const words = layout.taskWords;
    const lists = { packs: [] as number[], folds: [] as number[], combines: [] as number[] };
    const weights: number[] = [];
    wave.forEach((task, t) => {
      if (layout.recordBytes > 0) {
        let record = 0;
        for (const { column, count } of columnRuns(task.segment, task.j0, task.j1)) {
          for (let n = 0; n < count; n += PACK_COLUMNS) {
            const end = Math.min(count, n + PACK_COLUMNS);
            lists.packs.push(t, column + n, column + end, record + n);
          }
          record += count;
        }
      }
      this.#items(task, t, itemPairs, lists, weights);
    });
    // one array for all, because asking for the address of each takes a microsecond
    const packsAt = wave.length * words;
    const foldsAt = packsAt + lists.packs.length;
    const combinesAt = foldsAt + lists.folds.length;
    const table = new Float64Array(combinesAt + lists.combines.length);
    table.set(lists.packs, packsAt);
    table.set(lists.folds, foldsAt);
    table.set(lists.combines, combinesAt);
    const block = this.#blockFor(wave);
    const state = this.#statesOf(wave);
    let uniforms: { readonly key: string; readonly at: number } | null = null;
    wave.forEach((task, t) => {
      const key = kernel.inputs.map((input, slot) =>
        input.axis === "uniform" ? task.segment.offsets[slot] ?? 0 : ""
      ).join();
      if (uniforms?.key !== key) {
        const at = block.alloc(layout.uniforms * size);
        block.write(this.#uniforms(task), at);
        uniforms = { key, at };
      }
      const count = task.j1 - task.j0;
      const records = block.alloc(count * layout.recordBytes);
      const at = t * words;
      table[at + TASK.uniforms] = block.address + uniforms.at;
      table[at + TASK.records] = block.address + records;
      table[at + TASK.j0] = task.j0;
      table[at + TASK.i0] = task.i0;
      table[at + TASK.i1] = task.i1;
      table[at + TASK.count] = task.segment.j1 - task.segment.j0;
      table[at + TASK.state] = state === null ? 0 : state.block.address + state.offsets[t];
      table[at + TASK.splitStride] = this.#splitStride(task);
      table[at + TASK.splits] = task.splits.count;
      table.set(this.#pointers(kernel, task), at + TASK.addresses);
    });
    const tasks = addressOf(table);
    const itemsAt = (at: number, { length }: readonly number[], words: number): Items => ({
      address: tasks + at * table.BYTES_PER_ELEMENT,
      count: length / words,
    });
    let sum = 0;
    return {
      tasks,
      packs: itemsAt(packsAt, lists.packs, PACK_WORDS),
      folds: itemsAt(foldsAt, lists.folds, FOLD_WORDS),
      combines: itemsAt(combinesAt, lists.combines, COMBINE_WORDS),
      pairs: weights.map((w) => sum += w),
      held: [this.#inputs, this.#outputs, block, state, table],
    };
  }

  /** Items of one task: pieces of its columns by groups of its rows. */
  #items(
    task: Task,
    t: number,
    itemPairs: number,
    lists: { readonly folds: number[]; readonly combines: number[] },
    weights: number[],
  ): void {
    if (task.mirrored) {
      this.#mirroredItems(task, t, lists.folds, weights);
    }
    const { groupRows } = this.#program.layout;
    const rows = task.i1 - task.i0;
    const step = (columns: number): number =>
      groupRows * Math.max(1, Math.round(itemPairs / Math.max(1, columns) / groupRows));
    for (const { split, start, count, resumes } of task.mirrored ? [] : piecesOf(task)) {
      const flags = (task.keepsState ? FOLD_FLAGS.save : 0) | (resumes ? FOLD_FLAGS.resume : 0);
      const rowStep = step(count);
      for (let row = 0; row < rows; row += rowStep) {
        const end = Math.min(rows, row + rowStep);
        lists.folds.push(t, row, end, start, count, split, flags, split);
        weights.push((end - row) * count);
      }
    }
    if (!task.keepsState || !task.last) return;
    const rowStep = step(task.splits.count);
    for (let row = 0; row < rows; row += rowStep) {
      lists.combines.push(t, row, Math.min(rows, row + rowStep));
    }
  }

  /**
   * Blocks of rows by later blocks of columns, for both, then each block with itself. What rows of
   * block p get from columns of block q is their split q, and the other way round.
   */
  #mirroredItems(
    { i0, i1, j0, splits }: Task,
    t: number,
    folds: number[],
    weights: number[],
  ): void {
    const { length, count: blocks } = splits;
    const points = i1 - i0;
    const end = (block: number): number => Math.min(points, (block + 1) * length);
    const item = (p: number, q: number, flags: number): void => {
      const [row, column] = [p * length, q * length];
      const columns = end(q) - column;
      folds.push(t, row, end(p), j0 + column, columns, q, flags, p);
      weights.push((p === q ? 1 : 2) * (end(p) - row) * columns);
    };
    for (let p = 0; p < blocks; p++) {
      for (let q = p + 1; q < blocks; q++) item(p, q, FOLD_FLAGS.mirror);
    }
    for (let p = 0; p < blocks; p++) item(p, p, 0);
  }

  #splitStride(task: Task): number {
    const { groupRows, stateBytes } = this.#program.layout;
    return Math.ceil((task.i1 - task.i0) / groupRows) * stateBytes;
  }

  /** Room for the uniform records and packed columns of a wave. */
  #blockFor(wave: Wave): Block {
    const { kernel, layout } = this.#program;
    const uniforms = padded(layout.uniforms * bytesOf(kernel.float, kernel.float));
    let bytes = 0;
    for (const { j0, j1 } of wave) bytes += uniforms + padded((j1 - j0) * layout.recordBytes);
    if (this.#spare === null || this.#spare.bytes.byteLength < bytes + ALIGNMENT) {
      this.#spare = new Block(Math.max(bytes, 2 ** 16));
    }
    this.#spare.reset();
    return this.#spare;
  }

  /** Kept states: of a wave of their own, or of rows that began in a wave before. */
  #statesOf(wave: Wave): { readonly block: Block; readonly offsets: readonly number[] } | null {
    if (!wave[0].first) return this.#state;
    this.#state = null;
    if (!wave.some((task) => task.keepsState)) return null;
    let bytes = 0;
    const offsets = wave.map((task) => {
      const at = bytes;
      if (task.keepsState) bytes += this.#splitStride(task) * task.splits.count;
      return at;
    });
    return this.#state = { block: new Block(bytes), offsets };
  }

  #uniforms({ segment }: Task): Float32Array | Float64Array {
    const { kernel } = this.#program;
    const values = this.#program.uniforms(
      kernel.inputs.map((input, slot) => {
        if (input.axis !== "uniform") return null;
        const first = (segment.offsets[slot] ?? 0) * input.dim;
        return this.#inputs[slot].subarray(first, first + input.dim);
      }),
    );
    this.#isFinite &&= values.every(Number.isFinite);
    return kernel.float === "f32" ? Float32Array.from(values) : values;
  }

  /** Addresses of row 0 of every input and output, as the task's offsets place it. */
  #pointers(kernel: Kernel, { segment }: Task): number[] {
    const { inputs, outputs } = kernel;
    return [
      ...inputs.map((input, slot) =>
        this.#addresses[slot] + (segment.offsets[slot] ?? 0) * rowBytes(kernel, input)
      ),
      ...outputs.map((output, slot) =>
        this.#addresses[inputs.length + slot] + segment.output * rowBytes(kernel, output)
      ),
    ];
  }
}
