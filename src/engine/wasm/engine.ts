// The WebAssembly engine: compiles kernels, stages what they read in linear memory, and runs
// launches one after another, on workers where it pays and on the calling thread where not.

import { PairfoldError, shown } from "../../error.ts";
import type { WasmFeatures } from "../../emit/wasm/mod.ts";
import type { FloatType, Kernel } from "../../loop/mod.ts";
import { expandedMath } from "../../lower/mod.ts";
import {
  chooseSchedule,
  costOf,
  costText,
  mayImprove,
  mirrorCut,
  mirroredWasm,
  mirrorPays,
  operationsIn,
  parseWasmSchedule,
  SURVEYED_OPERATIONS,
  UNTILED,
  WASM_MIRROR,
  wasmCandidates,
  type WasmSchedule,
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
import { LaunchQueue, nextTurn, ownProgram, type Run, throwIfAborted } from "../launches.ts";
import { mirroredTask, pairsOf, planWaves, type Task, taskBytes, type Wave } from "../plan.ts";
import { checkChoices } from "../options.ts";
import { processorOf } from "../system.ts";
import { extentOf, Tuner } from "../tuner.ts";
import { coreCount, detectFeatures } from "./features.ts";
import { SPLIT, WAVE_BYTES } from "./footprint.ts";
import { itemsOf } from "./items.ts";
import { Machine, SLICE } from "./machine.ts";
import { CHOICES, type WasmOptions } from "./options.ts";
import { WasmProgram } from "./program.ts";
import { Programs } from "./programs.ts";
import { type CombineExports, instantiate, MAX_WORKERS } from "./protocol.ts";
import { type RowBlock, Stage } from "./stage.ts";

/**
 * Dispatch and join cost 50–100 µs, about this many Gaussian pairs on one core (Zen 4, 2026-11).
 */
const THREADED_PAIRS = 400_000;
/**
 * Starting a worker stops the calling thread for 40 ms (Deno 2.9.6): launches wait for that only
 * once so many operations, a tenth of a second, were or would be done without.
 */
const STARTING_OPERATIONS = 4e9;
/**
 * Quick code is made 2 to 6 ms sooner in a young process, 1 ms in one that has made others (Zen 4,
 * 2026-11-23), and takes a good millisecond for so many operations, 20 Gaussian sums of 100 × 100
 * points, half of which tiles would save.
 */
const QUICK_OPERATIONS = 3e6;
/**
 * From where on nearest points are looked for among rounded ones first: 20 ms of work, of which that
 * saves a quarter in 3-D and half in 10-D, while its code takes 10 ms more to make. Rounding, on one
 * thread, takes as long as it saves where 330 rows in 3-D, 150 in 10-D and 550 in 100-D meet many
 * columns (two threads, Intel Xeon, AVX-512, 2026-11-24).
 */
const ROUNDS_FROM: RoundsFrom = { numbers: 1e9, met: 500 };
/** Groups of rows that are joined between two looks at the clock. */
const COMBINE_GROUPS = 256;

export class WasmEngine implements Engine {
  readonly name = "wasm";
  readonly onHost = true;
  readonly expectsFinite = true;
  readonly roundsFrom: RoundsFrom | undefined = multipliesShorts() ? ROUNDS_FROM : undefined;
  readonly math = expandedMath;
  readonly #features: WasmFeatures;
  readonly #threads: number;
  readonly #memoryLimit: number;
  readonly #threadedPairs: number;
  /** Operations that launches may still do on the calling thread before workers are started. */
  #unthreaded: number;
  readonly #machine: Machine;
  readonly #programs: Programs;
  readonly #chooser: Chooser<WasmSchedule, WasmProgram>;
  readonly #queue = new LaunchQueue();
  /**
   * Operations up to which kernels run as quick code, and those that each has done without its
   * best.
   */
  readonly #quickOperations: number;
  readonly #done = new WeakMap<Kernel, number>();

  constructor(options: WasmOptions = {}) {
    checkChoices("wasm", options, CHOICES);
    const found = detectFeatures();
    this.#features = {
      relaxed: options.relaxedSimd ?? found.relaxed,
      shared: options.sharedMemory ?? found.shared,
      memories: options.multipleMemories ?? found.memories,
    };
    const { threads = coreCount() } = options;
    if (!Number.isInteger(threads) || threads < 1) {
      throw new PairfoldError(
        "device",
        `threads: got ${shown(threads)}; expected an integer from 1`,
      );
    }
    this.#threads = Math.min(threads, MAX_WORKERS);
    this.#memoryLimit = options.memoryLimit ?? 2 ** 30;
    const { relaxed } = this.#features;
    const tuner = new Tuner({
      mode: options.tune,
      cache: options.cache,
      machine: () => {
        const { userAgent = "" } = globalThis.navigator ?? {};
        return `wasm, ${relaxed ? "relaxed" : "plain"}, ${userAgent}, ${processorOf() ?? ""}`;
      },
      parse: parseWasmSchedule,
    });
    this.#machine = new Machine(this.#features, this.#threads);
    this.#programs = new Programs(this.#features, this.#threads, (id) => this.#machine.forget(id));
    this.#chooser = new Chooser({
      asked: options.schedule,
      untiled: UNTILED,
      tuner,
      quick: (kernel, rows, columns) => this.#isQuick(kernel, rows, columns) ? UNTILED : null,
      model: (kernel, rows, columns) => ({
        schedule: chooseSchedule(kernel, rows, this.#doneBy(kernel, rows, columns), columns),
        why: costText(kernel),
      }),
      program: (kernel, wanted, why) => {
        const schedule = kernel.mirror === null ? wanted : mirroredWasm(wanted);
        return this.#programs.of(kernel, schedule, why);
      },
    });
    this.#quickOperations = options.quickOperations ?? QUICK_OPERATIONS;
    this.#threadedPairs = options.threadedPairs ?? THREADED_PAIRS;
    this.#unthreaded = options.threadedPairs === undefined ? STARTING_OPERATIONS : 0;
  }

  /** Programs compiled so far (not found in the cache). */
  get compiledPrograms(): number {
    return this.#programs.compiled;
  }

  describe(): string[] {
    const { relaxed, shared, memories } = this.#features;
    return [
      `relaxed SIMD (fused multiply-add): ${relaxed ? "yes" : "no, plain mul and add"}`,
      `a memory of each worker's own: ${memories ? "yes" : "no, scratch in the shared one"}`,
      shared
        ? `shared memory: yes, up to ${this.#threads} threads`
        : "shared memory: no, one thread",
      `linear memory: at most ${this.#memoryLimit} bytes, larger folds run in chunks`,
    ];
  }

  compile(kernel: Kernel, rows: number, columns: number): WasmProgram {
    return this.#chooser.compile(kernel, rows, columns);
  }

  /** Operations that a kernel will have done, less those of its best code. */
  #doneBy(kernel: Kernel, rows: number, columns: number): number {
    return (this.#done.get(kernel) ?? 0) + rows * columns * operationsIn(kernel.pair);
  }

  #isQuick(kernel: Kernel, rows: number, columns: number): boolean {
    return this.#doneBy(kernel, rows, columns) < this.#quickOperations;
  }

  /** Counts what is done before the best code is worth while; a kernel that goes on gets better. */
  #count({ kernel, schedule }: WasmProgram, pairs: number): void {
    if (!mayImprove(kernel, schedule)) return;
    const before = this.#done.get(kernel) ?? 0;
    const done = before + pairs * operationsIn(kernel.pair);
    this.#done.set(kernel, done);
    const passes = (limit: number): boolean => before < limit && done >= limit;
    if ([this.#quickOperations, SURVEYED_OPERATIONS].some(passes)) this.#chooser.forget(kernel);
  }

  allocate(dtype: DType, length: number): NumberArray {
    return allocate(dtype, length);
  }

  place(numbers: NumberArray): NumberArray {
    return numbers;
  }

  /** Linear memory stages what a launch reads and writes; tensors stand outside. */
  memory(): MemoryUse {
    const bytes = this.#machine.bytes;
    const live = this.#queue.isBusy ? bytes : 0;
    const total = Math.max(this.#memoryLimit, bytes);
    return { live, pooled: bytes - live, available: total - live, total };
  }

  launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const own = ownProgram(program, WasmProgram);
    const [from, to] = [hostArrays(inputs), hostArrays(outputs)];
    return this.#queue.run(control, async () => {
      const isTimed = this.#chooser.wants(own, segments);
      const taken = isTimed ? await this.#tuned(own, from, segments, control) : own;
      await this.#fold(taken, from, to, segments, control);
    });
  }

  /** The program with the schedule that is fastest on a slice of a launch. */
  #tuned(
    { kernel }: WasmProgram,
    inputs: readonly NumberArray[],
    segments: readonly Segment[],
    { signal }: RunControl,
  ): Promise<WasmProgram> {
    return this.#chooser.tuned(
      kernel,
      segments,
      wasmCandidates(kernel, extentOf(segments).rows),
      (program, outputs, slice) => this.#fold(program, inputs, outputs, slice, {}),
      signal,
    );
  }

  mirrors(points: number, dim: number, float: FloatType): boolean {
    const cut = mirrorCut(points, dim, float);
    return cut !== null && cut.bytes <= this.#memoryLimit;
  }

  mirrorPays(kernel: Kernel): boolean {
    return mirrorPays(kernel, WASM_MIRROR);
  }

  /** The task that meets each pair of points once, where there is memory for it. */
  #mirrored(program: WasmProgram, segments: readonly Segment[]): Task | null {
    const { kernel } = program;
    if (kernel.mirror === null || !this.mirrorPays(kernel)) return null;
    const task = mirroredTask(kernel, segments);
    return task !== null && taskBytes(program.footprint, task) <= this.#memoryLimit ? task : null;
  }

  isMirrored(program: Program, segments: readonly Segment[]): boolean {
    return this.#mirrored(ownProgram(program, WasmProgram), segments) !== null;
  }

  async #fold(
    program: WasmProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const budget = { bytes: this.#memoryLimit, wave: WAVE_BYTES, split: SPLIT };
    const mirrored = this.#mirrored(program, segments);
    const waves = mirrored === null ? planWaves(segments, program.footprint, budget) : [[mirrored]];
    const total = segments.reduce((t, s) => t + pairsOf(s), 0);
    this.#count(program, total);
    const run: Run = { control, total, before: 0, threads: 0 };
    control.onProgress?.({ done: 0, total, threads: 0 });
    const memory = this.#machine.memory;
    const stage = new Stage(memory, program, inputs, outputs);
    stage.constants();
    try {
      let open: { block: RowBlock; mark: number } | null = null;
      for (const wave of waves) {
        memory.reset(wave[0].first || open === null ? undefined : open.mark);
        // pieces of one segment keep its rows
        const blocks: RowBlock[] = wave[0].first || open === null ? stage.rows(wave) : [open.block];
        const careful = stage.isFinite ? null : program.kernel.carefully?.() ?? null;
        if (careful !== null) {
          const { rows, columns } = extentOf(segments);
          const other = this.compile(careful, rows, columns);
          return await this.#fold(other, inputs, outputs, segments, control);
        }
        open = { block: blocks[0], mark: memory.mark };
        const running = this.#wave(program, stage, wave, blocks, run);
        if (running !== null) await running;
        run.before += wave.reduce((t, task) => t + pairsOf(task), 0);
        stage.finish(wave, blocks);
      }
    } finally {
      if (memory.isLarge) this.#machine.giveMemoryBack();
    }
    control.onProgress?.({ done: total, total, threads: run.threads });
  }

  /** Runs the tasks of one wave; null when it was done at once. */
  #wave(
    program: WasmProgram,
    stage: Stage,
    wave: Wave,
    blocks: readonly RowBlock[],
    run: Run,
  ): Promise<void> | null {
    const exports = this.#machine.instanceOf(program);
    const columns = stage.columns(wave, blocks, exports);
    const pairs = wave.reduce((t, task) => t + pairsOf(task), 0);
    const threads = this.#threadsFor(program, pairs);
    const place = { program, memory: this.#machine.memory, rows: blocks, columns };
    const { words, weights } = itemsOf(wave, place, pairs, threads);
    const folds = this.#machine.place(words, weights);
    const first = this.#machine.dispatch(program, exports, folds, threads, run);
    const splitTasks = wave.flatMap((task, k) =>
      task.last && task.keepsState ? [{ task, block: blocks[k] }] : []
    );
    if (splitTasks.length === 0) return first;
    const join = (): Promise<void> => this.#combine(program, stage, splitTasks, run.control);
    return first === null ? join() : first.then(join);
  }

  /** Threads for so many pairs of a program: one while starting workers would take longer. */
  #threadsFor({ kernel }: WasmProgram, pairs: number): number {
    if (!this.#features.shared || pairs < this.#threadedPairs || this.#chooser.isTuning) return 1;
    if (this.#machine.hasWorkers) return this.#threads;
    const isShort = this.#unthreaded > 0;
    this.#unthreaded -= pairs * costOf(kernel).operations;
    return isShort && this.#unthreaded > 0 ? 1 : this.#threads;
  }

  /** Joins the states of finished tasks, here: it is little work, in slices of time. */
  async #combine(
    program: WasmProgram,
    stage: Stage,
    tasks: readonly { readonly task: Task; readonly block: RowBlock }[],
    control: RunControl,
  ): Promise<void> {
    const { module, scratchBytes } = program.combine;
    stage.constants(); // the combining step may have added some
    const memory = this.#machine.memory;
    const { combine } = instantiate(module, memory.memory) as CombineExports;
    const scratch = memory.alloc(scratchBytes);
    const { groupRows, stateBytes } = program.layout;
    const step = groupRows * COMBINE_GROUPS;
    let end = performance.now() + SLICE;
    for (const { task, block: { job, state, splitStride } } of tasks) {
      const rows = task.i1 - task.i0;
      for (let row = 0; row < rows; row += step) {
        const stateAt = state + (row / groupRows) * stateBytes;
        const rowEnd = Math.min(rows, row + step);
        combine(job, row, rowEnd, stateAt, splitStride, task.splits.count, scratch);
        if (performance.now() < end) continue;
        await nextTurn();
        throwIfAborted(control);
        end = performance.now() + SLICE;
      }
    }
  }

  /**
   * Ends the workers and gives the memory back, once nothing runs; a later launch starts anew.
   */
  dispose(): void {
    // what runs reads its memory and waits for its workers
    if (this.#queue.isBusy) void this.#queue.run({}, this.#end);
    else this.#machine.dispose();
  }
  readonly #end = (): Promise<void> => Promise.resolve(this.#machine.dispose());

  [Symbol.dispose](): void {
    this.dispose();
  }
}
