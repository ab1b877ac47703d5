// A wave of tasks as tables for the kernels: which columns to pack, which rectangles to fold, which
// states to join. Pure; the words are those of SEGMENT.

import { type CudaLayout, SEGMENT, SEGMENT_FLAGS, STATE_ROWS } from "../../emit/cuda/mod.ts";
import type { Kernel, KernelInput } from "../../loop/mod.ts";
import type { Segment } from "../engine.ts";
import { columnRuns, piecesOf, type Task, type Wave } from "../plan.ts";

/** A list of entries for one kernel. */
export interface Table {
  readonly words: BigInt64Array<ArrayBuffer>;
  readonly length: number;
  /** Blocks of threads that all entries take together. */
  readonly units: number;
}

/** What one wave launches. */
export interface WaveTables {
  readonly pack: Table;
  readonly fold: Table;
  /** Points with themselves, each pair once; no units where all pairs are folded. */
  readonly mirror: Table;
  readonly combine: Table;
  /** Records of packed columns, and rows of kept states, that the wave needs. */
  readonly records: number;
  readonly stateRows: number;
}

/** What the kernels of one program deal to a block of threads. */
interface Dealing {
  readonly layout: CudaLayout;
  /** Columns that a block packs, and rows that a block joins. */
  readonly lineThreads: number;
}

/** Values of an entry by name; the others are 0. */
type Entry = Partial<Record<Exclude<keyof typeof SEGMENT, "firstUnit" | "offsets">, number>>;

/** Names of an entry's values, as places in it. */
const FIELDS = Object.entries(SEGMENT)
  .filter(([name]) => name !== "firstUnit" && name !== "offsets") as [keyof Entry, number][];

class TableBuilder {
  /** Halves of 64-bit words: numbers become BigInts for nobody. */
  #halves = new Uint32Array(64);
  readonly #perEntry: number;
  #length = 0;
  #units = 0;

  constructor(perEntry: number) {
    this.#perEntry = perEntry;
  }

  add(entry: Entry, offsets: readonly number[], units: number): void {
    if (units === 0) return;
    const first = this.#length * this.#perEntry;
    if (2 * (first + this.#perEntry) > this.#halves.length) {
      const larger = new Uint32Array(2 * this.#halves.length + 2 * this.#perEntry);
      larger.set(this.#halves);
      this.#halves = larger;
    }
    this.#set(first + SEGMENT.firstUnit, this.#units);
    for (const [name, at] of FIELDS) {
      const value = entry[name];
      if (value !== undefined) this.#set(first + at, value);
    }
    for (let slot = 0; slot < offsets.length; slot++) {
      this.#set(first + SEGMENT.offsets + slot, offsets[slot]);
    }
    this.#length++;
    this.#units += units;
  }

  /** Writes an integer as two's complement, as long as a number tells it exactly. */
  #set(word: number, value: number): void {
    this.#halves[2 * word] = value; // modulo 2^32
    this.#halves[2 * word + 1] = Math.floor(value / 2 ** 32);
  }

  get table(): Table {
    return {
      words: new BigInt64Array(this.#halves.buffer, 0, this.#length * this.#perEntry),
      length: this.#length,
      units: this.#units,
    };
  }
}

/** Numbers segments by some of their offsets: the same number where these are the same. */
export class OffsetGroups {
  readonly #slots: readonly number[];
  readonly #root: OffsetNode = { id: -1, next: null };
  /** The last segment asked for, and its number: tasks of one segment follow one another. */
  #last: Segment | null = null;
  #lastId = -1;
  #count = 0;

  /** `slots`: which offsets count. */
  constructor(slots: readonly number[]) {
    this.#slots = slots;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  of(segment: Segment): number {
    if (segment === this.#last) return this.#lastId;
    let node = this.#root;
    for (const slot of this.#slots) {
      const offset = segment.offsets[slot] ?? 0;
      node.next ??= new Map();
      let below = node.next.get(offset);
      if (below === undefined) node.next.set(offset, below = { id: -1, next: null });
      node = below;
    }
    if (node.id === -1) node.id = this.#count++;
    this.#last = segment;
    return this.#lastId = node.id;
  }
}

interface OffsetNode {
  id: number;
  next: Map<number, OffsetNode> | null;
}

/** Columns j0 … j1 − 1 that stand packed from a record on. */
interface Packed {
  readonly j0: number;
  readonly j1: number;
  readonly record: number;
}

/**
 * Merges ranges of columns, so that each column is packed once, and places them one after another.
 */
function placeRanges(ranges: [number, number][], from: number): Packed[] {
  const sorted = ranges.filter(([a, b]) => b > a).sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [a, b] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && a <= last[1]) last[1] = Math.max(last[1], b);
    else merged.push([a, b]);
  }
  let record = from;
  return merged.map(([j0, j1]) => {
    const packed = { j0, j1, record };
    record += j1 - j0;
    return packed;
  });
}

/** Finds the record of a column. */
function recordOf(packed: readonly Packed[], j: number): number {
  let low = 0;
  let high = packed.length;
  while (high - low > 1) {
    const half = (low + high) >>> 1;
    if (packed[half].j0 <= j) low = half;
    else high = half;
  }
  const found = packed[low];
  return found === undefined ? 0 : found.record + (j - found.j0);
}

/** Slots of inputs on some axes. */
export const slotsOn = (kernel: Kernel, ...axes: readonly KernelInput["axis"][]): number[] =>
  kernel.inputs.flatMap(({ axis }, slot) => axes.includes(axis) ? [slot] : []);

/** Rows of a task's states, rounded so that every item of state is aligned. */
const stateRowsOf = (task: Task): number =>
  task.keepsState
    ? Math.ceil((task.i1 - task.i0) * task.splits.count / STATE_ROWS) * STATE_ROWS
    : 0;

/**
 * Tables of a wave. Lists of columns are packed for each task, all others once for all that meet
 * them. `uniforms` tells where a segment's uniform record stands; states of tasks stand
 * one after another. A task's slice may be only some of its rows: the states stay where they are.
 */
export function tablesOf(
  kernel: Kernel,
  { layout, lineThreads }: Dealing,
  wave: Wave,
  uniforms: (segment: Segment) => number,
): WaveTables {
  // segments whose columns have the same records
  const numbers = new OffsetGroups(slotsOn(kernel, "column", "uniform"));
  const groups: { tasks: Task[]; packed: Packed[] }[] = [];
  const { segmentWords } = layout;
  const pack = new TableBuilder(segmentWords);
  let records = 0;
  const groupsOfTasks = wave.map((task) => {
    const { segment, j0, j1 } = task;
    if (segment.columns !== undefined) {
      const packed = [{ j0, j1, record: records }];
      for (const { column, count } of columnRuns(segment, j0, j1)) {
        const run = { j0: column, j1: column + count };
        const entry = { ...run, columns: records, uniforms: uniforms(segment) };
        pack.add(entry, segment.offsets, Math.ceil(count / lineThreads));
        records += count;
      }
      return { packed };
    }
    const group = groups[numbers.of(segment)] ??= { tasks: [], packed: [] };
    group.tasks.push(task);
    return group;
  });
  for (const group of groups) {
    group.packed = placeRanges(group.tasks.map(({ j0, j1 }) => [j0, j1]), records);
    const [{ segment }] = group.tasks;
    for (const { j0, j1, record } of group.packed) {
      const units = Math.ceil((j1 - j0) / lineThreads);
      const entry = { j0, j1, columns: record, uniforms: uniforms(segment) };
      pack.add(entry, segment.offsets, units);
      records += j1 - j0;
    }
  }
  const fold = new TableBuilder(segmentWords);
  const mirror = new TableBuilder(segmentWords);
  const combine = new TableBuilder(segmentWords);
  let stateRows = 0;
  for (const [n, task] of wave.entries()) {
    const { segment, i0, i1, keepsState, last, splits } = task;
    const { packed } = groupsOfTasks[n];
    const rows = i1 - i0;
    const common = {
      i0,
      i1,
      count: segment.j1 - segment.j0,
      output: segment.output,
      uniforms: uniforms(segment),
    };
    if (task.mirrored) {
      const { count, length } = splits;
      const states = { state: stateRows, stride: rows, block: length };
      const columns = recordOf(packed, task.j0);
      const entry = { ...common, ...states, j0: task.j0, j1: task.j1, columns };
      mirror.add(entry, segment.offsets, count * (count - 1) / 2);
      for (let block = 0; block < count; block++) {
        const at = block * length;
        const [begin, end] = [at, Math.min(rows, at + length)];
        const itself = {
          ...common,
          i0: i0 + begin,
          i1: i0 + end,
          j0: task.j0 + begin,
          j1: task.j0 + end,
          columns: columns + begin,
          state: stateRows + block * rows + begin,
          flags: SEGMENT_FLAGS.save,
        };
        fold.add(itself, segment.offsets, Math.ceil((end - begin) / layout.blockRows));
      }
    }
    for (const { split, start, count, resumes } of task.mirrored ? [] : piecesOf(task)) {
      const entry = {
        ...common,
        j0: start,
        j1: start + count,
        columns: recordOf(packed, start),
        state: stateRows + split * rows,
        flags: (resumes ? SEGMENT_FLAGS.resume : 0) | (keepsState ? SEGMENT_FLAGS.save : 0),
      };
      fold.add(entry, segment.offsets, Math.ceil(rows / layout.blockRows) * layout.slices);
    }
    if (keepsState && last) {
      const entry = { ...common, state: stateRows, splits: splits.count, stride: rows };
      combine.add(entry, segment.offsets, Math.ceil(rows / lineThreads));
    }
    stateRows += stateRowsOf(task);
  }
  return {
    pack: pack.table,
    fold: fold.table,
    mirror: mirror.table,
    combine: combine.table,
    records,
    stateRows,
  };
}
