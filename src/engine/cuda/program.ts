// A kernel for CUDA, emitted or known from a note, the plans of its launches, and its modules on
// one card: compiled when first needed, on a thread of their own.

import { type CudaModule, emitCuda, ENTRIES, OPTIONS } from "../../emit/cuda/mod.ts";
import { type ErrorCode, PairfoldError } from "../../error.ts";
import { type Kernel, runSteps, uniformRecord, type UniformStep } from "../../loop/mod.ts";
import { type CudaSchedule, describeCudaSchedule, tensorProductsOf } from "../../tiling/mod.ts";
import type { Held, Program, Segment } from "../engine.ts";
import { isDeviceArray } from "../host.ts";
import type { CudaDevice } from "./device.ts";
import type { CudaShape, CudaSource, Notes, ProgramNote } from "./notes.ts";
import { LaunchPlans } from "./plans.ts";
import type { KernelFunction } from "./shim.ts";

/** The compiled kernels that a launch needs. */
export interface FoldCode {
  readonly pack: KernelFunction | null;
  readonly fold: KernelFunction;
}

/** The same, with the kernel that joins states where there are any. */
export interface LaunchCode extends FoldCode {
  readonly combine: KernelFunction | null;
}

/** A module that was asked for. */
interface Asked {
  readonly promise: Promise<bigint>;
  /** Once it is there. */
  module: bigint | null;
}

/** Modules of one card by their source; the oldest leave first. */
export class ModuleCache {
  readonly #device: CudaDevice;
  readonly #modules = new Map<string, Asked>();
  /** Modules that nobody will ask for again, but a launch may still use. */
  #doomed: Promise<bigint>[] = [];
  #users = 0;
  #compiled = 0;

  constructor(device: CudaDevice) {
    this.#device = device;
  }

  /** Says that kernels are in use until `leave`: as long, no module is unloaded. */
  enter(): void {
    this.#users++;
  }

  leave(): void {
    if (--this.#users > 0) return;
    for (const module of this.#doomed) {
      // the driver waits for launches that are queued
      module.then((m) => this.#device.unload(m)).catch(() => {});
    }
    this.#doomed = [];
  }

  /** Modules that were compiled, or found on disk. */
  get compiled(): number {
    return this.#compiled;
  }

  moduleOf(source: string): Promise<bigint> {
    let asked = this.#modules.get(source);
    if (asked === undefined) {
      this.#compiled++;
      const promise = this.#device.compile(source, OPTIONS).then(({ module }) => module);
      const one: Asked = asked = { promise, module: null };
      // what failed is tried again by the next who asks
      promise.then((module) => one.module = module, () => this.#modules.delete(source));
    }
    this.#touch(source, asked);
    if (this.#modules.size > MAX_MODULES) this.#forgetOldest();
    return asked.promise;
  }

  /** The module of a source where it is loaded. */
  loaded(source: string): bigint | null {
    const asked = this.#modules.get(source);
    if (asked === undefined || asked.module === null) return null;
    this.#touch(source, asked);
    return asked.module;
  }

  /** Makes a module the youngest. */
  #touch(source: string, asked: Asked): void {
    this.#modules.delete(source);
    this.#modules.set(source, asked);
  }

  #forgetOldest(): void {
    const [[source, { promise }]] = this.#modules;
    this.#modules.delete(source);
    this.#doomed.push(promise);
  }
}

const MAX_MODULES = 256;

/**
 * Errors of one kernel after which others may do: it did not compile, NVRTC is gone, there was no
 * room.
 */
const ONE_KERNELS: readonly ErrorCode[] = ["compile", "device", "memory"];

let programs = 0;

/** What a program is made of. */
export interface CudaProgramOptions {
  readonly kernel: Kernel;
  readonly schedule: CudaSchedule;
  /** The card, and why the schedule was chosen, for people. */
  readonly target: string;
  readonly why: string;
  /** Where it may be known from, and is noted; null for a program that nobody will want again. */
  readonly notes: Notes | null;
  /** How many rows the cost model chose the schedule for; null where it was not asked. */
  readonly rows: number | null;
}

export class CudaProgram implements Program {
  /** Tells it from every other one. */
  readonly id: number = programs++;
  /** Tables of launches that may come again. */
  readonly plans: LaunchPlans = new LaunchPlans();
  readonly kernel: Kernel;
  readonly schedule: CudaSchedule;
  readonly #options: CudaProgramOptions;
  /** What an earlier process has kept of it, and of its uniform section. */
  readonly #note: ProgramNote | null;
  readonly #steps: readonly UniformStep[] | null;
  #emitted: CudaModule | null = null;
  readonly #sources = new Map<CudaSource, string>();
  /** Sources that a note has, or that were to be noted. */
  readonly #noted: Set<CudaSource> = new Set();
  /** What came instead of the kernel that folds points with themselves, when it was asked for. */
  #mirrorFailure: string | null = null;
  /** Kernels as they were found last, and in which modules. */
  #loaded: { module: bigint; joining: bigint; code: LaunchCode } | null = null;

  /** Throws `PairfoldError` (compile) for a schedule that the kernel cannot have. */
  constructor(options: CudaProgramOptions) {
    const { kernel, schedule, notes } = options;
    this.kernel = kernel;
    this.schedule = schedule;
    this.#options = options;
    this.#note = notes?.program(kernel, schedule) ?? null;
    this.#steps = notes?.of(kernel)?.steps ?? null;
    if (this.#note === null) void this.#module;
    else if (this.#note.rows !== null || options.rows === null) {
      this.#noted = new Set(Object.keys(this.#note.sources) as CudaSource[]);
    }
  }

  get #module(): CudaModule {
    return this.#emitted ??= emitCuda(this.kernel, this.schedule);
  }

  /** What there is beside the sources. */
  get emitted(): CudaShape {
    return this.#note ?? this.#module;
  }

  /** The source that folds all pairs, joins states, or folds points with themselves. */
  #source(kind: CudaSource): string {
    let source = this.#sources.get(kind) ?? this.#note?.sources[kind];
    if (source === undefined) {
      source = this.#emit(kind);
      this.#sources.set(kind, source);
    }
    return source;
  }

  #emit(kind: CudaSource): string {
    const { source, combine, mirror } = this.#module;
    if (kind === "fold") return source;
    if (kind === "combine") return combine();
    if (mirror === null) throw new PairfoldError("internal", "cuda: the kernel has no mirror");
    return mirror.source();
  }

  /** The module of a source, which is noted once it is there. */
  async #moduleOf(kind: CudaSource, modules: ModuleCache): Promise<bigint> {
    const module = await modules.moduleOf(this.#source(kind));
    const { notes, rows } = this.#options;
    if (notes !== null && !this.#noted.has(kind)) {
      this.#noted.add(kind);
      notes.keep(this.kernel, this.schedule, rows, this.emitted, kind, this.#source(kind));
    }
    return module;
  }

  /** The kernels that pack and fold. */
  async foldCode(device: CudaDevice, modules: ModuleCache): Promise<FoldCode> {
    return this.#foldCode(device, await this.#moduleOf("fold", modules));
  }

  #foldCode(device: CudaDevice, module: bigint): FoldCode {
    return {
      pack: this.emitted.packs ? device.kernel(module, ENTRIES.pack) : null,
      fold: device.kernel(module, ENTRIES.fold),
    };
  }

  /** The kernel that joins states. */
  async combineCode(device: CudaDevice, modules: ModuleCache): Promise<KernelFunction> {
    return device.kernel(await this.#moduleOf("combine", modules), ENTRIES.combine);
  }

  /** Has the kernel that joins states compiled; what goes wrong is told to who asks for it. */
  expectCombine(modules: ModuleCache): void {
    this.#moduleOf("combine", modules).catch(() => {});
  }

  /** Whether there is a kernel that folds points with themselves, as far as is known. */
  get hasMirror(): boolean {
    return this.emitted.mirror !== null && this.#mirrorFailure === null;
  }

  /**
   * The kernel that folds points with themselves; null where all pairs are folded. That one cannot
   * be had says nothing of the others: they may stand on disk while NVRTC is gone, and NVRTC may
   * refuse one source. What all of them suffer from, such as a card that is lost, the others tell.
   */
  async mirrorCode(device: CudaDevice, modules: ModuleCache): Promise<KernelFunction | null> {
    if (!this.hasMirror) return null;
    try {
      return device.kernel(await this.#moduleOf("mirror", modules), ENTRIES.mirror);
    } catch (error) {
      if (!(error instanceof PairfoldError) || !ONE_KERNELS.includes(error.code)) throw error;
      // where memory was full it may not be next time
      if (error.code !== "memory") [this.#mirrorFailure] = error.message.split("\n");
      return null;
    }
  }

  /** All kernels of a launch, where they are loaded. */
  loadedCode(device: CudaDevice, modules: ModuleCache, joins: boolean): LaunchCode | null {
    const module = modules.loaded(this.#source("fold"));
    const joining = joins ? modules.loaded(this.#source("combine")) : 0n;
    if (module === null || joining === null) return null;
    const known = this.#loaded;
    if (known?.module === module && known.joining === joining) return known.code;
    const combine = joins ? device.kernel(joining, ENTRIES.combine) : null;
    const code = { ...this.#foldCode(device, module), combine };
    this.#loaded = { module, joining, code };
    return code;
  }

  /** The uniform record of each segment, from the inputs that stand on the host. */
  uniformRecords(inputs: readonly Held[], segments: readonly Segment[]): Float64Array[] {
    const { kernel, emitted: { layout } } = this;
    return segments.map(({ offsets }) => {
      const rows = kernel.inputs.map(({ axis, dim }, slot) => {
        const held = inputs[slot];
        if (axis !== "uniform" || isDeviceArray(held)) return null;
        const first = (offsets[slot] ?? 0) * dim;
        return held.subarray(first, first + dim);
      });
      return this.#steps === null
        ? uniformRecord(kernel.uniform, rows, layout.uniforms)
        : runSteps(this.#steps, rows, layout.uniforms);
    });
  }

  explain(): ReturnType<Program["explain"]> {
    const { layout: { recordStride, size }, mirror } = this.emitted;
    const { target, why } = this.#options;
    const products = tensorProductsOf(this.kernel);
    return {
      products: products === null
        ? "float32: no single dot product of long vectors, in float32, that the fold waits for"
        : `${products} on tensor cores, from sm_80 on`,
      target,
      schedule: `${describeCudaSchedule(this.schedule)}, ` +
        `${recordStride * size} bytes per packed column (${why})`,
      source: [this.#source("fold"), mirror === null ? "" : this.#source("mirror")].join("\n"),
      ...(this.#mirrorFailure === null ? {} : {
        pairs: `all, for the kernel that meets each once cannot be had: ${this.#mirrorFailure}`,
      }),
    };
  }
}
