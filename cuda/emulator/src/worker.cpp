// Blocks and turns: which fibre runs when. See worker.h.

#include "worker.h"

#include <algorithm>
#include <cstring>

namespace emulator {

static thread_local Worker* running_worker = nullptr;
Worker* Worker::running() { return running_worker; }

// Check mode runs all blocks of all launches one after the other: one count serves them all.
static uint32_t last_phase = 0;

Worker::Worker(Launch& launch)
    : launch_(launch),
      checked_(launch.module->description->checked),
      waits_(launch.function->kernel->waits),
      threads_(launch.threads),
      turns_(launch.threads),
      order_(fibre_order()),
      steps_((launch.threads + 31) / 32) {
  map_guarded(launch.dynamic_shared, 16, dynamic_.block);
  if (checked_) dynamic_.shadow = std::make_unique<Shadow>(launch.dynamic_shared);
  const PfeDim& dims = launch.block;
  for (unsigned k = 0; k < launch.threads; k++) {
    Thread& thread = threads_[k];
    thread.index = k;
    thread.lane = k % 32;
    thread.thread = PfeDim{k % dims.x, k / dims.x % dims.y, k / dims.x / dims.y};
    thread.block_dim = launch.block;
    thread.grid_dim = launch.grid;
    thread.dynamic_shared = dynamic_.block.start;
  }
}

Worker::~Worker() {
  unmap_guarded(dynamic_.block);
  for (SharedRegion& region : regions_) unmap_guarded(region.block);
}

void Worker::run(const Slice& slice) {
  running_worker = this;
  if (sigsetjmp(escape_, 1)) {
    report();
  } else {
    if (checked_ && !launch_.first_phase) launch_.first_phase = ++last_phase;
    // at least one block, so that polling ends
    do {
      uint64_t block = launch_.next_block++;
      if (block >= launch_.blocks) break;
      run_block(block);
    } while (!slice.over() && !launch_.context->lost);
  }
  running_worker = nullptr;
}

void Worker::run_block(uint64_t block) {
  block_number_ = block;
  serial_++;
  phases_ = 0;
  PfeDim index = {(unsigned)(block % launch_.grid.x),
                  (unsigned)(block / launch_.grid.x % launch_.grid.y),
                  (unsigned)(block / launch_.grid.x / launch_.grid.y)};
  for (Thread& thread : threads_) {
    thread.block = index;
    thread.state = Thread::ready;
    thread.copies.clear();
    thread.groups = 0;
  }
  alive_ = launch_.threads;
  waiting_ = 0;
  poison(dynamic_);
  begin_phase();
  if (checked_) block_phase_ = phase_;
  if (waits_) {
    run_in_turns();
  } else {
    run_in_a_loop();
  }
}

void Worker::poison(SharedRegion& region) {
  memset(region.block.start, POISON, region.block.bytes);
  region.live_in = serial_;
  if (region.shadow) region.shadow->clear();
}

// ---- order --------------------------------------------------------------------------------------

// splitmix64's finish: all bits of the result depend on all bits of the argument.
static uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

void Worker::begin_phase() {
  uint64_t drawn =
      mix(mix(mix(order_seed() + launch_.number) + block_number_) + phases_++);
  bool backwards = order_ == Order::reverse || (order_ == Order::mixed && (drawn & 1));
  unsigned count = launch_.threads;
  for (unsigned k = 0; k < count; k++) turns_[k] = backwards ? count - 1 - k : k;
  if (order_ == Order::random) {
    for (unsigned k = count; k > 1; k--) {
      drawn = mix(drawn);
      std::swap(turns_[k - 1], turns_[drawn % k]);
    }
  }
  if (checked_) phase_ = ++last_phase;
}

// ---- turns --------------------------------------------------------------------------------------

void Worker::fibre_entry() {
  Worker* worker = running_worker;
  Thread& thread = worker->current();
  worker->launch_.function->kernel->call(worker->launch_.values.data());
  thread.state = Thread::done;
  worker->alive_--;
  switch_to(thread.where, worker->scheduler_);
  __builtin_unreachable();
}

void Worker::run_in_turns() {
  for (Thread& thread : threads_) {
    prepare(thread.where, stacks_.bottom(thread.index), stacks_.usable(thread.index), fibre_entry);
  }
  while (alive_) {
    bool moved = false;
    phase_over_ = false;
    for (unsigned k : turns_) {
      Thread& thread = threads_[k];
      if (thread.state != Thread::ready) continue;
      moved = true;
      current_ = &thread;
      switch_to(scheduler_, thread.where);
      if (phase_over_) break;
    }
    if (phase_over_) {
      begin_phase();
    } else if (!moved) {
      report_deadlock();
    }
  }
}

// Without barriers the threads of a block need no fibres: each runs to its end before the next.
void Worker::loop_entry() {
  Worker* worker = running_worker;
  for (unsigned k : worker->turns_) {
    worker->current_ = &worker->threads_[k];
    worker->launch_.function->kernel->call(worker->launch_.values.data());
  }
  switch_to(worker->loop_, worker->scheduler_);
  __builtin_unreachable();
}

void Worker::run_in_a_loop() {
  // on a fibre all the same, for its guarded stack
  prepare(loop_, stacks_.bottom(0), stacks_.usable(0), loop_entry);
  switch_to(scheduler_, loop_);
}

// ---- shared memory ------------------------------------------------------------------------------

void* Worker::shared(unsigned id, size_t bytes, size_t alignment) {
  if (id >= regions_.size()) regions_.resize(id + 1);
  SharedRegion& region = regions_[id];
  if (!region.block.mapping) {
    map_guarded(bytes, std::max(alignment, (size_t)16), region.block);
    if (checked_) region.shadow = std::make_unique<Shadow>(bytes);
  }
  if (region.live_in != serial_) poison(region);
  return region.block.start;
}

}  // namespace emulator
