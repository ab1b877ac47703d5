// The tuner: times a short list of schedules on a slice of a launch, takes the fastest, and
// remembers it in memory and, where permission is granted, on disk. A schedule changes speed, never
// a bit of the result, so that what is remembered is only a hint: what cannot be read or understood
// is ignored.

import { type Kernel, printKernel } from "../loop/mod.ts";
import { PairfoldError, shown } from "../error.ts";
import { costOf } from "../tiling/mod.ts";
import type { NumberArray, Segment } from "./engine.ts";
import { cacheFolder, granted, hashOf, pathOf, readVariable } from "./system.ts";

/**
 * Where schedules come from: the cost model alone ("off"), what an earlier run of "full" has found
 * on this machine, else the cost model ("cached"), or timings, taken once per formula and size
 * ("full").
 */
export type TuneMode = "off" | "cached" | "full";
const MODES: readonly string[] = ["off", "cached", "full"] satisfies TuneMode[];

/** A schedule that was timed. */
export interface Tuned<S> {
  readonly schedule: S;
  /** The time of the cost model's choice over this one's. */
  readonly gain: number;
  /** How many were timed. */
  readonly tried: number;
}

/** Runs a slice with a schedule. */
export type TrialRun<S> = (
  schedule: S,
  outputs: readonly NumberArray[],
  segments: readonly Segment[],
) => Promise<void>;

/** What a tuner needs to know of its engine. */
export interface TunerOptions<S> {
  readonly mode?: TuneMode;
  /** Folder for what is found; goes before PAIRFOLD_CACHE. */
  readonly cache?: string;
  /** The engine with all that its speed depends on. */
  readonly machine: () => string;
  /** From which size on, and on how much, schedules are timed; default what suits a processor. */
  readonly trials?: Trials;
  /** A schedule as it was written; null for anything else. */
  readonly parse: (value: unknown) => S | null;
}

/** How much is timed. */
export interface Trials {
  /** Operations of a launch from which timing schedules can pay. */
  readonly least: number;
  /** Operations of a slice: some milliseconds. */
  readonly operations: number;
  /** Rows of a slice: whole groups for every schedule that is tried. */
  readonly rows: number;
  /** The fewest and the most columns of a slice. */
  readonly columns: readonly [number, number];
}

const PROCESSOR: Trials = { least: 2e8, operations: 2e8, rows: 768, columns: [64, 8192] };
const ROUNDS = 5;
/** Milliseconds after which no schedule is tried that was not yet. */
const BUDGET = 3000;
/** What timings of the same schedule differ by: less is no gain. */
const NOISE = 1.04;
const FORMAT = "pairfold schedule 1";

/** The schedules of one engine that were timed. */
export class Tuner<S> {
  readonly #options: TunerOptions<S>;
  readonly #known = new WeakMap<Kernel, Map<string, Tuned<S> | null>>();
  readonly #mode: TuneMode;
  readonly #trials: Trials;
  #folder: string | null | undefined;

  /** Throws `PairfoldError` (device) for a mode that there is not. */
  constructor(options: TunerOptions<S>) {
    const { mode = modeOfEnvironment() ?? "cached" } = options;
    if (!MODES.includes(mode)) {
      const names = MODES.map((name) => `"${name}"`).join(", ");
      throw new PairfoldError("device", `tune: got "${shown(mode)}"; expected one of ${names}`);
    }
    this.#mode = mode;
    this.#options = options;
    this.#trials = options.trials ?? PROCESSOR;
  }

  /**
   * The folder of entries; null where none may be used, or, unless schedules are timed, is there.
   */
  get #entries(): string | null {
    if (this.#folder !== undefined) return this.#folder;
    if (this.#mode === "off" || typeof Deno === "undefined") return this.#folder = null;
    const base = cacheFolder(this.#options.cache);
    if (base === null) return this.#folder = null;
    const folder = pathOf(base, "schedules");
    if (!granted({ name: "read", path: folder })) return this.#folder = null;
    try {
      if (this.#mode === "full" && granted({ name: "write", path: folder })) {
        Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      }
      // asking for what is not there throws: the first time that takes 0.7 ms
      const names = granted({ name: "read", path: base })
        ? Array.from(Deno.readDirSync(base), ({ name }) => name)
        : null;
      if (names?.includes("schedules") === false) return this.#folder = null;
      return this.#folder = Deno.statSync(folder).isDirectory ? folder : null;
    } catch {
      return this.#folder = null;
    }
  }

  /** What was found for a kernel at about this size, in this process or an earlier one. */
  known(kernel: Kernel, rows: number, columns: number): Tuned<S> | null {
    if (this.#mode === "off") return null;
    const size = sizeClass(rows, columns);
    const found = this.#of(kernel).get(size);
    if (found !== undefined) return found;
    const stored = this.#read(kernel, size);
    this.#of(kernel).set(size, stored);
    return stored;
  }

  #of(kernel: Kernel): Map<string, Tuned<S> | null> {
    let sizes = this.#known.get(kernel);
    if (sizes === undefined) this.#known.set(kernel, sizes = new Map());
    return sizes;
  }

  /** Whether the schedules of a launch should be timed before it runs. */
  wants(kernel: Kernel, segments: readonly Segment[]): boolean {
    if (this.#mode !== "full") return false;
    const { rows, columns, pairs } = extentOf(segments);
    return pairs * costOf(kernel).operations >= this.#trials.least &&
      this.known(kernel, rows, columns) === null;
  }

  /**
   * Times schedules, the cost model's first, on a slice of a launch. What fails is left out. Stops
   * early where the signal says so.
   */
  async tune(
    kernel: Kernel,
    segments: readonly Segment[],
    schedules: readonly S[],
    run: TrialRun<S>,
    signal?: AbortSignal,
  ): Promise<Tuned<S>> {
    const slice = sliceOf(kernel, segments, this.#trials);
    const time = async (schedule: S): Promise<number> => {
      const start = performance.now();
      await run(schedule, slice.outputs, slice.segments);
      return performance.now() - start;
    };
    const end = performance.now() + BUDGET;
    const best = schedules.map(() => Infinity);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [k, schedule] of schedules.entries()) {
        if (signal?.aborted || performance.now() > end) break;
        if (round > 0 && best[k] === Infinity) continue;
        try {
          // the first call of each compiles
          if (round === 0) await time(schedule);
          best[k] = Math.min(best[k], await time(schedule));
        } catch (error) {
          if (!(error instanceof PairfoldError)) throw error;
        }
      }
    }
    let fastest = 0;
    best.forEach((t, k) => {
      if (t * NOISE < best[0] && t < best[fastest]) fastest = k;
    });
    const tried = best.filter((t) => t < Infinity).length;
    const gain = tried === 0 ? 1 : best[0] / best[fastest];
    const tuned = { schedule: schedules[fastest], gain, tried };
    if (signal?.aborted) return tuned;
    const { rows, columns } = extentOf(segments);
    const size = sizeClass(rows, columns);
    this.#of(kernel).set(size, tuned);
    if (tried > 1) this.#write(kernel, size, tuned);
    return tuned;
  }

  #key(kernel: Kernel, size: string): string {
    return [FORMAT, this.#options.machine(), size, printKernel(kernel)].join("\n");
  }

  #read(kernel: Kernel, size: string): Tuned<S> | null {
    const folder = this.#entries;
    if (folder === null) return null;
    const key = this.#key(kernel, size);
    try {
      const entry = JSON.parse(Deno.readTextFileSync(pathOf(folder, `${hashOf(key)}.json`)));
      const schedule = this.#options.parse(entry.schedule);
      const isEntry = entry.key === key && schedule !== null && entry.gain >= 1 &&
        Number.isInteger(entry.tried);
      return isEntry ? { schedule, gain: entry.gain, tried: entry.tried } : null;
    } catch {
      return null;
    }
  }

  /** Writes an entry beside its place and moves it there, where that is possible. */
  #write(kernel: Kernel, size: string, tuned: Tuned<S>): void {
    const folder = this.#entries;
    if (folder === null || !granted({ name: "write", path: folder })) return;
    const key = this.#key(kernel, size);
    const path = pathOf(folder, `${hashOf(key)}.json`);
    const own = `${path}.${Deno.pid}.${crypto.randomUUID()}.tmp`;
    try {
      Deno.writeTextFileSync(own, JSON.stringify({ ...tuned, key }));
      Deno.renameSync(own, path);
    } catch {
      try {
        Deno.removeSync(own);
      } catch {
        // it was never there
      }
    }
  }
}

function modeOfEnvironment(): TuneMode | null {
  if (typeof Deno === "undefined") return null;
  return (readVariable("PAIRFOLD_TUNE") as TuneMode | undefined) ?? null;
}

/** Sizes within a factor of two of a power of four are alike. */
function sizeClass(rows: number, columns: number): string {
  const magnitude = (n: number): number => Math.round(Math.log2(Math.max(1, n)) / 2);
  return `${magnitude(rows)}:${magnitude(columns)}`;
}

/** Rows and columns of the longest segments, and the pairs of all. */
export function extentOf(
  segments: readonly Segment[],
): { readonly rows: number; readonly columns: number; readonly pairs: number } {
  let [rows, columns, pairs] = [0, 0, 0];
  for (const { i0, i1, j0, j1 } of segments) {
    rows = Math.max(rows, i1 - i0);
    columns = Math.max(columns, j1 - j0);
    pairs += (i1 - i0) * (j1 - j0);
  }
  return { rows, columns, pairs };
}

/**
 * A part of a launch's longest segment that takes some milliseconds, and arrays for its results.
 */
function sliceOf(
  kernel: Kernel,
  segments: readonly Segment[],
  trials: Trials,
): { readonly segments: readonly Segment[]; readonly outputs: readonly NumberArray[] } {
  const pairs = ({ i0, i1, j0, j1 }: Segment): number => (i1 - i0) * (j1 - j0);
  const longest = segments.reduce((a, b) => pairs(b) > pairs(a) ? b : a);
  const { i0, i1, j0, j1 } = longest;
  const [least, most] = trials.columns;
  const rows = Math.min(i1 - i0, trials.rows);
  const wanted = trials.operations / costOf(kernel).operations / rows;
  const columns = Math.min(j1 - j0, Math.round(Math.min(most, Math.max(least, wanted))));
  const { offsets, columns: list } = longest;
  return {
    segments: [{ i0, i1: i0 + rows, j0, j1: j0 + columns, columns: list, offsets, output: -i0 }],
    outputs: kernel.outputs.map(({ dim, number }) =>
      number === "index"
        ? new Int32Array(rows * dim)
        : kernel.float === "f32"
        ? new Float32Array(rows * dim)
        : new Float64Array(rows * dim)
    ),
  };
}

/** A line about where a schedule comes from. */
export function tunedText<S>({ gain, tried }: Tuned<S>): string {
  return `tuned: the fastest of ${tried}, ${gain.toFixed(2)}× the cost model's choice`;
}
