// The emulated driver and NVRTC through Deno's FFI, by the names and types of CUDA's headers.
//
// Enters: paths of the two libraries. Leaves: their entry points.

/** A handle is an opaque pointer, passed as a number of 64 bits. */
const handle = "u64", address = "u64", code = "i32";

export const driverSymbols = {
  cuInit: { parameters: ["u32"], result: code },
  cuDriverGetVersion: { parameters: ["buffer"], result: code },
  cuGetErrorName: { parameters: [code, "buffer"], result: code },
  cuGetErrorString: { parameters: [code, "buffer"], result: code },
  cuDeviceGetCount: { parameters: ["buffer"], result: code },
  cuDeviceGet: { parameters: ["buffer", "i32"], result: code },
  cuDeviceGetName: { parameters: ["buffer", "i32", "i32"], result: code },
  cuDeviceGetUuid: { parameters: ["buffer", "i32"], result: code },
  cuDeviceTotalMem_v2: { parameters: ["buffer", "i32"], result: code },
  cuDeviceGetAttribute: { parameters: ["buffer", "i32", "i32"], result: code },
  cuDevicePrimaryCtxRetain: { parameters: ["buffer", "i32"], result: code },
  cuDevicePrimaryCtxRelease_v2: { parameters: ["i32"], result: code },
  cuDevicePrimaryCtxReset_v2: { parameters: ["i32"], result: code },
  cuCtxSetCurrent: { parameters: [handle], result: code },
  cuCtxGetCurrent: { parameters: ["buffer"], result: code },
  cuCtxSynchronize: { parameters: [], result: code },
  cuMemGetInfo_v2: { parameters: ["buffer", "buffer"], result: code },
  cuMemAlloc_v2: { parameters: ["buffer", "usize"], result: code },
  cuMemFree_v2: { parameters: [address], result: code },
  cuMemHostAlloc: { parameters: ["buffer", "usize", "u32"], result: code },
  cuMemFreeHost: { parameters: [address], result: code },
  cuMemcpyHtoDAsync_v2: { parameters: [address, "pointer", "usize", handle], result: code },
  cuMemcpyDtoHAsync_v2: { parameters: ["pointer", address, "usize", handle], result: code },
  cuMemcpyDtoDAsync_v2: { parameters: [address, address, "usize", handle], result: code },
  cuMemsetD8Async: { parameters: [address, "u8", "usize", handle], result: code },
  cuStreamCreate: { parameters: ["buffer", "u32"], result: code },
  cuStreamDestroy_v2: { parameters: [handle], result: code },
  cuStreamSynchronize: { parameters: [handle], result: code },
  cuStreamWaitEvent: { parameters: [handle, handle, "u32"], result: code },
  cuEventCreate: { parameters: ["buffer", "u32"], result: code },
  cuEventRecord: { parameters: [handle, handle], result: code },
  cuEventQuery: { parameters: [handle], result: code },
  cuEventSynchronize: { parameters: [handle], result: code },
  cuEventElapsedTime: { parameters: ["buffer", handle, handle], result: code },
  cuEventDestroy_v2: { parameters: [handle], result: code },
  cuModuleLoadData: { parameters: ["buffer", "buffer"], result: code },
  cuModuleUnload: { parameters: [handle], result: code },
  cuModuleGetFunction: { parameters: ["buffer", handle, "buffer"], result: code },
  cuFuncSetAttribute: { parameters: [handle, "i32", "i32"], result: code },
  cuFuncGetAttribute: { parameters: ["buffer", "i32", handle], result: code },
  cuOccupancyMaxActiveBlocksPerMultiprocessor: {
    parameters: ["buffer", handle, "i32", "usize"],
    result: code,
  },
  // function; grid x y z; block x y z; dynamic shared bytes; stream; pointers to arguments; extra
  cuLaunchKernel: {
    parameters: [
      handle,
      "u32",
      "u32",
      "u32",
      "u32",
      "u32",
      "u32",
      "u32",
      handle,
      "buffer",
      "pointer",
    ],
    result: code,
  },
  cuGraphCreate: { parameters: ["buffer", "u32"], result: code },
  cuGraphDestroy: { parameters: [handle], result: code },
  // node; graph; nodes before it and how many; parameters
  cuGraphAddKernelNode_v2: {
    parameters: ["buffer", handle, "buffer", "usize", "buffer"],
    result: code,
  },
  cuGraphAddMemcpyNode: {
    parameters: ["buffer", handle, "buffer", "usize", "buffer", handle],
    result: code,
  },
  cuGraphInstantiateWithFlags: { parameters: ["buffer", handle, "u64"], result: code },
  cuGraphExecDestroy: { parameters: [handle], result: code },
  cuGraphLaunch: { parameters: [handle, handle], result: code },
} as const;

export const nvrtcSymbols = {
  nvrtcVersion: { parameters: ["buffer", "buffer"], result: code },
  nvrtcGetErrorString: { parameters: [code], result: "pointer" },
  nvrtcGetNumSupportedArchs: { parameters: ["buffer"], result: code },
  nvrtcGetSupportedArchs: { parameters: ["buffer"], result: code },
  nvrtcCreateProgram: {
    parameters: ["buffer", "buffer", "buffer", "i32", "pointer", "pointer"],
    result: code,
  },
  nvrtcDestroyProgram: { parameters: ["buffer"], result: code },
  nvrtcCompileProgram: { parameters: [handle, "i32", "buffer"], result: code },
  nvrtcGetProgramLogSize: { parameters: [handle, "buffer"], result: code },
  nvrtcGetProgramLog: { parameters: [handle, "buffer"], result: code },
  nvrtcGetCUBINSize: { parameters: [handle, "buffer"], result: code },
  nvrtcGetCUBIN: { parameters: [handle, "buffer"], result: code },
  nvrtcGetPTXSize: { parameters: [handle, "buffer"], result: code },
  nvrtcGetPTX: { parameters: [handle, "buffer"], result: code },
} as const;

export type Driver = Deno.DynamicLibrary<typeof driverSymbols>["symbols"];
export type Nvrtc = Deno.DynamicLibrary<typeof nvrtcSymbols>["symbols"];

export function openDriver(path: string): Driver {
  return Deno.dlopen(path, driverSymbols).symbols;
}

export function openNvrtc(path: string): Nvrtc {
  return Deno.dlopen(path, nvrtcSymbols).symbols;
}
