// Runs launches of native kernels, one after another: wave by wave, on threads of the host's pool
// where it pays and on the calling thread where not. Enters: a program and the waves of a launch.
// Leaves: its outputs, filled, and memory that the next launch may use.

import { ALIGNMENT, type CSource, type SourceKind } from "../../emit/c/mod.ts";
import { PairfoldError } from "../../error.ts";
import type { Kernel } from "../../loop/mod.ts";
import { costOf } from "../../tiling/mod.ts";
import type { NumberArray, RunControl } from "../engine.ts";
import { reporting, type Run, throwIfAborted } from "../launches.ts";
import { pairsOf, type Wave } from "../plan.ts";
import { Calls, type Work } from "./calls.ts";
import type { Libraries, Library } from "./library.ts";
import type { Notes } from "./notes.ts";
import { type NativeProgram, scheduleKey } from "./program.ts";
import { Block, type Items, Stage, type Tables } from "./stage.ts";

/** Calls on other threads take 10–60 µs to come back: about this many operations (Zen 4). */
const THREADED_OPERATIONS = 2e7;
/** Operations of one work item: about a quarter of a millisecond, so that abort is prompt. */
const ITEM_OPERATIONS = 4e7;
/** What a pair costs beside its operations. */
const PAIR_OPERATIONS = 4;
/** Milliseconds between two looks at how far it has come. */
const PROGRESS_INTERVAL = 10;
/** Memory up to so many bytes is kept for the next launch. */
const KEPT_BYTES = 64 * 2 ** 20;

/** What is to be run, and what its libraries come from. */
export interface Launch {
  readonly program: NativeProgram;
  readonly inputs: readonly NumberArray[];
  readonly outputs: readonly NumberArray[];
  readonly waves: readonly Wave[];
  /** Pairs of all waves. */
  readonly total: number;
  /** Whether it may go to threads. */
  readonly isThreaded: boolean;
  readonly libraries: Libraries;
  readonly notes: Notes | null;
}

/** A launch under way. */
interface Running extends Run {
  /** Libraries that were asked for. */
  readonly opening: Promise<unknown>[];
}

/** Opens a library of a program, and keeps what a later process needs to know of it. */
function libraryOf({ program, libraries, notes }: Launch, kind: SourceKind): Promise<Library> {
  const source = program.source(kind);
  return libraries.open(kind, source, (library) => {
    const { kernel, schedule, layout } = program;
    const { effort, scratchBytes } = source;
    const note = { library, effort, scratchBytes };
    notes?.keep(kernel, scheduleKey(schedule), layout, kind, note);
  });
}

/** Runs the launches of one engine. */
export class Runner {
  readonly #threads: number;
  readonly #threadedOperations: number;
  #spare: Block | null = null;
  #scratch: Block[] = [];

  /**
   * `threadedOperations`: pairs, times the operations of each, from which a wave goes to threads.
   */
  constructor(threads: number, threadedOperations = THREADED_OPERATIONS) {
    this.#threads = threads;
    this.#threadedOperations = threadedOperations;
  }

  /** Bytes that are kept for the next launch. */
  get bytes(): number {
    return (this.#spare?.bytes.byteLength ?? 0) +
      this.#scratch.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  /** Gives that memory back. */
  forget(): void {
    this.#spare = null;
    this.#scratch = [];
  }

  /** Runs a launch; gives the kernel that it wants instead where a number is not finite. */
  async run(launch: Launch, control: RunControl): Promise<Kernel | null> {
    const { program, inputs, outputs, waves, total, libraries } = launch;
    const run: Running = { control, total, before: 0, threads: 0, opening: [] };
    control.onProgress?.({ done: 0, total, threads: 0 });
    libraries.enter();
    const stage = new Stage(program, inputs, outputs, this.#spare);
    this.#spare = null;
    try {
      for (const wave of waves) {
        const careful = await this.#wave(launch, stage, wave, run);
        if (careful !== null) return careful;
        run.before += wave.reduce((t, task) => t + pairsOf(task), 0);
      }
    } finally {
      // what is being compiled belongs to this launch, also where that goes wrong
      await Promise.allSettled(run.opening);
      libraries.leave();
      const { spare } = stage;
      if (spare !== null && spare.bytes.byteLength <= KEPT_BYTES) this.#spare = spare;
      this.#scratch = this.#scratch.filter(({ bytes }) => bytes.byteLength <= KEPT_BYTES);
    }
    control.onProgress?.({ done: total, total, threads: run.threads });
    return null;
  }

  /** Runs the tasks of one wave, or gives the kernel that is wanted instead. */
  async #wave(
    launch: Launch,
    stage: Stage,
    wave: Wave,
    run: Running,
  ): Promise<Kernel | null> {
    const { program, libraries } = launch;
    const isMirrored = wave.some((task) => task.mirrored);
    const kind = isMirrored ? "mirror" : "fold";
    const source = program.source(kind);
    const known = libraries.known(source);
    const opening = known === null ? libraryOf(launch, kind) : null;
    // side by side, where both are compiled; what goes wrong is told where it is used
    if (opening !== null) run.opening.push(opening);
    if (isMirrored && !libraries.known(program.source("combine"))) {
      run.opening.push(libraryOf(launch, "combine"));
    }
    for (const library of run.opening) library.catch(() => {});
    const perPair = costOf(program.kernel).operations + PAIR_OPERATIONS;
    const pairs = wave.reduce((t, task) => t + pairsOf(task), 0);
    const isThreaded = launch.isThreaded && pairs * perPair >= this.#threadedOperations;
    const threads = isThreaded ? this.#threads : 1;
    const itemPairs = Math.max(1, Math.min(ITEM_OPERATIONS / perPair, pairs / (8 * threads)));
    const tables = stage.tables(wave, itemPairs);
    const careful = stage.isFinite ? null : program.kernel.carefully?.() ?? null;
    if (careful !== null) return careful;
    const library = known ?? await opening;
    if (library === null) throw new PairfoldError("internal", "native: no library");
    throwIfAborted(run.control);
    const scratch = this.#scratchOf(isThreaded, tables.folds, source);
    await this.#dispatch(run, { library, tables, items: tables.folds, scratch }, isThreaded);
    if (tables.combines.count > 0) await this.#combine(launch, tables, run, isThreaded);
    return null;
  }

  /** Joins the states of finished tasks. */
  async #combine(
    launch: Launch,
    tables: Tables,
    run: Run,
    isThreaded: boolean,
  ): Promise<void> {
    const combine = launch.program.source("combine");
    const library = launch.libraries.known(combine) ??
      await libraryOf(launch, "combine");
    const items = tables.combines;
    const scratch = this.#scratchOf(isThreaded, items, combine);
    await this.#dispatch(run, { library, tables, items, scratch }, isThreaded);
  }

  /** Memory of the threads that some items are worth. */
  #scratchOf(isThreaded: boolean, { count }: Items, { scratchBytes }: CSource): readonly Block[] {
    const threads = isThreaded ? Math.min(this.#threads, Math.max(1, count)) : 1;
    for (let thread = 0; thread < threads; thread++) {
      const there = this.#scratch[thread]?.bytes.byteLength ?? 0;
      if (there < scratchBytes + ALIGNMENT) this.#scratch[thread] = new Block(scratchBytes);
    }
    return this.#scratch.slice(0, threads);
  }

  /** Runs items here, or on threads; tells of progress where these fold. */
  async #dispatch(run: Run, work: Work, isThreaded: boolean): Promise<void> {
    const calls = new Calls(work);
    if (!isThreaded) {
      calls.here();
      run.threads = Math.max(run.threads, 1);
      return;
    }
    const { signal, onProgress } = run.control;
    const { items, tables: { folds, pairs } } = work;
    const abort = (): void => calls.abort();
    signal?.addEventListener("abort", abort);
    const report = (): void => {
      run.threads = Math.max(run.threads, calls.threads);
      if (items !== folds) return;
      const done = run.before + (calls.done > 0 ? pairs[calls.done - 1] : 0);
      onProgress?.({ done, total: run.total, threads: run.threads });
    };
    const stopReporting = reporting(run.control, report, PROGRESS_INTERVAL);
    try {
      if (signal?.aborted) abort();
      // all of them end before this does: they use memory that goes with it
      await calls.apart();
      report();
    } finally {
      stopReporting();
      signal?.removeEventListener("abort", abort);
    }
    throwIfAborted(run.control);
  }
}
