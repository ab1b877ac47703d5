// What every generated source begins with: device functions around instructions that the language
// has no name for. A compiler for the host that defines __PAIRFOLD_EMULATOR__ brings its own.

/** 2^x as one instruction: subnormal results are 0, the error is at most 2 ulp. */
export const PRELUDE = `#ifndef __PAIRFOLD_EMULATOR__
// every kernel of a program declares all inputs and all state, and needs some of them
#pragma nv_diag_suppress 177, 550
__device__ __forceinline__ float pf_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#endif`;

/** Where tensor cores multiply TF32, and copies to shared memory are asynchronous. */
export const IF_TENSOR = "#if __CUDA_ARCH__ >= 800";

/**
 * What patches need: copies to shared memory that come while others are met (cp.async), numbers
 * rounded to TF32, to nearest and ties away, or split into what tensor cores read of them and a
 * rest, 4 × 16 bytes of 8 rows each from shared memory to a warp (ldmatrix), and the tensor cores'
 * product of 16 × 8 by 8 × 8 numbers of TF32; and a number of a thread that comes from elsewhere,
 * so that the compiler keeps it instead of computing it again and again. A thread of a warp with
 * lane 4 g + t gives rows g and g + 8 of the first at columns t and t + 4, and column g of the
 * second at rows t and t + 4; its sums are columns 2 t and 2 t + 1 of these rows. Tensor cores do
 * not read the lower 13 bits: what a split leaves there costs nothing to keep. Cards before sm_80
 * have none of these but the last, and copy at once.
 */
export const PATCH_PRELUDE = `#if __CUDA_ARCH__ < 800
template <int N> struct pf_bytes {};
template <> struct pf_bytes<4> { typedef float type; };
template <> struct pf_bytes<8> { typedef float2 type; };
template <> struct pf_bytes<16> { typedef float4 type; };
template <int N> __device__ __forceinline__ void pf_cp_async(void* target, const void* source) {
  typedef typename pf_bytes<N>::type type;
  *(type*)target = *(const type*)source;
}
#define pf_cp_async_commit()
template <int N> __device__ __forceinline__ void pf_cp_async_wait() {}
#elif !defined(__PAIRFOLD_EMULATOR__)
template <int N> __device__ __forceinline__ void pf_cp_async(void* target, const void* source) {
  const unsigned at = (unsigned)__cvta_generic_to_shared(target);
  if (N == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(source) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(at), "l"(source), "n"(N)
      : "memory");
  }
}
__device__ __forceinline__ void pf_cp_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int N> __device__ __forceinline__ void pf_cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
__device__ __forceinline__ float pf_tf32(float x) {
  unsigned y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return __uint_as_float(y);
}
__device__ __forceinline__ void pf_ldmatrix4(float* d, const float4* source) {
  const unsigned at = (unsigned)__cvta_generic_to_shared(source);
  unsigned a, b, c, e;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
    : "=r"(a), "=r"(b), "=r"(c), "=r"(e) : "r"(at) : "memory");
  d[0] = __uint_as_float(a);
  d[1] = __uint_as_float(b);
  d[2] = __uint_as_float(c);
  d[3] = __uint_as_float(e);
}
__device__ __forceinline__ void pf_mma_tf32(float* d, const float* a, const float* b) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
    "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
    : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
      "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}
#endif
#if defined(__PAIRFOLD_EMULATOR__)
#define pf_kept(x) (x)
#else
__device__ __forceinline__ int pf_kept(int x) {
  return __shfl_sync(0xffffffffu, x, (int)(threadIdx.x % 32));
}
#endif
#if __CUDA_ARCH__ >= 800
__device__ __forceinline__ void pf_tf32_split(float& x, float& rest) {
  const unsigned rounded = __float_as_uint(x) + 0x1000u;
  rest = x - __uint_as_float(rounded & 0xffffe000u);
  x = __uint_as_float(rounded);
}
#endif`;

/**
 * Options of the compiler, one per line. Products and sums are fused where the loop IR says so and
 * nowhere else, so that every schedule gives the same bits.
 */
export const OPTIONS = [
  "--std=c++17",
  "-default-device",
  "--fmad=false",
  "--ftz=true",
  "--prec-div=false",
  "--prec-sqrt=false",
] as const;
