// Who takes part in the sweeps: Pairfold on its engines, KeOps, PyTorch, NumPy, scikit-learn,
// scipy, jax-js. Each gets the same numbers in the same run on as many threads; one that is not
// installed says so, one that needs longer than the limit is capped.

import {
  type FoldChoices,
  native,
  type NativeEngine,
  Vi,
  Vj,
  wasm,
  type WasmEngine,
} from "pairfold";
import { type PeerCommand, PeerProcess, writeNumbers } from "../peers/process.ts";
import type { FloatArray } from "../handwritten/loop.ts";

/** Σ_j exp(−s |x_i − y_j|²) b_j, or the indices of the K nearest columns. */
export interface Problem {
  readonly operation: "gaussian" | "neighbours";
  readonly rows: number;
  readonly columns: number;
  readonly dim: number;
  readonly weights: number;
  readonly k: number;
  readonly scale: number;
  readonly x: FloatArray;
  readonly y: FloatArray;
  readonly b: FloatArray;
}

/** What came of one call: its time and results, or why there are none. */
export type Run =
  | { readonly seconds: number; readonly results: ArrayLike<number>; readonly why: null }
  | { readonly seconds: null; readonly why: string; readonly isMissing: boolean };

/** One that takes part; `prepare` makes ready for a problem, which the calls after it work on. */
export interface Contestant {
  readonly name: string;
  /** Its version, once known. */
  readonly version: string | null;
  prepare(problem: Problem): void;
  run(limit: number): Promise<Run>;
  stop(): void;
}

// ---- Pairfold -----------------------------------------------------------------------------------

class Pairfold implements Contestant {
  readonly name: string;
  readonly version = null;
  readonly #device: WasmEngine | NativeEngine;
  readonly #choices: FoldChoices;
  #fold: (() => Promise<ArrayLike<number>>) | null = null;

  constructor(name: string, device: WasmEngine | NativeEngine, choices: FoldChoices) {
    this.name = name;
    this.#device = device;
    this.#choices = { device, ...choices };
  }

  prepare(problem: Problem): void {
    const { operation, dim, weights, k, scale } = problem;
    const [x, y, b] = [Vi(problem.x, dim), Vj(problem.y, dim), Vj(problem.b, weights)];
    const choices = this.#choices;
    this.#fold = operation === "gaussian"
      ? () => x.sqDist(y).mul(-scale).exp().mul(b).sum("j", choices).data()
      : () => x.sqDist(y).argKMin(k, "j", choices).data();
  }

  async run(limit: number): Promise<Run> {
    if (this.#fold === null) throw new TypeError("run: prepare comes first");
    const start = performance.now();
    const results = await this.#fold();
    const seconds = (performance.now() - start) / 1000;
    if (1000 * seconds > limit) return over(limit);
    return { seconds, results, why: null };
  }

  stop(): void {
    this.#device.dispose();
  }
}

const over = (limit: number): Run => ({
  seconds: null,
  why: `> ${limit / 1000} s`,
  isMissing: false,
});

// ---- peers --------------------------------------------------------------------------------------

/** What workers say (keops_worker.py and dense_worker.py have the contract). */
interface Answer {
  readonly seconds?: number | readonly number[];
  readonly version?: string;
  readonly keops?: string;
  readonly row?: string | null;
  readonly error?: string;
  readonly missing?: string;
}

/** Milliseconds of a first call, which builds. */
const BUILD_LIMIT = 180_000;

class Peer implements Contestant {
  readonly name: string;
  version: string | null = null;
  readonly #process: PeerProcess<Answer>;
  readonly #folder: string;
  readonly #jobOf: (problem: Problem, folder: string) => object | string;
  #missing: string | null = null;
  #problem: Problem | null = null;
  #isFirst = true;

  constructor(
    name: string,
    folder: string,
    how: PeerCommand,
    jobOf: (problem: Problem, folder: string) => object | string,
  ) {
    this.name = name;
    this.#folder = folder;
    this.#process = new PeerProcess(how);
    this.#jobOf = jobOf;
  }

  prepare(problem: Problem): void {
    this.#problem = problem;
    this.#isFirst = true;
  }

  async run(limit: number): Promise<Run> {
    const failed = (why: string, isMissing = false): Run => ({ seconds: null, why, isMissing });
    if (this.#missing !== null) return failed(this.#missing, true);
    if (this.#problem === null) throw new TypeError("run: prepare comes first");
    const { operation, weights, k, rows } = this.#problem;
    const job = this.#jobOf(this.#problem, this.#folder);
    if (typeof job === "string") return failed(job, true);
    const outcome = await this.#process.ask(job, this.#isFirst ? BUILD_LIMIT : limit);
    this.#isFirst = false;
    if (outcome.failure !== null) {
      if (outcome.isMissing) this.#missing = outcome.failure;
      return outcome.isLate ? over(limit) : failed(outcome.failure, outcome.isMissing);
    }
    const { answer } = outcome;
    // KeOps' worker names no row where there is no KeOps
    const missing = answer.missing ??
      (answer.row === undefined && answer.version === undefined && answer.keops === undefined
        ? answer.error
        : undefined);
    if (missing !== undefined && answer.error === undefined) return failed(missing, true);
    if (answer.error !== undefined) return failed(answer.error);
    this.version = answer.version ?? answer.keops ?? null;
    const [seconds] = [answer.seconds ?? NaN].flat();
    if (1000 * seconds > limit) return over(limit);
    const { buffer } = Deno.readFileSync(`${this.#folder}/result-${this.name}`);
    const isIndices = operation === "neighbours";
    const results = isIndices ? new Int32Array(buffer) : new Float32Array(buffer);
    const expected = rows * (isIndices ? k : weights);
    if (results.length !== expected) return failed(`${results.length} results, not ${expected}`);
    return { seconds, results, why: null };
  }

  stop(): void {
    this.#process.stop();
  }
}

/** Writes a problem's inputs, once for all peers; they go with what this gives. */
export function writeProblem(problem: Problem, folder: string, label: string): Disposable {
  labels.set(problem, label);
  const paths = Object.entries(filesOf(problem, folder));
  const numbers: Record<string, FloatArray> = { x: problem.x, y: problem.y, b: problem.b };
  for (const [key, path] of paths) writeNumbers(path, numbers[key]);
  return {
    [Symbol.dispose]: () => paths.forEach(([, path]) => Deno.removeSync(path)),
  };
}

const labels = new WeakMap<Problem, string>();

function filesOf(problem: Problem, folder: string): { x: string; y: string; b: string } {
  const label = labels.get(problem);
  if (label === undefined) throw new TypeError("a problem whose inputs were not written");
  return {
    x: `${folder}/${label}-x`,
    y: `${folder}/${label}-y`,
    b: `${folder}/${label}-b`,
  };
}

function keopsJob(problem: Problem, folder: string, name: string, threads: number): object {
  const { operation, rows, columns, dim, weights, k, scale } = problem;
  const files = filesOf(problem, folder);
  const parameter = `${folder}/scale`;
  writeNumbers(parameter, Float32Array.of(scale));
  const isGaussian = operation === "gaussian";
  const inputs = [
    { name: "G", path: parameter, rows: 1, dim: 1, category: "Pm" },
    { name: "X", path: files.x, rows, dim, category: "Vi" },
    { name: "Y", path: files.y, rows: columns, dim, category: "Vj" },
    { name: "B", path: files.b, rows: columns, dim: weights, category: "Vj" },
  ];
  return {
    row: operation,
    formula: isGaussian ? "Exp(-G*SqDist(X,Y))*B" : "SqDist(X,Y)",
    aliases: inputs.map((input, slot) => `${input.name}=${input.category}(${slot},${input.dim})`),
    reduction: isGaussian ? "Sum" : "ArgKMin",
    axis: 1,
    k: isGaussian ? undefined : k,
    dtype: "float32",
    threads,
    inputs: inputs.map(({ name: _, ...rest }) => rest),
    repeats: 1,
    output: `${folder}/result-${name}`,
  };
}

/** Peers by the names that people give on the command line. */
export const PEERS = ["keops", "torch", "numpy", "scikit-learn", "scipy", "jax-js"] as const;
/** Peers that have one of the operations only. */
const ONLY: ReadonlyMap<string, Problem["operation"]> = new Map([
  ["scikit-learn", "neighbours"],
  ["scipy", "neighbours"],
  ["jax-js", "gaussian"],
]);

/** Whether a contestant has an operation. */
export const takes = (name: string, operation: Problem["operation"]): boolean =>
  (ONLY.get(name) ?? operation) === operation;

export const ENGINES = ["wasm", "native"] as const;

/** What engines are asked for that is not their default, by what stands behind their name. */
const VARIANTS = {
  "all pairs": { culling: false },
  centred: { distances: "centred" },
} as const satisfies Record<string, FoldChoices>;
/** Names of engines, each followed by one that is asked for something else. */
export const withVariants = (
  engines: readonly string[],
  variant: keyof typeof VARIANTS,
): string[] => engines.flatMap((name) => [name, `${name}, ${variant}`]);
/** Whether a contestant is such a one. */
export const isVariant = (name: string): boolean => name.includes(", ");

const file = (name: string): string => new URL(`../peers/${name}`, import.meta.url).pathname;

/**
 * One that takes part, by name. Throws `PairfoldError` (device) for an engine that is not there.
 */
export function contestant(name: string, threads: number, folder: string): Contestant {
  for (const engine of ENGINES) {
    const [plain, variant] = name.split(", ");
    if (plain !== engine) continue;
    const device = engine === "wasm" ? wasm({ threads }) : native({ threads });
    const choices = Object.entries(VARIANTS).find(([key]) => key === variant)?.[1] ?? {};
    return new Pairfold(name, device, choices);
  }
  const python = Deno.env.get("PAIRFOLD_PYTHON") ?? "python3";
  const count = `${threads}`;
  const env = { OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count };
  if (name === "keops") {
    const how = { command: python, args: [file("keops_worker.py")], env };
    return new Peer(name, folder, how, (problem, at) => keopsJob(problem, at, name, threads));
  }
  const jobOf = (problem: Problem, at: string): object => {
    const { x: _x, y: _y, b: _b, ...sizes } = problem;
    const output = `${at}/result-${name}`;
    return { ...sizes, ...filesOf(problem, at), dtype: "float32", threads, output };
  };
  if (name === "jax-js") {
    const how = { command: Deno.execPath(), args: ["run", "-A", file("jax_worker.ts")], env };
    return new Peer(name, folder, how, jobOf);
  }
  const how = { command: python, args: [file("dense_worker.py"), name], env };
  return new Peer(name, folder, how, jobOf);
}
