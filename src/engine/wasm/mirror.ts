// Work items of points with themselves. Enters: a task that meets each pair of points once, and
// where its rows, columns and states stand. Leaves: blocks of rows by later blocks of columns, for
// both, then each block with itself. What rows of block p get from columns of block q is their
// split q, and the other way round, so that every state is written by one item.

import { FLAGS, MIRROR_STATES } from "../../emit/wasm/mod.ts";
import type { Task } from "../plan.ts";
import type { LinearMemory } from "./memory.ts";
import type { WasmProgram } from "./program.ts";
import type { ColumnBlock, RowBlock } from "./stage.ts";

/** Items as the engine lists them: the words of each, and its pairs. */
export interface ItemList {
  readonly words: number[];
  readonly weights: number[];
}

/** Where the data of a task stand. */
export interface MirrorPlace {
  readonly program: WasmProgram;
  readonly memory: LinearMemory;
  readonly rows: RowBlock;
  readonly columns: ColumnBlock;
}

/** A strip of a block's rows that meets columns of a later block. */
interface Strip {
  readonly row: number;
  readonly rowEnd: number;
  readonly column: number;
  readonly count: number;
  /** The blocks of both. */
  readonly p: number;
  readonly q: number;
  /** Whether the rows, or the columns, have met others of the same blocks. */
  readonly flags: number;
}

/** Numbers from one to another, some at a time. */
function* steps(from: number, to: number, step: number): Generator<[start: number, end: number]> {
  for (let start = from; start < to; start += step) yield [start, Math.min(to, start + step)];
}

/**
 * The strips of a task. Threads take whole blocks; the calling thread takes what is done at a time,
 * so that it may look at the clock.
 */
function* stripsOf(
  { i0, i1, splits }: Task,
  program: WasmProgram,
  whole: boolean,
): Generator<Strip> {
  const { mirror } = program.layout;
  if (mirror === null) return;
  const { length, count: blocks } = splits;
  const end = (block: number): number => Math.min(i1 - i0, (block + 1) * length);
  const [rowStep, columnStep] = whole ? [length, length] : [mirror.rows, mirror.columns];
  for (let p = 0; p < blocks; p++) {
    for (let q = p + 1; q < blocks; q++) {
      for (const [column, columnEnd] of steps(q * length, end(q), columnStep)) {
        for (const [row, rowEnd] of steps(p * length, end(p), rowStep)) {
          const flags = (column > q * length ? FLAGS.resume : 0) |
            (row > p * length ? FLAGS.joins : 0);
          yield { row, rowEnd, column, count: columnEnd - column, p, q, flags };
        }
      }
    }
  }
}

/** Appends the items of a task; a block with itself goes in items of about so many pairs. */
export function mirroredItems(
  task: Task,
  { program, memory, rows, columns }: MirrorPlace,
  itemPairs: number,
  whole: boolean,
  { words, weights }: ItemList,
): void {
  const { groupRows, records: { step: recordBytes }, stateBytes } = program.layout;
  const { length, count: blocks } = task.splits;
  const stateOf = (row: number, split: number): number =>
    rows.state + split * rows.splitStride + row / groupRows * stateBytes;
  const strips = [...stripsOf(task, program, whole)];
  const states = memory.alloc(strips.length * MIRROR_STATES.bytes);
  const view = memory.view("i32");
  strips.forEach(({ row, rowEnd, column, count, p, q, flags }, k) => {
    const at = states + k * MIRROR_STATES.bytes;
    view[(at + MIRROR_STATES.ofRows) / 4] = stateOf(row, q);
    view[(at + MIRROR_STATES.ofColumns) / 4] = stateOf(column, p);
    const record = columns.record + column * recordBytes;
    words.push(rows.job, rows.row + row, rows.row + rowEnd, record, count, task.j0 + column, at);
    words.push(flags | FLAGS.mirror);
    weights.push(2 * (rowEnd - row) * count);
  });
  const points = task.i1 - task.i0;
  for (let p = 0; p < blocks; p++) {
    const start = p * length;
    const count = Math.min(points - start, length);
    const step = Math.max(1, Math.round(itemPairs / count / groupRows)) * groupRows;
    const record = columns.record + start * recordBytes;
    for (const [row, rowEnd] of steps(start, start + count, step)) {
      words.push(rows.job, rows.row + row, rows.row + rowEnd, record, count, task.j0 + start);
      words.push(stateOf(row, p), FLAGS.save);
      weights.push((rowEnd - row) * count);
    }
  }
}
