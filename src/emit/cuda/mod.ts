// Kernel and schedule to CUDA C++ without headers. Pure.
//
// `pack` writes column records, one thread per column. `fold` gives every thread some rows and
// walks the columns in tiles of shared memory. `combine`, a source of its own because few launches
// need it, joins the states of column splits, one thread per row; so is `mirror`, which folds
// points with themselves. Each runs over a table of segments: a block of threads looks up which
// entry it belongs to.

import type { Kernel } from "../../loop/mod.ts";
import {
  checkCudaSchedule,
  type CudaMirror,
  cudaMirrorOf,
  type CudaSchedule,
} from "../../tiling/mod.ts";
import { writeCombine } from "./combine.ts";
import { writeFold } from "./fold.ts";
import { type CudaLayout, layoutOf } from "./layout.ts";
import { writeMirror } from "./mirror.ts";
import { writePanelFold } from "./panel_fold.ts";
import { writePack } from "./pack.ts";
import { SourceWriter } from "./writer.ts";

export { type CudaLayout, SEGMENT, SEGMENT_FLAGS, STATE_ROWS } from "./layout.ts";
export { OPTIONS } from "./prelude.ts";
export { ENTRIES, LINE_THREADS } from "./writer.ts";

/** An emitted kernel. */
export interface CudaModule {
  /** `pack`, where there are columns to pack, and `fold`. */
  readonly source: string;
  /** The source of `combine`, emitted when first needed. */
  readonly combine: () => string;
  /** The source of `mirror`, emitted when first needed; null where all pairs are folded. */
  readonly mirror: { readonly source: () => string; readonly threads: number } | null;
  readonly layout: CudaLayout;
  /** Whether there is a `pack`. */
  readonly packs: boolean;
}

function foldSource(kernel: Kernel, schedule: CudaSchedule): string {
  const source = new SourceWriter(kernel, schedule);
  source.head();
  if (kernel.records.column.length > 0) writePack(source);
  if ((schedule.panel ?? 0) > 0) writePanelFold(source);
  else writeFold(source);
  return source.toString();
}

function combineSource(kernel: Kernel, schedule: CudaSchedule): string {
  const source = new SourceWriter(kernel, schedule);
  source.head();
  writeCombine(source);
  return source.toString();
}

function mirrorSource(kernel: Kernel, cut: CudaMirror): string {
  const source = new SourceWriter(kernel, cut.rows);
  source.head();
  writeMirror(source, cut);
  return source.toString();
}

/** Emits a kernel. Throws `PairfoldError` (compile) for a schedule that it cannot have. */
export function emitCuda(kernel: Kernel, schedule: CudaSchedule): CudaModule {
  checkCudaSchedule(kernel, schedule);
  const cut = cudaMirrorOf(kernel, schedule);
  return {
    source: foldSource(kernel, schedule),
    combine: () => combineSource(kernel, schedule),
    mirror: cut === null
      ? null
      : { source: () => mirrorSource(kernel, cut), threads: cut.rows.threads },
    layout: layoutOf(kernel, schedule),
    packs: kernel.records.column.length > 0,
  };
}
