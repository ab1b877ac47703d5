// What an engine is: it compiles kernels to programs and runs programs over lists of segments.

import type { Kernel } from "../loop/mod.ts";

/** The arrays that tensors and engines hold. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

/**
 * A rectangle of pairs: rows i0 … i1 − 1, columns j0 … j1 − 1. Input slot s is read at row
 * (i or j) + offsets[s] (uniform inputs at offsets[s]), outputs are written at row i + output.
 * Plain folds are one segment; batches, sparse ranges and chunks are several.
 */
export interface Segment {
  readonly i0: number;
  readonly i1: number;
  readonly j0: number;
  readonly j1: number;
  readonly offsets: readonly number[];
  readonly output: number;
}

/** How far a run has come. */
export interface Progress {
  /** Pairs folded so far, and in all. */
  readonly done: number;
  readonly total: number;
  /** Threads that have taken part so far. */
  readonly threads: number;
}

/** What may watch and stop a run. */
export interface RunControl {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** A compiled kernel. */
export interface Program {
  readonly kernel: Kernel;
  /** What was chosen and what runs, for people. */
  explain(): { readonly target: string; readonly schedule: string; readonly source: string };
}

/** Runs kernels on one kind of hardware. */
export interface Engine {
  readonly name: string;
  /** Lines about what was found, for `doctor()`. */
  describe(): string[];
  /** Compiles a kernel for folds with this many rows, or finds it compiled. */
  compile(kernel: Kernel, rows: number): Program;
  /**
   * Runs a program. Inputs are row-major (rows, dim); outputs are written in place. Rejects with
   * `PairfoldError` code `aborted` when the signal says so, `memory` when one row does not fit.
   */
  launch(
    program: Program,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void>;
}
