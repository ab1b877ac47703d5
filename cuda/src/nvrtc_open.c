// Finding and opening NVRTC: a path asked for, else one that the process has, else the usual names,
// else the folders of folders.h. One whose major version is newer than the driver's is passed over.

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "folders.h"
#include "nvrtc.h"
#include "platform.h"
#include "report.h"

static Mutex opening = MUTEX_INITIALIZER;
static Nvrtc table;
static Text path_text, asked_text, search_text;
static _Atomic(const Nvrtc*) opened;

static const Nvrtc* get(void) {
  return atomic_load_explicit(&opened, memory_order_acquire);
}

int32_t nvrtc_version(void) {
  const Nvrtc* nvrtc = get();
  return nvrtc ? nvrtc->version : 0;
}

const Nvrtc* nvrtc_need(pf_report* report, const char* function) {
  const Nvrtc* nvrtc = get();
  if (!nvrtc) {
    report_text(report, PF_NO_NVRTC, 0, "%s: no NVRTC is open (pf_open_nvrtc)", function);
  }
  return nvrtc;
}

void nvrtc_log(Text* text) {
  mutex_lock(&opening);
  text_add(text, "%s", text_get(&search_text));
  mutex_unlock(&opening);
}

static int resolve(void* library, Nvrtc* into, Text* missing) {
  int count = 0;
#define FIND(name)                                                      \
  do {                                                                  \
    void* symbol = library_symbol(library, #name);                      \
    memcpy(&into->name, &symbol, sizeof(symbol));                       \
    if (!symbol) text_add(missing, "%s%s", count++ ? ", " : "", #name); \
  } while (0);
#define X(name, parameters) FIND(name)
  NVRTC_FUNCTIONS(X)
#undef X
  FIND(nvrtcGetErrorString)
#undef FIND
  return count;
}

// Asks for version and architectures; adds what is wrong to `note`.
static bool examine(Nvrtc* found, Text* note) {
  int major = 0, minor = 0, count = 0;
  nvrtcResult code = found->nvrtcVersion(&major, &minor);
  if (code == 0) code = found->nvrtcGetNumSupportedArchs(&count);
  int* list = code == 0 && count > 0 ? malloc((size_t)count * sizeof(int)) : NULL;
  if (list) code = found->nvrtcGetSupportedArchs(list);
  if (!list || code != 0) {
    text_add(note, "it does not say what it compiles for: %s", found->nvrtcGetErrorString(code));
    free(list);
    return false;
  }
  found->version = 1000 * major + 10 * minor;
  found->architectures = list;
  found->architecture_count = count;
  bool usable = !nvrtc_is_too_new(found, note);
  if (!usable) free(list);
  return usable;
}

// Takes a library that was opened, or closes it again.
static bool take(const char* name, void* library, const char* how) {
  Text note = {0};
  Nvrtc found = {0};
  bool taken = false;
  if (resolve(library, &found, &note) > 0) {
    text_add(&search_text, "nvrtc: %s: refused: it lacks %s\n", name, text_get(&note));
  } else {
    void* symbol;
    memcpy(&symbol, &found.nvrtcVersion, sizeof(symbol));
    text_clear(&path_text);
    library_path(library, symbol, &path_text);
    found.path = text_get(&path_text);
    taken = examine(&found, &note);
    if (taken) {
      text_add(&search_text, "nvrtc: %s: %s%s, version %d.%d\n", name, how, found.path,
               found.version / 1000, found.version % 1000 / 10);
      table = found;
      atomic_store_explicit(&opened, &table, memory_order_release);
    } else {
      text_add(&search_text, "nvrtc: %s: %s%s, %s\n", name, how, found.path, text_get(&note));
    }
  }
  if (!taken) library_close(library);
  text_clear(&note);
  return taken;
}

static bool try_loaded(const char* name) {
  void* library = library_loaded(name);
  return library && take(name, library, "already loaded from ");
}

static bool try_open(const char* name) {
  Text why = {0};
  void* library = library_open(name, &why);
  if (!library) text_add(&search_text, "nvrtc: %s: not opened: %s\n", name, text_get(&why));
  text_clear(&why);
  return library && take(name, library, "found ");
}

static bool try_folder(void* context, const char* folder) {
  (void)context;
  bool any = false;
  for (int k = 0; NVRTC_NAMES[k]; k++) {
    Text path = {0};
    text_add(&path, "%s%s%s", folder, FOLDER_SEPARATOR, NVRTC_NAMES[k]);
    bool there = file_exists(text_get(&path));
    bool taken = there && try_open(text_get(&path));
    text_clear(&path);
    if (taken) return true;
    any = any || there;
  }
  if (!any) text_add(&search_text, "nvrtc: %s: has none\n", folder);
  return false;
}

static bool search_everywhere(void) {
  for (int k = 0; NVRTC_NAMES[k]; k++) {
    if (try_loaded(NVRTC_NAMES[k])) return true;
  }
  for (int k = 0; NVRTC_NAMES[k]; k++) {
    if (try_open(NVRTC_NAMES[k])) return true;
  }
  return folders_visit(try_folder, NULL);
}

static pf_status search(pf_report* report, const char* path) {
  text_clear(&search_text);
  if (path ? try_open(path) : search_everywhere()) {
    text_clear(&asked_text);
    text_add(&asked_text, "%s", path ? path : "");
    return report_ok(report);
  }
  return report_text(report, PF_NO_NVRTC, 0,
                     "no NVRTC that can be used (pip install nvidia-cuda-nvrtc, or a CUDA "
                     "toolkit, or PAIRFOLD_NVRTC with its path)\n%s",
                     text_get(&search_text));
}

pf_status pf_open_nvrtc(pf_report* report, const char* path) {
  char* wanted = path && *path ? NULL : environment_copy("PAIRFOLD_NVRTC");
  const char* asked = path && *path ? path : wanted;
  mutex_lock(&opening);
  pf_status status;
  const Nvrtc* nvrtc = get();
  if (!nvrtc) {
    status = search(report, asked);
  } else if (!asked || strcmp(asked, text_get(&asked_text)) == 0 ||
             strcmp(asked, nvrtc->path) == 0) {
    status = nvrtc_check_driver(report, nvrtc, "pf_open_nvrtc");
    if (status == PF_OK) report_ok(report);
  } else {
    status =
        report_invalid(report, "pf_open_nvrtc: got %s, but %s is open already", asked, nvrtc->path);
  }
  mutex_unlock(&opening);
  free(wanted);
  return status;
}

pf_status pf_search_log(pf_report* report) {
  Text log = {0};
  driver_log(&log);
  nvrtc_log(&log);
  report_text(report, PF_OK, 0, "%s", text_get(&log));
  text_clear(&log);
  return PF_OK;
}

pf_status pf_versions(pf_report* report, int32_t* driver, int32_t* nvrtc) {
  if (!driver || !nvrtc) return report_invalid(report, "pf_versions: a pointer is null");
  const Driver* open_driver = driver_get();
  *driver = open_driver ? open_driver->version : 0;
  *nvrtc = nvrtc_version();
  return report_ok(report);
}

uint32_t pf_abi_version(void) {
  return PF_ABI_VERSION;
}
