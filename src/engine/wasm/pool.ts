// A pool of workers from a data: URL, which needs no permission. Workers are ref'd while a run is
// awaited and unref'd when idle, so that a process lives exactly as long as results are awaited.

import { PairfoldError } from "../../error.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { WORKER_SOURCE } from "./worker_source.ts";

/** The parts of node:worker_threads' and of the web's Worker that the pool needs. */
interface AnyWorker {
  send(message: ToWorker): void;
  listen(receive: (message: FromWorker) => void, fail: (reason: string) => void): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}

const SOURCE_URL = `data:text/javascript,${encodeURIComponent(WORKER_SOURCE)}`;

interface NodeWorker {
  on(event: string, listener: (value: never) => void): void;
  postMessage(message: unknown): void;
  ref(): void;
  unref(): void;
  terminate(): Promise<unknown>;
}

function fromNode(worker: NodeWorker): AnyWorker {
  return {
    send: (message) => worker.postMessage(message),
    listen: (receive, fail) => {
      worker.on("message", (message: FromWorker) => receive(message));
      worker.on("error", (error: unknown) => fail(String(error)));
    },
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    terminate: () => void worker.terminate(),
  };
}

function fromWeb(worker: Worker): AnyWorker {
  return {
    send: (message) => worker.postMessage(message),
    listen: (receive, fail) => {
      worker.onmessage = (event: MessageEvent<FromWorker>) => receive(event.data);
      worker.onerror = (event) => fail(event.message ?? "the host says no more");
    },
    // the web's workers never keep a page alive
    ref: () => {},
    unref: () => {},
    terminate: () => worker.terminate(),
  };
}

/** node:worker_threads, where the host has it (Deno, Node, Bun). */
async function nodeThreads(): Promise<{ Worker: new (url: URL) => NodeWorker } | null> {
  if (!("process" in globalThis)) return null;
  try {
    return await import("node:worker_threads") as unknown as {
      Worker: new (url: URL) => NodeWorker;
    };
  } catch {
    return null;
  }
}

/** A fixed number of workers that run one job at a time. */
export class WorkerPool {
  readonly #workers: readonly AnyWorker[];
  #job: { pending: number; resolve: () => void; reject: (reason: unknown) => void } | null = null;
  #failure: string | null = null;
  #hasAnswered = false;

  private constructor(workers: readonly AnyWorker[]) {
    this.#workers = workers;
    for (const worker of workers) {
      worker.unref();
      worker.listen((message) => this.#answered(message.error), (why) => this.#died(why));
    }
  }

  /** Starts workers; throws `PairfoldError` (device) where the host cannot. */
  static async start(count: number): Promise<WorkerPool> {
    const threads = await nodeThreads();
    const workers: AnyWorker[] = [];
    try {
      while (workers.length < count) {
        workers.push(
          threads !== null
            ? fromNode(new threads.Worker(new URL(SOURCE_URL)))
            : fromWeb(new Worker(SOURCE_URL, { type: "module" })),
        );
      }
      return new WorkerPool(workers);
    } catch (error) {
      for (const worker of workers) worker.terminate();
      throw new PairfoldError("device", `could not start ${count} workers: ${String(error)}`, {
        cause: error,
      });
    }
  }

  get size(): number {
    return this.#workers.length;
  }

  /** Whether a worker has died; such a pool is to be replaced. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Whether a worker ever ran: hosts may refuse workers only after they were made. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  #answered(error: string | null): void {
    this.#hasAnswered = true;
    const job = this.#job;
    if (job === null) return;
    job.pending--;
    if (error !== null) {
      job.reject(new PairfoldError("internal", `a worker failed: ${error}`));
    }
    if (job.pending > 0) return;
    this.#finish();
    job.resolve();
  }

  #died(reason: string): void {
    this.#failure = reason;
    const job = this.#job;
    this.#finish();
    job?.reject(new PairfoldError("internal", `a worker died: ${reason}`));
  }

  #finish(): void {
    this.#job = null;
    for (const worker of this.#workers) worker.unref();
  }

  /** Sends each worker its message; resolves when all have answered. */
  run(messageOf: (worker: number) => ToWorker): Promise<void> {
    if (this.#failure !== null || this.#job !== null) {
      const why = this.#failure ?? "it is busy";
      return Promise.reject(new PairfoldError("internal", `the worker pool cannot run: ${why}`));
    }
    return new Promise((resolve, reject) => {
      this.#job = { pending: this.#workers.length, resolve, reject };
      this.#workers.forEach((worker, k) => {
        worker.ref();
        worker.send(messageOf(k));
      });
    });
  }

  /** Sends every worker a message that has no answer. */
  tell(message: ToWorker): void {
    for (const worker of this.#workers) worker.send(message);
  }

  /** Ends all workers. */
  terminate(): void {
    for (const worker of this.#workers) worker.terminate();
  }
}
