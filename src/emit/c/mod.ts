// Kernel and schedule to C on vectors of lanes, for gcc and clang. Pure.
//
// A kernel has up to three sources, each compiled when a launch wants it: one folds all pairs, one
// those of points with themselves, each once, one joins the states of column splits, because few
// launches need it. Their entries claim items by atomic counters, so that any number of threads may
// call them side by side.

import type { Kernel } from "../../loop/mod.ts";
import { checkNativeSchedule, costOf, type NativeSchedule } from "../../tiling/mod.ts";
import { claimLoop, type Effort, type ENTRIES, PACK_FIRST } from "./entries.ts";
import { FunctionWriter } from "./functions.ts";
import {
  type CLayout,
  COMBINE_WORDS,
  FOLD_WORDS,
  layoutOf,
  PACK_WORDS,
  TASK,
  taskWords,
} from "./layout.ts";

export {
  ALIGNMENT,
  CALL,
  CALL_WORDS,
  type CLayout,
  COMBINE_WORDS,
  CONTROL,
  FOLD_FLAGS,
  FOLD_WORDS,
  PACK_WORDS,
  TASK,
} from "./layout.ts";
export { type Effort, EFFORTS, ENTRIES, OPTIONS } from "./entries.ts";

/** What a source is for. */
export type SourceKind = keyof typeof ENTRIES;

/** A source and what each thread that runs it needs. */
export interface CSource {
  readonly text: string;
  /** How hard the compiler should try. */
  readonly effort: Effort;
  /** Bytes of scratch memory. */
  readonly scratchBytes: number;
}

/** An emitted kernel; sources are written when they are asked for. */
export interface CModule {
  /** Throws `PairfoldError` (internal) for the mirror of a kernel that has none. */
  readonly source: (kind: SourceKind) => CSource;
  readonly layout: CLayout;
}

/** The functions of a source, and its entry. */
function write(w: FunctionWriter, kind: SourceKind, kernel: Kernel): void {
  const { groupRows, stateBytes } = w.layout;
  const { length: columnSlots } = kernel.records.column;
  const words = taskWords(kernel);
  w.head();
  if (kind === "combine") {
    w.join();
    w.lines.add(
      ...claimLoop("combine", [], words, COMBINE_WORDS, [
        `const word i0 = (word)task[${TASK.i0}], i1 = (word)task[${TASK.i1}] - 1;`,
        `char* state = (char*)(word)task[${TASK.state}];`,
        `for (word row = (word)item[1]; row < (word)item[2]; row += ${groupRows}) {`,
        `  join(task, i0 + row, i1, state + row / ${groupRows} * ${stateBytes}, scratch);`,
        "}",
      ]),
    );
    return;
  }
  const packs = columnSlots > 0;
  if (packs) w.pack();
  const column = [
    `const word j = (word)item[3];`,
    `const scalar* column = (const scalar*)(word)task[${TASK.records}] + ` +
    `(j - (word)task[${TASK.j0}]) * ${columnSlots};`,
  ];
  const before = packs ? PACK_FIRST(words, PACK_WORDS) : [];
  if (kind === "mirror") {
    w.strip();
    w.lines.add(
      ...claimLoop(kind, before, words, FOLD_WORDS, [
        ...column,
        "strip(task, item, column, control, scratch);",
      ]),
    );
    return;
  }
  w.tile();
  w.lines.add(
    ...claimLoop(kind, before, words, FOLD_WORDS, [
      ...column,
      `const word i0 = (word)task[${TASK.i0}], i1 = (word)task[${TASK.i1}] - 1;`,
      `char* state = (char*)(word)task[${TASK.state}] + ` +
      `(word)item[5] * (word)task[${TASK.splitStride}];`,
      `for (word row = (word)item[1]; row < (word)item[2]; row += ${groupRows}) {`,
      `  tile(task, i0 + row, i1, column, j, (word)item[4],`,
      `       state + row / ${groupRows} * ${stateBytes}, (word)item[6], scratch);`,
      "}",
    ]),
  );
}

/** Emits a kernel. Throws `PairfoldError` (compile) for a schedule that it cannot have. */
export function emitC(kernel: Kernel, schedule: NativeSchedule, vectorBytes: number): CModule {
  checkNativeSchedule(schedule);
  return {
    source: (kind) => {
      const w = new FunctionWriter(kernel, schedule, vectorBytes);
      write(w, kind, kernel);
      const some = kernel.float === "f64" ? "some" : "quick";
      const effort = costOf(kernel).rare === "appends" ? "thorough" : some;
      return { text: `${w.lines}\n`, effort, scratchBytes: w.scratchBytes };
    },
    layout: layoutOf(kernel, schedule.rowVectors, vectorBytes),
  };
}
