// How the shim is called: reports and results that blocking calls share, memory that nonblocking
// calls hold on to, and closing the library once none is under way.

import type { OpenedLibrary } from "./library.ts";
import { Report } from "./report.ts";

/** A device, stream, event, module or kernel of the shim; 0n is none. */
export type Handle = bigint;

/** Memory that is read or filled. */
export type Bytes = ArrayBufferView<ArrayBufferLike>;

/** What a pointer parameter takes. */
type Pointed = BufferSource | null;

/** Warnings and logs of a compiler are longer than other texts. */
export const LOG_BYTES: number = 256 << 10;

const encoder = new TextEncoder();

/** Text as C reads it. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text + "\0");
}

/** Memory as the types of Deno's foreign functions want it. */
export function pointed(bytes: Bytes): BufferSource {
  return bytes as BufferSource;
}

/** An opened shim without its functions. */
export class ShimCalls {
  /** The file that it was opened from. */
  readonly path: string;
  readonly #library: OpenedLibrary["library"];
  protected readonly call: OpenedLibrary["library"]["symbols"];
  // blocking calls come one at a time: they share one report and one set of results
  protected readonly report = new Report();
  protected readonly words = new Int32Array(4);
  protected readonly longs = new BigUint64Array(4);
  protected readonly floats = new Float32Array(1);
  /** What calls on other threads use; it must not be collected while they run. */
  readonly #kept = new Set<readonly Pointed[]>();
  #closed = false;

  protected constructor({ library, path }: OpenedLibrary) {
    this.#library = library;
    this.call = library.symbols;
    this.path = path;
  }

  /** The shared report, as blocking calls take it. */
  protected get out(): Uint8Array<ArrayBuffer> {
    return this.report.bytes;
  }

  /** Throws what the status of a blocking call means. */
  protected check(status: number): void {
    this.report.check(status);
  }

  /** Runs a nonblocking call with a report of its own and holds on to its memory meanwhile. */
  protected async wait(
    run: (report: Uint8Array<ArrayBuffer>) => Promise<number>,
    memory: readonly Pointed[],
    capacity?: number,
    source?: string,
  ): Promise<Report> {
    const report = new Report(capacity);
    const kept = [report.bytes, ...memory];
    this.#kept.add(kept);
    try {
      report.check(await run(report.bytes), source);
      return report;
    } finally {
      this.#kept.delete(kept);
      if (this.#closed && this.#kept.size === 0) this.#library.close();
    }
  }

  /** Closes the library once no call is under way. Devices should be closed before. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#kept.size === 0) this.#library.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
