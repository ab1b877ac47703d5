// The WebAssembly engine: compiles kernels, keeps programs and one linear memory, and runs launches
// one after another, on workers where it pays and on the calling thread where not.

import { PairfoldError } from "../../error.ts";
import {
  emitWasm,
  FLAGS,
  vectorOf,
  type WasmFeatures,
  type WasmModule,
} from "../../emit/wasm/mod.ts";
import type { Kernel } from "../../loop/mod.ts";
import { expandedMath } from "../../lower/mod.ts";
import {
  chooseSchedule,
  costOf,
  costText,
  parseWasmSchedule,
  UNTILED,
  wasmCandidates,
  type WasmSchedule,
} from "../../tiling/mod.ts";
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
import { pairsOf, piecesOf, planWaves, type Task, type Wave } from "../plan.ts";
import { coreCount, detectFeatures } from "./features.ts";
import { footprintOf, SPLIT, WAVE_BYTES } from "./footprint.ts";
import { LinearMemory } from "./memory.ts";
import { WorkerPool } from "./pool.ts";
import { type CompiledCode, WasmProgram } from "./program.ts";
import {
  type CombineExports,
  CONTROL,
  instantiate,
  type KernelExports,
  MAX_WORKERS,
  runItem,
} from "./protocol.ts";
import { type ColumnBlock, type RowBlock, Stage } from "./stage.ts";
import { processorOf } from "../system.ts";
import { extentOf, type TrialRun, tunedText, type TuneMode, Tuner } from "../tuner.ts";

/** Choices of a WebAssembly engine; all have defaults. */
export interface WasmOptions {
  /** Threads at most; default one per core. */
  readonly threads?: number;
  /** Use relaxed SIMD (fused multiply-add); default where the host has it. */
  readonly relaxedSimd?: boolean;
  /** Use shared memory and workers; default where the host has them. */
  readonly sharedMemory?: boolean;
  /** Bytes of linear memory that a launch may use at most; default 1 GiB. */
  readonly memoryLimit?: number;
  /** How loops are cut; default by the cost model. */
  readonly schedule?: WasmSchedule | "untiled" | "auto";
  /** Whether schedules are timed on this machine; default PAIRFOLD_TUNE, else "cached". */
  readonly tune?: TuneMode;
  /** Folder for what is found so; goes before PAIRFOLD_CACHE. */
  readonly cache?: string;
  /** Pairs from which a launch goes to the workers. */
  readonly threadedPairs?: number;
}

/** Programs that are kept compiled. */
const MAX_PROGRAMS = 256;
/** Dispatch and join cost 50–100 µs, about this many Gaussian pairs on one core (Zen 4, 2026-11). */
const THREADED_PAIRS = 400_000;
/**
 * Starting a worker stops the calling thread for 40 ms (Deno 2.9.6): launches wait for that only once
 * so many operations, a tenth of a second, were or would be done without.
 */
const STARTING_OPERATIONS = 4e9;
/** Pairs of one work item: about a millisecond, so that progress and abort are prompt. */
const ITEM_PAIRS = 1_000_000;
/** Milliseconds for which the calling thread works before it lets others. */
const SLICE = 12;
const PROGRESS_INTERVAL = 25;
/**
 * Small launches end without a turn of the event loop. Every so often one is made all the same:
 * timers want it, and what weak references have met stays alive until then.
 */
const LAUNCHES_PER_TURN = 256;
/** Groups of rows that are joined between two looks at the clock. */
const COMBINE_GROUPS = 256;

/** A list of work items in memory, and the pairs folded once each is done. */
interface Items {
  readonly address: number;
  readonly pairs: Float64Array;
}

/** What is known about a run while it goes. */
interface Run {
  readonly control: RunControl;
  readonly total: number;
  /** Pairs of finished waves. */
  before: number;
  threads: number;
}

export class WasmEngine implements Engine {
  readonly name = "wasm";
  readonly math = expandedMath;
  readonly #features: WasmFeatures;
  readonly #threads: number;
  readonly #memoryLimit: number;
  readonly #schedule: WasmOptions["schedule"];
  readonly #threadedPairs: number;
  /** Operations that launches may still do on the calling thread before workers are started. */
  #unthreaded: number;
  readonly #byKernel = new WeakMap<Kernel, Map<string, WasmProgram>>();
  /** Compiled code by its bytes; the oldest leaves first. */
  readonly #codes = new Map<string, CompiledCode>();
  readonly #instances = new Map<number, KernelExports>();
  /** Programs that every worker knows. */
  readonly #sent = new Set<number>();
  readonly #tuner: Tuner<WasmSchedule>;
  #isTuning = false;
  #memory: LinearMemory | null = null;
  #pool: WorkerPool | null = null;
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  #compiled = 0;
  #launches = 0;

  constructor(options: WasmOptions = {}) {
    const found = detectFeatures();
    this.#features = {
      relaxed: options.relaxedSimd ?? found.relaxed,
      shared: options.sharedMemory ?? found.shared,
    };
    const threads = options.threads ?? coreCount();
    if (!Number.isInteger(threads) || threads < 1) {
      throw new PairfoldError("device", `threads: got ${threads}; expected an integer from 1`);
    }
    this.#threads = Math.min(threads, MAX_WORKERS);
    this.#memoryLimit = options.memoryLimit ?? 2 ** 30;
    this.#schedule = options.schedule ?? "auto";
    const { relaxed } = this.#features;
    this.#tuner = new Tuner({
      mode: options.tune,
      cache: options.cache,
      machine: () => {
        const { userAgent = "" } = globalThis.navigator ?? {};
        return `wasm, ${relaxed ? "relaxed" : "plain"}, ${userAgent}, ${processorOf() ?? ""}`;
      },
      parse: parseWasmSchedule,
    });
    this.#threadedPairs = options.threadedPairs ?? THREADED_PAIRS;
    this.#unthreaded = options.threadedPairs === undefined ? STARTING_OPERATIONS : 0;
  }

  /** Programs compiled so far (not found in the cache). */
  get compiledPrograms(): number {
    return this.#compiled;
  }

  describe(): string[] {
    const { relaxed, shared } = this.#features;
    return [
      `relaxed SIMD (fused multiply-add): ${relaxed ? "yes" : "no, plain mul and add"}`,
      shared
        ? `shared memory: yes, up to ${this.#threads} threads`
        : "shared memory: no, one thread",
      `linear memory: at most ${this.#memoryLimit} bytes, larger folds run in chunks`,
    ];
  }

  compile(kernel: Kernel, rows: number, columns: number): WasmProgram {
    const schedule = this.#schedule ?? "auto";
    if (schedule === "untiled") return this.#program(kernel, UNTILED, "asked for");
    if (schedule !== "auto") return this.#program(kernel, schedule, "asked for");
    const tuned = this.#tuner.known(kernel, rows, columns);
    if (tuned !== null) return this.#program(kernel, tuned.schedule, tunedText(tuned));
    return this.#program(kernel, chooseSchedule(kernel, rows), costText(kernel));
  }

  #program(kernel: Kernel, chosen: WasmSchedule, why: string): WasmProgram {
    const { rowVectors, interleave, columns, operands } = chosen;
    const key = `${rowVectors}:${interleave}:${columns}:${operands}:${why}`;
    let programs = this.#byKernel.get(kernel);
    if (programs === undefined) this.#byKernel.set(kernel, programs = new Map());
    const known = programs.get(key);
    if (known !== undefined && this.#codes.get(known.code.key) === known.code) return known;
    const target = `wasm SIMD${this.#features.relaxed ? ", relaxed" : ""}` +
      (this.#features.shared ? `, ${this.#threads} threads` : ", one thread");
    const emitted = emitWasm(kernel, chosen, this.#features);
    const program = new WasmProgram(kernel, chosen, emitted, this.#compile(emitted), target, why);
    programs.set(key, program);
    return program;
  }

  /** Whether a launch's schedules should be timed first. */
  #wantsTuning({ kernel }: WasmProgram, segments: readonly Segment[]): boolean {
    return (this.#schedule ?? "auto") === "auto" && this.#tuner.wants(kernel, segments);
  }

  /** The program with the schedule that is fastest on a slice of a launch. */
  async #tuned(
    { kernel }: WasmProgram,
    inputs: readonly NumberArray[],
    segments: readonly Segment[],
    { signal }: RunControl,
  ): Promise<WasmProgram> {
    const schedules = wasmCandidates(kernel, extentOf(segments).rows);
    const run: TrialRun<WasmSchedule> = (one, outputs, slice) =>
      this.#fold(this.#program(kernel, one, "tried"), inputs, outputs, slice, {});
    this.#isTuning = true;
    try {
      const tuned = await this.#tuner.tune(kernel, segments, schedules, run, signal);
      return this.#program(kernel, tuned.schedule, tunedText(tuned));
    } finally {
      this.#isTuning = false;
    }
  }

  #compile(emitted: WasmModule): CompiledCode {
    // the constants stand in memory, not in the code
    const constants = emitted.constants.map(({ type, value }) => vectorOf(type, value));
    const key = latin1.decode(emitted.bytes) + constants.map((c) => latin1.decode(c)).join("");
    let code = this.#codes.get(key);
    if (code === undefined) {
      code = { id: this.#compiled++, key, module: new WebAssembly.Module(emitted.bytes) };
    }
    this.#codes.delete(key);
    this.#codes.set(key, code); // the youngest now
    if (this.#codes.size > MAX_PROGRAMS) this.#forgetOldest();
    return code;
  }

  #forgetOldest(): void {
    const [[key, { id }]] = this.#codes;
    this.#codes.delete(key);
    this.#instances.delete(id);
    if (this.#sent.delete(id)) this.#pool?.tell({ kind: "forget", program: id });
  }

  allocate(dtype: DType, length: number): NumberArray {
    return allocate(dtype, length);
  }

  place(numbers: NumberArray): NumberArray {
    return numbers;
  }

  /** Linear memory stages what a launch reads and writes; tensors stand outside. */
  memory(): MemoryUse {
    const bytes = this.#memory?.bytes ?? 0;
    const live = this.#waiting > 0 ? bytes : 0;
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
    if (!(program instanceof WasmProgram)) {
      throw new PairfoldError("internal", "launch: the program is of another engine");
    }
    const [from, to] = [hostArrays(inputs), hostArrays(outputs)];
    const work = (): Promise<void> => this.#run(program, from, to, segments, control);
    // nothing waits: start at once, small launches end before this returns
    const isIdle = this.#waiting++ === 0;
    const result = isIdle ? work() : this.#queue.then(work);
    const done = (): void => void this.#waiting--;
    this.#queue = result.then(done, done);
    return result;
  }

  async #run(
    program: WasmProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    if (++this.#launches % LAUNCHES_PER_TURN === 0) await nextTurn();
    throwIfAborted(control);
    const taken = this.#wantsTuning(program, segments)
      ? await this.#tuned(program, inputs, segments, control)
      : program;
    await this.#fold(taken, inputs, outputs, segments, control);
  }

  async #fold(
    program: WasmProgram,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const { kernel, layout } = program;
    const budget = { bytes: this.#memoryLimit, wave: WAVE_BYTES, split: SPLIT };
    const waves = planWaves(segments, footprintOf(kernel, layout), budget);
    const total = segments.reduce((t, s) => t + pairsOf(s), 0);
    const run: Run = { control, total, before: 0, threads: 0 };
    control.onProgress?.({ done: 0, total, threads: 0 });
    const memory = this.#live();
    const stage = new Stage(memory, program, inputs, outputs);
    stage.constants();
    try {
      let open: { block: RowBlock; mark: number } | null = null;
      for (const wave of waves) {
        memory.reset(wave[0].first || open === null ? undefined : open.mark);
        // pieces of one segment keep its rows
        const blocks: RowBlock[] = wave[0].first || open === null ? stage.rows(wave) : [open.block];
        open = { block: blocks[0], mark: memory.mark };
        const running = this.#wave(program, stage, wave, blocks, run);
        if (running !== null) await running;
        run.before += wave.reduce((t, task) => t + pairsOf(task), 0);
        stage.finish(wave, blocks);
      }
    } finally {
      if (memory.isLarge) this.#giveMemoryBack();
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
    const exports = this.#instanceOf(program);
    const columns = stage.columns(wave, blocks, exports);
    const pairs = wave.reduce((t, task) => t + pairsOf(task), 0);
    const threads = this.#threadsFor(program, pairs);
    const folds = this.#foldItems(program, wave, blocks, columns, pairs, threads);
    const first = this.#dispatch(program, exports, folds, threads, run);
    const splitTasks = wave.flatMap((task, k) =>
      task.last && task.keepsState ? [{ task, block: blocks[k] }] : []
    );
    if (splitTasks.length === 0) return first;
    const join = (): Promise<void> => this.#combine(program, stage, splitTasks, run.control);
    return first === null ? join() : first.then(join);
  }

  /** Threads for so many pairs of a program: one while starting workers would take longer. */
  #threadsFor({ kernel }: WasmProgram, pairs: number): number {
    if (!this.#features.shared || pairs < this.#threadedPairs || this.#isTuning) return 1;
    if (this.#pool !== null) return this.#threads;
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
    const memory = this.#live();
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

  #foldItems(
    program: WasmProgram,
    wave: Wave,
    blocks: readonly RowBlock[],
    columns: readonly ColumnBlock[],
    pairs: number,
    threads: number,
  ): Items {
    const { groupRows, recordBytes, stateBytes } = program.layout;
    const wanted = Math.max(1, Math.min(ITEM_PAIRS, pairs / (8 * threads)));
    const words: number[] = [];
    const weights: number[] = [];
    wave.forEach((task, t) => {
      const { job, row: first, state, splitStride } = blocks[t];
      for (const { split, start, count, resumes } of piecesOf(task)) {
        const flags = (task.keepsState ? FLAGS.save : 0) | (resumes ? FLAGS.resume : 0);
        const groups = Math.max(1, Math.round(wanted / Math.max(1, count) / groupRows));
        const rows = task.i1 - task.i0;
        for (let row = 0; row < rows; row += groups * groupRows) {
          const rowEnd = Math.min(rows, row + groups * groupRows);
          const stateAt = state + split * splitStride + (row / groupRows) * stateBytes;
          const record = columns[t].record + (start - task.j0) * recordBytes;
          words.push(job, first + row, first + rowEnd, record, count, start, stateAt, flags);
          weights.push((rowEnd - row) * count);
        }
      }
    });
    return this.#place(words, weights);
  }

  #place(words: readonly number[], weights: readonly number[]): Items {
    const memory = this.#live();
    const address = memory.alloc(words.length * 4);
    memory.view("i32").set(words, address / 4);
    let sum = 0;
    return { address, pairs: Float64Array.from(weights, (w) => sum += w) };
  }

  #live(): LinearMemory {
    return this.#memory ??= new LinearMemory(this.#features.shared);
  }

  #instanceOf(program: WasmProgram): KernelExports {
    let exports = this.#instances.get(program.code.id);
    if (exports === undefined) {
      exports = instantiate(program.code.module, this.#live().memory) as KernelExports;
      this.#instances.set(program.code.id, exports);
    }
    return exports;
  }

  /** Runs items on workers, or here; null when that was done at once. */
  #dispatch(
    program: WasmProgram,
    exports: KernelExports,
    items: Items,
    threads: number,
    run: Run,
  ): Promise<void> | null {
    const memory = this.#live();
    const scratchBytes = Math.ceil(program.layout.scratchBytes / 64 + 1) * 64;
    const scratch = Math.ceil(memory.alloc(scratchBytes * threads + 64) / 64) * 64;
    if (threads > 1) {
      return this.#runThreaded(
        program,
        items,
        run,
        threads,
        (worker) => scratch + worker * scratchBytes,
      );
    }
    return this.#runHere(exports, items, run, scratch);
  }

  #runHere(
    exports: KernelExports,
    items: Items,
    run: Run,
    scratch: number,
  ): Promise<void> | null {
    const words = this.#live().view("i32");
    const { length } = items.pairs;
    run.threads = Math.max(run.threads, 1);
    let next = 0;
    /** Works for a slice of time; true when all is done. */
    const slice = (): boolean => {
      const end = performance.now() + SLICE;
      while (next < length) {
        runItem(exports, words, items.address, next++, scratch);
        if (performance.now() > end) break;
      }
      return next >= length;
    };
    if (slice()) return null;
    return (async () => {
      do {
        this.#report(run, items, next, 1);
        await nextTurn();
        throwIfAborted(run.control);
      } while (!slice());
    })();
  }

  async #runThreaded(
    program: WasmProgram,
    items: Items,
    run: Run,
    threads: number,
    scratchOf: (worker: number) => number,
  ): Promise<void> {
    if (this.#pool === null || this.#pool.failed) {
      this.#sent.clear();
      this.#pool = await WorkerPool.start(this.#threads);
    }
    const memory = this.#live();
    const words = memory.view("i32");
    words.fill(0, 0, CONTROL.perWorker + threads);
    const setup = this.#sent.has(program.code.id)
      ? null
      : { module: program.code.module, memory: memory.memory };
    this.#sent.add(program.code.id);
    const { signal } = run.control;
    const abort = (): void => void Atomics.store(words, CONTROL.abort, 1);
    signal?.addEventListener("abort", abort);
    const report = (): void => {
      let active = 0;
      for (let k = 0; k < threads; k++) {
        if (Atomics.load(words, CONTROL.perWorker + k) > 0) active++;
      }
      this.#report(run, items, Atomics.load(words, CONTROL.done), active);
    };
    const timer = run.control.onProgress === undefined
      ? undefined
      : setInterval(report, PROGRESS_INTERVAL);
    try {
      if (signal?.aborted) abort();
      await this.#pool.run((worker) => ({
        kind: "run",
        program: program.code.id,
        setup,
        worker,
        items: items.address,
        count: items.pairs.length,
        scratch: scratchOf(worker),
      }));
      report();
    } finally {
      clearInterval(timer);
      signal?.removeEventListener("abort", abort);
    }
    throwIfAborted(run.control);
  }

  #report(run: Run, items: Items, done: number, threads: number): void {
    run.threads = Math.max(run.threads, threads);
    const pairs = run.before + (done > 0 ? items.pairs[done - 1] : 0);
    run.control.onProgress?.({ done: pairs, total: run.total, threads: run.threads });
  }

  #giveMemoryBack(): void {
    this.#memory = null;
    this.#instances.clear();
    this.#sent.clear();
    this.#pool?.tell({ kind: "forget", program: null });
  }

  /** Ends the workers and gives the memory back; a later launch starts anew. */
  dispose(): void {
    this.#giveMemoryBack();
    this.#pool?.terminate();
    this.#pool = null;
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Lets the event loop turn once: 10–16 µs by setImmediate, 2 ms by setTimeout (Deno 2.9.6). */
function nextTurn(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };
  return new Promise((resolve) => {
    if (setImmediate !== undefined) setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

const latin1 = new TextDecoder("latin1");

function throwIfAborted({ signal }: RunControl): void {
  if (signal?.aborted) {
    throw new PairfoldError("aborted", "fold: the signal was aborted", { cause: signal.reason });
  }
}
