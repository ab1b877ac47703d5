// Engines: the interface, the WebAssembly engine, the choice of one, the dense oracle.

import { PairfoldError } from "../error.ts";
import type { Engine } from "./engine.ts";
import { WasmEngine, type WasmOptions } from "./wasm/engine.ts";

export type { Engine, NumberArray, Program, Progress, RunControl, Segment } from "./engine.ts";
export { ReferenceEvaluator, referenceFold } from "./reference.ts";
export { WasmEngine, type WasmOptions } from "./wasm/engine.ts";

/** Where a fold runs: the best engine found, one by name, or one that was made with options. */
export type Device = "auto" | "wasm" | Engine;

let shared: WasmEngine | null = null;

/** Makes a WebAssembly engine with options of its own; pass it as `device`. */
export function wasm(options: WasmOptions = {}): WasmEngine {
  return new WasmEngine(options);
}

/** The engine of a device. Throws `PairfoldError` (device) for one that is not there. */
export function engineOf(device: Device = "auto"): Engine {
  if (typeof device === "object") return device;
  if (device === "auto" || device === "wasm") return shared ??= new WasmEngine();
  throw new PairfoldError("device", `device: got "${device}"; expected "auto" or "wasm"`);
}

/**
 * Says which engines this host has, which one `device: "auto"` takes, and why.
 *
 * ```ts
 * import { doctor } from "pairfold";
 * console.log(doctor());
 * ```
 */
export function doctor(): string {
  const engine = engineOf("auto");
  return [
    `device "auto" takes ${engine.name}: it needs no permission, no compiler and no driver`,
    ...engine.describe().map((line) => `  ${line}`),
  ].join("\n");
}
