// Sources of kernels for the emulator's tests, in the subset of CUDA C++ that the generator writes.
//
// Enters: nothing. Leaves: sum_j exp2(-g |x_i - y_j|²) b_j in three ways, and faults planted in
// them.

/** The functions that the emulator has its own of, as the generator writes them for a card. */
const PREAMBLE = `
#ifndef __PAIRFOLD_EMULATOR__
__device__ __forceinline__ float pf_exp2(float a) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(a));
  return r;
}
__device__ __forceinline__ void pf_cp_async16(void* target, const void* source) {
  unsigned at = (unsigned)__cvta_generic_to_shared(target);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(source) : "memory");
}
__device__ __forceinline__ void pf_cp_async_commit() { asm volatile("cp.async.commit_group;"); }
template <int N> __device__ __forceinline__ void pf_cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#endif
`;

/** One row per thread; columns packed in a static shared array. */
const STATIC = `
#define TILE 128
extern "C" __global__ void __launch_bounds__(TILE) gauss_static(
    const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ b,
    float* __restrict__ out, int m, int n, float g) {
  __shared__ float4 columns[TILE];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  bool live = i < m;
  float x0 = live ? x[3 * i] : 0.f, x1 = live ? x[3 * i + 1] : 0.f, x2 = live ? x[3 * i + 2] : 0.f;
  float sum = 0.f;
  for (int j0 = 0; j0 < n; j0 += TILE) {
    int j = j0 + threadIdx.x;
    if (j < n) columns[threadIdx.x] = make_float4(y[3 * j], y[3 * j + 1], y[3 * j + 2], b[j]);
    __syncthreads();  // filled
    int count = min(TILE, n - j0);
    float part = 0.f;
    for (int k = 0; k < count; ++k) {
      float4 c = columns[k];
      float d0 = x0 - c.x, d1 = x1 - c.y, d2 = x2 - c.z;
      float s = fmaf(d2, d2, fmaf(d1, d1, d0 * d0));
      part = fmaf(pf_exp2(-g * s), c.w, part);
    }
    sum += part;
    __syncthreads();  // read
  }
  if (live) out[i] = sum;
}
`;

/** One row per warp; columns in dynamic shared memory, the lanes' sums joined by shuffles. */
const DYNAMIC = `
extern "C" __global__ void gauss_dynamic(
    const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ b,
    float* __restrict__ out, int m, int n, float g) {
  extern __shared__ float4 columns[];
  int lane = threadIdx.x & 31, i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  int row = min(i, m - 1);
  float x0 = x[3 * row], x1 = x[3 * row + 1], x2 = x[3 * row + 2], sum = 0.f;
  for (int j0 = 0; j0 < n; j0 += blockDim.x) {
    int j = j0 + threadIdx.x;
    if (j < n) columns[threadIdx.x] = make_float4(y[3 * j], y[3 * j + 1], y[3 * j + 2], b[j]);
    __syncthreads();  // filled
    int count = min((int)blockDim.x, n - j0);
    for (int k = lane; k < count; k += 32) {
      float4 c = columns[k];
      float d0 = x0 - c.x, d1 = x1 - c.y, d2 = x2 - c.z;
      sum = fmaf(pf_exp2(-g * fmaf(d2, d2, fmaf(d1, d1, d0 * d0))), c.w, sum);
    }
    __syncthreads();  // read
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (lane == 0 && i < m) out[i] = sum;
}
`;

/** Columns packed before, copied to one of two shared tiles while the other is read. */
const COPIED = `
#define TILE 64
extern "C" __global__ void gauss_copied(
    const float* __restrict__ x, const float4* __restrict__ packed, const float* __restrict__ b,
    float* __restrict__ out, int m, int n, float g) {
  __shared__ __align__(16) float4 columns[2][TILE];
  int i = blockIdx.x * TILE + threadIdx.x;
  float x0 = i < m ? x[3 * i] : 0.f, x1 = i < m ? x[3 * i + 1] : 0.f, x2 = i < m ? x[3 * i + 2] : 0.f;
  float sum = 0.f;
  int tiles = (n + TILE - 1) / TILE;
  if ((int)threadIdx.x < n) pf_cp_async16(&columns[0][threadIdx.x], &packed[threadIdx.x]);
  pf_cp_async_commit();
  for (int t = 0; t < tiles; ++t) {
    int next = (t + 1) * TILE + threadIdx.x;
    if (next < n) pf_cp_async16(&columns[(t + 1) & 1][threadIdx.x], &packed[next]);
    pf_cp_async_commit();
    pf_cp_async_wait<1>();
    __syncthreads();  // filled
    int count = min(TILE, n - t * TILE);
    for (int k = 0; k < count; ++k) {
      float4 c = columns[t & 1][k];
      float d0 = x0 - c.x, d1 = x1 - c.y, d2 = x2 - c.z;
      sum = fmaf(pf_exp2(-g * fmaf(d2, d2, fmaf(d1, d1, d0 * d0))), c.w, sum);
    }
    __syncthreads();  // read
  }
  if (i < m) out[i] = sum;
}
`;

export type GaussName = "gauss_static" | "gauss_dynamic" | "gauss_copied";

export const gaussSources: Record<GaussName, string> = {
  gauss_static: STATIC,
  gauss_dynamic: DYNAMIC,
  gauss_copied: COPIED,
};

/** A fault: the kernel that it is planted in, and what takes the place of what. */
export interface Fault {
  kernel: GaussName;
  from: string;
  to: string;
}

export const faults = {
  none: { kernel: "gauss_static", from: "sum", to: "sum" },
  noneDynamic: { kernel: "gauss_dynamic", from: "sum", to: "sum" },
  noneCopied: { kernel: "gauss_copied", from: "sum", to: "sum" },
  firstBarrierDropped: { kernel: "gauss_static", from: "__syncthreads();  // filled", to: "" },
  secondBarrierDropped: { kernel: "gauss_static", from: "__syncthreads();  // read", to: "" },
  firstBarrierOfDynamicDropped: {
    kernel: "gauss_dynamic",
    from: "__syncthreads();  // filled",
    to: "",
  },
  secondBarrierOfDynamicDropped: {
    kernel: "gauss_dynamic",
    from: "__syncthreads();  // read",
    to: "",
  },
  tileOffByOne: { kernel: "gauss_static", from: "k < count", to: "k <= count" },
  tileTooSmall: {
    kernel: "gauss_static",
    from: "float4 columns[TILE]",
    to: "float4 columns[TILE - 1]",
  },
  readPastTheEnd: { kernel: "gauss_static", from: "if (j < n) columns", to: "columns" },
  readOnePastTheEnd: { kernel: "gauss_static", from: "if (j < n)", to: "if (j <= n)" },
  unguardedWrite: { kernel: "gauss_static", from: "if (live) out[i]", to: "out[i]" },
  writeOnePastTheEnd: {
    kernel: "gauss_static",
    from: "if (live) out[i]",
    to: "if (i <= m) out[i]",
  },
  earlyReturn: {
    kernel: "gauss_static",
    from: "bool live = i < m;",
    to: "bool live = i < m; if (!live) return;",
  },
  misalignedVector: {
    kernel: "gauss_static",
    from: "float4 c = columns[k]",
    to: "float4 c = *(const float4*)((const float*)&columns[k] + (k ? -1 : 0))",
  },
  uninitialisedTail: {
    kernel: "gauss_static",
    from: "int count = min(TILE, n - j0)",
    to: "int count = TILE",
  },
  lanesMissing: {
    kernel: "gauss_dynamic",
    from: "for (int step = 16",
    to: "if (lane < 31) for (int step = 16",
  },
  divergentBarriers: {
    kernel: "gauss_static",
    from: "__syncthreads();  // filled",
    to: "if (threadIdx.x & 1) {\n__syncthreads();\n} else {\n__syncthreads();\n}",
  },
  waitDropped: { kernel: "gauss_copied", from: "pf_cp_async_wait<1>();", to: "" },
  waitTooWeak: { kernel: "gauss_copied", from: "wait<1>", to: "wait<2>" },
  readWhileCopied: { kernel: "gauss_copied", from: "__syncthreads();  // read", to: "" },
  blocksWriteTheSame: {
    kernel: "gauss_static",
    from: "if (live) out[i]",
    to: "if (live) out[threadIdx.x]",
  },
  wrongSum: { kernel: "gauss_static", from: "sum += part", to: "sum = part" },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

/** The source with a fault in it, counting lines from it; throws where nothing is to replace. */
export function plant(fault: Fault): string {
  const source = gaussSources[fault.kernel];
  if (!source.includes(fault.from)) throw new Error(`no "${fault.from}" in ${fault.kernel}`);
  return `${PREAMBLE}#line 1\n${source.replace(fault.from, fault.to)}`;
}

/** out[i] = value for i < n, by blocks of any size. */
export const FILL = `
extern "C" __global__ void fill(float* out, float value, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = value;
}
`;

/** out[i] += 1 for i < n. */
export const INCREMENT = `
extern "C" __global__ void increment(float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] += 1.f;
}
`;

/** Many steps per block, so that a launch takes a while. */
export const SLOW = `
extern "C" __global__ void slow(float* out, int steps) {
  float x = threadIdx.x;
  for (int k = 0; k < steps; ++k) x = fmaf(x, 0.999f, 1.f);
  out[blockIdx.x * blockDim.x + threadIdx.x] = x;
}
`;

/** Kernels that end badly on a card or here. */
export const CRASHES: Record<string, string> = {
  null_write: `
extern "C" __global__ void null_write(float* out, int zero) {
  float* nowhere = (float*)(unsigned long long)zero;
  *nowhere = 1.f;
}`,
  wild_read: `
extern "C" __global__ void wild_read(float* out, int zero) {
  out[0] = out[zero - (1ll << 34)];
}`,
  stack_overflow: `
__device__ __noinline__ float deeper(volatile float* from, int n) {
  volatile float own[256];
  own[n & 255] = from[n & 255] + 1.f;
  return n < 0 ? own[0] : deeper(own, n + 1) + own[1];
}
extern "C" __global__ void stack_overflow(float* out, int zero) {
  volatile float own[256];
  own[0] = 1.f;
  out[0] = deeper(own, zero);
}`,
  division: `
extern "C" __global__ void division(float* out, int zero) { out[0] = 7 / zero; }`,
  trap: `
extern "C" __global__ void trap(float* out, int zero) { if (!zero) __trap(); }`,
};
