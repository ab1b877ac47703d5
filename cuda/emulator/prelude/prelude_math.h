// CUDA's mathematical functions. Enters: prelude.h's names. Leaves: the functions.
//
// Functions that CUDA computes to within a few units in the last place are the host's. The ones
// that CUDA only approximates (`__expf` and its like) are built on prelude_pairfold.h's.

#define PFE_UNARY(name)                                                     \
  PFE_INLINE float name##f(float a) { return __builtin_##name##f(a); }      \
  PFE_INLINE float name(float a) { return __builtin_##name##f(a); }         \
  PFE_INLINE double name(double a) { return __builtin_##name(a); }
#define PFE_BINARY(name)                                                    \
  PFE_INLINE float name##f(float a, float b) { return __builtin_##name##f(a, b); } \
  PFE_INLINE float name(float a, float b) { return __builtin_##name##f(a, b); }    \
  PFE_INLINE double name(double a, double b) { return __builtin_##name(a, b); }
PFE_UNARY(exp) PFE_UNARY(exp2) PFE_UNARY(expm1)
PFE_UNARY(log) PFE_UNARY(log2) PFE_UNARY(log10) PFE_UNARY(log1p)
PFE_UNARY(sin) PFE_UNARY(cos) PFE_UNARY(tan) PFE_UNARY(asin) PFE_UNARY(acos) PFE_UNARY(atan)
PFE_UNARY(sinh) PFE_UNARY(cosh) PFE_UNARY(tanh) PFE_UNARY(asinh) PFE_UNARY(acosh) PFE_UNARY(atanh)
PFE_UNARY(erf) PFE_UNARY(erfc) PFE_UNARY(tgamma) PFE_UNARY(lgamma)
PFE_UNARY(sqrt) PFE_UNARY(cbrt) PFE_UNARY(fabs)
PFE_UNARY(floor) PFE_UNARY(ceil) PFE_UNARY(trunc) PFE_UNARY(round) PFE_UNARY(rint)
PFE_UNARY(nearbyint)
PFE_BINARY(pow) PFE_BINARY(atan2) PFE_BINARY(hypot) PFE_BINARY(fmod) PFE_BINARY(copysign)
PFE_BINARY(fdim) PFE_BINARY(remainder) PFE_BINARY(nextafter)

// The host's own would be calls for the sake of NaN; these are two instructions.
PFE_INLINE float fminf(float a, float b) { return a < b || b != b ? a : b; }
PFE_INLINE float fmaxf(float a, float b) { return a > b || b != b ? a : b; }
PFE_INLINE double fmin(double a, double b) { return a < b || b != b ? a : b; }
PFE_INLINE double fmax(double a, double b) { return a > b || b != b ? a : b; }
PFE_INLINE float fmin(float a, float b) { return fminf(a, b); }
PFE_INLINE float fmax(float a, float b) { return fmaxf(a, b); }

PFE_INLINE float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
PFE_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
PFE_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
PFE_INLINE float rsqrtf(float a) { return 1.0f / __builtin_sqrtf(a); }
PFE_INLINE float rsqrt(float a) { return rsqrtf(a); }
PFE_INLINE double rsqrt(double a) { return 1.0 / __builtin_sqrt(a); }
PFE_INLINE float exp10f(float a) { return __builtin_powf(10.0f, a); }
PFE_INLINE double exp10(double a) { return __builtin_pow(10.0, a); }
PFE_INLINE void sincosf(float a, float* s, float* c) { *s = sinf(a), *c = cosf(a); }
PFE_INLINE void sincos(double a, double* s, double* c) { *s = sin(a), *c = cos(a); }
PFE_INLINE float ldexpf(float a, int n) { return __builtin_ldexpf(a, n); }
PFE_INLINE double ldexp(double a, int n) { return __builtin_ldexp(a, n); }

PFE_INLINE bool isnan(float a) { return a != a; }
PFE_INLINE bool isnan(double a) { return a != a; }
PFE_INLINE bool isinf(float a) { return __builtin_isinf(a); }
PFE_INLINE bool isinf(double a) { return __builtin_isinf(a); }
PFE_INLINE bool isfinite(float a) { return __builtin_isfinite(a); }
PFE_INLINE bool isfinite(double a) { return __builtin_isfinite(a); }
PFE_INLINE bool signbit(float a) { return __builtin_signbit(a); }
PFE_INLINE bool signbit(double a) { return __builtin_signbit(a); }

// ---- one rounding to nearest --------------------------------------------------------------------

PFE_INLINE float __fadd_rn(float a, float b) { return a + b; }
PFE_INLINE float __fsub_rn(float a, float b) { return a - b; }
PFE_INLINE float __fmul_rn(float a, float b) { return a * b; }
PFE_INLINE float __fdiv_rn(float a, float b) { return a / b; }
PFE_INLINE float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
PFE_INLINE float __frcp_rn(float a) { return 1.0f / a; }
PFE_INLINE float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
PFE_INLINE float __frsqrt_rn(float a) { return (float)(1.0 / __builtin_sqrt((double)a)); }
PFE_INLINE double __dadd_rn(double a, double b) { return a + b; }
PFE_INLINE double __dsub_rn(double a, double b) { return a - b; }
PFE_INLINE double __dmul_rn(double a, double b) { return a * b; }
PFE_INLINE double __ddiv_rn(double a, double b) { return a / b; }
PFE_INLINE double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
PFE_INLINE double __drcp_rn(double a) { return 1.0 / a; }
PFE_INLINE double __dsqrt_rn(double a) { return __builtin_sqrt(a); }

// ---- integers and bits --------------------------------------------------------------------------

#define PFE_EXTREMA(T)                                       \
  PFE_INLINE T min(T a, T b) { return b < a ? b : a; }       \
  PFE_INLINE T max(T a, T b) { return a < b ? b : a; }
PFE_EXTREMA(int)
PFE_EXTREMA(unsigned)
PFE_EXTREMA(long)
PFE_EXTREMA(unsigned long)
PFE_EXTREMA(long long)
PFE_EXTREMA(unsigned long long)
PFE_INLINE unsigned min(int a, unsigned b) { return min((unsigned)a, b); }
PFE_INLINE unsigned min(unsigned a, int b) { return min(a, (unsigned)b); }
PFE_INLINE unsigned max(int a, unsigned b) { return max((unsigned)a, b); }
PFE_INLINE unsigned max(unsigned a, int b) { return max(a, (unsigned)b); }
PFE_INLINE float min(float a, float b) { return fminf(a, b); }
PFE_INLINE float max(float a, float b) { return fmaxf(a, b); }
PFE_INLINE double min(double a, double b) { return fmin(a, b); }
PFE_INLINE double max(double a, double b) { return fmax(a, b); }
PFE_INLINE int abs(int a) { return a < 0 ? -a : a; }
PFE_INLINE long long abs(long long a) { return a < 0 ? -a : a; }
PFE_INLINE long long llabs(long long a) { return a < 0 ? -a : a; }
PFE_INLINE float abs(float a) { return fabsf(a); }
PFE_INLINE double abs(double a) { return fabs(a); }

#define PFE_BITS(name, To, From)             \
  PFE_INLINE To name(From from) {            \
    To to;                                   \
    __builtin_memcpy(&to, &from, sizeof(To)); \
    return to;                               \
  }
PFE_BITS(__int_as_float, float, int)
PFE_BITS(__uint_as_float, float, unsigned)
PFE_BITS(__float_as_int, int, float)
PFE_BITS(__float_as_uint, unsigned, float)
PFE_BITS(__longlong_as_double, double, long long)
PFE_BITS(__double_as_longlong, long long, double)
PFE_INLINE int __popc(unsigned a) { return __builtin_popcount(a); }
PFE_INLINE int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
PFE_INLINE int __clz(int a) { return a ? __builtin_clz((unsigned)a) : 32; }
PFE_INLINE int __clzll(long long a) { return a ? __builtin_clzll((unsigned long long)a) : 64; }
PFE_INLINE int __ffs(int a) { return __builtin_ffs(a); }
PFE_INLINE unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
PFE_INLINE int __mul24(int a, int b) { return (a << 8 >> 8) * (b << 8 >> 8); }

// Conversions that do not follow from a cast. A GPU's saturate and send NaN to 0.
PFE_INLINE int __float2int_rn(float a) { return (int)__builtin_rintf(a); }
PFE_INLINE int __float2int_rd(float a) { return (int)__builtin_floorf(a); }
PFE_INLINE int __float2int_rz(float a) { return (int)a; }
PFE_INLINE float __int2float_rn(int a) { return (float)a; }
PFE_INLINE float __double2float_rn(double a) { return (float)a; }

template <class T>
PFE_INLINE T __ldg(const T* address) {
  return *address;
}
