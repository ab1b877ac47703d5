// Work items of a wave, which threads claim one after another. Enters: tasks, and where their rows,
// columns and states stand. Leaves: the words of each item.

import { columnBytes, FLAGS } from "../../emit/wasm/mod.ts";
import { piecesOf, type Task, type Wave } from "../plan.ts";
import type { LinearMemory } from "./memory.ts";
import { type ItemList, mirroredItems } from "./mirror.ts";
import type { WasmProgram } from "./program.ts";
import type { ColumnBlock, RowBlock } from "./stage.ts";

/** Pairs of one work item: about a millisecond, so that progress and abort are prompt. */
const ITEM_PAIRS = 1_000_000;

/** Where the data of a wave stand: the rows and columns of each task. */
export interface WavePlace {
  readonly program: WasmProgram;
  readonly memory: LinearMemory;
  readonly rows: readonly RowBlock[];
  readonly columns: readonly ColumnBlock[];
}

/** The items of a wave of so many pairs, for so many threads. */
export function itemsOf(
  wave: Wave,
  { program, memory, rows, columns }: WavePlace,
  pairs: number,
  threads: number,
): ItemList {
  const wanted = Math.max(1, Math.min(ITEM_PAIRS, pairs / (8 * threads)));
  const list: ItemList = { words: [], weights: [] };
  wave.forEach((task, t) => {
    if (task.mirrored) {
      const place = { program, memory, rows: rows[t], columns: columns[t] };
      mirroredItems(task, place, wanted, threads > 1, list);
    } else addItems(task, program, rows[t], columns[t], wanted, list);
  });
  return list;
}

/** Appends the items of a task that meets all pairs, of about so many each. */
function addItems(
  task: Task,
  program: WasmProgram,
  { job, row: first, state, splitStride }: RowBlock,
  columns: ColumnBlock,
  wanted: number,
  { words, weights }: ItemList,
): void {
  const { groupRows, records, stateBytes } = program.layout;
  for (const { split, start, count, resumes } of piecesOf(task)) {
    const flags = (task.keepsState ? FLAGS.save : 0) | (resumes ? FLAGS.resume : 0);
    const groups = Math.max(1, Math.round(wanted / Math.max(1, count) / groupRows));
    const rows = task.i1 - task.i0;
    for (let row = 0; row < rows; row += groups * groupRows) {
      const rowEnd = Math.min(rows, row + groups * groupRows);
      const stateAt = state + split * splitStride + (row / groupRows) * stateBytes;
      const record = columns.record + columnBytes(records, start - task.j0);
      words.push(job, first + row, first + rowEnd, record, count, start, stateAt, flags);
      weights.push((rowEnd - row) * count);
    }
  }
}
