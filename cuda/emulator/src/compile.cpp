#include "compile.h"

#include <sys/stat.h>

#include <cstdio>

#include "../prelude/kernel_abi.h"
#include "device.h"
#include "files.h"
#include "hash.h"
#include "settings.h"

#ifndef EMULATOR_CXX
#define EMULATOR_CXX "c++"
#endif
#ifndef EMULATOR_CXX_IS_GCC
#define EMULATOR_CXX_IS_GCC 0
#endif

namespace emulator {

// CXX: by default the compiler that built the emulator.
static std::string compiler() { return setting("CXX", EMULATOR_CXX); }

bool compiler_is_gcc() {
  std::string chosen = setting("CXX");
  if (chosen.empty()) return EMULATOR_CXX_IS_GCC;
  size_t slash = chosen.rfind('/');
  std::string name = slash == std::string::npos ? chosen : chosen.substr(slash + 1);
  return name.find("clang") == std::string::npos && name.find("g++") != std::string::npos;
}

static const char* const PRELUDE[] = {"kernel_abi.h",   "prelude.h",          "prelude_atomic.h",
                                      "prelude_math.h", "prelude_pairfold.h", "prelude_check.h"};

static std::string prelude_path(const char* file) {
  return library_folder() + "/prelude/" + file;
}

static std::vector<std::string> command_line(const CompileRequest& request) {
  std::vector<std::string> words = {
      compiler(), "-std=" + request.standard, "-w", "-g1", "-fPIC", "-shared", "-nostdlib",
      "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-fno-strict-aliasing",
      // the generator contracts where it wants to and passes --fmad=false
      "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
      "-D__CUDA_ARCH__=" + std::to_string(10 * request.architecture),
      "-include", prelude_path("prelude.h")};
#if defined(__aarch64__) || defined(__arm__)
  words.push_back("-mcpu=native");
#else
  words.push_back("-march=native");
#endif
  if (request.checked) {
    for (const char* word : {"-O1", "-fsanitize=thread", "-fsanitize=alignment,bounds",
                             "-fsanitize-recover=alignment,bounds"}) {
      words.push_back(word);
    }
  } else {
    words.push_back("-O2");
  }
  if (compiler_is_gcc()) {
    words.push_back("-fno-gnu-unique");
  } else if (request.checked) {
    words.push_back("-fno-sanitize-link-runtime");  // the prelude has the runtime's functions
  }
  words.insert(words.end(), request.definitions.begin(), request.definitions.end());
  return words;
}

// 128 bits of all that the object depends on.
static std::string key_of(const CompileRequest& request, const std::vector<std::string>& words) {
  Hash first, second(0x6c62272e07bb0142ull);
  for (Hash* hash : {&first, &second}) {
    hash->add(request.source);
    for (const std::string& word : words) hash->add(word);
    for (const char* file : PRELUDE) {
      std::string contents;
      read_file(prelude_path(file), contents);
      hash->add(contents);
    }
    struct stat status = {};
    stat(compiler().c_str(), &status);
    hash->add(&status.st_mtime, sizeof status.st_mtime);
    unsigned long long machine = machine_number();
    hash->add(&machine, sizeof machine);
  }
  char text[40];
  snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)first.value(),
           (unsigned long long)second.value());
  return text;
}

Compiled compile(const CompileRequest& request) {
  Compiled result;
  std::vector<std::string> words = command_line(request);
  std::string folder = cache_folder(), cached;
  if (!folder.empty()) {
    cached = folder + "/" + key_of(request, words) + ".so";
    if (read_file(cached, result.object)) {
      result.ok = true;
      return result;
    }
  }
  ScratchFile source(".cpp"), object(".so");
  if (!source.write(request.source)) {
    result.log = "cannot write " + source.path() + "\n";
    return result;
  }
  words.insert(words.end(), {source.path(), "-o", object.path()});
#ifdef __APPLE__
  words.insert(words.end(), {"-lSystem"});
#else
  words.insert(words.end(), {"-Wl,-z,now", "-lm", "-lc", "-lgcc"});
#endif
  int code = run_program(words, result.log);
  if (code == 127) result.log += "\nThe emulator needs a C++ compiler: " + compiler() + "\n";
  result.ok = code == 0 && read_file(object.path(), result.object);
  if (result.ok && !cached.empty()) write_file_whole(cached, result.object);
  return result;
}

}  // namespace emulator
