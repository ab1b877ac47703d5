// See folders.h: CUDA's own folders, conda's, and the packages of Python (nvidia-cuda-nvrtc).

#include "folders.h"

#include <stdlib.h>
#include <string.h>

#include "platform.h"

#if defined(_WIN32)
const char* const NVRTC_NAMES[] = {"nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll",
                                   NULL};
static const char* const TOOLKIT[] = {"bin\\x64", "bin", NULL};
static const char* const CONDA[] = {"Library\\bin\\x64", "Library\\bin", "bin", NULL};
static const char* const PACKAGES[] = {"nvidia\\cu13\\bin\\x86_64", "nvidia\\cu13\\bin",
                                       "nvidia\\cuda_nvrtc\\bin", NULL};
#else
const char* const NVRTC_NAMES[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2",
                                   "libnvrtc.so", NULL};
static const char* const TOOLKIT[] = {"lib64", "lib", "targets/x86_64-linux/lib",
                                      "targets/sbsa-linux/lib", NULL};
static const char* const CONDA[] = {"lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib",
                                    NULL};
static const char* const PACKAGES[] = {"nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib", NULL};
#endif

typedef struct Walk {
  bool (*visit)(void* context, const char* folder);
  void* context;
  bool found;
  const char* base;     // of a listing
  const char* prefix;   // entries that count
  const char* between;  // from an entry to its packages
} Walk;

static void go(Walk* walk, const char* base, const char* const* inner) {
  for (; *inner && !walk->found; inner++) {
    Text folder = {0};
    text_add(&folder, "%s%s%s", base, FOLDER_SEPARATOR, *inner);
    walk->found = walk->visit(walk->context, text_get(&folder));
    text_clear(&folder);
  }
}

static void go_variable(Walk* walk, const char* variable, const char* const* inner) {
  char* base = walk->found ? NULL : environment_copy(variable);
  if (base) go(walk, base, inner);
  free(base);
}

#if !defined(_WIN32)
// Packages below one entry of a listing such as lib/python3.12.
static void packages_of(void* context, const char* name) {
  Walk* walk = context;
  if (walk->found || strncmp(name, walk->prefix, strlen(walk->prefix)) != 0) return;
  Text packages = {0};
  text_add(&packages, "%s%s%s%s", walk->base, FOLDER_SEPARATOR, name, walk->between);
  go(walk, text_get(&packages), PACKAGES);
  text_clear(&packages);
}
#endif

// Python's packages below a prefix such as a virtual environment.
static void go_packages(Walk* walk, const char* prefix) {
  if (walk->found) return;
  Text base = {0};
#if defined(_WIN32)
  text_add(&base, "%s\\Lib\\site-packages", prefix);
  go(walk, text_get(&base), PACKAGES);
#else
  text_add(&base, "%s/lib", prefix);
  walk->base = text_get(&base);
  walk->prefix = "python3";
  walk->between = "/site-packages";
  folder_visit(walk->base, packages_of, walk);
  walk->between = "/dist-packages";
  folder_visit(walk->base, packages_of, walk);
#endif
  text_clear(&base);
}

static void go_variable_packages(Walk* walk, const char* variable, const char* below) {
  char* prefix = walk->found ? NULL : environment_copy(variable);
  if (prefix) {
    Text whole = {0};
    text_add(&whole, "%s%s", prefix, below);
    go_packages(walk, text_get(&whole));
    text_clear(&whole);
  }
  free(prefix);
}

bool folders_visit(bool (*visit)(void* context, const char* folder), void* context) {
  Walk walk = {.visit = visit, .context = context};
  go_variable(&walk, "CUDA_HOME", TOOLKIT);
  go_variable(&walk, "CUDA_PATH", TOOLKIT);
#if !defined(_WIN32)
  // Windows' installer always sets CUDA_PATH
  static const char* const usual[] = {"/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda"};
  for (int k = 0; k < 3 && !walk.found; k++) go(&walk, usual[k], TOOLKIT);
#endif
  go_variable(&walk, "CONDA_PREFIX", CONDA);
  go_variable_packages(&walk, "VIRTUAL_ENV", "");
  go_variable_packages(&walk, "CONDA_PREFIX", "");
#if !defined(_WIN32)
  go_variable_packages(&walk, "HOME", "/.local");
  go_packages(&walk, "/usr/local");
  go_packages(&walk, "/usr");
#endif
  return walk.found;
}
