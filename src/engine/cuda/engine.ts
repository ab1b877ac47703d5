// The CUDA engine: one card. It emits kernels, has them compiled, keeps arrays on the card and
// queues launches in order; only reading waits.

import { OPTIONS } from "../../emit/cuda/mod.ts";
import { PairfoldError, shown } from "../../error.ts";
import type { FloatType, Kernel, MathFunctions } from "../../loop/mod.ts";
import { cudaMath } from "../../lower/mod.ts";
import {
  checkCudaSchedule,
  chooseCudaSchedule,
  cudaCandidates,
  cudaMirrorCut,
  cudaMirrorPays,
  type CudaSchedule,
  describeCudaSchedule,
  mirrorFacts,
  parseCudaSchedule,
  untiledCuda,
} from "../../tiling/mod.ts";
import { checkAsked } from "../chooser.ts";
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
import { allocate, dtypeOf } from "../host.ts";
import { ownProgram } from "../launches.ts";
import { ownStamp } from "../notes/sources.ts";
import { type MirrorCutter, mirroredTask, splitColumns, taskBytes } from "../plan.ts";
import { checkChoices, type ChoiceKinds } from "../options.ts";
import { privateFolder } from "../system.ts";
import { extentOf, type TrialRun, type Trials, tunedText, type TuneMode, Tuner } from "../tuner.ts";
import { CudaArray, type Place } from "./array.ts";
import { CudaDevice } from "./device.ts";
import { CudaLaunch } from "./launch.ts";
import { FOLDERS, Notes } from "./notes.ts";
import { SPLIT } from "./plans.ts";
import { CudaProgram, ModuleCache } from "./program.ts";
import type { RuntimeOptions } from "./runtime.ts";

/** Choices of a CUDA engine; all have defaults. */
export interface CudaOptions extends RuntimeOptions {
  /** Which card, as the driver counts them; default 0. */
  readonly ordinal?: number;
  /** How loops are cut; default by the cost model. */
  readonly schedule?: CudaSchedule | "untiled" | "auto";
  /**
   * Where schedules come from: "off" for the cost model, "cached" (default, or PAIRFOLD_TUNE) for
   * what was timed on such a card before, "full" to time a short list for every new formula and
   * size.
   */
  readonly tune?: TuneMode;
  /**
   * From which size on, and on how much, schedules are timed; default some milliseconds of a card.
   */
  readonly trials?: Trials;
  /**
   * Bytes that a launch may take beyond the arrays on the card; default nearly all that is free.
   */
  readonly memoryLimit?: number;
  /**
   * Points from which on sums of a table with itself meet each pair once, where that pays; default
   * 65,536, since fewer keep no large card busy. Part of the summation tree: where `memoryLimit`,
   * or what is free on the card, has no room for their states, all pairs are folded, and last bits
   * may differ.
   */
  readonly mirrorFrom?: number;
  /** Bytes from which an array stays on the host; default a quarter of the card's memory. */
  readonly arrayLimit?: number;
}

const CHOICES: ChoiceKinds<CudaOptions> = {
  arrayLimit: "amount",
  cache: "path",
  driver: "path",
  graphs: "word",
  library: "path",
  memoryLimit: "amount",
  mirrorFrom: "amount",
  nvrtc: "path",
  prebuilt: "url",
  trials: "options",
};

const BYTES: Readonly<Record<DType, number>> = { float32: 4, float64: 8, int32: 4 };

/** Rows for all multiprocessors, pairs for some milliseconds. */
const TRIALS: Trials = { least: 2e11, operations: 2e10, rows: 270_336, columns: [1024, 65_536] };

/** Numbers of rows for which a kernel's program is found without asking the cost model again. */
const MOST_CHOICES = 256;

/** The card, once it is open. */
interface Opened {
  readonly device: CudaDevice;
  readonly modules: ModuleCache;
  readonly arrayLimit: number;
  /** Null where nothing may be kept, or versions of Pairfold cannot be told apart. */
  readonly notes: Notes | null;
}

/** What is kept of kernels for a card. */
function notesOf({ cache, facts }: CudaDevice): Notes | null {
  if (cache === "") return null;
  const stamp = ownStamp(FOLDERS);
  if (stamp === null) return null;
  const { architecture, nvrtc } = facts;
  const version = [stamp, `sm_${architecture}`, `NVRTC ${nvrtc}`, OPTIONS.join(" ")].join("\n");
  return new Notes(privateFolder(cache, "cuda"), version);
}

/** What became of lists that came again. */
function graphsText(device: CudaDevice): string {
  const { kept, launched, slower, refused } = device.graphs();
  return `graphs ${device.graphMode}: ${kept} kept, launched ${launched} times, ` +
    `${slower} slower than their lists, ${refused} refused`;
}

/** Why a schedule is timed: most of them will not run again. */
const TRIED = "tried";

/** Whether a kernel can have a schedule that was remembered. */
function isCudaSchedule(kernel: Kernel, schedule: CudaSchedule): boolean {
  try {
    checkCudaSchedule(kernel, schedule);
    return true;
  } catch {
    return false;
  }
}

export class CudaEngine implements Engine {
  readonly name: string;
  readonly math: MathFunctions = cudaMath;
  readonly #options: CudaOptions;
  readonly #programs = new WeakMap<Kernel, Map<string, CudaProgram>>();
  /** What the cost model chose, by the number of rows. */
  readonly #choices = new WeakMap<Kernel, Map<number, CudaProgram>>();
  readonly #tuner: Tuner<CudaSchedule>;
  #opened: Opened | null = null;
  #opening: Promise<void> | null = null;

  constructor(options: CudaOptions = {}) {
    checkChoices("cuda", options, CHOICES);
    checkAsked(options.schedule);
    const { ordinal = 0 } = options;
    if (!Number.isInteger(ordinal) || ordinal < 0) {
      throw new PairfoldError(
        "device",
        `cuda: got device ${shown(ordinal)}; expected an integer from 0`,
      );
    }
    this.#options = options;
    this.name = `cuda:${ordinal}`;
    this.#tuner = new Tuner({
      mode: options.tune,
      cache: options.cache,
      trials: options.trials ?? TRIALS,
      machine: () => {
        const { name, architecture, nvrtc } = this.#card.device.facts;
        return `cuda, ${name}, sm_${architecture}, NVRTC ${nvrtc}`;
      },
      parse: parseCudaSchedule,
    });
  }

  get #ordinal(): number {
    return this.#options.ordinal ?? 0;
  }

  #keep(device: CudaDevice): void {
    const { arrayLimit = device.facts.memory / 4 } = this.#options;
    if (this.#opened !== null) return;
    this.#opened = {
      device,
      modules: new ModuleCache(device),
      arrayLimit,
      notes: notesOf(device),
    };
  }

  /** Opens the card at once. Throws `PairfoldError` (device) where that is not possible. */
  openNow(): void {
    if (this.#opened === null) this.#keep(CudaDevice.openNow(this.#ordinal, this.#options));
  }

  /** Opens the card, fetching the shim first where Pairfold was imported from a URL. */
  open(): Promise<void> {
    if (this.#opened !== null) return Promise.resolve();
    return this.#opening ??= CudaDevice.open(this.#ordinal, this.#options)
      .then((device) => this.#keep(device))
      .finally(() => this.#opening = null);
  }

  get #card(): Opened {
    this.openNow();
    if (this.#opened === null) throw new PairfoldError("internal", "cuda: no card is open");
    return this.#opened;
  }

  get #notes(): Notes | null {
    return this.#opened?.notes ?? null;
  }

  /** Modules compiled so far, or found on disk. */
  get compiledModules(): number {
    return this.#opened?.modules.compiled ?? 0;
  }

  describe(): string[] {
    const { device } = this.#card;
    const { name, architecture, multiprocessors, memory, driver, nvrtc } = device.facts;
    return [
      `${name}, sm_${architecture}, ${multiprocessors} multiprocessors, ` +
      `${(memory / 2 ** 30).toFixed(1)} GiB`,
      `driver for CUDA ${driver}, NVRTC ${nvrtc}`,
      `shim ${device.library}`,
      device.cache === "" ? "no cache of compiled kernels" : `compiled kernels in ${device.cache}`,
      graphsText(device),
    ];
  }

  compile(kernel: Kernel, rows: number, columns: number): CudaProgram {
    const { schedule = "auto" } = this.#options;
    this.#notes?.of(kernel); // schedules are chosen by what it costs
    if (schedule === "untiled") return this.#program(kernel, untiledCuda(kernel), "asked for");
    if (schedule !== "auto") return this.#program(kernel, schedule, "asked for");
    const tuned = this.#opened === null ? null : this.#tuner.known(kernel, rows, columns);
    if (tuned !== null && isCudaSchedule(kernel, tuned.schedule)) {
      return this.#program(kernel, tuned.schedule, tunedText(tuned));
    }
    // splits of columns are as good as rows for keeping the card busy
    return this.#modelled(kernel, rows * splitColumns(SPLIT, rows, columns).count);
  }

  /** The program with the cost model's choice for so many rows. */
  #modelled(kernel: Kernel, rows: number): CudaProgram {
    let choices = this.#choices.get(kernel);
    if (choices === undefined) this.#choices.set(kernel, choices = new Map());
    let program = choices.get(rows);
    if (program === undefined) {
      const chosen = this.#notes?.chosen(kernel, rows) ?? chooseCudaSchedule(kernel, rows);
      program = this.#program(kernel, chosen, "cost model", rows);
      if (choices.size >= MOST_CHOICES) choices.clear();
      choices.set(rows, program);
    }
    return program;
  }

  /** `rows`: how many the cost model chose the schedule for; null where it was not asked. */
  #program(
    kernel: Kernel,
    schedule: CudaSchedule,
    why: string,
    rows: number | null = null,
  ): CudaProgram {
    const key = `${describeCudaSchedule(schedule)}: ${why}`;
    let programs = this.#programs.get(kernel);
    if (programs === undefined) this.#programs.set(kernel, programs = new Map());
    let program = programs.get(key);
    if (program === undefined) {
      const notes = why === TRIED ? null : this.#notes;
      const target = this.#target();
      program = new CudaProgram({ kernel, schedule, target, why, notes, rows });
      programs.set(key, program);
    }
    return program;
  }

  /** The program with the schedule that is fastest on a slice of a launch. */
  async #tuned(
    { kernel }: CudaProgram,
    inputs: readonly Held[],
    segments: readonly Segment[],
    { signal }: RunControl,
  ): Promise<CudaProgram> {
    const { rows, columns } = extentOf(segments);
    const busy = rows * splitColumns(SPLIT, rows, columns).count;
    const { device } = this.#card;
    const schedules = cudaCandidates(kernel, busy);
    const run: TrialRun<CudaSchedule> = async (one, outputs, slice) => {
      const arrays = outputs.map((o) => this.allocate(dtypeOf(o), o.length));
      try {
        await this.#launch(this.#program(kernel, one, TRIED), inputs, arrays, slice, {});
        await device.reached(device.mark());
      } finally {
        for (const array of arrays) array.dispose();
      }
    };
    const tuned = await this.#tuner.tune(kernel, segments, schedules, run, signal);
    return this.#program(kernel, tuned.schedule, tunedText(tuned));
  }

  #target(): string {
    const facts = this.#opened?.device.facts;
    return facts === undefined
      ? this.name
      : `${this.name}, ${facts.name}, sm_${facts.architecture}`;
  }

  #make(dtype: DType, length: number, onHost: () => NumberArray): CudaArray {
    const { device, arrayLimit } = this.#card;
    const bytes = length * BYTES[dtype];
    const place = (): Place => {
      if (bytes > arrayLimit) return { kind: "host", numbers: onHost() };
      return { kind: "device", address: device.alloc(bytes) };
    };
    return new CudaArray(this, device, dtype, length, place());
  }

  allocate(dtype: DType, length: number): CudaArray {
    return this.#make(dtype, length, () => allocate(dtype, length));
  }

  place(numbers: NumberArray): CudaArray {
    const array = this.#make(dtypeOf(numbers), numbers.length, () => numbers.slice());
    const { place } = array;
    if (place.kind === "host" || numbers.length === 0) return array;
    try {
      this.#card.device.upload(place.address, numbers);
    } catch (error) {
      array.dispose();
      throw error;
    }
    return array;
  }

  async launch(
    program: Program,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const own = ownProgram(program, CudaProgram);
    const { schedule = "auto" } = this.#options;
    const isTimed = schedule === "auto" && this.#tuner.wants(own.kernel, segments) &&
      mirrorFacts(own.kernel) === null;
    const taken = isTimed ? await this.#tuned(own, inputs, segments, control) : own;
    await this.#launch(taken, inputs, outputs, segments, control);
  }

  async #launch(
    program: CudaProgram,
    inputs: readonly Held[],
    outputs: readonly Held[],
    segments: readonly Segment[],
    control: RunControl,
  ): Promise<void> {
    const { device, modules } = this.#card;
    const { memoryLimit = null } = this.#options;
    const mirrorCut = this.#mirrorCut;
    const context = { name: this.name, device, modules, memoryLimit, mirrorCut };
    await new CudaLaunch(context, program, inputs, outputs, segments, control).run();
  }

  /** How points with themselves are cut: by size alone. */
  readonly #mirrorCut: MirrorCutter = (points, dim, float) =>
    cudaMirrorCut(points, dim, float, this.#options.mirrorFrom);

  mirrors(points: number, dim: number, float: FloatType): boolean {
    const cut = this.#mirrorCut(points, dim, float);
    return cut !== null && cut.bytes <= (this.#options.memoryLimit ?? Infinity);
  }

  mirrorPays(kernel: Kernel): boolean {
    this.#notes?.of(kernel);
    const pays = cudaMirrorPays(kernel);
    // it will not be compiled: a later process need not lower it to find that out
    if (!pays) this.#notes?.keepFacts(kernel);
    return pays;
  }

  /**
   * As far as is known before the launch: the card's memory may be full then, or NVRTC not there.
   */
  isMirrored(program: Program, segments: readonly Segment[]): boolean {
    const { kernel, hasMirror, emitted: { layout } } = ownProgram(program, CudaProgram);
    if (!hasMirror || !this.mirrorPays(kernel)) return false;
    const task = mirroredTask(kernel, segments, this.#mirrorCut);
    const record = layout.recordStride * layout.size;
    const footprint = { row: 0, record, column: 0, state: layout.stateBytes, packing: Infinity };
    const { memoryLimit = Infinity } = this.#options;
    return task !== null && taskBytes(footprint, task) <= memoryLimit;
  }

  memory(): MemoryUse | null {
    return this.#opened?.device.memory() ?? null;
  }
}
