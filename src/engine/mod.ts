// Engines: the interface, the WebAssembly engine, several as one, the choice, the dense oracle.

export { CudaEngine, type CudaOptions } from "./cuda/mod.ts";
export {
  cuda,
  type Device,
  type DeviceName,
  doctor,
  type EngineMemory,
  engineOf,
  memory,
  native,
  wasm,
} from "./devices.ts";
export type {
  DeviceArray,
  DType,
  Engine,
  Held,
  MemoryUse,
  NumberArray,
  Program,
  Progress,
  RoundsFrom,
  RunControl,
  Segment,
  WholeFold,
} from "./engine.ts";
export { allocate, dtypeOf, isDeviceArray } from "./host.ts";
export { NativeEngine, type NativeOptions } from "./native/mod.ts";
export { type TuneMode } from "./tuner.ts";
export { ReferenceEvaluator, referenceFold } from "./reference.ts";
export { WasmEngine } from "./wasm/engine.ts";
export type { WasmOptions } from "./wasm/options.ts";
