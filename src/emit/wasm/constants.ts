// Vector constants of an emitted module, which stand in memory.

import type { Type } from "../../loop/mod.ts";
import { VECTOR_BYTES } from "./layout.ts";

/** Vector constants that functions load from memory, each once. */
export class ConstantPool {
  readonly #indices = new Map<string, number>();
  readonly entries: { readonly type: Type; readonly value: number }[] = [];

  indexOf(type: Type, value: number): number {
    const key = `${type}:${Object.is(value, -0) ? "-0" : value}`;
    let index = this.#indices.get(key);
    if (index === undefined) {
      index = this.entries.length;
      this.#indices.set(key, index);
      this.entries.push({ type, value });
    }
    return index;
  }
}

/** A vector constant's bytes. */
export function vectorOf(type: Type, value: number): Uint8Array {
  switch (type) {
    case "f32":
      return new Uint8Array(new Float32Array(4).fill(value).buffer);
    case "f64":
      return new Uint8Array(new Float64Array(2).fill(value).buffer);
    case "i32":
      return new Uint8Array(new Int32Array(4).fill(value).buffer);
    case "i64":
      return new Uint8Array(new BigInt64Array(2).fill(BigInt(value)).buffer);
    case "mask":
      return new Uint8Array(VECTOR_BYTES).fill(value === 0 ? 0 : 255);
  }
}

/** The bytes of a vector whose lanes count up from an integer. */
export function countingFrom(first: number, lanes: number): Uint8Array {
  const bytes = new Uint8Array(VECTOR_BYTES);
  const view = new DataView(bytes.buffer);
  for (let lane = 0; lane < lanes; lane++) {
    view.setInt32(lane * VECTOR_BYTES / lanes, first + lane, true);
  }
  return bytes;
}
