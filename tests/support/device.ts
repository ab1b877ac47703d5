// The device that the conformance suites run on: PAIRFOLD_TEST_DEVICE, else the best one found.

import { CudaEngine, type Device, engineOf, WasmEngine } from "../../src/engine/mod.ts";
import type { DeviceName } from "../../src/engine/mod.ts";

const asked = (Deno.env.get("PAIRFOLD_TEST_DEVICE") ?? "auto") as DeviceName;

/**
 * The device asked for by the environment. On WebAssembly, kernels are tiled from their first
 * launch on: the suites are about the code that long folds run.
 */
export const testDevice: Device = engineOf(asked) instanceof WasmEngine
  ? new WasmEngine({ quickOperations: 0 })
  : asked;

/**
 * How much larger errors may be than on the WebAssembly engine: CUDA's single-precision
 * exponential, division and square root are approximations of 2 ulp.
 */
export const deviceTolerance = (dtype: "float32" | "float64"): number =>
  dtype === "float32" && engineOf(testDevice) instanceof CudaEngine ? 2 : 1;
