#include "shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "../prelude/kernel_abi.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

namespace emulator {

// Flags of a visit.
enum { ATOMIC = 1, MANY_THREADS = 2, MANY_WARPS = 4, MANY_BLOCKS = 8 };

// Cells are pages of zeros until they are touched; phase 0 is before all launches.
Shadow::Shadow(size_t bytes) : count_(bytes / 4 + 1) {
  void* mapping = mmap(nullptr, count_ * sizeof(Cell), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  cells_ = (Cell*)mapping;
}

Shadow::~Shadow() { munmap(cells_, count_ * sizeof(Cell)); }

void Shadow::clear() { memset((void*)cells_, 0, count_ * sizeof(Cell)); }

void Shadow::set_written(size_t byte, bool value) {
  uint8_t bit = 1 << byte % 4;
  uint8_t& mask = cells_[byte / 4].written;
  mask = value ? mask | bit : mask & ~bit;
}

void Shadow::mark_written(size_t offset, size_t bytes) {
  for (size_t byte = offset; byte < offset + bytes; byte++) {
    if (byte % 4 == 0 && byte + 4 <= offset + bytes) {
      cells_[byte / 4].written = 15;
      byte += 3;
    } else {
      set_written(byte, true);
    }
  }
}

void Shadow::mark_unwritten(size_t offset, size_t bytes) {
  for (size_t byte = offset; byte < offset + bytes; byte++) set_written(byte, false);
}

void Shadow::copy_written(size_t offset, const Shadow& from, size_t from_offset, size_t bytes) {
  for (size_t byte = 0; byte < bytes; byte++) {
    set_written(offset + byte, from.written(from_offset + byte));
  }
}

// Whether an earlier visit of another thread is ordered before now by a barrier or a warp's step.
static bool ordered(const Visit& earlier, const Moment& now) {
  if (earlier.phase < now.launch_phase) return true;
  if (earlier.phase < now.block_phase) return now.fenced;
  if (earlier.phase != now.phase) return true;
  if (earlier.thread == now.thread) return true;
  return earlier.thread / 32 == now.thread / 32 && earlier.step != now.step;
}

static bool readers_ordered(const Visit& readers, const Moment& now) {
  if (readers.phase < now.launch_phase) return true;
  if (!now.fenced && (readers.flags & MANY_BLOCKS)) return false;
  if (readers.phase < now.block_phase) return now.fenced;
  if (readers.phase != now.phase) return true;
  if (readers.flags & MANY_WARPS || readers.thread / 32 != now.thread / 32) return false;
  if (readers.step != now.step) return true;
  return !(readers.flags & MANY_THREADS) && readers.thread == now.thread;
}

static Finding race(const char* text, const Visit& other) {
  Finding finding;
  finding.text = text;
  finding.other = other;
  finding.has_other = true;
  return finding;
}

static Finding judge(const Cell& cell, int kind, uint8_t mask, const Moment& now) {
  bool reads = kind != PFE_WRITE, writes = kind != PFE_READ;
  if (reads && (cell.written & mask) != mask) {
    Finding finding;
    finding.text = "read of memory that nothing has written";
    return finding;
  }
  bool both_atomic = kind == PFE_ATOMIC && (cell.writer.flags & ATOMIC);
  if ((cell.writer.mask & mask) && !both_atomic && !ordered(cell.writer, now)) {
    return race(writes ? "race: two threads write without a barrier between them"
                       : "race: read of what another thread wrote without a barrier between them",
                cell.writer);
  }
  if (writes && (cell.reader.mask & mask) && !readers_ordered(cell.reader, now)) {
    return race("race: write over what another thread read without a barrier between them",
                cell.reader);
  }
  return Finding();
}

static void note_read(Visit& reader, const Visit& visit, const Moment& now) {
  uint8_t flags = 0, mask = visit.mask;
  if (reader.phase >= now.launch_phase && reader.mask) {
    mask |= reader.mask;
    if (reader.phase < now.block_phase) {
      flags |= MANY_BLOCKS;
    } else {
      flags |= reader.flags & MANY_BLOCKS;
      if (reader.phase == now.phase) {
        bool same_warp = reader.thread / 32 == visit.thread / 32;
        flags |= same_warp ? reader.flags & MANY_WARPS : MANY_WARPS;
        bool same_step = same_warp && reader.step == visit.step;
        if (same_step && (reader.flags & MANY_THREADS || reader.thread != visit.thread)) {
          flags |= MANY_THREADS;
        }
      }
    }
  }
  reader = visit;
  reader.mask = mask;
  reader.flags = flags;
}

Finding Shadow::visit(size_t offset, size_t bytes, int kind, const Moment& now) {
  Finding finding;
  for (size_t at = offset; at < offset + bytes;) {
    size_t next = std::min(at / 4 * 4 + 4, offset + bytes);
    uint8_t mask = (uint8_t)(((1u << (next - at)) - 1) << at % 4);
    Cell& cell = cells_[at / 4];
    if (!finding.text) {
      finding = judge(cell, kind, mask, now);
      finding.offset = at;
    }
    Visit visit = {now.phase, now.block, now.step, now.thread, mask, 0, now.place};
    if (kind == PFE_READ) {
      note_read(cell.reader, visit, now);
    } else {
      if (kind == PFE_ATOMIC) visit.flags = ATOMIC;
      bool again = cell.writer.phase == visit.phase && cell.writer.thread == visit.thread &&
                   cell.writer.step == visit.step && cell.writer.flags == visit.flags;
      if (again) visit.mask |= cell.writer.mask;
      cell.writer = visit;
      cell.written |= mask;
    }
    at = next;
  }
  return finding;
}

}  // namespace emulator
