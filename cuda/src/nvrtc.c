// Compiling with NVRTC.

#include "nvrtc.h"

#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "report.h"

bool nvrtc_is_too_new(const Nvrtc* nvrtc, Text* why) {
  const Driver* driver = driver_get();
  // within one major version every driver loads every binary; across them none is promised to
  if (!driver || nvrtc->version / 1000 <= driver->version / 1000) return false;
  text_add(why, "refused: version %d.%d is newer than the driver, which knows CUDA %d.%d",
           nvrtc->version / 1000, nvrtc->version % 1000 / 10, driver->version / 1000,
           driver->version % 1000 / 10);
  return true;
}

pf_status nvrtc_check_driver(pf_report* report, const Nvrtc* nvrtc, const char* function) {
  Text why = {0};
  pf_status status = PF_OK;
  if (nvrtc_is_too_new(nvrtc, &why)) {
    status = report_text(report, PF_NO_NVRTC, 0, "%s: NVRTC %s: %s", function, nvrtc->path,
                         text_get(&why));
  }
  text_clear(&why);
  return status;
}

bool nvrtc_target(const Nvrtc* nvrtc, int architecture, Target* target) {
  bool found = false;
  for (int k = 0; k < nvrtc->architecture_count; k++) {
    int known = nvrtc->architectures[k];
    if (known > architecture) break;
    *target = (Target){.architecture = known, .portable = known != architecture};
    found = true;
  }
  return found;
}

void nvrtc_list(const Nvrtc* nvrtc, Text* text) {
  for (int k = 0; k < nvrtc->architecture_count; k++) {
    text_add(text, "%s%d", k ? ", " : "", nvrtc->architectures[k]);
  }
}

// The options as NVRTC wants them: pointers into a copy whose line ends became 0. One allocation.
static const char** split_options(const char* lines, const char* architecture, int* count) {
  size_t length = strlen(lines), most = 2;
  for (const char* at = lines; *at; at++) most += *at == '\n';
  const char** options = malloc(most * sizeof(*options) + length + 1);
  if (!options) return NULL;
  char* copy = (char*)(options + most);
  memcpy(copy, lines, length + 1);
  options[0] = architecture;
  *count = 1;
  for (char* line = copy; *line;) {
    char* end = strchr(line, '\n');
    if (end) *end = 0;
    if (*line) options[(*count)++] = line;
    line = end ? end + 1 : line + strlen(line);
  }
  return options;
}

static void add_log(const Nvrtc* nvrtc, nvrtcProgram program, Text* log) {
  size_t bytes = 0;
  if (nvrtc->nvrtcGetProgramLogSize(program, &bytes) != 0 || bytes <= 1) return;
  char* data = malloc(bytes + 1);
  if (!data) return;
  if (nvrtc->nvrtcGetProgramLog(program, data) == 0) {
    data[bytes] = 0;
    text_add(log, "%s", data);
  }
  free(data);
}

static nvrtcResult take_image(const Nvrtc* nvrtc, nvrtcProgram program, bool portable,
                              unsigned char** image, size_t* bytes) {
  nvrtcResult code =
      portable ? nvrtc->nvrtcGetPTXSize(program, bytes) : nvrtc->nvrtcGetCUBINSize(program, bytes);
  if (code != 0) return code;
  // one more byte: the driver reads PTX up to a 0
  unsigned char* data = calloc(*bytes + 1, 1);
  if (!data) return 1;  // NVRTC's own code for no memory
  code = portable ? nvrtc->nvrtcGetPTX(program, (char*)data)
                  : nvrtc->nvrtcGetCUBIN(program, (char*)data);
  if (code == 0) {
    *image = data;
  } else {
    free(data);
  }
  return code;
}

static pf_status failed(pf_report* report, const Nvrtc* nvrtc, const char* step, nvrtcResult code,
                        const Text* log) {
  const char* meaning = nvrtc->nvrtcGetErrorString(code);
  pf_status status = code == 1 ? PF_OUT_OF_MEMORY : PF_COMPILE;
  return report_text(report, status, code, "%s: %s (%d)\n%s", step, meaning ? meaning : "?", code,
                     text_get(log));
}

pf_status nvrtc_compile(pf_report* report, const Nvrtc* nvrtc, const char* source, const char* name,
                        const char* options, Target target, unsigned char** image, size_t* bytes,
                        Text* log) {
  Text architecture = {0};
  text_add(&architecture, "--gpu-architecture=%s_%d", target.portable ? "compute" : "sm",
           target.architecture);
  int count = 0;
  const char** list = split_options(options, text_get(&architecture), &count);
  nvrtcProgram program = NULL;
  const char* step = "nvrtcCreateProgram";
  nvrtcResult code = list ? nvrtc->nvrtcCreateProgram(&program, source, name, 0, NULL, NULL) : 1;
  if (code == 0) {
    step = "nvrtcCompileProgram";
    code = nvrtc->nvrtcCompileProgram(program, count, list);
    add_log(nvrtc, program, log);
  }
  if (code == 0) {
    step = target.portable ? "nvrtcGetPTX" : "nvrtcGetCUBIN";
    code = take_image(nvrtc, program, target.portable, image, bytes);
  }
  pf_status status = code == 0 ? PF_OK : failed(report, nvrtc, step, code, log);
  if (program) nvrtc->nvrtcDestroyProgram(&program);
  free(list);
  text_clear(&architecture);
  return status;
}

pf_status pf_compile_binary(pf_report* report, int32_t architecture, const char* source,
                            const char* name, const char* options, void* binary, uint64_t capacity,
                            uint64_t* bytes) {
  if (!source || !bytes || (!binary && capacity > 0)) {
    return report_invalid(report, "pf_compile_binary: a pointer is null");
  }
  const Nvrtc* nvrtc = nvrtc_need(report, "pf_compile_binary");
  if (!nvrtc) return PF_NO_NVRTC;
  Target target;
  Text text = {0};
  if (!nvrtc_target(nvrtc, architecture, &target) || target.portable) {
    nvrtc_list(nvrtc, &text);
    report_invalid(report, "pf_compile_binary: got architecture %d; NVRTC %d.%d knows %s",
                   architecture, nvrtc->version / 1000, nvrtc->version % 1000 / 10,
                   text_get(&text));
    text_clear(&text);
    return PF_INVALID;
  }
  unsigned char* image = NULL;
  size_t size = 0;
  pf_status status = nvrtc_compile(report, nvrtc, source, name ? name : "kernel.cu",
                                   options ? options : "", target, &image, &size, &text);
  if (status == PF_OK) {
    *bytes = size;
    if (capacity > 0) memcpy(binary, image, size < capacity ? size : (size_t)capacity);
    report_text(report, PF_OK, 0, "%s", text_get(&text));
  }
  free(image);
  text_clear(&text);
  return status;
}
