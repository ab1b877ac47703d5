// The part of CUDA C++ that Pairfold's kernels use, for a host compiler (g++ or clang++).
//
// Enters: the kernel's source after the emulated NVRTC has rewritten its `__shared__` arrays,
// pragmas and exports (src/rewrite.cpp). Leaves: a shared object with one symbol, pfe_module, and
// the kernels' own. No standard header is included, since parsing one takes longer than the kernel.

#ifndef PAIRFOLD_EMULATOR_PRELUDE_H
#define PAIRFOLD_EMULATOR_PRELUDE_H

#include "kernel_abi.h"

#define __PAIRFOLD_EMULATOR__ 1
#define __CUDACC__ 1
#define __CUDACC_RTC__ 1

#define PFE_EXPORT __attribute__((visibility("default")))
#define PFE_INLINE static inline __attribute__((always_inline, unused))
// Functions of the prelude's own that the instrumentation of check mode must leave alone. They are
// never inlined, since what they would be inlined into is instrumented.
#ifdef __clang__  // which instruments atomic operations unless it is told this
#define PFE_UNSEEN __attribute__((disable_sanitizer_instrumentation))
#else
#define PFE_UNSEEN
#endif
#define PFE_PLAIN \
  PFE_UNSEEN __attribute__((no_sanitize("thread"), no_sanitize("undefined"))) \
  __attribute__((noinline, unused)) static

#define __global__ PFE_EXPORT
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __constant__ static const
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef unsigned long size_t;

// ---- vector types -------------------------------------------------------------------------------

// Aligned as CUDA's: vectors of 2 and 4 to their whole size, but at most to 16 bytes.
#define PFE_VECTORS(T, N)                                                                  \
  struct __align__(2 * sizeof(T)) N##2 { T x, y; };                                        \
  struct N##3 { T x, y, z; };                                                              \
  struct __align__(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) N##4 { T x, y, z, w; };        \
  PFE_INLINE N##2 make_##N##2(T x, T y) { N##2 v = {x, y}; return v; }                     \
  PFE_INLINE N##3 make_##N##3(T x, T y, T z) { N##3 v = {x, y, z}; return v; }             \
  PFE_INLINE N##4 make_##N##4(T x, T y, T z, T w) { N##4 v = {x, y, z, w}; return v; }
PFE_VECTORS(float, float)
PFE_VECTORS(double, double)
PFE_VECTORS(int, int)
PFE_VECTORS(unsigned int, uint)
PFE_VECTORS(short, short)
PFE_VECTORS(unsigned short, ushort)
PFE_VECTORS(signed char, char)
PFE_VECTORS(unsigned char, uchar)
PFE_VECTORS(long long, longlong)
PFE_VECTORS(unsigned long long, ulonglong)
struct dim3 {
  unsigned x, y, z;
};

// ---- the thread ---------------------------------------------------------------------------------

static const PfeHost* pfe_host;
PFE_PLAIN void pfe_bind(const PfeHost* host) { pfe_host = host; }

// Constant within one call of a kernel, since a thread is one fibre or one turn of a loop outside.
#define PFE_CONSTANT PFE_PLAIN __attribute__((const))
PFE_CONSTANT PfeDim pfe_thread_index() { return pfe_host->self()->thread; }
PFE_CONSTANT PfeDim pfe_block_index() { return pfe_host->self()->block; }
PFE_CONSTANT PfeDim pfe_block_dim() { return pfe_host->self()->block_dim; }
PFE_CONSTANT PfeDim pfe_grid_dim() { return pfe_host->self()->grid_dim; }
PFE_CONSTANT unsigned pfe_lane() { return pfe_host->self()->lane; }
#define threadIdx pfe_thread_index()
#define blockIdx pfe_block_index()
#define blockDim pfe_block_dim()
#define gridDim pfe_grid_dim()
#define warpSize 32

// ---- shared memory ------------------------------------------------------------------------------

// Sizes reach the module's description by initialisers that run when the module is loaded, since an
// array's type may be local to a kernel.
static PfeShared pfe_shared_sizes[256];
template <unsigned Id, unsigned long Bytes, unsigned long Alignment>
struct PfeSharedSize {
  static const int noted;
  PFE_PLAIN int note() {
    pfe_shared_sizes[Id].bytes = Bytes;
    pfe_shared_sizes[Id].alignment = Alignment;
    return 1;
  }
};
template <unsigned Id, unsigned long Bytes, unsigned long Alignment>
const int PfeSharedSize<Id, Bytes, Alignment>::noted = note();

template <unsigned Id, unsigned long Bytes, unsigned long Alignment>
PFE_PLAIN void* pfe_shared() {
  (void)&PfeSharedSize<Id, Bytes, Alignment>::noted;
  return pfe_host->shared(Id, Bytes, Alignment);
}
PFE_PLAIN void* pfe_dynamic_shared() { return pfe_host->self()->dynamic_shared; }

// ---- barriers and warps -------------------------------------------------------------------------

#define PFE_FENCE asm volatile("" ::: "memory")
PFE_PLAIN int pfe_barrier(int kind, int predicate, int line) {
  PFE_FENCE;
  int result = pfe_host->barrier(kind, predicate, line);
  PFE_FENCE;
  return result;
}
#define __syncthreads() ((void)pfe_barrier(PFE_BARRIER, 0, __LINE__))
#define __syncthreads_or(p) pfe_barrier(PFE_BARRIER_OR, (p) != 0, __LINE__)
#define __syncthreads_and(p) pfe_barrier(PFE_BARRIER_AND, (p) != 0, __LINE__)
#define __syncthreads_count(p) pfe_barrier(PFE_BARRIER_COUNT, (p) != 0, __LINE__)

PFE_INLINE unsigned pfe_mask(unsigned mask = 0xffffffffu) { return mask; }
PFE_PLAIN void pfe_sync_warp(unsigned mask, int line) {
  PFE_FENCE;
  pfe_host->sync_warp(mask, line);
  PFE_FENCE;
}
#define __syncwarp(...) pfe_sync_warp(pfe_mask(__VA_ARGS__), __LINE__)
PFE_PLAIN void pfe_fence() {
  PFE_FENCE;
  pfe_host->fence();
}
#define __threadfence() pfe_fence()
#define __threadfence_block() PFE_FENCE

// A value of 4 or 8 bytes from another lane.
template <class T>
PFE_PLAIN T pfe_exchange(unsigned mask, T value, unsigned source, int line) {
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = pfe_host->exchange(mask, bits, source, line);
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
// Where the wanted lane lies outside the group of `width` lanes, CUDA gives a lane its own value.
template <class T>
PFE_INLINE T pfe_shuffle(int line, unsigned mask, T value, int source, int width = 32) {
  unsigned lane = pfe_lane();
  return pfe_exchange(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), line);
}
template <class T>
PFE_INLINE T pfe_shuffle_xor(int line, unsigned mask, T value, int bits, int width = 32) {
  unsigned lane = pfe_lane(), source = lane ^ bits;
  bool inside = (source & ~(width - 1)) <= (lane & ~(width - 1));
  return pfe_exchange(mask, value, inside ? source : lane, line);
}
template <class T>
PFE_INLINE T pfe_shuffle_down(int line, unsigned mask, T value, unsigned by, int width = 32) {
  unsigned lane = pfe_lane();
  bool inside = (lane & (width - 1)) + by < (unsigned)width;
  return pfe_exchange(mask, value, inside ? lane + by : lane, line);
}
template <class T>
PFE_INLINE T pfe_shuffle_up(int line, unsigned mask, T value, unsigned by, int width = 32) {
  unsigned lane = pfe_lane();
  return pfe_exchange(mask, value, (lane & (width - 1)) >= by ? lane - by : lane, line);
}
#define __shfl_sync(...) pfe_shuffle(__LINE__, __VA_ARGS__)
#define __shfl_xor_sync(...) pfe_shuffle_xor(__LINE__, __VA_ARGS__)
#define __shfl_down_sync(...) pfe_shuffle_down(__LINE__, __VA_ARGS__)
#define __shfl_up_sync(...) pfe_shuffle_up(__LINE__, __VA_ARGS__)
PFE_PLAIN unsigned pfe_ballot(unsigned mask, int predicate, int line) {
  return pfe_host->ballot(mask, predicate, line);
}
#define __ballot_sync(mask, p) pfe_ballot(mask, (p) != 0, __LINE__)
#define __any_sync(mask, p) ((int)(pfe_ballot(mask, (p) != 0, __LINE__) != 0))
#define __all_sync(mask, p) ((int)(pfe_ballot(mask, (p) == 0, __LINE__) == 0))

#define __trap() __builtin_trap()
#define __nanosleep(nanoseconds) ((void)(nanoseconds))

#include "prelude_math.h"
#include "prelude_atomic.h"
#include "prelude_pairfold.h"

// ---- launching ----------------------------------------------------------------------------------

template <int... I>
struct PfeIndices {};
#ifdef __clang__
template <class T, T... I>
using PfeSequence = PfeIndices<I...>;
template <int N>
using PfeCount = __make_integer_seq<PfeSequence, int, N>;
#else
template <int N>
using PfeCount = PfeIndices<__integer_pack(N)...>;
#endif
template <class... A, int... I>
PFE_PLAIN void pfe_call(void (*kernel)(A...), void** values, PfeIndices<I...>) {
  kernel(*(A*)values[I]...);
}
template <class... A>
PFE_PLAIN void pfe_call(void (*kernel)(A...), void** values) {
  pfe_call(kernel, values, PfeCount<sizeof...(A)>());
}
template <class... A>
struct PfeSizes {
  static const int bytes[sizeof...(A) + 1];
};
template <class... A>
const int PfeSizes<A...>::bytes[sizeof...(A) + 1] = {(int)sizeof(A)..., 0};
template <class... A>
constexpr const int* pfe_sizes(void (*)(A...)) {
  return PfeSizes<A...>::bytes;
}
PFE_INLINE constexpr int pfe_first(int first = 0, ...) { return first; }

#ifdef __SANITIZE_THREAD__
#include "prelude_check.h"
#endif

#endif
