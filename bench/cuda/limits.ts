// What a card can do, measured by small kernels through the shim: copies, fused products,
// exponentials.

import { Shim } from "../../src/engine/cuda/shim.ts";

/** Rates of a card. */
export interface CardLimits {
  /** Bytes that a copy within the card's memory reads and writes, per second. */
  readonly copy: number;
  /** Fused products and sums of 32-bit floats per second: slots for instructions. */
  readonly fma: number;
  /** Exponentials (ex2) of 32-bit floats per second. */
  readonly exp2: number;
}

const THREADS = 256;
/** Operations of one turn of the loops below. */
const CHAINS = 16;

/** Independent chains, so that no operation waits for the one before. */
const SOURCE = `#ifndef __PAIRFOLD_EMULATOR__
__device__ __forceinline__ float pf_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#endif
extern "C" __global__ void __launch_bounds__(${THREADS})
fma_rate(float* out, long long turns) {
  float a[${CHAINS}];
  const float m = 0.999f + 1e-6f * threadIdx.x;
  #pragma unroll
  for (int k = 0; k < ${CHAINS}; ++k) a[k] = 0.5f * k;
  for (long long t = 0; t < turns; ++t) {
    #pragma unroll
    for (int k = 0; k < ${CHAINS}; ++k) a[k] = fmaf(a[k], m, 0.25f);
  }
  float sum = 0.0f;
  #pragma unroll
  for (int k = 0; k < ${CHAINS}; ++k) sum += a[k];
  out[blockIdx.x * ${THREADS} + threadIdx.x] = sum;
}
extern "C" __global__ void __launch_bounds__(${THREADS})
exp2_rate(float* out, long long turns) {
  float a[${CHAINS}];
  #pragma unroll
  for (int k = 0; k < ${CHAINS}; ++k) a[k] = -0.01f * (k + threadIdx.x % 7);
  for (long long t = 0; t < turns; ++t) {
    #pragma unroll
    for (int k = 0; k < ${CHAINS}; ++k) a[k] = pf_exp2(a[k]);
  }
  float sum = 0.0f;
  #pragma unroll
  for (int k = 0; k < ${CHAINS}; ++k) sum += a[k];
  out[blockIdx.x * ${THREADS} + threadIdx.x] = sum;
}
extern "C" __global__ void __launch_bounds__(${THREADS})
copy_rate(const float4* source, float4* out, long long count) {
  for (long long k = blockIdx.x * (long long)${THREADS} + threadIdx.x; k < count;
       k += gridDim.x * (long long)${THREADS}) out[k] = source[k];
}`;

/** Measures a card; at tiny sizes the numbers mean nothing. */
export async function measureLimits(ordinal: number, isTiny: boolean): Promise<CardLimits> {
  const shim = await Shim.open();
  shim.openDriver();
  shim.openNvrtc();
  const device = shim.deviceOpen(ordinal);
  const [multiprocessors] = shim.deviceAttributes(device, [16]);
  const bytes = isTiny ? 2 ** 12 : 2 ** 29;
  const blocks = isTiny ? 1 : multiprocessors * 8;
  const turns = isTiny ? 4 : 2 ** 14;
  const { module } = await shim.compile(device, SOURCE, "limits.cu", ["--std=c++17"], "");
  const [source, out] = [shim.alloc(device, bytes), shim.alloc(device, bytes)];
  shim.fill(device, 0n, source, 0, bytes);
  const seconds = async (name: string, args: readonly bigint[]): Promise<number> => {
    const { function: kernel } = shim.function(device, module, name, 0);
    const dims = Uint32Array.of(blocks, 1, 1, THREADS, 1, 1, 0);
    const words = new Uint8Array(BigInt64Array.from(args).buffer);
    const offsets = Uint32Array.from(args, (_, k) => 8 * k);
    let best = Infinity;
    for (let turn = 0; turn < (isTiny ? 1 : 5); turn++) {
      const from = shim.eventRecord(device, 0n);
      shim.launch(device, 0n, kernel, dims, words, offsets);
      const to = shim.eventRecord(device, 0n);
      await shim.eventWait(device, to);
      best = Math.min(best, shim.eventElapsed(device, from, to) / 1000);
      shim.eventFree(device, from);
      shim.eventFree(device, to);
    }
    return Math.max(best, 1e-9);
  };
  const operations = blocks * THREADS * CHAINS * turns;
  const limits = {
    copy: 2 * bytes / await seconds("copy_rate", [source, out, BigInt(bytes / 16)]),
    fma: operations / await seconds("fma_rate", [out, BigInt(turns)]),
    exp2: operations / await seconds("exp2_rate", [out, BigInt(turns)]),
  };
  shim.free(device, source);
  shim.free(device, out);
  shim.moduleFree(device, module);
  shim.deviceClose(device);
  return limits;
}
