// One card: memory, copies and launches in the order of its own stream.

import { PairfoldError } from "../../error.ts";
import { CommandList, type GraphMode, GRAPHS } from "./commands.ts";
import { readVariable } from "./host.ts";
import { KeptMemory, keptOn, type KeptPiece } from "./kept.ts";
import { statusOf } from "./report.ts";
import { openRuntime, openRuntimeNow, type Runtime, type RuntimeOptions } from "./runtime.ts";
import type {
  Bytes,
  CompiledModule,
  DeviceMemory,
  GraphCounts,
  Handle,
  KernelFunction,
} from "./shim.ts";

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

/**
 * Small arrays that are placed go to the card with the next list, and are part of what comes again:
 * so many bytes each, and together before they are sent without one.
 */
const WRITE = { bytes: 2 ** 14, together: 2 ** 16 } as const;

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
  /** Which lists may become graphs. */
  readonly graphMode: GraphMode;
  /** Kernels by module and name. */
  readonly #functions = new Map<string, KernelFunction>();

  private constructor(runtime: Runtime, ordinal: number, { graphs }: RuntimeOptions) {
    this.#runtime = runtime;
    this.graphMode = graphModeOf(graphs);
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
    return new CudaDevice(openRuntimeNow(options), ordinal, options);
  }

  static async open(ordinal: number, options: RuntimeOptions): Promise<CudaDevice> {
    return new CudaDevice(await openRuntime(options), ordinal, options);
  }

  /** Folder of compiled binaries; empty for none. */
  get cache(): string {
    return this.#runtime.cache;
  }
  /** The file of the shim. */
  get library(): string {
    return this.#runtime.shim.path;
  }

  /** What became of the lists that came again, whichever engine of the card queued them. */
  graphs(): GraphCounts {
    return this.#runtime.shim.graphs(this.#handle);
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
    this.commands.unwrite(address);
    try {
      this.#runtime.shim.free(this.#handle, address);
    } catch (error) {
      if (statusOf(error) !== "context-lost") throw error;
    }
  }
  /** Copies to the card, at once or before anything else that is queued or read. */
  upload(target: bigint, source: Bytes): void {
    const { commands } = this;
    const isFirst = commands.length === commands.written;
    if (isFirst && source.byteLength <= WRITE.bytes && source.byteLength > 0) {
      commands.write(target, source);
      if (8 * commands.written > WRITE.together) this.run();
      return;
    }
    this.#runtime.shim.upload(this.#handle, STREAM, target, source);
  }
  async download(target: Bytes, source: bigint): Promise<void> {
    this.run();
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
    this.run();
    const { shim } = this.#runtime;
    return shim.downloadSoon(this.#handle, STREAM, target, source, SOON.microseconds);
  }
  /** An event behind all that was queued. */
  mark(): Handle {
    this.run();
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

  /**
   * Queues the commands, whose uploads are from `data`, in one call. Where that fails before
   * anything is launched the writes stay: nothing is to be computed without them.
   */
  run(data: Bytes | null = null): void {
    const { commands } = this;
    if (commands.length === 0) return;
    try {
      this.#runtime.shim.run(this.#handle, STREAM, commands, data, this.graphMode);
      commands.done();
    } catch (error) {
      const status = statusOf(error);
      if (status === "launch" || status === "context-lost") commands.done();
      else commands.clear();
      throw error;
    }
  }
}

/** The mode that was asked for, here or in the environment. */
function graphModeOf(option: GraphMode | undefined): GraphMode {
  const wanted = option ?? readVariable("PAIRFOLD_CUDA_GRAPHS") ?? "auto";
  if (Object.hasOwn(GRAPHS, wanted)) return wanted as GraphMode;
  throw new PairfoldError(
    "device",
    `cuda: got ${JSON.stringify(wanted)} for graphs (PAIRFOLD_CUDA_GRAPHS); expected ` +
      Object.keys(GRAPHS).join(", "),
  );
}
