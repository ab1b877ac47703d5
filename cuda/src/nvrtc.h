// NVRTC: the one library that compiles, and compiling with it.

#ifndef PF_NVRTC_LIBRARY_H
#define PF_NVRTC_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pairfold_cuda.h"
#include "text.h"

typedef int32_t nvrtcResult;
typedef struct nvrtcProgram_st* nvrtcProgram;

// Every function by the name that the library exports: X(name, parameters).
#define NVRTC_FUNCTIONS(X)                                                              \
  X(nvrtcVersion, (int* major, int* minor))                                             \
  X(nvrtcGetNumSupportedArchs, (int* count))                                            \
  X(nvrtcGetSupportedArchs, (int* architectures))                                       \
  X(nvrtcCreateProgram,                                                                 \
    (nvrtcProgram * program, const char* source, const char* name, int header_count,    \
     const char* const* headers, const char* const* header_names))                      \
  X(nvrtcDestroyProgram, (nvrtcProgram * program))                                      \
  X(nvrtcCompileProgram, (nvrtcProgram program, int count, const char* const* options)) \
  X(nvrtcGetProgramLogSize, (nvrtcProgram program, size_t* bytes))                      \
  X(nvrtcGetProgramLog, (nvrtcProgram program, char* log))                              \
  X(nvrtcGetCUBINSize, (nvrtcProgram program, size_t* bytes))                           \
  X(nvrtcGetCUBIN, (nvrtcProgram program, char* binary))                                \
  X(nvrtcGetPTXSize, (nvrtcProgram program, size_t* bytes))                             \
  X(nvrtcGetPTX, (nvrtcProgram program, char* text))

typedef struct Nvrtc {
#define X(name, parameters) nvrtcResult(*name) parameters;
  NVRTC_FUNCTIONS(X)
#undef X
  const char* (*nvrtcGetErrorString)(nvrtcResult code);
  int32_t version;           // 1000 * major + 10 * minor
  const char* path;          // the file it came from, resolved
  const int* architectures;  // as 90 for sm_90, ascending
  int architecture_count;
} Nvrtc;

// What a program is compiled to.
typedef struct Target {
  int architecture;
  bool portable;  // PTX for the driver to translate, not a binary
} Target;

// The open NVRTC; null, and PF_NO_NVRTC in the report, where none is.
const Nvrtc* nvrtc_need(pf_report* report, const char* function);
// Whether the open driver, if any, is older than NVRTC's major version; then adds why.
bool nvrtc_is_too_new(const Nvrtc* nvrtc, Text* why);
// The same as PF_NO_NVRTC in the report.
pf_status nvrtc_check_driver(pf_report* report, const Nvrtc* nvrtc, const char* function);
// The binary of an architecture where NVRTC knows it, else PTX of the newest that is older.
// Returns false where there is none.
bool nvrtc_target(const Nvrtc* nvrtc, int architecture, Target* target);
// Adds the architectures that it compiles for.
void nvrtc_list(const Nvrtc* nvrtc, Text* text);
// Compiles. `image` is for free(); `log` gets NVRTC's warnings.
pf_status nvrtc_compile(pf_report* report, const Nvrtc* nvrtc, const char* source, const char* name,
                        const char* options, Target target, unsigned char** image, size_t* bytes,
                        Text* log);
// Adds what the last search for NVRTC did, a line each.
void nvrtc_log(Text* text);
// The version of the open NVRTC, else 0.
int32_t nvrtc_version(void);

#endif
