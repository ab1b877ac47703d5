// Schedules and their choice.

export {
  costText,
  cudaCandidates,
  nativeCandidates,
  parseCudaSchedule,
  parseNativeSchedule,
  parseWasmSchedule,
  wasmCandidates,
} from "./candidates.ts";
export {
  checkSchedule,
  chooseSchedule,
  type Cost,
  costOf,
  mayImprove,
  operationsIn,
  SURVEYED_OPERATIONS,
  UNTILED,
  type WasmSchedule,
} from "./schedule.ts";
export {
  checkCudaSchedule,
  chooseCudaSchedule,
  type CudaSchedule,
  describeCudaSchedule,
  PARTLY_UNROLLED,
  REGISTER_ARRAY,
  unrolledStatements,
  UNTILED_CUDA,
} from "./cuda.ts";
export { type ColumnRecord, columnRecord, sliceableOf } from "./cuda_slices.ts";
export {
  checkNativeSchedule,
  chooseNativeSchedule,
  mirroredSchedule,
  type NativeRegisters,
  type NativeSchedule,
  UNTILED_NATIVE,
} from "./native.ts";
export {
  boundPerClock,
  LOCAL_FLOATS,
  MACHINE_CODE,
  RATES,
  type Rates,
  type TurnCode,
} from "./cuda_code.ts";
export { type MirrorCut, mirrorCut, mirrorGain, mirrorPays } from "./symmetric.ts";
