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

/**
 * What patches need: copies to shared memory that come while others are met (cp.async), numbers rounded to
 * TF32, to nearest and ties away, and the tensor cores' product of 16 × 8 by 8 × 8 of them. A thread of a
 * warp with lane 4 g + t gives rows g and g + 8 of the first at columns t and t + 4, and column g of the
 * second at rows t and t + 4; its sums are columns 2 t and 2 t + 1 of these rows. Cards before sm_80 have
 * neither, and copy at once.
 */
export const PATCH_PRELUDE = `#if __CUDA_ARCH__ < 800
#define pf_cp_async16(target, source) (*(float4*)(target) = *(const float4*)(source))
#define pf_cp_async_commit()
template <int N> __device__ __forceinline__ void pf_cp_async_wait() {}
#elif !defined(__PAIRFOLD_EMULATOR__)
__device__ __forceinline__ void pf_cp_async16(float4* target, const float* source) {
  const unsigned at = (unsigned)__cvta_generic_to_shared(target);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at), "l"(source) : "memory");
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
__device__ __forceinline__ void pf_mma_tf32(
  float* d, float a0, float a1, float a2, float a3, float b0, float b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
    "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
    : "r"(__float_as_uint(a0)), "r"(__float_as_uint(a1)), "r"(__float_as_uint(a2)),
      "r"(__float_as_uint(a3)), "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
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
