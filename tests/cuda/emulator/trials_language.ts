// The language: functions, conversions, warps, barriers and atomics, each against what CUDA says.
//
// Enters: a session. Leaves: numbers beside the numbers they should be.

import type { Session } from "./session.ts";

/** Runs a kernel of one block with `out` as its argument. */
function run(s: Session, source: string, block: number, count: number): number[] {
  const kernel = s.kernel(source, "run"), out = s.upload(new Float32Array(count));
  s.want(s.launch(kernel, { grid: 1, block }, [out]), "launch");
  return [...s.download(out, count)];
}

interface Pair {
  name: string;
  got: number | string;
  expected: number | string;
}

/** JSON has no NaN and no infinities. */
const shown = (value: number): number | string =>
  Number.isFinite(value) && !Object.is(value, -0)
    ? value
    : Object.is(value, -0)
    ? "-0"
    : `${value}`;

const functions: Record<string, [string, number]> = {
  exp: ["exp(0.5f)", Math.exp(0.5)],
  exp2: ["exp2f(0.5f)", Math.SQRT2],
  expm1: ["expm1f(1e-3f)", Math.expm1(Math.fround(1e-3))],
  log: ["logf(2.f)", Math.LN2],
  log2: ["log2(10.f)", Math.log2(10)],
  log1p: ["log1pf(1e-3f)", Math.log1p(Math.fround(1e-3))],
  sin: ["sinf(1.f)", Math.sin(1)],
  cos: ["cos(1.f)", Math.cos(1)],
  tan: ["tanf(1.f)", Math.tan(1)],
  asin: ["asinf(.5f)", Math.asin(0.5)],
  acos: ["acosf(.5f)", Math.acos(0.5)],
  atan: ["atanf(.5f)", Math.atan(0.5)],
  atan2: ["atan2f(-1.f, -2.f)", Math.atan2(-1, -2)],
  sinh: ["sinhf(1.f)", Math.sinh(1)],
  cosh: ["coshf(1.f)", Math.cosh(1)],
  tanh: ["tanhf(1.f)", Math.tanh(1)],
  erf: ["erff(.5f)", 0.5204998778130465],
  erfc: ["erfcf(.5f)", 0.4795001221869535],
  pow: ["powf(2.f, .5f)", Math.SQRT2],
  hypot: ["hypotf(3.f, 4.f)", 5],
  sqrt: ["sqrtf(2.f)", Math.SQRT2],
  rsqrt: ["rsqrtf(2.f)", Math.SQRT1_2],
  cbrt: ["cbrtf(2.f)", Math.cbrt(2)],
  fmod: ["fmodf(5.5f, 3.f)", 2.5],
  doubles: ["(float)(exp(1.0) * log(3.0) + fma(2.0, 3.0, 4.0))", Math.E * Math.log(3) + 10],
  floor: ["floorf(-1.5f)", -2],
  round: ["roundf(-2.5f)", -3],
  rint: ["rintf(-2.5f)", -2],
  copysign: ["copysignf(2.f, -0.f)", -2],
  fminOfNan: ["fminf(__int_as_float(0x7fffffff), 3.f)", 3],
  fmaxOfNan: ["fmaxf(3.f, __int_as_float(0x7fffffff))", 3],
  intrinsics: ["__fmaf_rn(2.f, 3.f, __fadd_rn(1.f, __fmul_rn(2.f, 2.f)))", 11],
  expApprox: ["__expf(1.f)", Math.E],
  logApprox: ["__logf(10.f)", Math.LN10],
  powApprox: ["__powf(3.f, 2.f)", 9],
  divideHuge: ["__fdividef(1e30f, 2e38f)", 0],
  reciprocal: ["pf_rcp(4.f) + pf_rsqrt(4.f) + pf_sqrt(4.f) + pf_log2(8.f)", 5.75],
  bits: ["(float)(__float_as_int(1.f) >> 23)", 127],
  doubleBits: ["(float)(__double_as_longlong(1.0) >> 52)", 1023],
  isnan: ["(float)(isnan(0.f / (out[0] * 0.f)) + 2 * isinf(1e38f * 1e38f) + 4 * isfinite(1.f))", 7],
  minOfInts: ["(float)(min(3, -4) + max(5u, 7u) + max(-1ll, 2ll))", 5],
  vectors: ["make_float4(1.f, 2.f, 3.f, 4.f).w + make_double2(5., 6.).y + make_int2(7, 8).x", 17],
  exp2OfDenormal: ["pf_exp2(-127.f)", 0],
  exp2Smallest: ["pf_exp2(-126.f)", 2 ** -126],
  exp2Large: ["pf_exp2(127.5f)", 2 ** 127.5],
  exp2TooLarge: ["pf_exp2(128.f)", Infinity],
  exp2OfInfinity: ["pf_exp2(1e38f * 1e38f)", Infinity],
  exp2OfMinusInfinity: ["pf_exp2(-1e38f * 1e38f)", 0],
  exp2OfNan: ["pf_exp2(__int_as_float(-1))", NaN],
  log2OfDenormal: ["pf_log2(__int_as_float(1))", -Infinity],
};

/** Functions and conversions, a thread's worth each. */
export function functionValues(s: Session): Pair[] {
  const lines = Object.values(functions).map(([text], k) => `out[${k}] = ${text};`);
  const source = `extern "C" __global__ void run(float* out) {\n${lines.join("\n")}\n}`;
  const got = run(s, source, 1, lines.length);
  return Object.entries(functions).map(([name, [, expected]], k) => ({
    name,
    got: shown(got[k]),
    expected: shown(expected),
  }));
}

/** The largest relative error of pf_exp2 over [-126, 128), in units of 2^-23. */
export function exp2Error(s: Session): number {
  const count = 1 << 16;
  const source = `
extern "C" __global__ void run(float* out) {
  for (int k = threadIdx.x; k < ${count}; k += blockDim.x)
    out[k] = pf_exp2(-126.f + k * (254.f / ${count}));
}`;
  let worst = 0;
  run(s, source, 64, count).forEach((value, k) => {
    const a = Math.fround(-126 + Math.fround(k * Math.fround(254 / count)));
    worst = Math.max(worst, Math.abs(value / 2 ** a - 1) * 2 ** 23);
  });
  return worst;
}

const lanes = (f: (lane: number) => number): number[] => Array.from({ length: 64 }, (_, k) => f(k));
const all = (lane: number): number => lane & ~31;

const warps: Record<string, [string, number[]]> = {
  xor: ["__shfl_xor_sync(~0u, t, 5)", lanes((t) => t ^ 5)],
  down: ["__shfl_down_sync(~0u, t, 3)", lanes((t) => t % 32 + 3 < 32 ? t + 3 : t)],
  up: ["__shfl_up_sync(~0u, t, 3)", lanes((t) => t % 32 >= 3 ? t - 3 : t)],
  index: ["__shfl_sync(~0u, t, 7)", lanes((t) => all(t) + 7)],
  narrow: ["__shfl_sync(~0u, t, 3, 8)", lanes((t) => (t & ~7) + 3)],
  narrowXor: ["__shfl_xor_sync(~0u, t, 9, 8)", lanes((t) => (t ^ 9) < (t | 7) ? t ^ 9 : t)],
  ofDoubles: ["(float)__shfl_sync(~0u, t * 0.5, 31)", lanes((t) => (all(t) + 31) / 2)],
  ballot: ["(float)(__ballot_sync(~0u, t & 4) & 0xffff)", lanes(() => 0xf0f0)],
  any: ["(float)__any_sync(~0u, t == 40)", lanes((t) => t < 32 ? 0 : 1)],
  every: ["(float)__all_sync(~0u, t != 40)", lanes((t) => t < 32 ? 1 : 0)],
  barrierOr: ["(float)__syncthreads_or(t == 40)", lanes(() => 1)],
  barrierAnd: ["(float)__syncthreads_and(t != 40)", lanes(() => 0)],
  barrierCount: ["(float)__syncthreads_count(t % 3 == 0)", lanes(() => 22)],
  half: ["(t & 16 ? 0.f : __shfl_xor_sync(0xffffu, t, 1))", lanes((t) => t & 16 ? 0 : t ^ 1)],
};

/** Warp operations and barriers, each by 64 threads. */
export function warpValues(s: Session): { name: string; got: number[]; expected: number[] }[] {
  const lines = Object.values(warps).map(([text], k) => `out[${64 * k} + threadIdx.x] = ${text};`);
  const source = `
extern "C" __global__ void run(float* out) {
  float t0 = threadIdx.x;
  int t = (int)t0;
${lines.join("\n")}
}`;
  const got = run(s, source, 64, 64 * lines.length);
  return Object.entries(warps).map(([name, [, expected]], k) => ({
    name,
    expected,
    got: got.slice(64 * k, 64 * k + 64),
  }));
}

/** Sums by atomics over many blocks. */
export function atomics(s: Session): { sums: number[]; expected: number[] } {
  const source = `
extern "C" __global__ void run(float* sum, double* wide, int* most, unsigned* ring) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(sum, 1.f);
  atomicAdd(wide, 0.5);
  atomicMax(most, i);
  atomicInc(ring, 9u);
}`;
  const kernel = s.kernel(source, "run");
  const sum = s.upload(new Float32Array(1)), wide = s.upload(new Float32Array(2));
  const most = s.upload(new Float32Array(1)), ring = s.upload(new Float32Array(1));
  s.want(s.launch(kernel, { grid: 40, block: 96 }, [sum, wide, most, ring]), "launch");
  const bits = (at: bigint, count: number): ArrayBuffer => s.download(at, count).buffer;
  return {
    sums: [
      s.download(sum, 1)[0],
      new Float64Array(bits(wide, 2))[0],
      new Int32Array(bits(most, 1))[0],
      new Int32Array(bits(ring, 1))[0],
    ],
    expected: [3840, 1920, 3839, 0],
  };
}

/** A sum in shared memory by one warp, with its synchronisations or without. */
export function warpTree(s: Session, synchronised: boolean): { code: number; sum: number } {
  const sync = synchronised ? "__syncwarp();" : "";
  const source = `
extern "C" __global__ void run(float* out) {
  __shared__ float part[64];
  int lane = threadIdx.x & 31, base = threadIdx.x & 32;
  part[threadIdx.x] = 1.f;
  __syncwarp();
  for (int step = 16; step > 0; step /= 2) {
    float v = part[threadIdx.x] + part[base + ((lane + step) & 31)];
    ${sync}
    part[threadIdx.x] = v;
    ${sync}
  }
  out[threadIdx.x] = part[threadIdx.x];
}`;
  const kernel = s.kernel(source, "run"), out = s.upload(new Float32Array(64));
  s.want(s.launch(kernel, { grid: 1, block: 64 }, [out]), "launch");
  const data = new Float32Array(64);
  const code = s.copyOut(data, out) || s.synchronize();
  return { code, sum: data[40] };
}

/** The last block to finish sums what the others left, behind fences. */
export function lastBlock(s: Session): number {
  const source = `
__device__ __forceinline__ void publish(float* partial) {
  partial[blockIdx.x] = blockIdx.x;
  __threadfence();
}
extern "C" __global__ void run(float* partial, unsigned* count, float* out) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    publish(partial);
    last = atomicAdd(count, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0.f;
    for (int k = 0; k < (int)gridDim.x; ++k) sum += partial[k];
    out[0] = sum;
  }
}`;
  const kernel = s.kernel(source, "run"), count = s.upload(new Float32Array(1));
  const partial = s.alloc(4 * 10), out = s.alloc(4);
  s.want(s.launch(kernel, { grid: 10, block: 32 }, [partial, count, out]), "launch");
  return s.download(out, 1)[0];
}
