// Check mode's memory of every access: who wrote and read each four bytes last, and whether they
// were ever written.
//
// Enters: accesses of the threads of a launch. Leaves: what is wrong with one, in words.
//
// Time within a launch is counted in phases. One worker runs the blocks one after the other, and
// each block's stretch between two barriers has a phase number of its own, so that:
// - two accesses of one block are ordered exactly if their phases differ, or if both threads
//   are of one warp that synchronised in between (steps count a warp's synchronisations);
// - two accesses of different blocks in one launch are never ordered, unless the kernel uses
//   memory fences, whose protocols are beyond this model;
// - launches of one context follow each other.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

// The thread that accesses, and when.
struct Moment {
  uint32_t phase, block_phase, launch_phase;  // now, and when the block and the launch began
  uint32_t block, step;
  uint16_t thread;
  bool fenced;
  const void* place;  // return address into the kernel
};

struct Visit {
  uint32_t phase, block, step;
  uint16_t thread;
  uint8_t mask;  // of the four bytes
  uint8_t flags;
  const void* place;
};

struct Cell {
  Visit writer, reader;
  uint8_t written;  // of the four bytes, by anyone
};

// What is wrong with an access; the other one, where there is one.
struct Finding {
  const char* text = nullptr;
  Visit other = Visit();
  bool has_other = false;
  size_t offset = 0;
};

class Shadow {
 public:
  explicit Shadow(size_t bytes);
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  // As new: nothing written, nothing visited.
  void clear();
  void mark_written(size_t offset, size_t bytes);
  void mark_unwritten(size_t offset, size_t bytes);
  void copy_written(size_t offset, const Shadow& from, size_t from_offset, size_t bytes);

  // Judges an access (a PfeAccess) that lies inside, and notes it.
  Finding visit(size_t offset, size_t bytes, int kind, const Moment& now);

 private:
  bool written(size_t byte) const { return cells_[byte / 4].written >> byte % 4 & 1; }
  void set_written(size_t byte, bool value);

  Cell* cells_;
  size_t count_;
};

}  // namespace emulator
