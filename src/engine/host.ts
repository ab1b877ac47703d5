// Arrays on the host: their types, new ones, and telling them from arrays in an engine's memory.

import { PairfoldError, shown } from "../error.ts";
import type { DeviceArray, DType, Held, NumberArray } from "./engine.ts";

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

/** A new array of a dtype. */
export function allocate(dtype: DType, length: number): NumberArray {
  if (typeof dtype !== "string" || !Object.hasOwn(ARRAYS, dtype)) {
    const expected = Object.keys(ARRAYS).join(", ");
    throw new PairfoldError("dtype", `array: got dtype ${shown(dtype)}; expected ${expected}`);
  }
  try {
    return new ARRAYS[dtype](length);
  } catch (error) {
    throw new PairfoldError("memory", `${dtype} array: cannot allocate ${length} numbers`, {
      cause: error,
    });
  }
}

/** The dtype of a typed array, or an error for types that tensors do not have. */
export function dtypeOf(data: NumberArray): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof Int32Array) return "int32";
  const got = Object.prototype.toString.call(data).slice(8, -1);
  throw new PairfoldError(
    "dtype",
    `tensor: got ${got}; expected Float32Array, Float64Array, Int32Array or nested arrays`,
  );
}

/** A number of an int32 tensor. Throws `PairfoldError` (dtype) for others. */
export function checkedInteger(op: string, x: number): number {
  if (x === (x | 0)) return x;
  throw new PairfoldError("dtype", `${op}: got ${x}; expected a 32-bit integer`);
}

/**
 * Whether one instruction makes four sums of two products of integers of 16 bits: x86 has it, ARM
 * takes three, browsers do not say what they run on.
 */
export function multipliesShorts(): boolean {
  const host = globalThis as {
    readonly Deno?: { readonly build?: { readonly arch?: string } };
    readonly process?: { readonly arch?: string };
  };
  const arch = host.Deno?.build?.arch ?? host.process?.arch;
  return arch === "x86_64" || arch === "x64";
}

/** Whether numbers stand in an engine's memory. */
export function isDeviceArray(held: Held): held is DeviceArray {
  return !ArrayBuffer.isView(held);
}

/** The same arrays, for engines that work on the host: others have no business there. */
export function hostArrays(arrays: readonly Held[]): readonly NumberArray[] {
  return arrays.map((held) => {
    if (!isDeviceArray(held)) return held;
    throw new PairfoldError("internal", `launch: got an array on ${held.engine.name}`);
  });
}
