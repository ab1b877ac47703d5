// What threads wait for: barriers, warp operations, asynchronous copies. See worker.h.

#include <cstdio>
#include <cstring>
#include <string>

#include "result.h"
#include "worker.h"

namespace emulator {

// ---- barriers -----------------------------------------------------------------------------------

int Worker::barrier(int kind, int predicate, int line) {
  Thread& thread = *current_;
  thread.kind = kind;
  thread.predicate = predicate;
  thread.line = line;
  thread.state = Thread::at_barrier;
  if (!waits_) fail(LAUNCH_FAILED, nullptr, line, "a barrier that the source did not show");
  if (++waiting_ == launch_.threads) finish_barrier(line);
  switch_to(thread.where, scheduler_);
  return barrier_result_;
}

void Worker::finish_barrier(int line) {
  int count = 0, kind = current_->kind;
  for (Thread& thread : threads_) {
    if (thread.line != line || thread.kind != kind) {
      fail(LAUNCH_FAILED, nullptr, line,
           "divergent barriers: some threads are at line %d, others at line %d", line,
           thread.line);
    }
    count += thread.predicate;
    thread.state = Thread::ready;
  }
  barrier_result_ = kind == PFE_BARRIER_OR    ? count > 0
                    : kind == PFE_BARRIER_AND ? count == (int)launch_.threads
                                              : count;
  waiting_ = 0;
  phase_over_ = true;
}

// ---- warps --------------------------------------------------------------------------------------

Thread& Worker::warp_operation(WarpOperation operation, unsigned mask, int line) {
  Thread& thread = *current_;
  thread.operation = operation;
  thread.mask = mask;
  thread.line = line;
  if (!waits_) fail(LAUNCH_FAILED, nullptr, line, "a warp operation that the source did not show");
  if (!(mask >> thread.lane & 1)) {
    fail(LAUNCH_FAILED, nullptr, line, "a warp operation whose mask 0x%08x lacks its own lane %u",
         mask, thread.lane);
  }
  thread.state = Thread::in_warp;
  unsigned first = thread.index / 32 * 32, lanes = std::min(32u, launch_.threads - first);
  unsigned wanted = lanes == 32 ? mask : mask & ((1u << lanes) - 1), there = 0;
  for (unsigned lane = 0; lane < lanes; lane++) {
    const Thread& other = threads_[first + lane];
    bool with_us = other.state == Thread::in_warp && other.mask == mask;
    if (with_us) there |= 1u << lane;
  }
  if ((there & wanted) == wanted) {
    finish_warp(first, wanted);
  } else {
    switch_to(thread.where, scheduler_);
  }
  return thread;
}

void Worker::finish_warp(unsigned first, unsigned members) {
  const Thread& last = *current_;
  unsigned long long values[32];
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; lane++) {
    if (!(members >> lane & 1)) continue;
    Thread& thread = threads_[first + lane];
    if (thread.line != last.line || thread.operation != last.operation) {
      fail(LAUNCH_FAILED, nullptr, last.line,
           "divergent warp operations: lane %u is at line %d, lane %u at line %d", last.lane,
           last.line, lane, thread.line);
    }
    thread.state = Thread::ready;
    values[lane] = thread.value;
    if (thread.predicate) ballot |= 1u << lane;
  }
  for (unsigned lane = 0; lane < 32; lane++) {
    if (!(members >> lane & 1)) continue;
    Thread& thread = threads_[first + lane];
    if (last.operation == WarpOperation::ballot) thread.value = ballot;
    if (last.operation != WarpOperation::exchange) continue;
    bool there = thread.source < 32 && (members >> thread.source & 1);
    if (!there && checked_) {
      current_ = &thread;
      fail(LAUNCH_FAILED, nullptr, thread.line,
           "a shuffle reads lane %u, which is not in its mask 0x%08x", thread.source, thread.mask);
    }
    thread.value = there ? values[thread.source] : ~0ull;  // undefined on a card, NaN here
  }
  // shuffles and votes order no memory
  if (last.operation == WarpOperation::sync) steps_[first / 32]++;
}

// ---- asynchronous copies ------------------------------------------------------------------------

void Worker::copy_async(void* target, const void* source, unsigned bytes, int line) {
  Thread& thread = *current_;
  if (((uintptr_t)target | (uintptr_t)source) % bytes) {
    fail(MISALIGNED_ADDRESS, nullptr, line,
         "an asynchronous copy of %u bytes between %p and %p, which it is not aligned to", bytes,
         source, target);
  }
  fault_.line = line;  // for a signal, which has no line of the kernel's
  if (checked_) {
    access(source, bytes, PFE_READ, nullptr);
    access(target, bytes, PFE_WRITE, nullptr);
    size_t offset;
    SharedRegion* region = region_of(target, bytes, offset);
    if (region && region->shadow) region->shadow->mark_unwritten(offset, bytes);
  }
  volatile char touched = *(const char*)source;  // its fault belongs here
  (void)touched;
  memset(target, POISON, bytes);
  thread.copies.push_back(AsyncCopy{target, source, bytes, thread.groups, line});
  fault_.line = 0;
}

void Worker::commit_async() { current_->groups++; }

void Worker::wait_async(unsigned groups_left) {
  Thread& thread = *current_;
  size_t kept = 0;
  for (AsyncCopy& copy : thread.copies) {
    if (copy.group + groups_left >= thread.groups) {
      thread.copies[kept++] = copy;
      continue;
    }
    fault_.line = copy.line;
    if (checked_) access(copy.target, copy.bytes, PFE_WRITE, nullptr);
    memcpy(copy.target, copy.source, copy.bytes);
    fault_.line = 0;
  }
  thread.copies.resize(kept);
}

// ---- waiting for ever ---------------------------------------------------------------------------

void Worker::report_deadlock() {
  unsigned exited = 0, barrier = 0, warp = 0;
  int barrier_line = 0, warp_line = 0;
  Thread* first = nullptr;
  for (Thread& thread : threads_) {
    if (thread.state == Thread::done) exited++;
    if (thread.state == Thread::at_barrier) barrier++, barrier_line = thread.line;
    if (thread.state == Thread::in_warp) warp++, warp_line = thread.line;
    if (!first && thread.state != Thread::done) first = &thread;
  }
  current_ = first;
  std::string text = std::to_string(exited) + " threads have left the kernel";
  if (barrier) {
    text += ", " + std::to_string(barrier) + " wait at the barrier of line " +
            std::to_string(barrier_line);
  }
  if (warp) {
    text += ", " + std::to_string(warp) + " in the warp operation of line " +
            std::to_string(warp_line) + " for lanes of their mask";
  }
  fail(LAUNCH_FAILED, nullptr, barrier ? barrier_line : warp_line,
       "threads wait for each other for ever: %s", text.c_str());
}

// ---- the table for kernels ----------------------------------------------------------------------

static PfeHost make_host(bool checked) {
  PfeHost host = {};
  host.self = [] { return Worker::running()->self(); };
  host.shared = [](unsigned id, unsigned long bytes, unsigned long alignment) {
    return Worker::running()->shared(id, bytes, alignment);
  };
  host.barrier = [](int kind, int predicate, int line) {
    return Worker::running()->barrier(kind, predicate, line);
  };
  host.sync_warp = [](unsigned mask, int line) {
    Worker::running()->warp_operation(WarpOperation::sync, mask, line);
  };
  host.exchange = [](unsigned mask, unsigned long long value, unsigned source, int line) {
    Worker& worker = *Worker::running();
    worker.current().value = value;
    worker.current().source = source;
    return worker.warp_operation(WarpOperation::exchange, mask, line).value;
  };
  host.ballot = [](unsigned mask, int predicate, int line) {
    Worker& worker = *Worker::running();
    worker.current().predicate = predicate;
    return (unsigned)worker.warp_operation(WarpOperation::ballot, mask, line).value;
  };
  host.copy_async = [](void* target, const void* source, unsigned bytes, int line) {
    Worker::running()->copy_async(target, source, bytes, line);
  };
  host.commit_async = [] { Worker::running()->commit_async(); };
  host.wait_async = [](unsigned groups) { Worker::running()->wait_async(groups); };
  host.fence = [] { Worker::running()->fence(); };
  host.defect = [](int kind, const char*, unsigned line, unsigned long long value) {
    Worker* worker = Worker::running();
    if (!worker) return;
    if (kind == PFE_MISALIGNED) {
      worker->fail(MISALIGNED_ADDRESS, nullptr, line, "misaligned access to 0x%llx", value);
    } else if (kind == PFE_INDEX) {
      worker->fail(ILLEGAL_ADDRESS, nullptr, line, "index %lld is outside the array",
                   (long long)value);
    }
    worker->fail(ILLEGAL_ADDRESS, nullptr, line, "an access that no object of its type allows");
  };
  if (checked) {
    host.access = [](const void* address, unsigned long bytes, int kind, void* place) {
      if (Worker* worker = Worker::running()) worker->access(address, bytes, kind, place);
    };
  }
  return host;
}

const PfeHost& Worker::host(bool checked) {
  static const PfeHost fast = make_host(false), careful = make_host(true);
  return checked ? careful : fast;
}

}  // namespace emulator
