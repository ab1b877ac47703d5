// A kernel emitted for CUDA, and its modules on one card: compiled when first needed, on a thread of
// their own.

import { type CudaModule, ENTRIES, OPTIONS } from "../../emit/cuda/mod.ts";
import type { Kernel } from "../../loop/mod.ts";
import { type CudaSchedule, describeCudaSchedule, patchOf } from "../../tiling/mod.ts";
import type { Program } from "../engine.ts";
import type { CudaDevice } from "./device.ts";
import type { KernelFunction } from "./shim.ts";

/** The compiled kernels that a launch needs. */
export interface FoldCode {
  readonly pack: KernelFunction | null;
  readonly fold: KernelFunction;
}

/** Modules of one card by their source; the oldest leave first. */
export class ModuleCache {
  readonly #device: CudaDevice;
  readonly #modules = new Map<string, Promise<bigint>>();
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
    let module = this.#modules.get(source);
    if (module === undefined) {
      this.#compiled++;
      module = this.#device.compile(source, OPTIONS).then(({ module }) => module);
      // what failed is tried again by the next who asks
      module.catch(() => this.#modules.delete(source));
    }
    this.#modules.delete(source);
    this.#modules.set(source, module); // the youngest now
    if (this.#modules.size > MAX_MODULES) this.#forgetOldest();
    return module;
  }

  #forgetOldest(): void {
    const [[source, module]] = this.#modules;
    this.#modules.delete(source);
    this.#doomed.push(module);
  }
}

const MAX_MODULES = 256;

export class CudaProgram implements Program {
  readonly kernel: Kernel;
  readonly schedule: CudaSchedule;
  readonly emitted: CudaModule;
  readonly #target: string;
  readonly #why: string;

  constructor(
    kernel: Kernel,
    schedule: CudaSchedule,
    emitted: CudaModule,
    target: string,
    why: string,
  ) {
    this.kernel = kernel;
    this.schedule = schedule;
    this.emitted = emitted;
    this.#target = target;
    this.#why = why;
  }

  /** The kernels that pack and fold. */
  async foldCode(device: CudaDevice, modules: ModuleCache): Promise<FoldCode> {
    const module = await modules.moduleOf(this.emitted.source);
    return {
      pack: this.emitted.packs ? device.kernel(module, ENTRIES.pack) : null,
      fold: device.kernel(module, ENTRIES.fold),
    };
  }

  /** The kernel that joins states. */
  async combineCode(device: CudaDevice, modules: ModuleCache): Promise<KernelFunction> {
    return device.kernel(await modules.moduleOf(this.emitted.combine()), ENTRIES.combine);
  }

  explain(): { target: string; schedule: string; source: string; products: string } {
    const { recordStride, size } = this.emitted.layout;
    const products = patchOf(this.kernel)?.products ?? null;
    return {
      products: products === null
        ? "float32: no single dot product of long vectors, in float32, that a narrow fold waits for"
        : `${products} on tensor cores, from sm_80 on`,
      target: this.#target,
      schedule: `${describeCudaSchedule(this.schedule)}, ` +
        `${recordStride * size} bytes per packed column (${this.#why})`,
      source: this.emitted.source,
    };
  }
}
