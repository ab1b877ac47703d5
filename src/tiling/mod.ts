// Schedules and their choice.

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
  recordStride,
  REGISTER_ARRAY,
  UNTILED_CUDA,
} from "./cuda.ts";
export {
  checkNativeSchedule,
  chooseNativeSchedule,
  type NativeRegisters,
  type NativeSchedule,
  UNTILED_NATIVE,
} from "./native.ts";
