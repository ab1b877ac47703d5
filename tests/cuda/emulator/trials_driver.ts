// What devices, limits, programs and failures look like to a caller.
//
// Enters: a session. Leaves: codes and texts as the driver gives them.

import { CRASHES, FILL } from "./kernels.ts";
import { cString, Session } from "./session.ts";

interface DeviceFacts {
  name: string;
  major: number;
  multiprocessors: number;
  shared: number;
  memory: number;
}

export function devices(s: Session): { count: number; unknown: number; facts: DeviceFacts[] } {
  const count = s.int((p) => s.driver.cuDeviceGetCount(p));
  const attribute = (which: number, device: number): number =>
    s.int((p) => s.driver.cuDeviceGetAttribute(p, which, device));
  const facts = Array.from({ length: count }, (_, device): DeviceFacts => {
    const name = new Uint8Array(100);
    s.want(s.driver.cuDeviceGetName(name, 100, device), "cuDeviceGetName");
    return {
      name: new TextDecoder().decode(name.subarray(0, name.indexOf(0))),
      major: attribute(75, device),
      multiprocessors: attribute(16, device),
      shared: attribute(97, device),
      memory: Number(s.out((p) => s.driver.cuDeviceTotalMem_v2(p, device))),
    };
  });
  const unknown = s.driver.cuDeviceGetAttribute(new Int32Array(1), 4711, 0);
  return { count, unknown, facts };
}

/** The driver's and NVRTC's versions. */
export function versions(s: Session): { driver: number; nvrtc: string; architectures: number[] } {
  const major = new Int32Array(1), minor = new Int32Array(1);
  s.want(s.nvrtc.nvrtcVersion(major, minor), "nvrtcVersion");
  const architectures = new Int32Array(s.int((p) => s.nvrtc.nvrtcGetNumSupportedArchs(p)));
  s.want(s.nvrtc.nvrtcGetSupportedArchs(architectures), "nvrtcGetSupportedArchs");
  return {
    driver: s.int((p) => s.driver.cuDriverGetVersion(p)),
    nvrtc: `${major[0]}.${minor[0]}`,
    architectures: [...architectures],
  };
}

/** Launches beyond one limit each. */
export function limits(s: Session): Record<string, number> {
  const kernel = s.kernel(FILL, "fill"), out = s.alloc(4);
  const bounded = s.kernel(FILL.replace("void fill", "void __launch_bounds__(64) fill"), "fill");
  const values = [out, { f32: 1 }, { i32: 1 }];
  const launch = (shape: Parameters<Session["launch"]>[1], which = kernel): number =>
    s.launch(which, shape, values);
  const most = (bytes: number): number => s.driver.cuFuncSetAttribute(kernel, 8, bytes);
  return {
    allowed: launch({ grid: 1, block: 1024 }),
    blockTooLarge: launch({ grid: 1, block: 2048 }),
    blockTooLargeInAll: launch({ grid: 1, block: [64, 32, 1] }),
    blockTooDeep: launch({ grid: 1, block: [1, 1, 65] }),
    gridTooHigh: launch({ grid: [1, 65536, 1], block: 1 }),
    gridEmpty: launch({ grid: 0, block: 1 }),
    beyondLaunchBounds: launch({ grid: 1, block: 65 }, bounded),
    withinLaunchBounds: launch({ grid: 1, block: 64 }, bounded),
    sharedUnasked: launch({ grid: 1, block: 1, shared: 50_000 }),
    sharedTooMuchAsked: most(232_449),
    sharedAsked: most(232_448),
    sharedAllowed: launch({ grid: 1, block: 1, shared: 232_448 }),
    attributeUnknown: s.driver.cuFuncSetAttribute(kernel, 77, 1),
    nothingBroken: s.synchronize(),
  };
}

/** Occupancy and attributes of a kernel with static shared memory. */
export function functionFacts(s: Session): Record<string, number> {
  const source = `
extern "C" __global__ void __launch_bounds__(256) two(float* out) {
  __shared__ float a[1000], b[3];
  __shared__ __align__(128) double c;
  a[threadIdx.x] = b[threadIdx.x % 3] = c = 1;
  out[threadIdx.x] = a[threadIdx.x];
}`;
  const kernel = s.kernel(source, "two");
  const attribute = (which: number): number =>
    s.int((p) => s.driver.cuFuncGetAttribute(p, which, kernel));
  const occupancy = (threads: number, shared: number): number =>
    s.int((p) =>
      s.driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(p, kernel, threads, BigInt(shared))
    );
  return {
    shared: attribute(1),
    threads: attribute(0),
    dynamic: attribute(8),
    occupancy: occupancy(256, 0),
    occupancyShared: occupancy(256, 45_000),
    occupancyTooLarge: occupancy(512, 0),
  };
}

/** Images that a device must not take. */
export function images(s: Session): Record<string, number> {
  const image = s.compile(FILL).image, module = new BigUint64Array(1);
  const load = (bytes: Uint8Array<ArrayBuffer>): number => s.driver.cuModuleLoadData(module, bytes);
  const damaged = image.slice();
  damaged[damaged.length - 100] ^= 1;
  const good = load(image);
  return {
    good,
    damaged: load(damaged),
    foreign: load(new Uint8Array(200).fill(0x7f)),
    otherArchitecture: load(s.compile(FILL, ["--gpu-architecture=sm_75"]).image),
    noSuchKernel: s.driver.cuModuleGetFunction(
      new BigUint64Array(1),
      s.out((p) => s.driver.cuModuleLoadData(p, image)),
      cString("empty"),
    ),
    mangled: s.driver.cuModuleGetFunction(
      new BigUint64Array(1),
      s.out((p) => s.driver.cuModuleLoadData(p, s.compile(FILL.replace('extern "C"', "")).image)),
      cString("fill"),
    ),
  };
}

/** Compilations that must fail, with their logs, and options that must not. */
export function compilations(s: Session): Record<string, { code: number; log: string }> {
  const compile = (source: string, ...options: string[]) => {
    const { code, log } = s.compile(source, options, "broken.cu");
    return { code, log };
  };
  const known = ["--prec-div=false", "--prec-sqrt=false", "--use_fast_math", "-lineinfo"];
  known.push("--maxrregcount=64", "--extra-device-vectorization", "-DVALUE=2", "-D", "OTHER=3");
  known.push("--device-as-default-execution-space");
  return {
    syntax: compile(FILL.replace("= value;", "= value")),
    unknownName: compile(FILL.replace("= value", "= valeu")),
    unknownOption: compile(FILL, "--make-it-fast"),
    unknownArchitecture: compile(FILL, "--gpu-architecture=sm_42"),
    knownOptions: compile(FILL.replace("= value", "= VALUE * OTHER"), ...known),
    tooMuchShared: compile(`
extern "C" __global__ void large(float* out) {
  __shared__ float a[12289];
  a[threadIdx.x] = out[threadIdx.x];
  out[threadIdx.x] = a[threadIdx.x];
}`),
    copiesBeforeAmpere: compile(
      `
extern "C" __global__ void copies(float4* out) {
  __shared__ float4 a[1];
  pf_cp_async16(a, out);
}`,
      "--gpu-architecture=sm_75",
    ),
  };
}

/** A kernel that crashes: what the context says then, what a reset and another device say. */
export function crash(
  s: Session,
  name: string,
): { launched: number; code: number; text: string; later: number[]; after: number; other: number } {
  const kernel = s.kernel(CRASHES[name], name), out = s.alloc(4);
  const launched = s.launch(kernel, { grid: 1, block: 1 }, [out, { i32: 0 }]);
  const code = s.synchronize();
  const later = [
    s.driver.cuMemAlloc_v2(new BigUint64Array(1), 4n),
    s.launch(kernel, { grid: 1, block: 1 }, [out, { i32: 0 }]),
    s.copyOut(new Float32Array(1), out),
    s.synchronize(),
  ];
  const text = s.errorText(code);
  const other = new Session(1).synchronize();
  const again = new Session(0);
  again.reset();
  return { launched, code, text, later, other, after: runFill(again) };
}

/** Fills and reads back; 0, or the first code that is not. */
export function runFill(s: Session): number {
  const kernel = s.kernel(FILL, "fill"), out = new BigUint64Array(1), data = new Float32Array(10);
  let code = s.driver.cuMemAlloc_v2(out, 40n);
  code ||= s.launch(kernel, { grid: 1, block: 32 }, [out[0], { f32: 4 }, { i32: 10 }]);
  code ||= s.copyOut(data, out[0]) || s.synchronize();
  if (code === 0 && !data.every((value) => value === 4)) throw new Error(`filled with ${data}`);
  return code;
}

/** The same three times over, since failures can be asked of the n-th call. */
export function threeFills(s: Session): number[] {
  return [1, 2, 3].map(() => {
    const code = runFill(s);
    s.reset();
    return code;
  });
}

/** Allocations until one is refused, in units of 64 MiB, and one after a free. */
export function memoryRunsOut(s: Session): { count: number; refused: number; afterFree: number } {
  const out = new BigUint64Array(1), unit = 64n << 20n;
  let count = 0, last = 0n, refused = 0;
  for (; count < 1000; count++) {
    refused = s.driver.cuMemAlloc_v2(out, unit);
    if (refused) break;
    last = out[0];
  }
  s.want(s.driver.cuMemFree_v2(last), "cuMemFree");
  return { count, refused, afterFree: s.driver.cuMemAlloc_v2(out, unit) };
}

/** A kernel that writes to memory that was freed. */
export function useAfterFree(s: Session): { code: number; text: string } {
  const kernel = s.kernel(FILL, "fill"), out = s.alloc(400);
  s.want(s.driver.cuMemFree_v2(out), "cuMemFree");
  s.want(s.launch(kernel, { grid: 1, block: 32 }, [out, { f32: 4 }, { i32: 10 }]), "launch");
  const code = s.synchronize();
  return { code, text: s.errorText(code) };
}
