// How blocks reach host threads. See launch.h.

#include "launch.h"

#include <thread>

#include "worker.h"

namespace emulator {

static void work(Launch& launch, const Slice& slice) {
  SignalStack stack;
  Worker(launch).run(slice);
}

// Others help only with launches that take longer than it takes to start a thread.
static const int ALONE_MICROSECONDS = 200;

static bool finished(const Launch& launch) {
  return launch.next_block >= launch.blocks || launch.context->lost;
}

static Slice shorter(const Slice& slice) {
  Slice alone;
  alone.endless = false;
  alone.end = Slice::Clock::now() + std::chrono::microseconds(ALONE_MICROSECONDS);
  if (!slice.endless && slice.end < alone.end) alone.end = slice.end;
  return alone;
}

static void begin(Launch& launch) {
  static uint64_t launches = 0;
  launch.begun = true;
  launch.number = launches++;
  if (int code = injected_failure("launch")) {
    if (launch.context->lose(code)) {
      explain(code, "kernel " + std::string(launch.function->kernel->name) +
                        ": PAIRFOLD_EMULATOR_FAIL wants it to fail");
    }
  }
}

bool run_launch(Launch& launch, const Slice& slice) {
  if (!launch.begun) begin(launch);
  if (finished(launch)) return true;
  FaultSignals signals;
  unsigned threads = host_threads();
  work(launch, threads > 1 ? shorter(slice) : slice);
  if (threads == 1 || finished(launch) || slice.over()) return finished(launch);
  std::vector<std::thread> helpers;
  for (unsigned k = 1; k < threads; k++) {
    helpers.emplace_back([&] { work(launch, slice); });
  }
  work(launch, slice);
  for (std::thread& helper : helpers) helper.join();
  return finished(launch);
}

}  // namespace emulator
