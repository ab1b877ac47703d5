// Schedules and their choice.

export {
  costText,
  nativeCandidates,
  parseNativeSchedule,
  parseWasmSchedule,
  wasmCandidates,
} from "./candidates.ts";
export {
  checkSchedule,
  chooseSchedule,
  type Cost,
  costOf,
  UNTILED,
  type WasmSchedule,
} from "./schedule.ts";
export {
  checkCudaSchedule,
  chooseCudaSchedule,
  type CudaSchedule,
  PARTLY_UNROLLED,
  recordStride,
  REGISTER_ARRAY,
  unrolledStatements,
  UNTILED_CUDA,
} from "./cuda.ts";
export {
  checkNativeSchedule,
  chooseNativeSchedule,
  type NativeRegisters,
  type NativeSchedule,
  UNTILED_NATIVE,
} from "./native.ts";
