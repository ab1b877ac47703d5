// Compiled kernels: what the emulated NVRTC gives out as a "cubin" or "PTX", and what the driver
// makes of it.
//
// Enters: a shared object that the host's compiler made. Leaves: an image (a header and the
// object), and modules with functions that can be launched.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "../prelude/kernel_abi.h"

namespace emulator {

struct Context;
struct Module;

struct ImageHeader {
  char magic[8];
  uint32_t abi_version;
  uint32_t architecture;  // 90 for sm_90
  uint32_t is_virtual;    // "PTX": runs on this architecture and later ones
  uint32_t checked;
  uint64_t machine;       // of the processor that it was compiled for
  uint64_t bytes, hash;   // of the object that follows
};

std::string make_image(const std::string& object, int architecture, bool is_virtual, bool checked);

// The smallest problem with an image for a device, as a code; `why` says it.
int judge_image(const void* image, int device, std::string& why);

struct Function {
  Module* module = nullptr;
  const PfeKernel* kernel = nullptr;
  unsigned static_shared = 0;
  unsigned dynamic_shared_at_most = 0;
  int max_threads = 1024;
};

struct Module {
  Context* owner = nullptr;
  void* library = nullptr;
  const PfeModule* description = nullptr;
  std::string object;                      // the shared object's bytes, to look up lines in
  const char *code_begin = nullptr, *code_end = nullptr;  // where it is loaded
  std::map<std::string, std::unique_ptr<Function>> functions;

  bool holds(const void* address) const { return address >= code_begin && address < code_end; }
  ~Module();
};

// Loads a shared object's bytes; null and `why` where that fails.
std::unique_ptr<Module> load_module(const std::string& object, std::string& why);

// Bytes of a kernel's static shared arrays.
unsigned static_shared_bytes(const Module& module, const PfeKernel& kernel);

// Forgets the modules of a context that is reset.
void drop_modules(const Context& context);

// "file:line" of an address in the module's code, or empty where the host has no addr2line.
std::string source_place(const Module& module, const void* address);

}  // namespace emulator
