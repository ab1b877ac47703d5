// One launch of a program. Enters: arrays of the engine and segments. Leaves: filled arrays, or
// work that is queued to fill them. Short launches over arrays on the card have a plan that is used
// again (plans.ts, repeat.ts). For others, waves are planned that fit into the card's memory and
// what each needs is staged; long ones are queued slice by slice, so that progress and abort are
// prompt.

import { LINE_THREADS } from "../../emit/cuda/mod.ts";
import { PairfoldError } from "../../error.ts";
import type { Kernel } from "../../loop/mod.ts";
import type { Held, NumberArray, RunControl, Segment } from "../engine.ts";
import { pairsOf, splitColumns, type Task, type Wave } from "../plan.ts";
import { CudaArray, type Place } from "./array.ts";
import { MAX_BLOCKS } from "./device.ts";
import { type LaunchPlan, planOf, SPLIT, uniformGroups, waveTables } from "./plans.ts";
import type { CudaProgram, FoldCode, LaunchCode } from "./program.ts";
import { PlannedLaunch } from "./repeat.ts";
import type { Handle, KernelFunction } from "./shim.ts";
import { type LaunchContext, WavePlanner } from "./waves.ts";
import { type Alloc, collect, concatenated, stageInputs, stageOutputs } from "./staging.ts";
import type { Table, WaveTables } from "./table.ts";

/** How often a launch that ran out of memory is planned anew with half of it. */
const ATTEMPTS = 8;

/** Pairs up to which a wave is queued as a whole: about a millisecond of a large card. */
const QUEUED_PAIRS = 2 ** 30;
/** Pairs of the first slice of a longer one, and the milliseconds that slices then aim at. */
const FIRST_SLICE = 2 ** 28;
const SLICE_MS = 50;
/** Slices that are queued at a time: one runs while the next one waits. */
const SLICES_AHEAD = 2;

/** The kernels of a wave, less the one that joins states. */
interface WaveCode extends FoldCode {
  readonly mirror: KernelFunction | null;
}

const isMemoryError = (error: unknown): boolean =>
  error instanceof PairfoldError && error.code === "memory";

export class CudaLaunch {
  readonly #context: LaunchContext;
  readonly #program: CudaProgram;
  readonly #kernel: Kernel;
  readonly #inputs: readonly Held[];
  readonly #outputs: readonly CudaArray[];
  readonly #segments: readonly Segment[];
  readonly #control: RunControl;
  readonly #total: number;
  #done = 0;
  /** Pairs per millisecond, once measured. */
  #speed = 0;

  constructor(
    context: LaunchContext,
    program: CudaProgram,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ) {
    this.#context = context;
    this.#program = program;
    this.#kernel = program.kernel;
    this.#inputs = inputs;
    this.#outputs = outputs.map((held) => this.#own(held));
    this.#segments = segments;
    this.#control = control;
    this.#total = segments.reduce((sum, s) => sum + pairsOf(s), 0);
    for (const output of this.#outputs) {
      output.pairs = control.pairs ?? this.#total;
      output.writes++;
    }
  }

  /** An array of this engine. */
  #own(held: Held): CudaArray {
    if (held instanceof CudaArray) return held;
    throw new PairfoldError(
      "internal",
      `${this.#context.name}: launch got an array from elsewhere`,
    );
  }

  /** Where each input stands; uniform ones are the host's. */
  get #places(): (Place | null)[] {
    return this.#kernel.inputs.map(({ axis }, slot) =>
      axis === "uniform" ? null : this.#own(this.#inputs[slot]).place
    );
  }

  get #planner(): WavePlanner {
    const places = { inputs: this.#places, outputs: this.#outputs.map(({ place }) => place) };
    return new WavePlanner(this.#context, this.#program, places, this.#segments);
  }

  /** Runs or queues the launch; where memory runs out, in smaller pieces. */
  async run(): Promise<void> {
    this.#throwIfAborted();
    const { device, modules } = this.#context;
    const mirrored = this.#planner.mirrored();
    const plan = mirrored === null ? this.#planned() : null;
    if (plan !== null) {
      const joins = plan.units.combine > 0;
      const code = this.#program.loadedCode(device, modules, joins) ?? await this.#compiled(joins);
      modules.enter();
      try {
        this.#report(0);
        this.#throwIfAborted();
        const arrays = { inputs: this.#inputs, outputs: this.#outputs };
        new PlannedLaunch(device, this.#program, plan, arrays).queue(code);
        return this.#report(this.#total);
      } catch (error) {
        if (!isMemoryError(error)) throw error;
      } finally {
        modules.leave();
      }
    }
    await this.#runInPieces(mirrored);
  }

  /** All kernels of a launch, compiled side by side. */
  async #compiled(joins: boolean): Promise<LaunchCode> {
    const { device, modules } = this.#context;
    const [code, combine] = await Promise.all([
      this.#program.foldCode(device, modules),
      joins ? this.#program.combineCode(device, modules) : null,
    ]);
    return { ...code, combine };
  }

  /** Whether states of rows will be joined, as far as that is known before waves are planned. */
  get #joins(): boolean {
    return this.#segments.some(({ i0, i1, j0, j1, wholeRows = i1 - i0 }) =>
      splitColumns(SPLIT, wholeRows, j1 - j0).count > 1
    );
  }

  /** The plan of a short launch whose arrays are on the card; null for any other. */
  #planned(): LaunchPlan | null {
    const { memoryLimit, device } = this.#context;
    if (memoryLimit !== null || this.#total > QUEUED_PAIRS) return null;
    const isHere = (place: Place | null): boolean => place === null || place.kind === "device";
    if (!this.#places.every(isHere) || !this.#outputs.every(({ place }) => isHere(place))) {
      return null;
    }
    const { plans } = this.#program;
    const known = plans.find(this.#segments);
    if (known !== null) return known;
    const plan = planOf(this.#kernel, this.#program.emitted.layout, this.#segments);
    if (plan === null) return null;
    for (const { piece } of plans.add(plan)) if (piece !== null) device.kept.drop(piece);
    return plan;
  }

  /** Plans waves and runs them, in smaller and smaller pieces as long as memory runs out. */
  async #runInPieces(mirrored: Task | null): Promise<void> {
    const { device, modules } = this.#context;
    // compiled side by side; who needs the kernel that joins states asks for it again
    if (mirrored !== null || this.#joins) this.#program.expectCombine(modules);
    const [folding, mirror] = await Promise.all([
      this.#program.foldCode(device, modules),
      mirrored === null ? null : this.#program.mirrorCode(device, modules),
    ]);
    const code = { ...folding, mirror };
    const once = mirror === null ? null : mirrored;
    modules.enter();
    try {
      let full: unknown = null;
      for (let attempt = 0;; attempt++) {
        const waves = once !== null && attempt === 0
          ? [[once]]
          : this.#planner.waves(0.5 ** attempt, full);
        this.#report(0);
        try {
          for (const wave of groupedByState(waves)) await this.#runWaves(wave, code);
          this.#report(this.#total);
          return;
        } catch (error) {
          if (!isMemoryError(error) || attempt === ATTEMPTS) throw error;
          full = error;
          this.#done = 0;
        }
      }
    } finally {
      modules.leave();
    }
  }

  /** Runs waves that share the states of their rows, the last of which finishes them. */
  async #runWaves(waves: readonly Wave[], code: WaveCode): Promise<void> {
    const { device } = this.#context;
    const { layout } = this.#program.emitted;
    const kept: bigint[] = [];
    const alloc = (bytes: number, list: bigint[]): bigint => {
      const address = device.alloc(bytes);
      list.push(address);
      return address;
    };
    try {
      let state = 0n;
      for (const wave of waves) {
        const own: bigint[] = [];
        try {
          const uniforms = this.#uniforms(wave);
          const tables = waveTables(this.#kernel, layout, wave, uniforms.slotOf);
          if (state === 0n) {
            const bytes = tables.stateRows * layout.stateBytes;
            state = bytes === 0 ? 0n : alloc(bytes, kept);
          }
          await this.#runWave(wave, tables, uniforms.record, state, code, (b) => alloc(b, own));
        } finally {
          for (const address of own) device.free(address);
        }
      }
    } finally {
      for (const address of kept) device.free(address);
    }
  }

  /** Uniform records of a wave's segments, computed here, and where each segment's begins. */
  #uniforms(wave: Wave): { record: NumberArray; slotOf: (segment: Segment) => number } {
    const { layout } = this.#program.emitted;
    const { representatives, slotOf } = uniformGroups(this.#kernel, layout, wave);
    const records = this.#program.uniformRecords(this.#inputs, representatives);
    const Numbers = this.#kernel.float === "f32" ? Float32Array : Float64Array;
    const record = new Numbers(records.length * layout.uniforms);
    records.forEach((r, k) => record.set(r, k * layout.uniforms));
    return { record, slotOf };
  }

  async #runWave(
    wave: Wave,
    tables: WaveTables,
    uniforms: NumberArray,
    state: bigint,
    code: WaveCode,
    alloc: Alloc,
  ): Promise<void> {
    const { device, modules } = this.#context;
    const { layout } = this.#program.emitted;
    const inputs = stageInputs(device, this.#kernel, this.#places, wave, alloc);
    const outputPlaces = this.#outputs.map(({ place }) => place);
    const outputs = stageOutputs(this.#kernel, outputPlaces, wave, alloc);
    const { pack, fold, mirror, combine } = tables;
    const job = concatenated([pack.words, fold.words, mirror.words, combine.words, uniforms]);
    // one allocation: the job, whose parts are multiples of 16 bytes, and the records behind it
    const at = alloc(job.bytes.byteLength + tables.records * layout.recordStride * layout.size);
    device.commands.upload(at, 0, job.bytes.byteLength);
    const records = at + BigInt(job.bytes.byteLength);
    const [packAt, foldAt, mirrorAt, combineAt, parameters] = job.offsets.map((o) =>
      at + BigInt(o)
    );
    const of = (axis: "row" | "column"): bigint[] =>
      inputs.filter((_, slot) => this.#kernel.inputs[slot].axis === axis);
    const stateRows = BigInt(tables.stateRows);
    const rest = [...of("row"), ...outputs.map(({ base }) => base), state, stateRows];
    // what is queued so far goes with the tables, in one call
    const run = (): void => device.run(job.bytes);
    if (code.pack !== null) {
      const args = [parameters, records, ...of("column")];
      this.#queue(code.pack, LINE_THREADS, packAt, pack, args, 0, pack.units);
    }
    const foldArguments = [parameters, records, ...rest];
    const pairs = pairsIn(wave);
    const { threads } = this.#program.schedule;
    if (code.mirror === null || mirror.units === 0) {
      await this.#fold(code.fold, threads, foldAt, fold, foldArguments, pairs, run);
    } else {
      const wide = this.#program.emitted.mirror?.threads ?? threads;
      // blocks with later ones, then with themselves: of n² rectangles of pairs, n
      const itself = pairs * fold.length / (fold.length + 2 * mirror.units);
      await this.#fold(code.mirror, wide, mirrorAt, mirror, foldArguments, pairs - itself, run);
      await this.#fold(code.fold, threads, foldAt, fold, foldArguments, itself, run);
    }
    if (combine.units > 0) {
      const kernel = await this.#program.combineCode(device, modules);
      this.#queue(
        kernel,
        LINE_THREADS,
        combineAt,
        combine,
        [parameters, ...rest],
        0,
        combine.units,
      );
      run();
    }
    await collect(device, this.#kernel, outputs, wave);
  }

  /** Queues the blocks of some units of a table. */
  #queue(
    kernel: KernelFunction,
    threads: number,
    at: bigint,
    table: Table,
    args: readonly bigint[],
    first: number,
    units: number,
  ): void {
    for (let start = first; start < first + units; start += MAX_BLOCKS) {
      const blocks = Math.min(MAX_BLOCKS, first + units - start);
      const head = [at, BigInt(table.length), BigInt(start)];
      this.#context.device.commands.launch(kernel.function, blocks, threads, head, args);
    }
  }

  /** Queues a fold: at once where it is short, else in slices of time. */
  async #fold(
    kernel: KernelFunction,
    threads: number,
    at: bigint,
    table: Table,
    args: readonly bigint[],
    pairs: number,
    run: () => void,
  ): Promise<void> {
    if (this.#total <= QUEUED_PAIRS) {
      this.#queue(kernel, threads, at, table, args, 0, table.units);
      run();
      this.#done += pairs;
      return;
    }
    const perUnit = Math.max(1, pairs / Math.max(1, table.units));
    const ahead: { event: Handle; pairs: number }[] = [];
    let before = performance.now();
    const oldest = async (): Promise<void> => {
      const slice = ahead.shift();
      if (slice === undefined) return;
      await this.#context.device.reached(slice.event);
      const now = performance.now();
      this.#speed = slice.pairs / Math.max(0.01, now - before);
      before = now;
      this.#done += slice.pairs;
      this.#report(this.#done);
      this.#throwIfAborted();
    };
    try {
      for (let unit = 0; unit < table.units;) {
        const wanted = this.#speed === 0 ? FIRST_SLICE : this.#speed * SLICE_MS;
        const units = Math.min(table.units - unit, Math.max(1, Math.round(wanted / perUnit)));
        this.#queue(kernel, threads, at, table, args, unit, units);
        run();
        ahead.push({ event: this.#context.device.mark(), pairs: units * perUnit });
        unit += units;
        if (ahead.length >= SLICES_AHEAD) await oldest();
      }
      while (ahead.length > 0) await oldest();
    } finally {
      for (const { event } of ahead) this.#context.device.forget(event);
    }
  }

  #report(done: number): void {
    const { onProgress } = this.#control;
    const threads = done === 0 ? 0 : this.#context.device.facts.multiprocessors;
    onProgress?.({ done: Math.min(done, this.#total), total: this.#total, threads });
  }

  #throwIfAborted(): void {
    const { signal } = this.#control;
    if (!signal?.aborted) return;
    throw new PairfoldError("aborted", "fold: the signal was aborted", { cause: signal.reason });
  }
}

/** Waves in order, those together that work on the same states one after another. */
function groupedByState(waves: readonly Wave[]): Wave[][] {
  const groups: Wave[][] = [];
  for (const wave of waves) {
    if (wave[0].first || groups.length === 0) groups.push([wave]);
    else groups[groups.length - 1].push(wave);
  }
  return groups;
}

const pairsIn = (wave: Wave): number => wave.reduce((sum, task) => sum + pairsOf(task), 0);
