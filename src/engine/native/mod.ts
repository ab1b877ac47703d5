// The native engine: kernels as C, compiled for this machine.

export { NativeEngine, type NativeOptions } from "./engine.ts";
