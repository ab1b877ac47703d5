#include "second_opinion.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstdio>

#include "files.h"
#include "hash.h"

namespace emulator {

// NVRTC's entry points, by their types.
struct Nvrtc {
  int (*create)(void**, const char*, const char*, int, const char* const*, const char* const*);
  int (*compile)(void*, int, const char* const*);
  int (*destroy)(void**);
  int (*log_size)(void*, size_t*);
  int (*log)(void*, char*);
  const char* (*error)(int);
};

template <class F>
static bool find(void* library, const char* name, F& function) {
  function = (F)dlsym(library, name);
  return function != nullptr;
}

static bool load(const std::string& path, Nvrtc& nvrtc, std::string& log) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  bool whole = library && find(library, "nvrtcCreateProgram", nvrtc.create) &&
               find(library, "nvrtcCompileProgram", nvrtc.compile) &&
               find(library, "nvrtcDestroyProgram", nvrtc.destroy) &&
               find(library, "nvrtcGetProgramLogSize", nvrtc.log_size) &&
               find(library, "nvrtcGetProgramLog", nvrtc.log) &&
               find(library, "nvrtcGetErrorString", nvrtc.error);
  if (!whole) {
    const char* why = library ? "it is no NVRTC" : dlerror();
    log = "PAIRFOLD_EMULATOR_NVRTC_CHECK: cannot use " + path + ": " + why + "\n";
  }
  return whole;
}

// A file in the cache says that this compiler took this source; empty where there is no cache.
static std::string mark_of(const std::string& library, const std::string& source, int count,
                           const char* const* options) {
  if (cache_folder().empty()) return "";
  struct stat status = {};
  stat(library.c_str(), &status);
  Hash first, second(1);
  for (Hash* hash : {&first, &second}) {
    hash->add(library);
    hash->add(&status.st_mtime, sizeof status.st_mtime);
    hash->add(source);
    for (int k = 0; k < count; k++) hash->add(options[k]);
  }
  char name[50];
  snprintf(name, sizeof name, "/%016llx%016llx.taken", (unsigned long long)first.value(),
           (unsigned long long)second.value());
  return cache_folder() + name;
}

bool second_opinion(const std::string& library, const std::string& source, const std::string& name,
                    int count, const char* const* options, std::string& log) {
  std::string mark = mark_of(library, source, count, options), text;
  if (!mark.empty() && read_file(mark, text)) return true;
  Nvrtc nvrtc;
  if (!load(library, nvrtc, log)) return false;
  void* program = nullptr;
  int code = nvrtc.create(&program, source.c_str(), name.c_str(), 0, nullptr, nullptr);
  if (code == 0) {
    code = nvrtc.compile(program, count, options);
    size_t bytes = 0;
    if (code && nvrtc.log_size(program, &bytes) == 0) {
      text.assign(bytes, 0);
      nvrtc.log(program, &text[0]);
      log = "NVIDIA's NVRTC refuses the source: " + std::string(nvrtc.error(code)) + "\n" +
            text.c_str();
    }
    nvrtc.destroy(&program);
  }
  if (code && log.empty()) log = "NVIDIA's NVRTC: " + std::string(nvrtc.error(code)) + "\n";
  if (code == 0 && !mark.empty()) write_file_whole(mark, "");
  return code == 0;
}

}  // namespace emulator
