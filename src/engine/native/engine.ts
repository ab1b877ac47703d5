// The native engine: emits C, has it compiled for this machine, and runs launches one after another,
// on threads of the host's pool where it pays and on the calling thread where not.

import { PairfoldError } from "../../error.ts";
import { ALIGNMENT, type CSource } from "../../emit/c/mod.ts";
import type { FloatType, Kernel } from "../../loop/mod.ts";
import { expandedMath } from "../../lower/mod.ts";
import {
  chooseNativeSchedule,
  costOf,
  costText,
  mirrorCut,
  mirroredSchedule,
  mirrorPays,
  NATIVE_MIRROR,
  nativeCandidates,
  type NativeSchedule,
  parseNativeSchedule,
  UNTILED_NATIVE,
} from "../../tiling/mod.ts";
import { Chooser } from "../chooser.ts";
import type {
  DType,
  Engine,
  Held,
  MemoryUse,
  NumberArray,
  Program,
  RunControl,
  Segment,
} from "../engine.ts";
import { allocate, hostArrays } from "../host.ts";
import { LaunchQueue, ownProgram, type Run, throwIfAborted } from "../launches.ts";
import { mirroredTask, pairsOf, planWaves, type Wave } from "../plan.ts";
import { processorOf } from "../system.ts";
import { extentOf, type TuneMode, Tuner } from "../tuner.ts";
import { LibraryCache } from "./cache.ts";
import { Calls, type Work } from "./calls.ts";
import {
  type CompilerOptions,
  findCompiler,
  type FoundCompiler,
  type Machine,
  probeNow,
  type Target,
} from "./compiler.ts";
import { Libraries, type Library } from "./library.ts";
import { Notes } from "./notes.ts";
import { NativeProgram, scheduleKey } from "./program.ts";
import { ownStamp } from "./sources.ts";
import { Block, footprintOf, type Items, SPLIT, Stage, type Tables } from "./stage.ts";
import { targetOf } from "./target.ts";

/** Choices of a native engine; all have defaults. */
export interface NativeOptions extends CompilerOptions {
  /** Threads at most; default one per core. */
  readonly threads?: number;
  /** Folder for compiled kernels; goes before PAIRFOLD_CACHE. */
  readonly cache?: string;
  /**
   * Bytes that a launch may take beside its tensors; default 1 GiB. Larger ones run in chunks, which
   * change no bit; sums of a table with itself that need more than this (256 MiB at most) to meet each
   * pair of points once fold all pairs, which may change the last.
   */
  readonly memoryLimit?: number;
  /** How loops are cut; default by the cost model. */
  readonly schedule?: NativeSchedule | "untiled" | "auto";
  /** Whether schedules are timed on this machine; default PAIRFOLD_TUNE, else "cached". */
  readonly tune?: TuneMode;
  /** Bytes of a vector of rows; default the machine's widest. */
  readonly vectorBytes?: 16 | 32 | 64;
  /** Pairs, times the operations of each, from which a launch goes to threads. */
  readonly threadedOperations?: number;
}

/** Threads that the control block has room for. */
const MAX_THREADS = 512;
/** Calls on other threads take 10–60 µs to come back: about this many operations (Zen 4). */
const THREADED_OPERATIONS = 2e7;
/** Operations of one work item: about a quarter of a millisecond, so that abort is prompt. */
const ITEM_OPERATIONS = 4e7;
/** What a pair costs beside its operations. */
const PAIR_OPERATIONS = 4;
const PROGRESS_INTERVAL = 25;
/** Bytes of waves of many small segments. */
const WAVE_BYTES = 64 * 2 ** 20;
/** Memory up to so many bytes is kept for the next launch. */
const KEPT_BYTES = 64 * 2 ** 20;
/** The compiler, once it was asked what it can do. */
interface Opened {
  readonly target: Target;
  readonly libraries: Libraries;
  /** Null where versions of Pairfold cannot be told apart. */
  readonly notes: Notes | null;
}

export class NativeEngine implements Engine {
  readonly name = "native";
  readonly onHost = true;
  readonly math = expandedMath;
  readonly #options: NativeOptions;
  readonly #threads: number;
  readonly #compiler: FoundCompiler;
  readonly #cache: LibraryCache;
  readonly #programs = new WeakMap<Kernel, Map<string, NativeProgram>>();
  readonly #chooser: Chooser<NativeSchedule, NativeProgram>;
  #opened: Opened | null = null;
  /** What it makes code for, where somebody asked before it was opened. */
  #machine: Machine | null = null;
  #opening: Promise<void> | null = null;
  readonly #queue = new LaunchQueue();
  #spare: Block | null = null;
  #scratch: Block[] = [];

  /** Throws `PairfoldError` (device) where there is no compiler, or no permission to use it. */
  constructor(options: NativeOptions = {}) {
    const threads = options.threads ?? globalThis.navigator?.hardwareConcurrency ?? 4;
    if (!Number.isInteger(threads) || threads < 1) {
      throw new PairfoldError("device", `threads: got ${threads}; expected an integer from 1`);
    }
    this.#options = options;
    this.#threads = Math.min(threads, MAX_THREADS);
    this.#compiler = findCompiler(options);
    this.#cache = new LibraryCache(options.cache);
    this.#cache.requirePermissions();
    const tuner = new Tuner({
      mode: options.tune,
      cache: options.cache,
      machine: () => {
        const { title, vectorBytes } = this.#target;
        return `native, ${title}, ${vectorBytes}, ${processorOf() ?? ""}`;
      },
      parse: parseNativeSchedule,
    });
    this.#chooser = new Chooser({
      asked: options.schedule,
      untiled: UNTILED_NATIVE,
      tuner,
      model: (kernel, rows, columns) => ({
        schedule: chooseNativeSchedule(kernel, rows, columns, this.#target),
        why: costText(kernel),
      }),
      program: (kernel, schedule, why) => this.#program(kernel, schedule, why),
    });
  }

  /** Libraries compiled so far (not found on disk). */
  get compiledLibraries(): number {
    return this.#opened?.libraries.compiled ?? 0;
  }

  describe(): string[] {
    const { path, args } = this.#compiler;
    const { folder } = this.#cache;
    return [
      `compiler ${[path, ...args].join(" ")}` +
      (this.#opened === null ? "" : ` (${this.#opened.target.title})`),
      `${this.#threads} threads`,
      folder === null ? "no cache of compiled kernels" : `compiled kernels in ${folder}`,
    ];
  }

  /** Asks the compiler what it makes code for; as long as that takes, lowers what is to be compiled. */
  open(kernel?: Kernel): Promise<void> {
    if (this.#opened !== null) return Promise.resolve();
    if (this.#opening !== null) return this.#opening;
    const known = targetOf(this.#compiler, this.#options, this.#cache);
    if (typeof known !== "function") {
      this.#opened = this.#openedFor(known);
      return Promise.resolve();
    }
    this.#opening = known()
      .then((target) => void (this.#opened = this.#openedFor(target)))
      .finally(() => this.#opening = null);
    void kernel?.pair;
    return this.#opening;
  }

  #openedFor(found: Target): Opened {
    const { timeout, vectorBytes = found.vectorBytes } = this.#options;
    const target = { ...found, vectorBytes };
    const compiler = this.#compiler;
    const libraries = new Libraries(compiler, target, this.#cache, timeout);
    const stamp = ownStamp();
    const { machine, identity } = target;
    const version = [stamp, compiler.path, compiler.args, machine, identity, vectorBytes].join(
      "\n",
    );
    return { target, libraries, notes: stamp === null ? null : new Notes(this.#cache, version) };
  }

  get #target(): Machine {
    if (this.#opened !== null) return this.#opened.target;
    if (this.#machine === null) {
      const found = probeNow(this.#compiler, this.#options);
      this.#machine = { ...found, vectorBytes: this.#options.vectorBytes ?? found.vectorBytes };
    }
    return this.#machine;
  }

  /** What launches need. */
  get #ready(): Opened {
    if (this.#opened === null) throw new PairfoldError("internal", "native: it was not opened");
    return this.#opened;
  }

  /** Finds out what a kernel costs without lowering it, where an earlier process has kept that. */
  recall(kernel: Kernel): void {
    this.#opened?.notes?.of(kernel);
  }

  compile(kernel: Kernel, rows: number, columns: number): NativeProgram {
    this.recall(kernel); // schedules are chosen by what it costs
    return this.#chooser.compile(kernel, rows, columns);
  }

  #program(kernel: Kernel, wanted: NativeSchedule, why: string): NativeProgram {
    const schedule = kernel.mirror === null ? wanted : mirroredSchedule(wanted);
    const key = `${scheduleKey(schedule)}:${why}`;
    let programs = this.#programs.get(kernel);
    if (programs === undefined) this.#programs.set(kernel, programs = new Map());
    let program = programs.get(key);
    if (program === undefined) {
      const { title, vectorBytes } = this.#target;
      const target = `native, ${title}, ${vectorBytes} bytes per vector, ${this.#threads} threads`;
      const note = this.#opened?.notes?.of(kernel) ?? null;
      program = new NativeProgram({ kernel, schedule, vectorBytes, target, why, note });
      programs.set(key, program);
    }
    return program;
  }

  /** The program with the schedule that is fastest on a slice of a launch. */
  async #tuned(
    { kernel }: NativeProgram,
    inputs: readonly NumberArray[],
    segments: readonly Segment[],
    { signal }: RunControl,
  ): Promise<NativeProgram> {
    const { rows, columns } = extentOf(segments);
    const { libraries, target } = this.#ready;
    const schedules = nativeCandidates(kernel, rows, columns, target);
    // compilers run side by side; one that fails is told of when its kernel is timed
    await Promise.allSettled(
      schedules.map((one) => libraries.open("fold", this.#chooser.tried(kernel, one).fold)),
    );
    return await this.#chooser.tuned(
      kernel,
      segments,
      schedules,
      (program, outputs, slice) => this.#fold(program, inputs, outputs, slice, {}),
      signal,
    );
  }

  mirrors(points: number, dim: number, float: FloatType): boolean {
    const cut = mirrorCut(points, dim, float);
    return cut !== null && cut.bytes <= this.#limit;
  }

  mirrorPays(kernel: Kernel): boolean {
    return mirrorPays(kernel, NATIVE_MIRROR);
  }

  allocate(dtype: DType, length: number): NumberArray {
    return allocate(dtype, length);
  }

  place(numbers: NumberArray): NumberArray {
    return numbers;
  }

  /** Tensors stand on the host; launches stage what they need beside them. */
  memory(): MemoryUse {
    const kept = (this.#spare?.bytes.byteLength ?? 0) +
      this.#scratch.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    const live = this.#queue.isBusy ? kept : 0;
    const total = Math.max(this.#limit, kept);
    return { live, pooled: kept - live, available: total - live, total };
  }

  get #limit(): number {
    return this.#options.memoryLimit ?? 2 ** 30;
  }

  launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const own = ownProgram(program, NativeProgram);
    const [from, to] = [hostArrays(inputs), hostArrays(outputs)];
    return this.#queue.run(control, async () => {
      if (this.#opened === null) await this.open();
      const isTimed = this.#chooser.wants(own, segments);
      const taken = isTimed ? await this.#tuned(own, from, segments, control) : own;
      await this.#fold(taken, from, to, segments, control);
    });
  }

  async #fold(
    program: NativeProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const budget = { bytes: this.#limit, wave: WAVE_BYTES, split: SPLIT };
    const mirrored = mirroredTask(program.kernel, segments);
    const waves = mirrored === null
      ? planWaves(segments, footprintOf(program), budget)
      : [[mirrored]];
    const total = segments.reduce((t, s) => t + pairsOf(s), 0);
    const run: Run = { control, total, before: 0, threads: 0 };
    control.onProgress?.({ done: 0, total, threads: 0 });
    const { libraries } = this.#ready;
    libraries.enter();
    const stage = new Stage(program, inputs, outputs, this.#spare);
    this.#spare = null;
    try {
      for (const wave of waves) {
        const running = await this.#wave(program, stage, wave, run);
        if (running !== null) await running;
        run.before += wave.reduce((t, task) => t + pairsOf(task), 0);
      }
    } finally {
      libraries.leave();
      const { spare } = stage;
      if (spare !== null && spare.bytes.byteLength <= KEPT_BYTES) this.#spare = spare;
      this.#scratch = this.#scratch.filter(({ bytes }) => bytes.byteLength <= KEPT_BYTES);
    }
    control.onProgress?.({ done: total, total, threads: run.threads });
  }

  /** Runs the tasks of one wave. */
  async #wave(
    program: NativeProgram,
    stage: Stage,
    wave: Wave,
    run: Run,
  ): Promise<void> {
    const { libraries } = this.#ready;
    const { fold } = program;
    const known = libraries.known(fold);
    const opening = known === null ? this.#library(program, "fold") : null;
    opening?.catch(() => {}); // told of below, unless something else goes wrong before
    // side by side, where both are compiled; what goes wrong is told where it is used
    if (wave.some((task) => task.mirrored) && !libraries.known(program.combine)) {
      this.#library(program, "combine").catch(() => {});
    }
    const perPair = costOf(program.kernel).operations + PAIR_OPERATIONS;
    const pairs = wave.reduce((t, task) => t + pairsOf(task), 0);
    const { threadedOperations = THREADED_OPERATIONS } = this.#options;
    const isThreaded = pairs * perPair >= threadedOperations && !this.#chooser.isTuning;
    const threads = isThreaded ? this.#threads : 1;
    const itemPairs = Math.max(1, Math.min(ITEM_OPERATIONS / perPair, pairs / (8 * threads)));
    const tables = stage.tables(wave, itemPairs);
    const library = known ?? await opening;
    if (library === null) throw new PairfoldError("internal", "native: no library");
    throwIfAborted(run.control);
    const scratch = this.#scratchOf(isThreaded, tables.folds, fold);
    await this.#dispatch(run, { library, tables, items: tables.folds, scratch }, isThreaded);
    if (tables.combines.count > 0) await this.#combine(program, tables, run, isThreaded);
  }

  /** Opens a library of a program, and keeps what a later process needs to know of it. */
  #library(program: NativeProgram, kind: "fold" | "combine"): Promise<Library> {
    const { libraries, notes } = this.#ready;
    return libraries.open(kind, program[kind], (library) => {
      const { kernel, schedule, layout } = program;
      const { effort, scratchBytes } = program[kind];
      const note = { library, effort, scratchBytes };
      notes?.keep(kernel, scheduleKey(schedule), layout, kind, note);
    });
  }

  /** Joins the states of finished tasks. */
  async #combine(
    program: NativeProgram,
    tables: Tables,
    run: Run,
    isThreaded: boolean,
  ): Promise<void> {
    const { combine } = program;
    const library = this.#ready.libraries.known(combine) ??
      await this.#library(program, "combine");
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
    const timer = onProgress === undefined ? undefined : setInterval(report, PROGRESS_INTERVAL);
    try {
      if (signal?.aborted) abort();
      // all of them end before this does: they use memory that goes with it
      await calls.apart();
      report();
    } finally {
      clearInterval(timer);
      signal?.removeEventListener("abort", abort);
    }
    throwIfAborted(run.control);
  }

  /** Closes compiled kernels, once nothing runs, and gives memory back; a later launch opens them. */
  dispose(): void {
    this.#spare = null;
    this.#scratch = [];
    this.#opened?.libraries.close();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}
