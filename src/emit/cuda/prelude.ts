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
