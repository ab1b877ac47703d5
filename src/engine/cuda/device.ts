// One card: memory, copies and launches in the order of its own stream.

import { PairfoldError } from "../../error.ts";
import { statusOf } from "./report.ts";
import { openRuntime, openRuntimeNow, type Runtime, type RuntimeOptions } from "./runtime.ts";
import type { Bytes, CompiledModule, DeviceMemory, Handle, KernelFunction } from "./shim.ts";

/** CUdevice_attribute. */
const ATTRIBUTES = { multiprocessors: 16, major: 75, minor: 76 } as const;

/** The device's own stream. */
const STREAM: Handle = 0n;
/** Blocks of threads that one launch may have. */
export const MAX_BLOCKS = 2 ** 31 - 1;

/** What is known about a card. */
export interface DeviceFacts {
  readonly name: string;
  /** As in sm_90. */
  readonly architecture: number;
  readonly multiprocessors: number;
  readonly memory: number;
  /** CUDA versions, as "13.0". */
  readonly driver: string;
  readonly nvrtc: string;
}

const versionText = (version: number): string =>
  `${Math.floor(version / 1000)}.${Math.floor(version % 1000 / 10)}`;

export class CudaDevice {
  readonly facts: DeviceFacts;
  readonly #runtime: Runtime;
  readonly #handle: Handle;
  /** Kernels by module and name. */
  readonly #functions = new Map<string, KernelFunction>();

  private constructor(runtime: Runtime, ordinal: number) {
    this.#runtime = runtime;
    const { shim } = runtime;
    const count = shim.deviceCount();
    if (ordinal >= count) {
      throw new PairfoldError(
        "device",
        `cuda: got device ${ordinal}; expected one of the ${count} that the driver has`,
      );
    }
    this.#handle = shim.deviceOpen(ordinal);
    const { multiprocessors, major, minor } = ATTRIBUTES;
    const values = shim.deviceAttributes(this.#handle, [multiprocessors, major, minor]);
    const versions = shim.versions();
    this.facts = {
      name: shim.deviceName(this.#handle),
      architecture: 10 * values[1] + values[2],
      multiprocessors: values[0],
      memory: shim.memory(this.#handle).total,
      driver: versionText(versions.driver),
      nvrtc: versionText(versions.nvrtc),
    };
  }

  /** Opens a card; an error where the shim would have to be fetched first. */
  static openNow(ordinal: number, options: RuntimeOptions): CudaDevice {
    return new CudaDevice(openRuntimeNow(options), ordinal);
  }

  static async open(ordinal: number, options: RuntimeOptions): Promise<CudaDevice> {
    return new CudaDevice(await openRuntime(options), ordinal);
  }

  /** Folder of compiled binaries; empty for none. */
  get cache(): string {
    return this.#runtime.cache;
  }
  /** The file of the shim. */
  get library(): string {
    return this.#runtime.shim.path;
  }

  memory(): DeviceMemory {
    return this.#runtime.shim.memory(this.#handle);
  }
  alloc(bytes: number): bigint {
    return this.#runtime.shim.alloc(this.#handle, bytes);
  }
  /** Gives memory back; on a card that is lost there is nothing to give back. */
  free(address: bigint): void {
    try {
      this.#runtime.shim.free(this.#handle, address);
    } catch (error) {
      if (statusOf(error) !== "context-lost") throw error;
    }
  }
  upload(target: bigint, source: Bytes): void {
    this.#runtime.shim.upload(this.#handle, STREAM, target, source);
  }
  download(target: Bytes, source: bigint): Promise<void> {
    return this.#runtime.shim.download(this.#handle, STREAM, target, source);
  }
  /** An event behind all that was queued. */
  mark(): Handle {
    return this.#runtime.shim.eventRecord(this.#handle, STREAM);
  }
  /** Waits for an event, and frees it. */
  async reached(event: Handle): Promise<void> {
    try {
      await this.#runtime.shim.eventWait(this.#handle, event);
    } finally {
      this.#runtime.shim.eventFree(this.#handle, event);
    }
  }
  forget(event: Handle): void {
    this.#runtime.shim.eventFree(this.#handle, event);
  }

  compile(source: string, options: readonly string[]): Promise<CompiledModule> {
    return this.#runtime.shim.compile(this.#handle, source, "pairfold.cu", options, this.cache);
  }
  /** Unloads a module, once the launches of its kernels have run. */
  async unload(module: Handle): Promise<void> {
    for (const key of this.#functions.keys()) {
      if (key.startsWith(`${module}:`)) this.#functions.delete(key);
    }
    await this.#runtime.shim.moduleFreeAsync(this.#handle, module);
  }

  /** Finds a kernel of a module. */
  kernel(module: Handle, name: string): KernelFunction {
    const key = `${module}:${name}`;
    let found = this.#functions.get(key);
    if (found === undefined) {
      found = this.#runtime.shim.function(this.#handle, module, name, 0);
      this.#functions.set(key, found);
    }
    return found;
  }

  /** Queues a launch; every argument takes eight bytes. */
  launch(kernel: KernelFunction, blocks: number, threads: number, args: readonly bigint[]): void {
    const dims = Uint32Array.of(blocks, 1, 1, threads, 1, 1, 0);
    const words = BigInt64Array.from(args);
    const bytes = new Uint8Array(words.buffer);
    const offsets = Uint32Array.from(args, (_, k) => 8 * k);
    this.#runtime.shim.launch(this.#handle, STREAM, kernel.function, dims, bytes, offsets);
  }
}
