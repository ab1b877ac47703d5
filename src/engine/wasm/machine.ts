// Where folds run on WebAssembly: one linear memory, the instances that work in it, the workers.

import type { WasmFeatures } from "../../emit/wasm/mod.ts";
import { nextTurn, reporting, type Run, throwIfAborted } from "../launches.ts";
import { LinearMemory } from "./memory.ts";
import { WorkerPool } from "./pool.ts";
import type { WasmProgram } from "./program.ts";
import { CONTROL, instantiate, type KernelExports, runItem } from "./protocol.ts";

/** Milliseconds for which the calling thread works before it lets others. */
export const SLICE = 12;
const PROGRESS_INTERVAL = 25;
/**
 * Pairs that are folded between two looks at the clock, which take as long as some hundred of them.
 */
const UNWATCHED_PAIRS = 10_000;

/** A list of work items in memory, and the pairs folded once each is done. */
export interface Items {
  readonly address: number;
  readonly pairs: readonly number[];
}

/** Memory, instances and workers of one engine, made when they are needed. */
export class Machine {
  readonly #features: WasmFeatures;
  readonly #threads: number;
  readonly #instances = new Map<number, KernelExports>();
  /** Programs that every worker knows. */
  readonly #sent = new Set<number>();
  #memory: LinearMemory | null = null;
  #pool: WorkerPool | null = null;
  /** Whether the host lets no worker start, as pages may (a content security policy). */
  #isAlone = false;

  constructor(features: WasmFeatures, threads: number) {
    this.#features = features;
    this.#threads = threads;
  }

  /** Bytes of linear memory that there are. */
  get bytes(): number {
    return this.#memory?.bytes ?? 0;
  }

  /** Whether workers have been started. */
  get hasWorkers(): boolean {
    return this.#pool !== null;
  }

  /** The linear memory. */
  get memory(): LinearMemory {
    return this.#memory ??= new LinearMemory(this.#features.shared);
  }

  /** A program's functions in the memory. */
  instanceOf({ code }: WasmProgram): KernelExports {
    let exports = this.#instances.get(code.id);
    if (exports === undefined) {
      exports = instantiate(code.module, this.memory.memory) as KernelExports;
      this.#instances.set(code.id, exports);
    }
    return exports;
  }

  /** Forgets compiled code, here and on the workers. */
  forget(id: number): void {
    this.#instances.delete(id);
    if (this.#sent.delete(id)) this.#pool?.tell({ kind: "forget", program: id });
  }

  /** Writes work items to memory. */
  place(words: readonly number[], weights: readonly number[]): Items {
    const memory = this.memory;
    const address = memory.alloc(words.length * 4);
    memory.view("i32").set(words, address / 4);
    let sum = 0;
    return { address, pairs: weights.map((w) => sum += w) };
  }

  /** Runs items on workers, or here; null when that was done at once. */
  dispatch(
    program: WasmProgram,
    exports: KernelExports,
    items: Items,
    threads: number,
    run: Run,
  ): Promise<void> | null {
    const memory = this.memory;
    const scratchBytes = Math.ceil(program.layout.scratchBytes / 64 + 1) * 64;
    const scratch = Math.ceil(memory.alloc(scratchBytes * threads + 64) / 64) * 64;
    const here = (): Promise<void> | null => this.#runHere(exports, items, run, scratch);
    if (threads === 1 || this.#isAlone) return here();
    const scratchOf = (worker: number): number => scratch + worker * scratchBytes;
    return this.#runThreaded(program, items, run, threads, scratchOf).catch((error: unknown) => {
      if (!this.#isAlone) throw error;
      return here() ?? undefined;
    });
  }

  /**
   * Starts workers where there are none; notes where the host lets none start. Whoever dies later
   * was at work.
   */
  async #started(): Promise<WorkerPool> {
    if (this.#pool !== null && !this.#pool.failed) return this.#pool;
    this.#sent.clear();
    try {
      return this.#pool = await WorkerPool.start(this.#threads);
    } catch (error) {
      this.#isAlone = true;
      throw error;
    }
  }

  #runHere(
    exports: KernelExports,
    items: Items,
    run: Run,
    scratch: number,
  ): Promise<void> | null {
    const words = this.memory.view("i32");
    const { length } = items.pairs;
    run.threads = Math.max(run.threads, 1);
    let next = 0;
    let unwatched = UNWATCHED_PAIRS;
    /** Works for a slice of time; true when all is done. */
    const slice = (): boolean => {
      const end = performance.now() + SLICE;
      while (next < length) {
        runItem(exports, words, items.address, next++, scratch);
        if (items.pairs[next - 1] < unwatched) continue;
        if (performance.now() > end) break;
        unwatched = items.pairs[next - 1] + UNWATCHED_PAIRS;
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
    const pool = await this.#started();
    const memory = this.memory;
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
    const stopReporting = reporting(run.control, report, PROGRESS_INTERVAL);
    try {
      if (signal?.aborted) abort();
      await pool.run((worker) => ({
        kind: "run",
        program: program.code.id,
        setup,
        worker,
        items: items.address,
        count: items.pairs.length,
        scratch: scratchOf(worker),
      }));
      report();
    } catch (error) {
      // no worker has taken an item, and none can from now on
      const taken = Atomics.exchange(words, CONTROL.next, items.pairs.length);
      this.#isAlone = taken === 0 && pool.failed && !pool.hasAnswered;
      if (this.#isAlone) {
        pool.terminate();
        this.#pool = null;
      }
      throw error;
    } finally {
      stopReporting();
      signal?.removeEventListener("abort", abort);
    }
    throwIfAborted(run.control);
  }

  #report(run: Run, items: Items, done: number, threads: number): void {
    run.threads = Math.max(run.threads, threads);
    const pairs = run.before + (done > 0 ? items.pairs[done - 1] : 0);
    run.control.onProgress?.({ done: pairs, total: run.total, threads: run.threads });
  }

  /** Gives the memory back; what comes next takes another. */
  giveMemoryBack(): void {
    this.#memory = null;
    this.#instances.clear();
    this.#sent.clear();
    this.#pool?.tell({ kind: "forget", program: null });
  }

  /** Ends the workers and gives the memory back. */
  dispose(): void {
    this.giveMemoryBack();
    this.#pool?.terminate();
    this.#pool = null;
    this.#isAlone = false;
  }
}
