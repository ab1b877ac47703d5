// One host thread's part of a launch: the blocks that it runs, one after the other, each with one
// fibre per thread of the block.
//
// Enters: a launch. Leaves: blocks that have run, or a fault with the thread and line it happened
// in.

#pragma once

#include <signal.h>

#include <csetjmp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fibre.h"
#include "launch.h"
#include "memory.h"
#include "settings.h"
#include "shadow.h"

namespace emulator {

// A copy that is under way between its start and its wait.
struct AsyncCopy {
  void* target;
  const void* source;
  unsigned bytes, group;
  int line;
};

enum class WarpOperation { sync, exchange, ballot };

struct Thread : PfeThread {
  enum State { ready, at_barrier, in_warp, done } state = ready;
  unsigned index = 0;
  Resumption where;
  int line = 0;
  // what it brought to a barrier or a warp operation, and what it takes away
  int kind = 0, predicate = 0;
  WarpOperation operation = WarpOperation::sync;
  unsigned mask = 0, source = 0;
  unsigned long long value = 0;
  std::vector<AsyncCopy> copies;
  unsigned groups = 0;
};

struct SharedRegion {
  GuardedBlock block;
  uint64_t live_in = 0;  // the block's serial number that it was poisoned for
  std::unique_ptr<Shadow> shadow;
};

struct Fault {
  int code = 0;
  char text[400];
  PfeDim block, thread;
  const void* place = nullptr;  // in the kernel's code
  int line = 0;                 // where the place is known already
  bool has_other = false;
  uint32_t other_block = 0, other_thread = 0;
  const void* other_place = nullptr;
};

class Worker {
 public:
  explicit Worker(Launch& launch);
  ~Worker();

  // Runs blocks until none is left, the slice is over, or something faults.
  void run(const Slice& slice);

  // The worker of the calling host thread while it runs a kernel, or null.
  static Worker* running();
  static const PfeHost& host(bool checked);

  // Ends the block and the launch; does not return. Called on a fibre or in a signal's handler.
  [[noreturn]] void fail(int code, const void* place, int line, const char* format, ...)
      __attribute__((format(printf, 5, 6)));

  // ---- what kernels call
  PfeThread* self() { return current_; }
  void* shared(unsigned id, size_t bytes, size_t alignment);
  int barrier(int kind, int predicate, int line);
  Thread& warp_operation(WarpOperation operation, unsigned mask, int line);
  void copy_async(void* target, const void* source, unsigned bytes, int line);
  void commit_async();
  void wait_async(unsigned groups_left);
  void access(const void* address, size_t bytes, int kind, const void* place);
  void fence() { launch_.fenced = true; }

  // What a caught signal means; does not return.
  [[noreturn]] void on_signal(int signal, void* address, bool from_alignment, const void* place);
  Thread& current() { return *current_; }

 private:
  void run_block(uint64_t block);
  void run_in_turns();
  void run_in_a_loop();
  void begin_phase();
  void finish_barrier(int line);
  void finish_warp(unsigned first, unsigned members);
  void report_deadlock();
  void poison(SharedRegion& region);
  Moment moment(const void* place) const;
  SharedRegion* region_of(const void* address, size_t bytes, size_t& offset);
  void judge(Shadow& shadow, size_t offset, size_t bytes, int kind, const void* place,
             const char* kind_of_memory);
  void describe_address(const void* address, char* text, size_t bytes);
  void report();
  static void fibre_entry();
  static void loop_entry();

  Launch& launch_;
  const bool checked_;
  const bool waits_;  // the kernel uses barriers or warp operations
  Stacks stacks_;
  std::vector<Thread> threads_;
  std::vector<unsigned> turns_;  // the order of this phase
  Order order_;
  Resumption scheduler_, loop_;
  Thread* current_ = nullptr;
  unsigned alive_ = 0, waiting_ = 0;
  int barrier_result_ = 0;
  bool phase_over_ = false;
  uint64_t serial_ = 0;  // of blocks that this worker ran
  uint64_t block_number_ = 0;
  unsigned phases_ = 0;  // of this block
  SharedRegion dynamic_;
  std::vector<SharedRegion> regions_;
  // check mode
  uint32_t phase_ = 0, block_phase_ = 0;
  std::vector<uint32_t> steps_;  // per warp
  Allocation* last_allocation_ = nullptr;
  Fault fault_;
  sigjmp_buf escape_;
};

// A stack of its own for signal handlers, since a kernel may have used up its fibre's. Lives as
// long as the calling thread runs kernels.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();

 private:
  std::vector<char> memory_ = std::vector<char>(64 << 10);
  stack_t before_ = {};
};

// Catches the signals of faulting kernels as long as it lives; others' handlers get the rest.
class FaultSignals {
 public:
  FaultSignals();
  ~FaultSignals();
};

}  // namespace emulator
