#include "result.h"

#include <cstdio>
#include <deque>
#include <map>
#include <mutex>

namespace emulator {

struct CodeRow {
  int code;
  const char *name, *text;
};

static const CodeRow codes[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
    {35, "CUDA_ERROR_INSUFFICIENT_DRIVER", "CUDA driver version is insufficient"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain"},
    {301, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {304, "CUDA_ERROR_OPERATING_SYSTEM", "OS call failed or operation not supported on this OS"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {714, "CUDA_ERROR_HARDWARE_STACK_ERROR", "hardware stack error"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {717, "CUDA_ERROR_INVALID_ADDRESS_SPACE",
     "operation not supported on global/shared address space"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {800, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

const char* code_name(int code) {
  for (const CodeRow& row : codes) {
    if (row.code == code) return row.name;
  }
  return nullptr;
}

const char* code_text(int code) {
  for (const CodeRow& row : codes) {
    if (row.code == code) return row.text;
  }
  return nullptr;
}

static std::mutex lock;
static std::deque<std::string> texts;  // never shrinks: callers hold pointers into it
static std::map<int, const char*> last;

void explain(int code, const std::string& text) {
  std::lock_guard<std::mutex> guard(lock);
  const char* standard = code_text(code);
  texts.push_back((standard ? std::string(standard) + ": " : std::string()) + text);
  last[code] = texts.back().c_str();
  if (setting("QUIET", "0") == "0") fprintf(stderr, "[pairfold emulator] %s\n", last[code]);
}

const char* explanation(int code) {
  std::lock_guard<std::mutex> guard(lock);
  auto found = last.find(code);
  return found == last.end() ? nullptr : found->second;
}

}  // namespace emulator

using namespace emulator;

EMULATOR_API CUresult cuGetErrorName(CUresult code, const char** name) {
  ENTER;
  *name = code_name(code);
  return *name ? SUCCESS : INVALID_VALUE;
}

EMULATOR_API CUresult cuGetErrorString(CUresult code, const char** text) {
  ENTER;
  *text = explanation(code);
  if (!*text) *text = code_text(code);
  return *text ? SUCCESS : INVALID_VALUE;
}

// For tests and benchmarks, which count what a launch costs: no function of the driver's.
EMULATOR_API unsigned long long pairfold_emulator_calls(const char* name) { return calls_of(name); }
