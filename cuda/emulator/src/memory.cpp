#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "settings.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

namespace emulator {

// ---- guarded blocks -----------------------------------------------------------------------------

static size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

bool map_guarded(size_t bytes, size_t alignment, GuardedBlock& block) {
  size_t used = round_up(bytes, alignment), body = round_up(used, PAGE_BYTES);
  if (used < bytes || body < used) return false;
  size_t mapped = body + 2 * PAGE_BYTES;
  void* mapping = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return false;
  block.mapping = (char*)mapping;
  block.mapped = mapped;
  block.start = block.mapping + PAGE_BYTES + body - used;
  block.bytes = bytes;
  if (mprotect(block.mapping, PAGE_BYTES, PROT_NONE) ||
      mprotect(block.mapping + PAGE_BYTES + body, PAGE_BYTES, PROT_NONE)) {
    unmap_guarded(block);
    return false;
  }
  return true;
}

void unmap_guarded(GuardedBlock& block) {
  if (block.mapping) munmap(block.mapping, block.mapped);
  block = GuardedBlock();
}

// A file of poison that large blocks map privately: reading costs no memory, writing copies a page.
static const size_t POISON_FILE_BYTES = 4 << 20;
static int poison_file() {
  static int file = [] {
    char name[] = "/tmp/pairfold_emulator_XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0) return -1;
    unlink(name);
    std::string page(1 << 16, (char)POISON);
    for (size_t at = 0; at < POISON_FILE_BYTES; at += page.size()) {
      if (write(fd, page.data(), page.size()) != (ssize_t)page.size()) {
        close(fd);
        return -1;
      }
    }
    return fd;
  }();
  return file;
}

void poison_fresh(GuardedBlock& block) {
  char* end = block.mapping + block.mapped - PAGE_BYTES;
  char* at = block.mapping + PAGE_BYTES;
  if (block.bytes >= POISON_FILE_BYTES && poison_file() >= 0) {
    while ((size_t)(end - at) >= POISON_FILE_BYTES) {
      void* mapped = mmap(at, POISON_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
                          poison_file(), 0);
      if (mapped == MAP_FAILED) break;
      at += POISON_FILE_BYTES;
    }
  }
  memset(at, POISON, end - at);
}

bool Allocation::slack_intact() const {
  const char* end = block.mapping + block.mapped - PAGE_BYTES;
  for (const char* at = block.start + block.bytes; at < end; at++) {
    if ((unsigned char)*at != POISON) return false;
  }
  return true;
}

// ---- device memory ------------------------------------------------------------------------------

static std::mutex lock;
static std::map<uint64_t, std::unique_ptr<Allocation>> device;

// Freed address ranges, still mapped without any right.
static const size_t KEPT_RANGES = 256;
static std::deque<GuardedBlock> freed;

Allocation* allocate_device(Context* owner, size_t bytes) {
  auto allocation = std::make_unique<Allocation>();
  // CUDA aligns to 256 bytes at least; here to 16, the widest access, so that the end touches the
  // guard page
  if (!map_guarded(bytes, 16, allocation->block)) return nullptr;
  poison_fresh(allocation->block);
  allocation->owner = owner;
  if (check_mode()) allocation->shadow = std::make_unique<Shadow>(bytes);
  Allocation* result = allocation.get();
  std::lock_guard<std::mutex> guard(lock);
  device[(uint64_t)result->block.start] = std::move(allocation);
  return result;
}

Allocation* device_allocation(uint64_t address) {
  std::lock_guard<std::mutex> guard(lock);
  auto found = device.find(address);
  return found == device.end() ? nullptr : found->second.get();
}

Allocation* nearest_allocation(const void* address) {
  std::lock_guard<std::mutex> guard(lock);
  auto after = device.upper_bound((uint64_t)address);
  return after == device.begin() ? nullptr : std::prev(after)->second.get();
}

bool device_range(uint64_t address, size_t bytes) {
  Allocation* allocation = nearest_allocation((const void*)address);
  return allocation && allocation->holds((const void*)address, bytes);
}

static void retire(GuardedBlock& block) {
  mmap(block.mapping, block.mapped, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  freed.push_back(block);
  if (freed.size() > KEPT_RANGES) {
    unmap_guarded(freed.front());
    freed.pop_front();
  }
}

size_t freed_bytes(const void* address) {
  const char* p = (const char*)address;
  std::lock_guard<std::mutex> guard(lock);
  for (auto block = freed.rbegin(); block != freed.rend(); ++block) {
    if (p >= block->mapping && p < block->mapping + block->mapped) return block->bytes;
  }
  return 0;
}

void free_device(Allocation* allocation) {
  std::lock_guard<std::mutex> guard(lock);
  retire(allocation->block);
  device.erase((uint64_t)allocation->block.start);
}

void free_all_device(Context* owner) {
  std::lock_guard<std::mutex> guard(lock);
  for (auto at = device.begin(); at != device.end();) {
    if (at->second->owner == owner) {
      retire(at->second->block);
      at = device.erase(at);
    } else {
      ++at;
    }
  }
}

void note_device_write(uint64_t address, size_t bytes) {
  Allocation* allocation = nearest_allocation((const void*)address);
  if (allocation && allocation->shadow) {
    allocation->shadow->mark_written(address - (uint64_t)allocation->block.start, bytes);
  }
}

void note_device_copy(uint64_t target, uint64_t source, size_t bytes) {
  Allocation* to = nearest_allocation((const void*)target);
  Allocation* from = nearest_allocation((const void*)source);
  if (!to || !to->shadow || !from || !from->shadow) return note_device_write(target, bytes);
  to->shadow->copy_written(target - (uint64_t)to->block.start, *from->shadow,
                           source - (uint64_t)from->block.start, bytes);
}

// ---- pinned host memory -------------------------------------------------------------------------

static std::map<uint64_t, GuardedBlock> pinned;

void* allocate_pinned(size_t bytes) {
  GuardedBlock block;
  if (!map_guarded(bytes, 64, block)) return nullptr;
  poison_fresh(block);
  std::lock_guard<std::mutex> guard(lock);
  pinned[(uint64_t)block.start] = block;
  return block.start;
}

bool free_pinned(void* address) {
  std::lock_guard<std::mutex> guard(lock);
  auto found = pinned.find((uint64_t)address);
  if (found == pinned.end()) return false;
  unmap_guarded(found->second);
  pinned.erase(found);
  return true;
}

bool pinned_range(const void* address, size_t bytes) {
  std::lock_guard<std::mutex> guard(lock);
  auto after = pinned.upper_bound((uint64_t)address);
  if (after == pinned.begin()) return false;
  const GuardedBlock& block = std::prev(after)->second;
  return (uint64_t)address + bytes <= (uint64_t)block.start + block.bytes;
}

}  // namespace emulator
