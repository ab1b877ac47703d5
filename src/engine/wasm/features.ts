// What the host's WebAssembly offers, found by validating tiny modules.

import type { WasmFeatures } from "../../emit/wasm/mod.ts";

/** A module whose one function drops the result of some instructions on three zero vectors. */
function moduleWith(code: readonly number[]): Uint8Array<ArrayBuffer> {
  const zero = [0x41, 0, 0xfd, 0x11]; // i32.const 0, i32x4.splat
  const body = [0, ...zero, ...zero, ...zero, ...code, 0x1a, 0x0b];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 4, 1, 0x60, 0, 0],
    ...[3, 2, 1, 0],
    ...[10, body.length + 2, 1, body.length, ...body],
  ]);
}

const RELAXED_MADD = [0xfd, 0x85, 0x02];
/** A module with two memories. */
const MEMORIES = new Uint8Array([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 5, 2, 0, 1, 0, 1]);

/** Detects relaxed SIMD, shared memory, and several memories. */
export function detectFeatures(): WasmFeatures {
  return {
    relaxed: WebAssembly.validate(moduleWith(RELAXED_MADD)),
    shared: typeof SharedArrayBuffer !== "undefined" &&
      !("crossOriginIsolated" in globalThis &&
        Reflect.get(globalThis, "crossOriginIsolated") === false),
    memories: WebAssembly.validate(MEMORIES),
  };
}

interface NodeProcess {
  getBuiltinModule?(name: string): { availableParallelism?(): number } | undefined;
}

/** Threads where a host does not say how many cores it has. */
const UNKNOWN_CORES = 4;

/** Number of cores, by the web's name for it or by Node's. */
export function coreCount(): number {
  const cores = globalThis.navigator?.hardwareConcurrency;
  if (cores !== undefined) return cores;
  // only where it is needed: looking at `process` makes Deno load its Node layer
  const { process } = globalThis as { process?: NodeProcess };
  return process?.getBuiltinModule?.("node:os")?.availableParallelism?.() ?? UNKNOWN_CORES;
}
