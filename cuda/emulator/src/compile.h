// The host's compiler, and the kernels that it compiled before.
//
// Enters: rewritten source, the macros and folders of the options. Leaves: a shared object.

#pragma once

#include <string>
#include <vector>

namespace emulator {

struct CompileRequest {
  std::string source;
  std::string standard = "c++17";
  std::vector<std::string> definitions;  // -D and -I options as they came
  int architecture = 0;
  bool checked = false;
};

struct Compiled {
  bool ok = false;
  std::string object, log;
};

Compiled compile(const CompileRequest& request);

// Whether the compiler is GCC, by its name; another is taken for clang.
bool compiler_is_gcc();

}  // namespace emulator
