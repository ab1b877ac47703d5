// The parent's side of keops_worker.py: starts it, sends jobs, reads answers, gives up on slow ones.

import type { Problem, Workload } from "../workloads.ts";

/** Longest call of the peer that is waited for, and longest first call (it builds with g++). */
const CALL_LIMIT = 20_000;
const BUILD_LIMIT = 180_000;
/** Rows of the problem whose only purpose is to have the formula built. */
const TINY = 4;

/** What the worker says (its docstring is the contract). */
interface Answer {
  readonly row?: string | null;
  readonly error?: string;
  readonly seconds?: readonly number[];
  readonly output?: string;
  readonly keops?: string;
}

/** One call of the peer. */
export interface PeerCall {
  readonly seconds: number;
  /** The file with its results, in the row's dtype (indices: int32). */
  readonly output: string;
}

/** Numbers to a file, little-endian as on every platform that Deno runs on. */
function write(path: string, data: Float32Array | Float64Array): void {
  Deno.writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** KeOps in a Python process of its own, started when it is first wanted. */
export class Keops {
  readonly #threads: number;
  readonly #folder: string;
  #child: Deno.ChildProcess | null = null;
  #input: WritableStreamDefaultWriter<Uint8Array> | null = null;
  #lines: AsyncIterator<string> | null = null;
  /** Its version, once it has answered. */
  version: string | null = null;
  /** Why there is no KeOps; null while there may be one. */
  missing: string | null = null;

  /** `folder` takes inputs and outputs. */
  constructor(threads: number, folder: string) {
    this.#threads = threads;
    this.#folder = folder;
  }

  #start(): void {
    const python = Deno.env.get("PAIRFOLD_PYTHON") ?? "python3";
    const worker = new URL("keops_worker.py", import.meta.url).pathname;
    this.#child = new Deno.Command(python, {
      args: [worker],
      env: { OMP_NUM_THREADS: String(this.#threads) },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async #ask(job: object, limit: number): Promise<Answer> {
    try {
      if (this.#child === null) this.#start();
      await this.#input?.write(new TextEncoder().encode(JSON.stringify(job) + "\n"));
    } catch (error) {
      // no path in the message: it ends up in a file
      if (error instanceof Deno.errors.NotFound) this.missing = "no Python";
      else if (this.#lines === null) return { row: null, error: "Python does not start" };
    }
    if (this.missing !== null) return { row: null, error: this.missing };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), limit);
    });
    const line = await Promise.race([this.#lines?.next(), late]);
    clearTimeout(timer);
    if (line === null || line === undefined) {
      this.stop();
      return { row: null, error: `no answer within ${limit / 1000} s` };
    }
    if (line.done) {
      this.stop();
      return { row: null, error: "the worker ended" };
    }
    const answer: Answer = JSON.parse(line.value);
    if (answer.error !== undefined && answer.row === undefined) this.missing = answer.error;
    this.version = answer.keops ?? this.version;
    return answer;
  }

  /** Writes a problem's inputs; gives the job that folds them once. */
  #job(workload: Workload, problem: Problem, label: string): object {
    const { size, dim, weights, scale } = problem;
    const { formula, reduction, k, weight, cotangent } = workload.keops;
    const make = workload.dtype === "float32"
      ? (values: readonly number[]) => Float32Array.from(values)
      : (values: readonly number[]) => Float64Array.from(values);
    const inputs = [
      { name: "G", data: make([scale]), rows: 1, dim: 1, category: "Pm" },
      { name: "X", data: problem.x, rows: size, dim, category: "Vi" },
      { name: "Y", data: problem.y, rows: size, dim, category: "Vj" },
      { name: "B", data: problem.b, rows: size, dim: weights, category: "Vj" },
    ];
    if (cotangent) {
      const ones = make(new Array(size).fill(1));
      inputs.push({ name: "E", data: ones, rows: size, dim: 1, category: "Vi" });
    }
    const pathOf = (name: string): string => `${this.#folder}/${workload.name}-${label}-${name}`;
    for (const { name, data } of inputs) write(pathOf(name), data);
    return {
      row: workload.name,
      formula,
      aliases: inputs.map(({ name, category, dim }, slot) => `${name}=${category}(${slot},${dim})`),
      reduction,
      axis: 1,
      k,
      weight,
      dtype: workload.dtype,
      threads: this.#threads,
      inputs: inputs.map(({ name, rows, dim, category }) => ({
        path: pathOf(name),
        rows,
        dim,
        category,
      })),
      repeats: 1,
      output: pathOf("result"),
    };
  }

  /** Has the formula built. Gives a function that calls it, or a reason why there is none. */
  async prepare(
    workload: Workload,
    problem: Problem,
  ): Promise<(() => Promise<PeerCall | string>) | string> {
    if (this.missing !== null) return this.missing;
    const tiny: Problem = {
      ...problem,
      size: TINY,
      x: problem.x.slice(0, TINY * problem.dim),
      y: problem.y.slice(0, TINY * problem.dim),
      b: problem.b.slice(0, TINY * problem.weights),
    };
    const build = await this.#ask(this.#job(workload, tiny, "tiny"), BUILD_LIMIT);
    if (build.error !== undefined) return build.error;
    const job = this.#job(workload, problem, "full");
    return async () => {
      const { seconds, output, error } = await this.#ask(job, CALL_LIMIT);
      if (seconds === undefined || output === undefined) return error ?? "no times";
      return { seconds: seconds[0], output };
    };
  }

  /** Ends the process; a later call starts a new one. */
  stop(): void {
    try {
      this.#child?.kill();
    } catch {
      // it has ended on its own
    }
    this.#child = null;
    this.#input = null;
    this.#lines = null;
  }
}

/** The lines of a stream of bytes. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}
