// The parent's side of keops_worker.py: starts it, sends jobs, reads answers, gives up on slow
// ones.

import type { Problem, Workload } from "../workloads.ts";
import { PeerProcess, writeNumbers } from "./process.ts";

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

/** KeOps in a Python process of its own, started when it is first wanted. */
export class Keops {
  readonly #threads: number;
  readonly #folder: string;
  readonly #process: PeerProcess<Answer>;
  /** Its version, once it has answered. */
  version: string | null = null;
  /** Why there is no KeOps; null while there may be one. */
  missing: string | null = null;

  /** `folder` takes inputs and outputs. */
  constructor(threads: number, folder: string) {
    this.#threads = threads;
    this.#folder = folder;
    this.#process = new PeerProcess({
      command: Deno.env.get("PAIRFOLD_PYTHON") ?? "python3",
      args: [new URL("keops_worker.py", import.meta.url).pathname],
      env: { OMP_NUM_THREADS: String(threads) },
    });
  }

  async #ask(job: object, limit: number): Promise<Answer> {
    if (this.missing !== null) return { row: null, error: this.missing };
    const outcome = await this.#process.ask(job, limit);
    if (outcome.failure !== null) {
      if (outcome.isMissing) this.missing = outcome.failure;
      return { row: null, error: outcome.failure };
    }
    const { answer } = outcome;
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
    for (const { name, data } of inputs) writeNumbers(pathOf(name), data);
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
    this.#process.stop();
  }
}
