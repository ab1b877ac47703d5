// Check mode: every access of a kernel is judged here. See worker.h and shadow.h.

#include <cstdio>

#include "result.h"
#include "worker.h"

namespace emulator {

Moment Worker::moment(const void* place) const {
  Moment now;
  now.phase = phase_;
  now.block_phase = block_phase_;
  now.launch_phase = launch_.first_phase;
  now.block = (uint32_t)block_number_;
  now.step = steps_[current_->index / 32];
  now.thread = (uint16_t)current_->index;
  now.fenced = launch_.fenced;
  now.place = place;
  return now;
}

static bool inside(const GuardedBlock& block, const void* address, size_t bytes, size_t& offset) {
  const char* p = (const char*)address;
  if (p < block.start || p + bytes > block.start + block.bytes) return false;
  offset = p - block.start;
  return true;
}

// The shared array of this block that holds a range, or null.
SharedRegion* Worker::region_of(const void* address, size_t bytes, size_t& offset) {
  if (inside(dynamic_.block, address, bytes, offset)) return &dynamic_;
  for (SharedRegion& region : regions_) {
    bool live = region.live_in == serial_;
    if (live && inside(region.block, address, bytes, offset)) return &region;
  }
  return nullptr;
}

void Worker::judge(Shadow& shadow, size_t offset, size_t bytes, int kind, const void* place,
                   const char* kind_of_memory) {
  Finding finding = shadow.visit(offset, bytes, kind, moment(place));
  if (!finding.text) return;
  if (finding.has_other) {
    fault_.has_other = true;
    fault_.other_block = finding.other.block;
    fault_.other_thread = finding.other.thread;
    fault_.other_place = finding.other.place;
  }
  fail(LAUNCH_FAILED, place, fault_.line, "%s (%s memory, byte %zu)", finding.text,
       kind_of_memory, finding.offset);
}

void Worker::access(const void* address, size_t bytes, int kind, const void* place) {
  if (stacks_.holds(address)) return;  // a thread's own: registers and local memory
  size_t offset;
  if (SharedRegion* region = region_of(address, bytes, offset)) {
    return judge(*region->shadow, offset, bytes, kind, place, "shared");
  }
  Allocation* allocation = last_allocation_;
  if (!allocation || !allocation->holds(address, bytes)) {
    allocation = nearest_allocation(address);
    if (!allocation || !allocation->holds(address, bytes)) {
      if (launch_.module->holds(address)) return;  // constants and variables of the module
      const char* verb = kind == PFE_READ ? "read" : kind == PFE_WRITE ? "write" : "atomic access";
      char where[200];
      describe_address(address, where, sizeof where);
      fail(ILLEGAL_ADDRESS, place, fault_.line, "%s of %zu bytes at %p, %s", verb, bytes, address,
           where);
    }
    last_allocation_ = allocation;
  }
  if (allocation->owner != launch_.context) {
    fail(ILLEGAL_ADDRESS, place, fault_.line, "access to memory of another device");
  }
  if (!allocation->shadow) return;  // allocated before check mode was chosen
  offset = (const char*)address - allocation->block.start;
  judge(*allocation->shadow, offset, bytes, kind, place, "global");
}

}  // namespace emulator
