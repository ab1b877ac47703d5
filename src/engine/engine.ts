// What an engine is: it compiles kernels to programs, holds numbers where its programs read them,
// and runs programs over lists of segments.

import type { FloatType, Kernel, MathFunctions } from "../loop/mod.ts";

/** The number types of tensors. */
export type DType = "float32" | "float64" | "int32";

/** The arrays that tensors and engines hold. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

/** Numbers in memory of an engine's own. */
export interface DeviceArray {
  readonly engine: Engine;
  readonly dtype: DType;
  /** How many numbers. */
  readonly length: number;
  /**
   * Copies the numbers to the host once the launches that fill them have run, and tells of their
   * progress. Rejects with what went wrong in one of them, or with code `aborted`.
   */
  download(control: RunControl): Promise<NumberArray>;
  /**
   * Frees the memory once the launches and downloads that were asked for before have run. Using
   * it afterwards is an error (code `device`); disposing twice is not.
   */
  dispose(): void;
}

/** Where numbers stand: on the host, or in an engine's memory. */
export type Held = NumberArray | DeviceArray;

/** What an engine's memory holds, in bytes. */
export interface MemoryUse {
  /** Held by tensors and by launches that run. */
  readonly live: number;
  /** Kept by the engine for the next use. */
  readonly pooled: number;
  /** What may still be had. */
  readonly available: number;
  readonly total: number;
}

/**
 * A rectangle of pairs: rows i0 … i1 − 1, columns j0 … j1 − 1. Input slot s is read at row
 * (i or j) + offsets[s] (uniform inputs at offsets[s]), outputs are written at row i + output.
 * Plain folds are one segment; batches, sparse ranges and chunks are several.
 *
 * Where it has `columns`, j is a place in a list of columns, and column inputs are read at
 * columns[j] + offsets[s]: what does not stand together is folded as one.
 */
export interface Segment {
  readonly i0: number;
  readonly i1: number;
  readonly j0: number;
  readonly j1: number;
  readonly offsets: readonly number[];
  readonly output: number;
  /** The list of columns as ranges: the first column of each and one beyond its last. */
  readonly columns?: Int32Array;
  /**
   * Of a part of a segment: the whole's rows. How columns are split depends on those, so that the
   * parts give the bits of the whole.
   */
  readonly wholeRows?: number;
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
  /** Calls back once somebody watches, now or later; where it is missing, somebody does. */
  readonly whenWatched?: (watched: () => void) => void;
  /** Of a launch that takes apart what another one computed: the pairs that this one folded. */
  readonly pairs?: number;
}

/** A compiled kernel. */
export interface Program {
  readonly kernel: Kernel;
  /** What was chosen and what runs, for people. */
  explain(): {
    readonly target: string;
    readonly schedule: string;
    readonly source: string;
    /** How products that tensor cores might take are computed, on engines that have them. */
    readonly products?: string;
    /** Which pairs are folded, where that is not what was planned. */
    readonly pairs?: string;
  };
}

/** The fold that is wanted, of which launches of other kernels are parts. */
export interface WholeFold {
  /** The kernel that would fold it in one launch. */
  readonly kernel: Kernel;
  readonly pairs: number;
}

/** Searches for nearest points from which on rounding them first pays. */
export interface RoundsFrom {
  /** Pairs, times components: code takes its time to make. */
  readonly numbers: number;
  /** Pairs for each point of rows and columns: so does rounding it. */
  readonly met: number;
}

/** Runs kernels on one kind of hardware. */
export interface Engine {
  /** As in `device`: "wasm", "cuda:0". */
  readonly name: string;
  /** What the target computes functions with, one object for all its engines: kernels use these. */
  readonly math: MathFunctions;
  /** Lines about what was found, for `doctor()`. */
  describe(): string[];
  /**
   * Whether it works on arrays of the host, so that one fold may be many launches of a few of them.
   */
  readonly onHost?: boolean;
  /**
   * Whether its launches look at their uniform numbers, and run a kernel's `carefully` where one of
   * them is not finite; default no.
   */
  readonly expectsFinite?: boolean;
  /**
   * From where on nearest points are found sooner where points, rounded to integers of 16 bits, are
   * looked at first; absent where the processor has no instruction for products of these.
   */
  readonly roundsFrom?: RoundsFrom;
  /**
   * Compiles a kernel for folds with so many rows and columns, or finds it compiled. An engine that
   * is several chooses by the whole fold, where there is one: all of its launches run on the same.
   */
  compile(kernel: Kernel, rows: number, columns: number, whole?: WholeFold): Program;
  /**
   * Whether it folds so many points with themselves, sums of so many components, by kernels with a
   * mirror where these pay. By size (and what memory it was given) alone, so that the same fold has
   * the same bits every time; a card whose compiler cannot make such a kernel folds all pairs.
   */
  mirrors?(points: number, dim: number, float: FloatType): boolean;
  /** Whether a kernel's mirror is estimated to pay there, for so many points. */
  mirrorPays?(kernel: Kernel, points: number): boolean;
  /** Whether a launch of a program on some segments meets each pair of points once. */
  isMirrored?(program: Program, segments: readonly Segment[]): boolean;
  /**
   * Opens what can only be opened asynchronously; awaited before all that follows. Where that takes
   * long, the kernel that is wanted first is made ready meanwhile, for folds of so many rows and
   * columns.
   */
  open?(kernel?: Kernel, rows?: number, columns?: number): Promise<void>;
  /** An unfilled array that launches write: on the host for engines that work there. */
  allocate(dtype: DType, length: number): Held;
  /**
   * The same numbers where launches read them: the array itself for engines that work on the host,
   * else a copy, after which the array may change.
   */
  place(numbers: NumberArray): Held;
  /**
   * Runs a program, or queues it behind what was launched before. Inputs are row-major (rows, dim):
   * uniform ones stand on the host, all others are this engine's (by `place`, or outputs of its
   * launches). Outputs are arrays of `allocate`.
   *
   * Resolves once the outputs are filled, or, where they are device arrays, once all that fills
   * them is queued: what goes wrong after that is told by their `download`. Rejects with
   * `PairfoldError` code `aborted` when the signal says so, `memory` when one row does not fit.
   */
  launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void>;
  /** What the engine's memory holds; null for engines that have none of their own. */
  memory(): MemoryUse | null;
}
