// Atomic operations on shared and global memory. Enters: prelude.h's names. Leaves: CUDA's atomic*.

// A loop of compare-and-exchange over the bits U of T serves every operation and type. Check mode
// is told of the access as an atomic one; the instrumentation does not see it.
template <class U, class T, class F>
PFE_PLAIN T pfe_atomic(T* address, F change) {
  if (pfe_host->access) {
    pfe_host->access(address, sizeof(T), PFE_ATOMIC, __builtin_return_address(0));
  }
  U old_bits, new_bits;
  T old_value;
  __atomic_load((U*)address, &old_bits, __ATOMIC_SEQ_CST);
  do {
    __builtin_memcpy(&old_value, &old_bits, sizeof(T));
    T new_value = change(old_value);
    __builtin_memcpy(&new_bits, &new_value, sizeof(T));
  } while (!__atomic_compare_exchange((U*)address, &old_bits, &new_bits, false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST));
  return old_value;
}

#define PFE_ATOMICS(T, U)                                                                        \
  PFE_INLINE T atomicAdd(T* a, T v) { return pfe_atomic<U>(a, [=](T o) { return (T)(o + v); }); } \
  PFE_INLINE T atomicExch(T* a, T v) { return pfe_atomic<U>(a, [=](T) { return v; }); }
#define PFE_INTEGER_ATOMICS(T, U)                                                                \
  PFE_ATOMICS(T, U)                                                                              \
  PFE_INLINE T atomicMax(T* a, T v) { return pfe_atomic<U>(a, [=](T o) { return max(o, v); }); }  \
  PFE_INLINE T atomicMin(T* a, T v) { return pfe_atomic<U>(a, [=](T o) { return min(o, v); }); }  \
  PFE_INLINE T atomicAnd(T* a, T v) { return pfe_atomic<U>(a, [=](T o) { return (T)(o & v); }); } \
  PFE_INLINE T atomicOr(T* a, T v) { return pfe_atomic<U>(a, [=](T o) { return (T)(o | v); }); }  \
  PFE_INLINE T atomicXor(T* a, T v) { return pfe_atomic<U>(a, [=](T o) { return (T)(o ^ v); }); } \
  PFE_INLINE T atomicCAS(T* a, T compare, T v) {                                                 \
    return pfe_atomic<U>(a, [=](T o) { return o == compare ? v : o; });                          \
  }
PFE_INTEGER_ATOMICS(int, unsigned)
PFE_INTEGER_ATOMICS(unsigned, unsigned)
PFE_INTEGER_ATOMICS(unsigned long long, unsigned long long)
PFE_ATOMICS(float, unsigned)
PFE_ATOMICS(double, unsigned long long)
PFE_INLINE int atomicSub(int* a, int v) { return atomicAdd(a, -v); }
PFE_INLINE unsigned atomicSub(unsigned* a, unsigned v) { return atomicAdd(a, 0u - v); }
PFE_INLINE unsigned atomicInc(unsigned* a, unsigned limit) {
  return pfe_atomic<unsigned>(a, [=](unsigned o) { return o >= limit ? 0u : o + 1u; });
}
