// The native engine: emits C, has it compiled for this machine, and runs launches one after
// another, on threads of the host's pool where it pays and on the calling thread where not.

import { PairfoldError, shown } from "../../error.ts";
import type { FloatType, Kernel } from "../../loop/mod.ts";
import { expandedMath } from "../../lower/mod.ts";
import {
  chooseNativeSchedule,
  costText,
  mirrorCut,
  mirroredSchedule,
  mirrorFacts,
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
  RoundsFrom,
  RunControl,
  Segment,
} from "../engine.ts";
import { allocate, hostArrays, multipliesShorts } from "../host.ts";
import { LaunchQueue, ownProgram } from "../launches.ts";
import { mirroredTask, pairsOf, planWaves, type Task, taskBytes } from "../plan.ts";
import { checkChoices, type ChoiceKinds } from "../options.ts";
import { processorOf } from "../system.ts";
import { extentOf, type TuneMode, Tuner } from "../tuner.ts";
import { LibraryCache } from "./cache.ts";
import {
  type CompilerOptions,
  findCompiler,
  type FoundCompiler,
  likelyMachine,
  type Machine,
  probeNow,
  type Target,
} from "./compiler.ts";
import { Libraries } from "./library.ts";
import { Notes, ownStamp } from "./notes.ts";
import { NativeProgram, type Prepared, prepared, scheduleKey } from "./program.ts";
import { Runner } from "./runner.ts";
import { footprintOf, SPLIT } from "./stage.ts";
import { targetOf } from "./target.ts";

/** Choices of a native engine; all have defaults. */
export interface NativeOptions extends CompilerOptions {
  /** Threads at most; default one per core. */
  readonly threads?: number;
  /** Folder for compiled kernels; goes before PAIRFOLD_CACHE. */
  readonly cache?: string;
  /**
   * Bytes that a launch may take beside its tensors; default 1 GiB. Larger ones run in chunks,
   * which change no bit; sums of a table with itself that need more than this (256 MiB at most) to
   * meet each pair of points once fold all pairs, which may change the last.
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

const CHOICES: ChoiceKinds<NativeOptions> = {
  cache: "path",
  compiler: "command",
  machine: "words",
  memoryLimit: "amount",
  threadedOperations: "amount",
  timeout: "amount",
  vectorBytes: "vector",
};

/**
 * From where on nearest points are looked for among rounded ones first: 0.15 s of work, of which that
 * saves a quarter in 3-D and a third in 10-D, while its code takes 0.1 s more to compile. Rounding,
 * on one thread, takes as long as it saves where 2700 rows in 3-D, 1500 in 10-D and 100-D meet many
 * columns (two threads, Intel Xeon, AVX-512, 2026-11-24).
 */
const ROUNDS_FROM: RoundsFrom = { numbers: 1e10, met: 2000 };
/** Threads that the control block has room for. */
const MAX_THREADS = 512;
/** Bytes of waves of many small segments. */
const WAVE_BYTES = 64 * 2 ** 20;
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
  readonly expectsFinite = true;
  readonly roundsFrom: RoundsFrom | undefined = multipliesShorts() ? ROUNDS_FROM : undefined;
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
  /** The kernel that it was opened for. */
  #prepared: Prepared | null = null;
  #stamp: string | null | undefined;
  readonly #queue = new LaunchQueue();
  readonly #runner: Runner;

  /** Throws `PairfoldError` (device) where there is no compiler, or no permission to use it. */
  constructor(options: NativeOptions = {}) {
    checkChoices("native", options, CHOICES);
    const { threads = globalThis.navigator?.hardwareConcurrency ?? 4 } = options;
    if (!Number.isInteger(threads) || threads < 1) {
      throw new PairfoldError(
        "device",
        `threads: got ${shown(threads)}; expected an integer from 1`,
      );
    }
    this.#options = options;
    this.#threads = Math.min(threads, MAX_THREADS);
    this.#runner = new Runner(this.#threads, options.threadedOperations);
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

  /**
   * Asks the compiler what it makes code for; as long as that takes, writes what is to be compiled.
   */
  open(kernel?: Kernel, rows = 1, columns = 1): Promise<void> {
    if (this.#opening !== null) return this.#opening;
    const ask = this.#openAtOnce();
    if (ask === null) return Promise.resolve();
    this.#opening = ask()
      .then((target) => void (this.#opened = this.#openedFor(target)))
      .finally(() => this.#opening = null);
    void this.#version;
    if (kernel !== undefined) this.#prepare(kernel, rows, columns);
    return this.#opening;
  }

  /** Writes a kernel's source for what the compiler will most likely say. */
  #prepare(kernel: Kernel, rows: number, columns: number): void {
    try {
      const likely = likelyMachine();
      const machine = { ...likely, vectorBytes: this.#options.vectorBytes ?? likely.vectorBytes };
      const wanted = chooseNativeSchedule(kernel, rows, columns, machine);
      const schedule = kernel.mirror === null ? wanted : mirroredSchedule(wanted);
      this.#prepared = prepared(kernel, schedule, machine.vectorBytes);
    } catch {
      this.#prepared = null; // what fails here fails again where it is wanted
    }
  }

  /** Opens it where an earlier process has asked the compiler; else leaves who asks it. */
  #openAtOnce(): (() => Promise<Target>) | null {
    if (this.#opened !== null) return null;
    const known = targetOf(this.#compiler, this.#options, this.#cache);
    if (typeof known === "function") return known;
    this.#opened = this.#openedFor(known);
    return null;
  }

  #openedFor(found: Target): Opened {
    const { timeout, vectorBytes = found.vectorBytes } = this.#options;
    const target = { ...found, vectorBytes };
    const compiler = this.#compiler;
    const libraries = new Libraries(compiler, target, this.#cache, timeout);
    const stamp = this.#version;
    const { machine, identity } = target;
    const version = [stamp, compiler.path, compiler.args, machine, identity, vectorBytes].join(
      "\n",
    );
    return { target, libraries, notes: stamp === null ? null : new Notes(this.#cache, version) };
  }

  /** The version of Pairfold, where it can be told. */
  get #version(): string | null {
    if (this.#stamp === undefined) this.#stamp = ownStamp();
    return this.#stamp;
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
    if (this.#opening === null) this.#openAtOnce();
    this.#opened?.notes?.of(kernel);
  }

  compile(kernel: Kernel, rows: number, columns: number): NativeProgram {
    this.recall(kernel); // schedules are chosen by what it costs
    return this.#chooser.compile(kernel, rows, columns);
  }

  #program(kernel: Kernel, wanted: NativeSchedule, why: string): NativeProgram {
    const schedule = mirrorFacts(kernel) === null ? wanted : mirroredSchedule(wanted);
    const key = `${scheduleKey(schedule)}:${why}`;
    let programs = this.#programs.get(kernel);
    if (programs === undefined) this.#programs.set(kernel, programs = new Map());
    let program = programs.get(key);
    if (program === undefined) {
      const { title, vectorBytes } = this.#target;
      const target = `native, ${title}, ${vectorBytes} bytes per vector, ${this.#threads} threads`;
      const note = this.#opened?.notes?.of(kernel) ?? null;
      const prepared = this.#prepared;
      this.#prepared = null;
      program = new NativeProgram({ kernel, schedule, vectorBytes, target, why, note, prepared });
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
      schedules.map((one) =>
        libraries.open("fold", this.#chooser.tried(kernel, one).source("fold"))
      ),
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
    this.recall(kernel);
    const pays = mirrorPays(kernel, NATIVE_MIRROR);
    // it will not be compiled: a later process need not lower it to find that out
    if (!pays) this.#opened?.notes?.keepFacts(kernel);
    return pays;
  }

  /** The task that meets each pair of points once, where there is memory for it. */
  #mirrored(program: NativeProgram, segments: readonly Segment[]): Task | null {
    const task = mirroredTask(program.kernel, segments);
    return task !== null && taskBytes(footprintOf(program), task) <= this.#limit ? task : null;
  }

  isMirrored(program: Program, segments: readonly Segment[]): boolean {
    return this.#mirrored(ownProgram(program, NativeProgram), segments) !== null;
  }

  allocate(dtype: DType, length: number): NumberArray {
    return allocate(dtype, length);
  }

  place(numbers: NumberArray): NumberArray {
    return numbers;
  }

  /** Tensors stand on the host; launches stage what they need beside them. */
  memory(): MemoryUse {
    const kept = this.#runner.bytes;
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
    const mirrored = this.#mirrored(program, segments);
    const waves = mirrored === null
      ? planWaves(segments, footprintOf(program), budget)
      : [[mirrored]];
    const total = segments.reduce((t, s) => t + pairsOf(s), 0);
    const { libraries, notes } = this.#ready;
    const launch = { program, inputs, outputs, waves, total, libraries, notes };
    const careful = await this.#runner.run(
      { ...launch, isThreaded: !this.#chooser.isTuning },
      control,
    );
    if (careful === null) return;
    const { rows, columns } = extentOf(segments);
    await this.#fold(this.compile(careful, rows, columns), inputs, outputs, segments, control);
  }

  /**
   * Closes compiled kernels, once nothing runs, and gives memory back; a later launch opens them.
   */
  dispose(): void {
    this.#runner.forget();
    this.#opened?.libraries.close();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}
