// Finding and opening the CUDA driver.

#include "driver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"
#include "report.h"

#if defined(_WIN32)
static const char* const NAMES[] = {"nvcuda.dll"};
#else
// the loader's own folders first, then where WSL and NixOS keep it
static const char* const NAMES[] = {"libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1",
                                    "/run/opengl-driver/lib/libcuda.so.1"};
#endif
#define NAME_COUNT (sizeof(NAMES) / sizeof(NAMES[0]))

static Mutex opening = MUTEX_INITIALIZER;
static Driver table;
static Text path_text, asked_text, search_text;
static _Atomic(const Driver*) opened;

const Driver* driver_get(void) {
  return atomic_load_explicit(&opened, memory_order_acquire);
}

const Driver* driver_need(pf_report* report, const char* function) {
  const Driver* driver = driver_get();
  if (!driver) {
    report_text(report, PF_NO_DRIVER, 0, "%s: no CUDA driver is open (pf_open_driver)", function);
  }
  return driver;
}

void driver_describe(const Driver* driver, CUresult code, Text* text) {
  const char *name = NULL, *meaning = NULL;
  driver->cuGetErrorName(code, &name);
  driver->cuGetErrorString(code, &meaning);
  text_add(text, "%s (%d): %s", name ? name : "an unknown error", code, meaning ? meaning : "?");
}

bool driver_is_sticky(CUresult code) {
  switch (code) {
    case 4:    // the driver is shutting down
    case 214:  // uncorrectable error of the memory
    case 220:  // uncorrectable error of NVLink
    case 226:  // a contained fault of the memory
    case 700:  // illegal address
    case 702:  // the launch timed out
    case 709:  // the context is destroyed
    case 710:  // assertion of a kernel
    case 714:  // hardware stack
    case 715:  // illegal instruction
    case 716:  // misaligned address
    case 717:  // invalid address space
    case 718:  // invalid program counter
    case 719:  // the launch failed
    case 721:  // tensor memory leak
      return true;
    default:
      return false;
  }
}

void driver_log(Text* text) {
  mutex_lock(&opening);
  text_add(text, "%s", text_get(&search_text));
  mutex_unlock(&opening);
}

static void resolve_graphs(void* library, Driver* into) {
  into->has_graphs = true;
#define X(name, parameters)                              \
  do {                                                   \
    void* symbol = library_symbol(library, #name);       \
    memcpy(&into->name, &symbol, sizeof(symbol));        \
    into->has_graphs = into->has_graphs && symbol;       \
  } while (0);
  GRAPH_FUNCTIONS(X)
#undef X
}

// Fills the table; adds the names of what is missing and returns how many are.
static int resolve(void* library, Driver* into, Text* missing) {
  int count = 0;
#define X(name, parameters)                                             \
  do {                                                                  \
    void* symbol = library_symbol(library, #name);                      \
    memcpy(&into->name, &symbol, sizeof(symbol));                       \
    if (!symbol) text_add(missing, "%s%s", count++ ? ", " : "", #name); \
  } while (0);
  DRIVER_FUNCTIONS(X)
#undef X
  resolve_graphs(library, into);
  return count;
}

// Opens one name. Its result is what to say if nothing else is found.
static pf_status try_open(const char* name, int32_t* code) {
  Text note = {0};
  Driver found = {0};
  pf_status status = PF_NO_DRIVER;
  void* library = library_open(name, &note);
  if (!library) {
    text_add(&search_text, "driver: %s: not opened: %s\n", name, text_get(&note));
  } else if (resolve(library, &found, &note) > 0) {
    text_add(&search_text, "driver: %s: refused: it lacks %s\n", name, text_get(&note));
  } else {
    void* symbol;
    memcpy(&symbol, &found.cuInit, sizeof(symbol));
    text_clear(&path_text);
    library_path(library, symbol, &path_text);
    found.path = text_get(&path_text);
    *code = found.cuInit(0);
    if (*code == 0) *code = found.cuDriverGetVersion(&found.version);
    if (*code == 0) {
      text_add(&search_text, "driver: %s: found %s, CUDA %d.%d\n", name, found.path,
               found.version / 1000, found.version % 1000 / 10);
      table = found;
      atomic_store_explicit(&opened, &table, memory_order_release);
      status = PF_OK;
    } else {
      driver_describe(&found, *code, &note);
      text_add(&search_text, "driver: %s: found %s, refused: cuInit: %s\n", name, found.path,
               text_get(&note));
      status = *code == CUDA_NO_DEVICE ? PF_NO_DEVICE : PF_DRIVER;
    }
  }
  if (library && status != PF_OK) library_close(library);
  text_clear(&note);
  return status;
}

static pf_status search(pf_report* report, const char* path) {
  int32_t code = 0;
  pf_status status = PF_NO_DRIVER;
  text_clear(&search_text);
  if (path) {
    status = try_open(path, &code);
  } else {
    // a driver that is there but broken is what to report: another name is another file of it
    for (size_t k = 0; k < NAME_COUNT && status == PF_NO_DRIVER; k++) {
      status = try_open(NAMES[k], &code);
    }
  }
  if (status == PF_OK) {
    text_clear(&asked_text);
    text_add(&asked_text, "%s", path ? path : "");
    return report_ok(report);
  }
  const char* what = status == PF_NO_DRIVER   ? "no CUDA driver"
                     : status == PF_NO_DEVICE ? "a CUDA driver, but no device"
                                              : "the CUDA driver does not start";
  return report_text(report, status, code, "%s\n%s", what, text_get(&search_text));
}

pf_status pf_open_driver(pf_report* report, const char* path) {
  char* wanted = path && *path ? NULL : environment_copy("PAIRFOLD_CUDA_DRIVER");
  const char* asked = path && *path ? path : wanted;
  mutex_lock(&opening);
  pf_status status;
  if (!driver_get()) {
    status = search(report, asked);
  } else if (!asked || strcmp(asked, text_get(&asked_text)) == 0 ||
             strcmp(asked, table.path) == 0) {
    status = report_ok(report);
  } else {
    status =
        report_invalid(report, "pf_open_driver: got %s, but %s is open already", asked, table.path);
  }
  mutex_unlock(&opening);
  free(wanted);
  return status;
}
