// Memory whose ends touch pages that may not be touched, and the registry of what was allocated.
//
// Enters: sizes. Leaves: device memory, filled with NaN bytes; pinned host memory; and which
// allocation an address lies in. A device address is the host's own.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "shadow.h"

namespace emulator {

struct Context;

// `bytes` usable bytes at `start`. The end, rounded up to the alignment, touches a guard page; the
// page before the first is one too.
struct GuardedBlock {
  char* mapping = nullptr;
  size_t mapped = 0;
  char* start = nullptr;
  size_t bytes = 0;
};

const size_t PAGE_BYTES = 16384;  // a multiple of the page sizes of x86-64 and ARM
const unsigned char POISON = 0xff;

bool map_guarded(size_t bytes, size_t alignment, GuardedBlock& block);
void unmap_guarded(GuardedBlock& block);

// Fills a fresh block with POISON. Large blocks share one poisoned file until they are written.
void poison_fresh(GuardedBlock& block);

struct Allocation {
  GuardedBlock block;
  Context* owner = nullptr;
  std::unique_ptr<Shadow> shadow;  // in check mode

  bool holds(const void* address, size_t bytes) const {
    const char* p = (const char*)address;
    return p >= block.start && bytes <= block.bytes &&
           p - block.start <= (ptrdiff_t)(block.bytes - bytes);
  }
  // The bytes between the precise end and the guard page are as they were.
  bool slack_intact() const;
};

// ---- device memory ------------------------------------------------------------------------------

// null where the host has no more address space
Allocation* allocate_device(Context* owner, size_t bytes);
// The allocation that begins at an address, or null.
Allocation* device_allocation(uint64_t address);
// The last allocation that begins at or before an address, or null: for checks and messages.
Allocation* nearest_allocation(const void* address);
// The bytes of a freed allocation that lay at an address not long ago, or 0.
size_t freed_bytes(const void* address);
bool device_range(uint64_t address, size_t bytes);
// An address of freed memory stays unusable for a while, so that late accesses fault.
void free_device(Allocation* allocation);
void free_all_device(Context* owner);

// Tells the shadow that the host or a copy engine wrote a range, or copied one to another.
void note_device_write(uint64_t address, size_t bytes);
void note_device_copy(uint64_t target, uint64_t source, size_t bytes);

// ---- pinned host memory -------------------------------------------------------------------------

void* allocate_pinned(size_t bytes);
bool free_pinned(void* address);
bool pinned_range(const void* address, size_t bytes);

}  // namespace emulator
