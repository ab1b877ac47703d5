// Schedules and their choice.

export { innerLoops } from "./cuda_careful.ts";
export {
  type CudaMirror,
  cudaMirrorCut,
  cudaMirrorOf,
  cudaMirrorPays,
  MIRRORED_POINTS,
} from "./cuda_symmetric.ts";
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
  mirroredWasm,
  operationsIn,
  SURVEYED_OPERATIONS,
  UNTILED,
  type WasmSchedule,
} from "./schedule.ts";
export { checkCudaSchedule, chooseCudaSchedule, untiledCuda } from "./cuda.ts";
export {
  hasLongRows,
  PARTLY_UNROLLED,
  REGISTER_ARRAY,
  registerArray,
  registersOfFold,
  unrolledStatements,
} from "./cuda_estimates.ts";
export { type CudaSchedule, describeCudaSchedule, UNTILED_CUDA } from "./cuda_schedule.ts";
export { type Panel, PANEL_PAD, panelContraction, panelOf, panelShape } from "./cuda_panel.ts";
export { tensorProductsOf } from "./cuda_panel_choice.ts";
export { PANEL_CODE, panelBoundPerClock, type PanelCode } from "./cuda_panel_code.ts";
export {
  chunkStride,
  HANDED,
  HANDED_STRIDE,
  PATCH,
  PATCH_TILE,
  PATCH_TURN,
  PATCHES,
  patchOf,
  type PatchShape,
  warpPieces,
} from "./cuda_patch.ts";
export { type ColumnRecord, columnRecord, sliceableOf } from "./cuda_slices.ts";
export {
  checkNativeSchedule,
  chooseNativeSchedule,
  mirroredSchedule,
  type NativeFacts,
  nativeFacts,
  type NativeRegisters,
  type NativeSchedule,
  recallFacts,
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
export {
  type MirrorCosts,
  type MirrorCut,
  mirrorCut,
  type MirrorFacts,
  mirrorFacts,
  mirrorGain,
  mirrorPays,
  NATIVE_MIRROR,
  WASM_MIRROR,
} from "./symmetric.ts";
