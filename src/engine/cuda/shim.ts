// The shim's functions with the types of TypeScript. Enter and leave: handles and device addresses
// as bigint, byte counts as numbers; whatever is not ok is thrown as `PairfoldError`, with what
// stands behind it as its cause (`failureOf`).

import { type Bytes, cString, type Handle, LOG_BYTES, pointed } from "./calls.ts";
import { type CommandList, type GraphMode, GRAPHS } from "./commands.ts";
import { type LibraryOptions, openLibrary, openLibrarySync } from "./library.ts";
import { Report } from "./report.ts";
import { ShimMemory } from "./shim_memory.ts";

export type { Bytes, Handle } from "./calls.ts";
export type { DeviceMemory } from "./shim_memory.ts";

/** A program that was compiled or found in the cache, and loaded. */
export interface CompiledModule {
  readonly module: Handle;
  /** Whether the binary came from the cache folder. */
  readonly cached: boolean;
  /** The compiler's warnings, and what went wrong with the cache. */
  readonly notes: string;
}

/** A kernel and what it takes. */
export interface KernelFunction {
  readonly function: Handle;
  readonly registers: number;
  /** Bytes per thread that did not fit into registers. */
  readonly localBytes: number;
  readonly sharedBytes: number;
  /** Most threads of a block. */
  readonly threads: number;
}

/** Lists that became graphs of the driver, and those that did not. */
export interface GraphCounts {
  readonly kept: number;
  readonly recorded: number;
  readonly launched: number;
  /** Graphs that took longer than their lists did. */
  readonly slower: number;
  readonly refused: number;
}

/** The shim, opened. */
export class Shim extends ShimMemory {
  /** Finds and opens the shim, fetching it once where Pairfold was imported from a URL. */
  static async open(options: LibraryOptions = {}): Promise<Shim> {
    return new Shim(await openLibrary(options));
  }

  /** Finds and opens the shim; an error where it would have to be fetched first. */
  static openSync(options: LibraryOptions = {}): Shim {
    return new Shim(openLibrarySync(options));
  }

  // ---- the libraries ------------------------------------------------------------------------

  /** Opens the driver at a path, else where the shim looks for it. */
  openDriver(path?: string): void {
    this.check(this.call.pf_open_driver(this.out, path ? cString(path) : null));
  }

  /** Opens NVRTC at a path, else where the shim looks for it. */
  openNvrtc(path?: string): void {
    this.check(this.call.pf_open_nvrtc(this.out, path ? cString(path) : null));
  }

  /** What was looked for, found and refused, line by line. */
  searchLog(): string[] {
    const report = new Report(64 << 10);
    report.check(this.call.pf_search_log(report.bytes));
    return report.text.split("\n").filter((line) => line !== "");
  }

  /** CUDA's version of the driver and NVRTC's, as 1000 · major + 10 · minor; 0 where not open. */
  versions(): { driver: number; nvrtc: number } {
    const [driver, nvrtc] = [this.words.subarray(0, 1), this.words.subarray(1, 2)];
    this.check(this.call.pf_versions(this.out, driver, nvrtc));
    return { driver: driver[0], nvrtc: nvrtc[0] };
  }

  // ---- devices ------------------------------------------------------------------------------

  deviceCount(): number {
    this.check(this.call.pf_device_count(this.out, this.words));
    return this.words[0];
  }

  /** Opens a device; each open wants one close. */
  deviceOpen(ordinal: number): Handle {
    this.check(this.call.pf_device_open(this.out, ordinal, this.longs));
    return this.longs[0];
  }

  deviceClose(device: Handle): void {
    this.check(this.call.pf_device_close(this.out, device));
  }

  deviceName(device: Handle): string {
    this.check(this.call.pf_device_name(this.out, device));
    return this.report.text;
  }

  /** Values of attributes by CUDA's numbers (CUdevice_attribute). */
  deviceAttributes(device: Handle, which: readonly number[]): number[] {
    const wanted = Int32Array.from(which), values = new Int32Array(which.length);
    const count = which.length;
    this.check(this.call.pf_device_attributes(this.out, device, wanted, values, count));
    return [...values];
  }

  // ---- streams and events -------------------------------------------------------------------

  streamCreate(device: Handle): Handle {
    this.check(this.call.pf_stream_create(this.out, device, this.longs));
    return this.longs[0];
  }

  streamFree(device: Handle, stream: Handle): void {
    this.check(this.call.pf_stream_free(this.out, device, stream));
  }

  /** Later work of the stream waits for the event. */
  streamWait(device: Handle, stream: Handle, event: Handle): void {
    this.check(this.call.pf_stream_wait(this.out, device, stream, event));
  }

  /** A new event behind the work that a stream has now. */
  eventRecord(device: Handle, stream: Handle): Handle {
    this.check(this.call.pf_event_record(this.out, device, stream, this.longs));
    return this.longs[0];
  }

  /** Whether the event has happened. */
  eventQuery(device: Handle, event: Handle): boolean {
    this.check(this.call.pf_event_query(this.out, device, event, this.words));
    return this.words[0] !== 0;
  }

  /** Waits for an event on another thread. */
  async eventWait(device: Handle, event: Handle): Promise<void> {
    await this.wait(
      (report) => this.call.pf_event_wait_nonblocking(report, device, event),
      [],
    );
  }

  /** Milliseconds of the device's clock between two events that have happened. */
  eventElapsed(device: Handle, from: Handle, to: Handle): number {
    this.check(this.call.pf_event_elapsed(this.out, device, from, to, this.floats));
    return this.floats[0];
  }

  eventFree(device: Handle, event: Handle): void {
    this.check(this.call.pf_event_free(this.out, device, event));
  }

  /** Waits for all work of the device on another thread. */
  async synchronize(device: Handle): Promise<void> {
    await this.wait((report) => this.call.pf_synchronize_nonblocking(report, device), []);
  }

  /** The same, blocking. */
  synchronizeSync(device: Handle): void {
    this.check(this.call.pf_synchronize(this.out, device));
  }

  // ---- programs -----------------------------------------------------------------------------

  /**
   * Compiles CUDA C++ for a device and loads it. `options` are NVRTC's, without the architecture;
   * `cache` is the folder where binaries are kept, empty for none.
   */
  compileSync(
    device: Handle,
    source: string,
    name: string,
    options: readonly string[],
    cache: string,
  ): CompiledModule {
    const texts = [source, name, options.join("\n"), cache].map(cString);
    const report = new Report(LOG_BYTES);
    report.check(
      this.call.pf_compile(
        report.bytes,
        device,
        texts[0],
        texts[1],
        texts[2],
        texts[3],
        this.longs,
        this.words,
      ),
      source,
    );
    return { module: this.longs[0], cached: this.words[0] !== 0, notes: report.text };
  }

  /** The same on another thread. */
  async compile(
    device: Handle,
    source: string,
    name: string,
    options: readonly string[],
    cache: string,
  ): Promise<CompiledModule> {
    const texts = [source, name, options.join("\n"), cache].map(cString);
    const module = new BigUint64Array(1), cached = new Int32Array(1);
    const report = await this.wait(
      (report) =>
        this.call.pf_compile_nonblocking(
          report,
          device,
          texts[0],
          texts[1],
          texts[2],
          texts[3],
          module,
          cached,
        ),
      [...texts, module, cached],
      LOG_BYTES,
      source,
    );
    return { module: module[0], cached: cached[0] !== 0, notes: report.text };
  }

  /** Unloads a program; waits for its kernels. */
  moduleFree(device: Handle, module: Handle): void {
    this.check(this.call.pf_module_free(this.out, device, module));
  }

  /** The same on another thread. */
  async moduleFreeAsync(device: Handle, module: Handle): Promise<void> {
    await this.wait((report) => this.call.pf_module_free_nonblocking(report, device, module), []);
  }

  /** Compiles for an architecture such as 90, with NVRTC alone, on another thread. */
  async compileBinary(
    architecture: number,
    source: string,
    name: string,
    options: readonly string[],
  ): Promise<{ binary: Uint8Array<ArrayBuffer>; notes: string }> {
    const texts = [source, name, options.join("\n")].map(cString);
    const size = new BigUint64Array(1);
    let binary = new Uint8Array(1 << 20);
    for (;;) {
      const room = binary;
      const report = await this.wait(
        (report) =>
          this.call.pf_compile_binary_nonblocking(
            report,
            architecture,
            texts[0],
            texts[1],
            texts[2],
            room,
            BigInt(room.byteLength),
            size,
          ),
        [...texts, room, size],
        LOG_BYTES,
        source,
      );
      const bytes = Number(size[0]);
      if (bytes <= room.byteLength) return { binary: room.slice(0, bytes), notes: report.text };
      binary = new Uint8Array(bytes);
    }
  }

  /** Finds a kernel and lets it use so many bytes of dynamic shared memory. */
  function(device: Handle, module: Handle, name: string, dynamicShared: number): KernelFunction {
    this.check(
      this.call.pf_function(
        this.out,
        device,
        module,
        cString(name),
        dynamicShared,
        this.longs,
        this.words,
      ),
    );
    const [registers, localBytes, sharedBytes, threads] = this.words;
    return { function: this.longs[0], registers, localBytes, sharedBytes, threads };
  }

  /** Blocks of a kernel that one multiprocessor holds. */
  occupancy(device: Handle, kernel: Handle, threads: number, dynamicShared: number): number {
    this.check(
      this.call.pf_occupancy(this.out, device, kernel, threads, dynamicShared, this.words),
    );
    return this.words[0];
  }

  /**
   * Queues a launch. `dims`: grid x y z, block x y z, bytes of dynamic shared memory. Argument k is
   * read at `arguments_` + offsets[k], during the call.
   */
  launch(
    device: Handle,
    stream: Handle,
    kernel: Handle,
    dims: Uint32Array<ArrayBuffer>,
    arguments_: Uint8Array<ArrayBuffer>,
    offsets: Uint32Array<ArrayBuffer>,
  ): void {
    this.check(
      this.call.pf_launch(
        this.out,
        device,
        stream,
        kernel,
        dims,
        arguments_,
        offsets,
        offsets.length,
      ),
    );
  }

  /**
   * Queues the commands of a list, whose uploads are from `data`: as a graph, where that was asked
   * for and the list has come before.
   */
  run(
    device: Handle,
    stream: Handle,
    commands: CommandList,
    data: Bytes | null,
    graphs: GraphMode = "never",
  ): void {
    this.check(
      this.call.pf_run(
        this.out,
        device,
        stream,
        commands.words,
        BigInt(commands.length),
        data === null ? null : pointed(data),
        BigInt(data?.byteLength ?? 0),
        GRAPHS[graphs],
      ),
    );
  }

  /** What became of the lists of a device that came again. */
  graphs(device: Handle): GraphCounts {
    const counts = new BigUint64Array(5);
    this.check(this.call.pf_graphs(this.out, device, counts));
    const [kept, recorded, launched, slower, refused] = [...counts].map(Number);
    return { kept, recorded, launched, slower, refused };
  }
}
