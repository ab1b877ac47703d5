// What a user may choose about a WebAssembly engine.

import type { WasmSchedule } from "../../tiling/mod.ts";
import type { ChoiceKinds } from "../options.ts";
import type { TuneMode } from "../tuner.ts";

/** Choices of a WebAssembly engine; all have defaults. */
export interface WasmOptions {
  /** Threads at most; default one per core. */
  readonly threads?: number;
  /** Use relaxed SIMD (fused multiply-add); default where the host has it. */
  readonly relaxedSimd?: boolean;
  /** Use shared memory and workers; default where the host has them. */
  readonly sharedMemory?: boolean;
  /** Use a second memory, of each worker's own; default where the host has it. */
  readonly multipleMemories?: boolean;
  /**
   * Bytes of linear memory that a launch may use at most; default 1 GiB. Larger ones run in chunks,
   * which change no bit; sums of a table with itself that need more than this (256 MiB at most
   * beside their tensors) to meet each pair of points once fold all pairs, which may change the
   * last.
   */
  readonly memoryLimit?: number;
  /** How loops are cut; default by the cost model. */
  readonly schedule?: WasmSchedule | "untiled" | "auto";
  /** Whether schedules are timed on this machine; default PAIRFOLD_TUNE, else "cached". */
  readonly tune?: TuneMode;
  /** Folder for what is found so; goes before PAIRFOLD_CACHE. */
  readonly cache?: string;
  /** Pairs from which a launch goes to the workers. */
  readonly threadedPairs?: number;
  /**
   * Operations up to which a kernel runs as the code that is made soonest, a row vector and a
   * column at a time; 0: never. The bits are the same.
   */
  readonly quickOperations?: number;
}

/** What kinds they are. */
export const CHOICES: ChoiceKinds<WasmOptions> = {
  relaxedSimd: "flag",
  sharedMemory: "flag",
  multipleMemories: "flag",
  memoryLimit: "amount",
  cache: "path",
  threadedPairs: "amount",
  quickOperations: "amount",
};
