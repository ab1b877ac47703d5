// Loads a shim on a machine without a driver and prints what it says: its ABI version, the status
// and the text of a driver that is not there. Runs under emulators of other platforms.

#include <stdio.h>
#include <stdlib.h>

#include "pairfold_cuda.h"

#if defined(_WIN32)
#include <windows.h>
static void* open_library(const char* path) {
  return (void*)LoadLibraryA(path);
}
static void* find(void* library, const char* name) {
  return (void*)GetProcAddress((HMODULE)library, name);
}
#else
#include <dlfcn.h>
static void* open_library(const char* path) {
  return dlopen(path, RTLD_NOW);
}
static void* find(void* library, const char* name) {
  return dlsym(library, name);
}
#endif

int main(int count, char** arguments) {
  void* library = count == 3 ? open_library(arguments[1]) : NULL;
  if (!library) {
    printf("not loaded\n");
    return 1;
  }
  uint32_t (*abi_version)(void) = (uint32_t (*)(void))find(library, "pf_abi_version");
  pf_status (*open_driver)(pf_report*, const char*) =
      (pf_status (*)(pf_report*, const char*))find(library, "pf_open_driver");
  pf_status (*alloc)(pf_report*, uint64_t, uint64_t, uint64_t*) =
      (pf_status (*)(pf_report*, uint64_t, uint64_t, uint64_t*))find(library, "pf_alloc");
  if (!abi_version || !open_driver || !alloc) {
    printf("functions are missing\n");
    return 1;
  }
  pf_report* report = calloc(1, sizeof(pf_report) + 4096);
  report->capacity = 4096;
  printf("abi %u\n", abi_version());
  printf("driver %d\n%s", open_driver(report, arguments[2]), report->text);
  uint64_t address = 0;
  printf("alloc %d\n%s\n", alloc(report, 42, 100, &address), report->text);
  free(report);
  return 0;
}
