// Check mode: the compiler's instrumentation calls these instead of a sanitizer's library.
//
// Enters: calls that -fsanitize=thread puts before every access and -fsanitize=alignment,bounds
// before every doubtful one. Leaves: the emulator's access and defect calls.

#define PFE_HOOK \
  extern "C" __attribute__((visibility("hidden"), used, no_sanitize("thread"), \
                            no_sanitize("undefined")))
#define PFE_SEEN(bytes, kind) \
  if (pfe_host) pfe_host->access(address, bytes, kind, __builtin_return_address(0))

PFE_HOOK void __tsan_init() {}
PFE_HOOK void __tsan_func_entry(void*) {}
PFE_HOOK void __tsan_func_exit() {}
#define PFE_ACCESS_HOOKS(prefix, bytes)                                               \
  PFE_HOOK void __tsan_##prefix##read##bytes(void* address) { PFE_SEEN(bytes, PFE_READ); } \
  PFE_HOOK void __tsan_##prefix##write##bytes(void* address) { PFE_SEEN(bytes, PFE_WRITE); }
#define PFE_SIZED_HOOKS(prefix) \
  PFE_ACCESS_HOOKS(prefix, 1)   \
  PFE_ACCESS_HOOKS(prefix, 2)   \
  PFE_ACCESS_HOOKS(prefix, 4)   \
  PFE_ACCESS_HOOKS(prefix, 8)   \
  PFE_ACCESS_HOOKS(prefix, 16)
PFE_SIZED_HOOKS()
PFE_SIZED_HOOKS(unaligned_)
PFE_SIZED_HOOKS(volatile_)
PFE_SIZED_HOOKS(unaligned_volatile_)
PFE_HOOK void __tsan_read_range(void* address, size_t bytes) { PFE_SEEN(bytes, PFE_READ); }
PFE_HOOK void __tsan_write_range(void* address, size_t bytes) { PFE_SEEN(bytes, PFE_WRITE); }
// clang's names for block copies.
PFE_HOOK void* __tsan_memcpy(void* address, const void* source, size_t bytes) {
  PFE_SEEN(bytes, PFE_WRITE);
  if (pfe_host) pfe_host->access(source, bytes, PFE_READ, __builtin_return_address(0));
  return __builtin_memcpy(address, source, bytes);
}
PFE_HOOK void* __tsan_memset(void* address, int value, size_t bytes) {
  PFE_SEEN(bytes, PFE_WRITE);
  return __builtin_memset(address, value, bytes);
}

// The first words of what -fsanitize=undefined passes to its handlers.
struct PfePlace {
  const char* file;
  unsigned line, column;
};
struct PfeTypeMismatch {
  PfePlace place;
  const void* type;
  unsigned char alignment_log2, kind;
};
PFE_HOOK void __ubsan_handle_type_mismatch_v1(PfeTypeMismatch* data, unsigned long address) {
  int kind = address && (address & ((1ul << data->alignment_log2) - 1)) ? PFE_MISALIGNED
                                                                        : PFE_OTHER_DEFECT;
  pfe_host->defect(kind, data->place.file, data->place.line, address);
}
PFE_HOOK void __ubsan_handle_out_of_bounds(PfePlace* place, unsigned long index) {
  pfe_host->defect(PFE_INDEX, place->file, place->line, index);
}
