// A launch of a kernel: its blocks, run by host threads.
//
// Enters: a function, its grid and arguments. Leaves: the kernel's effect, or a lost context.

#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "module.h"
#include "stream.h"

namespace emulator {

struct Launch {
  Context* context = nullptr;
  std::shared_ptr<Module> module;  // stays loaded until the launch is over
  Function* function = nullptr;
  PfeDim grid = {}, block = {};
  unsigned dynamic_shared = 0;
  unsigned threads = 0;
  uint64_t blocks = 0;
  std::vector<void*> values;  // one pointer per argument, into `storage`
  std::unique_ptr<unsigned char[]> storage;

  bool begun = false;
  std::atomic<uint64_t> next_block{0};
  uint64_t number = 0;  // of this process's launches
  std::atomic<bool> fenced{false};
  uint32_t first_phase = 0;  // check mode
};

// A launch of a function's handle, its arguments copied, as it is to run once; a code where the
// driver would refuse it.
int make_launch(Context* context, void* handle, const PfeDim& grid, const PfeDim& block,
                unsigned dynamic, void** values, void** extra, std::shared_ptr<Launch>& made);

// Whether a function's handle is one of a module that is loaded.
bool is_loaded(void* handle);

// Forgets the executable graphs of a context that is reset.
void drop_graphs(const Context& context);

// Runs blocks until all are done (true), the slice is over or the context is lost. Holds the
// engine's lock.
bool run_launch(Launch& launch, const Slice& slice);

}  // namespace emulator
