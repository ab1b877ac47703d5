// CUDA C++ into C++ that the host's compiler takes, with the prelude before it.
//
// Enters: a kernel's source. Leaves: the same lines with shared arrays and pragmas rewritten, and
// behind them the module's description.

#pragma once

#include <string>

namespace emulator {

struct Rewritten {
  std::string text;
  std::string error;  // where it is not empty, the source is beyond the emulator
};

// - `[extern] __shared__ T name[n]` becomes a reference or pointer into guarded memory. Such
//   declarations must stand inside a function and not come out of a macro.
// - `#pragma unroll` becomes GCC's, where `gcc` says that it compiles.
// - Kernels are the functions with `__global__` outside macros, templates and namespaces.
Rewritten rewrite(const std::string& source, const std::string& name, bool checked, bool gcc);

}  // namespace emulator
