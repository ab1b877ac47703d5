// The CUDA engine: one card. It emits kernels, has them compiled, keeps arrays on the card and queues
// launches in order; only reading waits.

import { emitCuda } from "../../emit/cuda/mod.ts";
import { PairfoldError } from "../../error.ts";
import type { Kernel, MathFunctions } from "../../loop/mod.ts";
import { cudaMath } from "../../lower/mod.ts";
import {
  chooseCudaSchedule,
  type CudaSchedule,
  describeCudaSchedule,
  UNTILED_CUDA,
} from "../../tiling/mod.ts";
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
import { splitColumns } from "../plan.ts";
import { CudaArray, type Place } from "./array.ts";
import { CudaDevice } from "./device.ts";
import { CudaLaunch, SPLIT } from "./launch.ts";
import { CudaProgram, ModuleCache } from "./program.ts";
import type { RuntimeOptions } from "./runtime.ts";

/** Choices of a CUDA engine; all have defaults. */
export interface CudaOptions extends RuntimeOptions {
  /** Which card, as the driver counts them; default 0. */
  readonly ordinal?: number;
  /** How loops are cut; default by the cost model. */
  readonly schedule?: CudaSchedule | "untiled" | "auto";
  /** Bytes that a launch may take beyond the arrays on the card; default nearly all that is free. */
  readonly memoryLimit?: number;
  /** Bytes from which an array stays on the host; default a quarter of the card's memory. */
  readonly arrayLimit?: number;
}

const BYTES: Readonly<Record<DType, number>> = { float32: 4, float64: 8, int32: 4 };

/** The card, once it is open. */
interface Opened {
  readonly device: CudaDevice;
  readonly modules: ModuleCache;
  readonly arrayLimit: number;
}

export class CudaEngine implements Engine {
  readonly name: string;
  readonly math: MathFunctions = cudaMath;
  readonly #options: CudaOptions;
  readonly #programs = new WeakMap<Kernel, Map<string, CudaProgram>>();
  #opened: Opened | null = null;
  #opening: Promise<void> | null = null;

  constructor(options: CudaOptions = {}) {
    const { ordinal = 0 } = options;
    if (!Number.isInteger(ordinal) || ordinal < 0) {
      throw new PairfoldError("device", `cuda: got device ${ordinal}; expected an integer from 0`);
    }
    this.#options = options;
    this.name = `cuda:${ordinal}`;
  }

  get #ordinal(): number {
    return this.#options.ordinal ?? 0;
  }

  #keep(device: CudaDevice): void {
    const { arrayLimit = device.facts.memory / 4 } = this.#options;
    this.#opened ??= { device, modules: new ModuleCache(device), arrayLimit };
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
    ];
  }

  compile(kernel: Kernel, rows: number, columns: number): CudaProgram {
    const { schedule = "auto" } = this.#options;
    // splits of columns are as good as rows for keeping the card busy
    const busy = rows * splitColumns(SPLIT, rows, columns).count;
    const chosen = schedule === "untiled"
      ? UNTILED_CUDA
      : schedule === "auto"
      ? chooseCudaSchedule(kernel, busy)
      : schedule;
    const key = describeCudaSchedule(chosen);
    let programs = this.#programs.get(kernel);
    if (programs === undefined) this.#programs.set(kernel, programs = new Map());
    let program = programs.get(key);
    if (program === undefined) {
      program = new CudaProgram(kernel, chosen, emitCuda(kernel, chosen), this.#target());
      programs.set(key, program);
    }
    return program;
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
    if (!(program instanceof CudaProgram)) {
      throw new PairfoldError("internal", "launch: the program is of another engine");
    }
    const { device, modules } = this.#card;
    const { memoryLimit = null } = this.#options;
    const context = { name: this.name, device, modules, memoryLimit };
    await new CudaLaunch(context, program, inputs, outputs, segments, control).run();
  }

  memory(): MemoryUse | null {
    return this.#opened?.device.memory() ?? null;
  }
}
