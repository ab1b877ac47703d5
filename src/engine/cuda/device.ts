// One card: memory, copies and launches in the order of its own stream.

import { PairfoldError } from "../../error.ts";
import { CommandList } from "./commands.ts";
import { KeptMemory, keptOn, type KeptPiece } from "./kept.ts";
import { statusOf } from "./report.ts";
import { openRuntime, openRuntimeNow, type Runtime, type RuntimeOptions } from "./runtime.ts";
import type { Bytes, CompiledModule, DeviceMemory, Handle, KernelFunction } from "./shim.ts";

/** CUdevice_attribute. */
const ATTRIBUTES = { multiprocessors: 16, major: 75, minor: 76 } as const;

/** The device's own stream. */
const STREAM: Handle = 0n;
/** Blocks of threads that one launch may have. */
export const MAX_BLOCKS = 2 ** 31 - 1;

/** Memory that launches may use again: this part of the card's, and no more than so many bytes. */
const KEPT_SHARE = 1 / 64;
const KEPT_BYTES = 2 ** 28;

/**
 * What is read at once without a thread of its own, which costs more than that (30 to 100 µs, EPYC,
 * 2026-11): so many bytes, behind a launch of so many pairs, for so many microseconds.
 */
const SOON = { bytes: 2 ** 14, pairs: 2 ** 26, microseconds: 50 } as const;

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
  /** What is to be queued by the next `run`. */
  readonly commands: CommandList = new CommandList();
  /** Memory that launches may use again, whichever engine of the card made it. */
  readonly kept: KeptMemory;
  readonly #runtime: Runtime;
  readonly #handle: Handle;
  /** Downloads that wait on threads of their own. */
  #reading = 0;
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
    const most = Math.min(KEPT_BYTES, this.facts.memory * KEPT_SHARE);
    const make = (): KeptMemory => new KeptMemory(most, (address) => this.free(address));
    this.kept = keptOn(`${shim.path} ${this.#handle}`, make);
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

  /** What is kept for launches counts as pooled: whoever needs memory gets it. */
  memory(): DeviceMemory {
    const { live, pooled, ...rest } = this.#runtime.shim.memory(this.#handle);
    const { bytes } = this.kept;
    return { ...rest, live: live - bytes, pooled: pooled + bytes };
  }
  alloc(bytes: number): bigint {
    const { shim } = this.#runtime;
    try {
      return shim.alloc(this.#handle, bytes);
    } catch (error) {
      if (statusOf(error) !== "out-of-memory" || !this.kept.clear()) throw error;
      return shim.alloc(this.#handle, bytes);
    }
  }
  /** Allocates memory that launches may find again, and holds it. */
  keep(key: string, bytes: number, owners: readonly object[]): KeptPiece {
    return this.kept.add(key, this.alloc(bytes), bytes, owners);
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
  async download(target: Bytes, source: bigint): Promise<void> {
    this.#reading++;
    try {
      await this.#runtime.shim.download(this.#handle, STREAM, target, source);
    } finally {
      this.#reading--;
    }
  }
  /**
   * Reads a few numbers at once, where the launch of so many pairs that fills them ends soon. While
   * others wait for the card it does not.
   */
  downloadSoon(target: Bytes, source: bigint, pairs: number): boolean {
    if (this.#reading > 0 || target.byteLength > SOON.bytes || pairs > SOON.pairs) return false;
    const { shim } = this.#runtime;
    return shim.downloadSoon(this.#handle, STREAM, target, source, SOON.microseconds);
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

  /** Queues the commands, whose copies are from `data`, in one call. */
  run(data: Bytes | null = null): void {
    try {
      if (this.commands.length > 0) {
        this.#runtime.shim.run(this.#handle, STREAM, this.commands, data);
      }
    } finally {
      this.commands.clear();
    }
  }
}
