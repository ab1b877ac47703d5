// Linear memory as staging: a bump allocator over a WebAssembly memory that grows on demand.

import { PairfoldError } from "../../error.ts";
import { CONSTANTS_END, MAXIMUM_PAGES, MINIMUM_PAGES, VECTOR_BYTES } from "../../emit/wasm/mod.ts";

const PAGE = 65536;
/** More than this is given back after a run. */
const KEPT_BYTES = 256 * 2 ** 20;

/** One memory and what is allocated in it. Views are taken anew after each growth. */
export class LinearMemory {
  readonly memory: WebAssembly.Memory;
  #top = CONSTANTS_END;
  #f32: Float32Array;
  #f64: Float64Array;
  #i32: Int32Array;

  constructor(shared: boolean) {
    try {
      this.memory = new WebAssembly.Memory({
        initial: MINIMUM_PAGES,
        maximum: MAXIMUM_PAGES,
        shared,
      });
    } catch (error) {
      throw new PairfoldError("memory", `the host gives no WebAssembly memory: ${String(error)}`, {
        cause: error,
      });
    }
    [this.#f32, this.#f64, this.#i32] = this.#views();
  }

  #views(): [Float32Array, Float64Array, Int32Array] {
    const { buffer } = this.memory;
    return [new Float32Array(buffer), new Float64Array(buffer), new Int32Array(buffer)];
  }

  get bytes(): number {
    return this.memory.buffer.byteLength;
  }
  /** Whether the memory is so large that it should be given back. */
  get isLarge(): boolean {
    return this.bytes > KEPT_BYTES;
  }
  /** Everything allocated so far ends here. */
  get mark(): number {
    return this.#top;
  }
  /** Frees what was allocated after a mark (all, without one). */
  reset(mark = CONSTANTS_END): void {
    this.#top = mark;
  }

  /** Allocates bytes, aligned for vectors. */
  alloc(bytes: number): number {
    const start = this.#top;
    const end = Math.ceil((start + bytes) / VECTOR_BYTES) * VECTOR_BYTES;
    if (end > this.bytes) {
      const pages = Math.ceil((end - this.bytes) / PAGE);
      try {
        this.memory.grow(pages);
      } catch (error) {
        throw new PairfoldError(
          "memory",
          `linear memory cannot grow to ${end} bytes; a lower memoryLimit makes chunks smaller`,
          { cause: error },
        );
      }
      [this.#f32, this.#f64, this.#i32] = this.#views();
    }
    this.#top = end;
    return start;
  }

  /** Writes bytes. */
  write(bytes: Uint8Array, address: number): void {
    new Uint8Array(this.memory.buffer, address, bytes.length).set(bytes);
  }

  /** The memory as numbers of one type. */
  view(kind: "f32"): Float32Array;
  view(kind: "f64"): Float64Array;
  view(kind: "i32"): Int32Array;
  view(kind: "f32" | "f64" | "i32"): Float32Array | Float64Array | Int32Array;
  view(kind: "f32" | "f64" | "i32"): Float32Array | Float64Array | Int32Array {
    if (kind === "f32") return this.#f32;
    return kind === "f64" ? this.#f64 : this.#i32;
  }
}
