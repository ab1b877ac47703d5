// NVRTC's entry points: CUDA C++ into an image that the emulated driver loads.
//
// Enters: source and NVRTC's options. Leaves: "cubin" or "PTX", and a log with the source's lines.

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "compile.h"
#include "module.h"
#include "result.h"
#include "rewrite.h"
#include "second_opinion.h"

namespace emulator {

enum NvrtcCode {
  NVRTC_SUCCESS = 0,
  NVRTC_INVALID_INPUT = 3,
  NVRTC_INVALID_PROGRAM = 4,
  NVRTC_INVALID_OPTION = 5,
  NVRTC_COMPILATION = 6
};

struct Program {
  std::string source, name, log, cubin, ptx;
};

static std::mutex lock;
static std::set<Program*> programs;

static Program* program_of(void* handle) {
  std::lock_guard<std::mutex> guard(lock);
  return programs.count((Program*)handle) ? (Program*)handle : nullptr;
}

#define NEED_PROGRAM(program, handle)               \
  emulator::Program* program = program_of(handle);  \
  if (!program) return emulator::NVRTC_INVALID_PROGRAM

static int nvrtc_version() { return version_setting("NVRTC_VERSION", "13.0"); }

// What this version of NVRTC compiles for.
static std::vector<int> architectures() {
  if (nvrtc_version() >= 13000) return {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};
  return {50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90};
}

// ---- options ------------------------------------------------------------------------------------

struct Options {
  CompileRequest request;
  bool is_virtual = false;
  std::string error;
};

static bool starts_with(const std::string& text, const char* start) {
  return text.compare(0, strlen(start), start) == 0;
}

static void set_architecture(Options& options, const std::string& value) {
  options.is_virtual = starts_with(value, "compute_");
  std::string number = starts_with(value, "sm_") ? value.substr(3)
                       : options.is_virtual      ? value.substr(8)
                                                 : "";
  int architecture = atoi(number.c_str());
  std::vector<int> known = architectures();
  if (std::find(known.begin(), known.end(), architecture) == known.end()) {
    options.error = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
  }
  options.request.architecture = architecture;
}

// Options that say how exact or fast to compile: they change nothing here.
static bool is_harmless(const std::string& option) {
  for (const char* start : {"--fmad=", "-fmad=", "--ftz=", "-ftz=", "--prec-div=", "-prec-div=",
                            "--prec-sqrt=", "-prec-sqrt=", "--maxrregcount=", "-maxrregcount=",
                            "--extra-device-vectorization", "-extra-device-vectorization",
                            "--use_fast_math", "-use_fast_math", "--generate-line-info",
                            "-lineinfo", "--device-as-default-execution-space", "-default-device",
                            "--restrict", "-restrict", "--disable-warnings", "-w",
                            "--dopt=", "--relocatable-device-code=false"}) {
    size_t length = strlen(start);
    bool takes_value = start[length - 1] == '=';
    if (takes_value ? starts_with(option, start) : option == start) return true;
  }
  return false;
}

static Options read_options(int count, const char* const* words) {
  Options options;
  options.request.architecture = architectures()[0];
  std::vector<std::string>& definitions = options.request.definitions;
  for (int k = 0; k < count && options.error.empty(); k++) {
    std::string option = words[k], value;
    size_t equals = option.find('=');
    if (equals != std::string::npos) value = option.substr(equals + 1);
    if (starts_with(option, "--gpu-architecture=") || starts_with(option, "-arch=")) {
      set_architecture(options, value);
    } else if (starts_with(option, "--std=") || starts_with(option, "-std=")) {
      options.request.standard = value;
    } else if (starts_with(option, "--define-macro=")) {
      definitions.push_back("-D" + value);
    } else if (starts_with(option, "--include-path=")) {
      definitions.push_back("-I" + value);
    } else if (starts_with(option, "-D") || starts_with(option, "-I")) {
      definitions.push_back(option);
      // NVRTC takes the value as a word of its own too
      if (option.size() == 2 && k + 1 < count) definitions.push_back(words[++k]);
    } else if (!is_harmless(option)) {
      options.error = "nvrtc: error: unrecognized option " + option + " found\n";
    }
  }
  return options;
}

// ---- compiling ----------------------------------------------------------------------------------

// As ptxas: what a kernel declares must fit, dynamic memory apart.
static std::string shared_too_large(const std::string& object) {
  std::string why;
  std::unique_ptr<Module> module = load_module(object, why);
  if (!module) return "the emulator cannot load what it compiled: " + why + "\n";
  std::string text;
  const unsigned MOST = 48 << 10;
  for (int k = 0; k < module->description->kernel_count; k++) {
    const PfeKernel& kernel = module->description->kernels[k];
    unsigned bytes = static_shared_bytes(*module, kernel);
    if (bytes <= MOST) continue;
    text += "ptxas error: Entry function '" + std::string(kernel.name) +
            "' uses too much shared data (" + std::to_string(bytes) + " bytes, " +
            std::to_string(MOST) + " max)\n";
  }
  return text;
}

static int compile_program(Program& program, int count, const char* const* words) {
  program.log.clear();
  program.cubin.clear();
  program.ptx.clear();
  Options options = read_options(count, words);
  if (!options.error.empty()) {
    program.log = options.error;
    return NVRTC_INVALID_OPTION;
  }
  CompileRequest& request = options.request;
  std::string real = setting("NVRTC_CHECK");
  if (!real.empty() && !second_opinion(real, program.source, program.name, count, words,
                                       program.log)) {
    return NVRTC_COMPILATION;
  }
  request.checked = check_mode();
  Rewritten rewritten =
      rewrite(program.source, program.name, request.checked, compiler_is_gcc());
  request.source = rewritten.text;
  Compiled compiled;
  if (rewritten.error.empty()) {
    compiled = compile(request);
    program.log += compiled.log;
  } else {
    program.log += rewritten.error;
  }
  if (!compiled.ok) return NVRTC_COMPILATION;
  std::string too_large = shared_too_large(compiled.object);
  program.log += too_large;
  if (!too_large.empty()) return NVRTC_COMPILATION;
  std::string image =
      make_image(compiled.object, request.architecture, options.is_virtual, request.checked);
  (options.is_virtual ? program.ptx : program.cubin) = image;
  return NVRTC_SUCCESS;
}

}  // namespace emulator

using namespace emulator;

EMULATOR_API nvrtcResult nvrtcVersion(int* major, int* minor) {
  ENTER;
  *major = nvrtc_version() / 1000;
  *minor = nvrtc_version() % 1000 / 10;
  return NVRTC_SUCCESS;
}

EMULATOR_API const char* nvrtcGetErrorString(nvrtcResult code) {
  static const char* const names[] = {
      "NVRTC_SUCCESS", "NVRTC_ERROR_OUT_OF_MEMORY", "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
      "NVRTC_ERROR_INVALID_INPUT", "NVRTC_ERROR_INVALID_PROGRAM", "NVRTC_ERROR_INVALID_OPTION",
      "NVRTC_ERROR_COMPILATION", "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE"};
  bool known = code >= 0 && code < (int)(sizeof names / sizeof *names);
  return known ? names[code] : "NVRTC_ERROR unknown";
}

EMULATOR_API nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  ENTER;
  *count = (int)architectures().size();
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcGetSupportedArchs(int* numbers) {
  ENTER;
  for (int architecture : architectures()) *numbers++ = architecture;
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcCreateProgram(void** handle, const char* source, const char* name,
                                            int headers, const char* const*, const char* const*) {
  ENTER;
  if (!source || headers) return NVRTC_INVALID_INPUT;
  auto* program = new Program;
  program->source = source;
  program->name = name && *name ? name : "default_program";
  *handle = program;
  std::lock_guard<std::mutex> guard(lock);
  programs.insert(program);
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcDestroyProgram(void** handle) {
  ENTER;
  NEED_PROGRAM(program, *handle);
  std::lock_guard<std::mutex> guard(lock);
  programs.erase(program);
  delete program;
  *handle = nullptr;
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcCompileProgram(void* handle, int count, const char* const* options) {
  ENTER;
  NEED_PROGRAM(program, handle);
  return compile_program(*program, count, options);
}

// ---- results ------------------------------------------------------------------------------------

EMULATOR_API nvrtcResult nvrtcGetProgramLogSize(void* handle, size_t* bytes) {
  ENTER;
  NEED_PROGRAM(program, handle);
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcGetProgramLog(void* handle, char* log) {
  ENTER;
  NEED_PROGRAM(program, handle);
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}

// As NVRTC: a real architecture has a cubin and no PTX, a virtual one PTX and no cubin.
static nvrtcResult give(const std::string& image, char* target) {
  if (image.empty()) return NVRTC_INVALID_PROGRAM;
  memcpy(target, image.data(), image.size());
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcGetCUBINSize(void* handle, size_t* bytes) {
  ENTER;
  NEED_PROGRAM(program, handle);
  *bytes = program->cubin.size();
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcGetCUBIN(void* handle, char* cubin) {
  ENTER;
  NEED_PROGRAM(program, handle);
  return give(program->cubin, cubin);
}

EMULATOR_API nvrtcResult nvrtcGetPTXSize(void* handle, size_t* bytes) {
  ENTER;
  NEED_PROGRAM(program, handle);
  *bytes = program->ptx.size();
  return NVRTC_SUCCESS;
}

EMULATOR_API nvrtcResult nvrtcGetPTX(void* handle, char* ptx) {
  ENTER;
  NEED_PROGRAM(program, handle);
  return give(program->ptx, ptx);
}
