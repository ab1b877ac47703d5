// The device functions that Pairfold's generator writes as inline PTX for a card and leaves out
// where __PAIRFOLD_EMULATOR__ is defined, and CUDA's approximate functions, which rest on them.
//
// Enters: prelude.h's names. Leaves: pf_* and the fast intrinsics.

// `.ftz`: denormal numbers are zeros of their sign.
PFE_INLINE float pfe_flush(float a) {
  return __builtin_fabsf(a) < 0x1p-126f ? __builtin_copysignf(0.0f, a) : a;
}

// ex2.approx.ftz.f32. 2^a = 2^n 2^f with n = round(a) and |f| <= 1/2; 2^f is a minimax polynomial
// of relative error 9e-8, so that the result errs by 1.4 units in the last place (a card's: 2).
// Selections are masks on the bits, so that the host's compiler makes no branches of them.
PFE_INLINE float pf_exp2(float a) {
  float clamped = a > -127.0f ? a : -127.0f;
  clamped = clamped < 128.0f ? clamped : 128.0f;
  // adding 1.5 * 2^23 leaves the rounded integer in the low bits
  const float shift = 12582912.0f;
  float shifted = clamped + shift;
  float f = clamped - (shifted - shift);
  float p = 0.0013264724984765053f;
  p = __builtin_fmaf(p, f, 0.009671512991189957f);
  p = __builtin_fmaf(p, f, 0.05550733581185341f);
  p = __builtin_fmaf(p, f, 0.24022242426872253f);
  p = __builtin_fmaf(p, f, 0.6931470036506653f);
  p = __builtin_fmaf(p, f, 1.0f);
  unsigned scaled = __float_as_uint(p) + (__float_as_uint(shifted) << 23);
  unsigned normal = -(unsigned)(a >= -126.0f), nan = -(unsigned)(a != a);
  return __uint_as_float((scaled & normal) | nan);
}

// lg2.approx, rcp.approx, rsqrt.approx and sqrt.approx, all .ftz.f32: the host's are more exact.
PFE_INLINE float pf_log2(float a) { return __builtin_log2f(pfe_flush(a)); }
PFE_INLINE float pf_rcp(float a) { return pfe_flush(1.0f / pfe_flush(a)); }
PFE_INLINE float pf_rsqrt(float a) { return 1.0f / __builtin_sqrtf(pfe_flush(a)); }
PFE_INLINE float pf_sqrt(float a) { return __builtin_sqrtf(pfe_flush(a)); }

PFE_INLINE float __expf(float a) { return pf_exp2(a * 1.4426950408889634f); }
PFE_INLINE float __exp2f(float a) { return pf_exp2(a); }
PFE_INLINE float __exp10f(float a) { return pf_exp2(a * 3.321928094887362f); }
PFE_INLINE float __log2f(float a) { return pf_log2(a); }
PFE_INLINE float __logf(float a) { return pf_log2(a) * 0.6931471805599453f; }
PFE_INLINE float __log10f(float a) { return pf_log2(a) * 0.3010299956639812f; }
PFE_INLINE float __powf(float a, float b) { return pf_exp2(b * pf_log2(a)); }
PFE_INLINE float __sinf(float a) { return __builtin_sinf(a); }
PFE_INLINE float __cosf(float a) { return __builtin_cosf(a); }
PFE_INLINE float __tanf(float a) { return __builtin_tanf(a); }
// As documented: 0 where the divisor lies between 2^126 and 2^128.
PFE_INLINE float __fdividef(float a, float b) {
  return __builtin_fabsf(b) > 0x1p126f && !__builtin_isinf(b) ? 0.0f * a : a / b;
}
PFE_INLINE float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }

// Copies from global to shared memory that are there only after a wait: cp.async, sm_80 and later.
// Their target holds NaN from the call to the wait.
#if __CUDA_ARCH__ >= 800
PFE_PLAIN void pfe_copy_async(void* target, const void* source, unsigned bytes, int line) {
  PFE_FENCE;
  pfe_host->copy_async(target, source, bytes, line);
}
#define pf_cp_async16(target, source) pfe_copy_async(target, source, 16, __LINE__)
template <int N>
PFE_INLINE void pf_cp_async(void* target, const void* source, int line = __builtin_LINE()) {
  pfe_copy_async(target, source, N, line);
}
PFE_PLAIN void pf_cp_async_commit() { pfe_host->commit_async(); }
template <int N>
PFE_PLAIN void pf_cp_async_wait() {
  PFE_FENCE;
  pfe_host->wait_async(N);
  PFE_FENCE;
}

// cvt.rna.tf32.f32: the nearest number of 11 significant bits, of two the one farther from zero.
PFE_INLINE float pf_tf32(float a) {
  return a - a == 0.0f ? __uint_as_float((__float_as_uint(a) + 0x1000u) & 0xffffe000u) : a;
}

// mma.sync.m16n8k8 of TF32: a warp's 16 x 8 sums d += a b. The lower 13 bits of what goes in are
// not read; products are exact, their sums single precision. A lane 4 g + t has a[g][t],
// a[g + 8][t], a[g][t + 4], a[g + 8][t + 4], b[t][g], b[t + 4][g] and d[g][2t], d[g][2t + 1],
// d[g + 8][2t], d[g + 8][2t + 1]. Lanes show each other their parts in the first lane's memory;
// that orders no memory of the kernel.
struct PfeProduct {
  float a[16][8], b[8][8];
};
PFE_PLAIN void pfe_mma_tf32(float* d, const float* a, const float* b, int line) {
  PFE_FENCE;
  PfeProduct own;
  PfeProduct* all = (PfeProduct*)pfe_host->exchange(~0u, (unsigned long long)&own, 0, line);
  const unsigned lane = pfe_lane(), g = lane / 4, t = lane % 4;
  for (unsigned k = 0; k < 4; k++) {
    all->a[g + k % 2 * 8][t + k / 2 * 4] = __uint_as_float(__float_as_uint(a[k]) & 0xffffe000u);
  }
  for (unsigned k = 0; k < 2; k++) {
    all->b[t + k * 4][g] = __uint_as_float(__float_as_uint(b[k]) & 0xffffe000u);
  }
  pfe_host->exchange(~0u, 0, 0, line);
  for (unsigned k = 0; k < 4; k++) {
    for (unsigned n = 0; n < 8; n++) {
      d[k] = __builtin_fmaf(all->a[g + k / 2 * 8][n], all->b[n][2 * t + k % 2], d[k]);
    }
  }
  pfe_host->exchange(~0u, 0, 0, line);
  PFE_FENCE;
}
#define pf_mma_tf32(d, a, b) pfe_mma_tf32(d, a, b, __LINE__)

// ldmatrix.x4: four times 8 rows of 16 bytes in shared memory, row k at the address that lane k
// gives; a lane 4 g + t gets float t of row g of each.
PFE_INLINE void pf_ldmatrix4(float* d, const float4* source, int line = __builtin_LINE()) {
  const unsigned lane = pfe_lane();
  for (unsigned k = 0; k < 4; k++) {
    d[k] = ((const float*)pfe_exchange(~0u, (unsigned long long)source, 8 * k + lane / 4, line))
        [lane % 4];
  }
}
#endif
