// Fibres: stacks that take turns on one host thread.
//
// Enters: a function for each fibre to run. Leaves: switching between a scheduler and its fibres.

#pragma once

#include <cstddef>
#include <memory>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#define EMULATOR_UCONTEXT 1
#endif

namespace emulator {

const unsigned MOST_FIBRES = 1024;
const size_t STACK_BYTES = 256 << 10;  // of address space; pages are taken when touched

// Where a fibre, or the scheduler, goes on.
struct Resumption {
#ifdef EMULATOR_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
};

// Leaves the running side in `from` and goes on at `to`.
void switch_to(Resumption& from, Resumption& to);

// Makes `fibre` begin with entry() at the top of a stack. entry never returns.
void prepare(Resumption& fibre, char* stack, size_t bytes, void (*entry)());

// Stacks of one worker, each above a guard page; kept for the next worker when it is destroyed.
class Stacks {
 public:
  Stacks();
  ~Stacks();
  // Usable bytes below the top of a stack. Tops are staggered: equal offsets in a page would share
  // the same sets of the first-level cache.
  char* bottom(unsigned fibre);
  size_t usable(unsigned fibre) const;
  bool holds(const void* address) const;

 private:
  char* base_;
};

}  // namespace emulator
