// Programs: compiled or found in the cache, loaded, their kernels found, asked and launched.

#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "device.h"
#include "nvrtc.h"
#include "report.h"

// CUfunction_attribute's numbers
enum {
  MOST_THREADS = 0,
  STATIC_SHARED = 1,
  LOCAL_BYTES = 3,
  REGISTERS = 4,
  MOST_DYNAMIC_SHARED = 8
};

// ---- compiling ------------------------------------------------------------------------------

typedef struct Job {
  const Driver* driver;
  const Nvrtc* nvrtc;
  const char* source;
  const char* name;
  const char* options;
  const char* cache;  // null: none
  Target target;
  unsigned char key[SHA256_BYTES];
  Text notes;  // NVRTC's warnings, and what the cache says
} Job;

// All that a binary depends on. The driver's file and the card's name keep the binaries of one
// driver, an emulated one say, from another.
static void make_key(Job* job, const Device* device) {
  Text numbers = {0};
  text_add(&numbers, "abi %d, driver %d, nvrtc %d, %s %d", PF_ABI_VERSION, job->driver->version,
           job->nvrtc->version, job->target.portable ? "compute" : "sm", job->target.architecture);
  Sha256 key;
  sha256_begin(&key);
  cache_key_add(&key, text_get(&numbers));
  cache_key_add(&key, job->driver->path);
  cache_key_add(&key, job->nvrtc->path);
  cache_key_add(&key, device->name);
  cache_key_add(&key, job->options);
  cache_key_add(&key, job->name);
  cache_key_add(&key, job->source);
  sha256_end(&key, job->key);
  text_clear(&numbers);
}

// Loads the binary from the cache or compiles it. Runs outside of the device's lock.
static pf_status build(pf_report* report, Job* job, CUmodule* module, CUresult* code,
                       bool* cached) {
  size_t bytes = 0;
  unsigned char* image = job->cache ? cache_read(job->cache, job->key, &bytes) : NULL;
  *cached = image != NULL;
  if (image) *code = job->driver->cuModuleLoadData(module, image);
  bool refused = image && *code != 0 && *code != CUDA_OUT_OF_MEMORY && !driver_is_sticky(*code);
  if (image && !refused) {
    free(image);
    return PF_OK;
  }
  // nothing there, or an entry that the driver does not want: compile, and write it anew
  free(image);
  image = NULL;
  *cached = false;
  pf_status status = nvrtc_compile(report, job->nvrtc, job->source, job->name, job->options,
                                   job->target, &image, &bytes, &job->notes);
  if (status != PF_OK) return status;
  *code = job->driver->cuModuleLoadData(module, image);
  if (*code == 0 && job->cache) cache_write(job->cache, job->key, image, bytes, &job->notes);
  free(image);
  return PF_OK;
}

static pf_status finish_compile(pf_report* report, Device* device, Job* job, CUmodule loaded,
                                CUresult code, uint64_t* module) {
  if (code != 0) {
    const char* hint = code == CUDA_UNSUPPORTED_PTX
                           ? "cuModuleLoadData (the driver is older than NVRTC, which does not "
                             "know the card: a newer driver helps)"
                           : "cuModuleLoadData";
    return device_failed(report, device, code, PF_DRIVER, "pf_compile", hint);
  }
  Module* made = malloc(sizeof(*made));
  if (made) *made = (Module){.module = loaded};
  *module = made ? handles_add(&device->handles, HANDLE_MODULE, made) : 0;
  if (*module) return report_text(report, PF_OK, 0, "%s", text_get(&job->notes));
  free(made);
  job->driver->cuModuleUnload(loaded);
  return report_no_host_memory(report, "pf_compile");
}

pf_status pf_compile(pf_report* report, uint64_t handle, const char* source, const char* name,
                     const char* options, const char* cache, uint64_t* module, int32_t* cached) {
  if (!source || !module || !cached) {
    return report_invalid(report, "pf_compile: a pointer is null");
  }
  Job job = {.source = source,
             .name = name ? name : "kernel.cu",
             .options = options ? options : "",
             .cache = cache && *cache ? cache : NULL};
  Device* device;
  pf_status status = device_enter(report, handle, "pf_compile", &device);
  if (status != PF_OK) return status;
  job.driver = driver_get();
  job.nvrtc = nvrtc_need(report, "pf_compile");
  if (!job.nvrtc) return device_leave(device, PF_NO_NVRTC);
  status = nvrtc_check_driver(report, job.nvrtc, "pf_compile");
  if (status != PF_OK) return device_leave(device, status);
  if (!nvrtc_target(job.nvrtc, device->architecture, &job.target)) {
    Text known = {0};
    nvrtc_list(job.nvrtc, &known);
    status = report_text(report, PF_NO_NVRTC, 0,
                         "pf_compile: the card wants sm_%d; NVRTC %d.%d (%s) knows only %s",
                         device->architecture, job.nvrtc->version / 1000,
                         job.nvrtc->version % 1000 / 10, job.nvrtc->path, text_get(&known));
    text_clear(&known);
    return device_leave(device, status);
  }
  make_key(&job, device);
  CUmodule loaded = NULL;
  CUresult code = 0;
  bool from_cache = false;
  device_step_out(device);
  status = build(report, &job, &loaded, &code, &from_cache);
  device_step_in(device);
  if (status == PF_OK) status = finish_compile(report, device, &job, loaded, code, module);
  *cached = status == PF_OK && from_cache;
  text_clear(&job.notes);
  return device_leave(device, status);
}

pf_status pf_module_free(pf_report* report, uint64_t handle, uint64_t module) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_module_free", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  Module* found = handles_take(&device->handles, HANDLE_MODULE, module);
  if (found) {
    // its kernels may still be queued, though no new ones from here on
    module_forget(device, found);
    device_step_out(device);
    CUresult code = driver->cuCtxSynchronize();
    device_step_in(device);
    // else it stays loaded as long as the context, for what is queued may run yet
    if (code == 0) code = driver->cuModuleUnload(found->module);
    free(found);
    status = device_check(report, device, code, "pf_module_free");
  } else {
    status = report_invalid(report, "pf_module_free: got %llu, which is no module of the device",
                            (unsigned long long)module);
  }
  return device_leave(device, status);
}

// ---- kernels --------------------------------------------------------------------------------

// The kernel of a module by name, made on first use; null with the report filled in.
static Function* find_function(pf_report* report, Device* device, Module* module, const char* name,
                               pf_status* status) {
  for (Function* known = module->functions; known; known = known->next) {
    if (strcmp(known->name, name) == 0) return known;
  }
  CUfunction found = NULL;
  CUresult code = driver_get()->cuModuleGetFunction(&found, module->module, name);
  if (code != 0) {
    pf_status kind = code == CUDA_NOT_FOUND ? PF_INVALID : PF_DRIVER;
    *status = device_failed(report, device, code, kind, "pf_function", name);
    return NULL;
  }
  size_t length = strlen(name);
  Function* function = malloc(sizeof(*function) + length + 1);
  if (function) {
    *function = (Function){.function = found, .next = module->functions};
    memcpy(function->name, name, length + 1);
    function->handle = handles_add(&device->handles, HANDLE_FUNCTION, function);
  }
  if (!function || !function->handle) {
    free(function);
    *status = report_no_host_memory(report, "pf_function");
    return NULL;
  }
  module->functions = function;
  return function;
}

pf_status pf_function(pf_report* report, uint64_t handle, uint64_t module, const char* name,
                      uint32_t dynamic_shared, uint64_t* function, int32_t* attributes) {
  if (!name || !function || !attributes) {
    return report_invalid(report, "pf_function: a pointer is null");
  }
  Device* device;
  pf_status status = device_enter(report, handle, "pf_function", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  Module* owner = handles_find(&device->handles, HANDLE_MODULE, module);
  if (!owner) {
    status = report_invalid(report, "pf_function: got %llu, which is no module of the device",
                            (unsigned long long)module);
    return device_leave(device, status);
  }
  Function* found = find_function(report, device, owner, name, &status);
  if (!found) return device_leave(device, status);
  if (dynamic_shared > found->dynamic_shared) {
    CUresult code =
        dynamic_shared > INT32_MAX
            ? CUDA_INVALID_VALUE
            : driver->cuFuncSetAttribute(found->function, MOST_DYNAMIC_SHARED, (int)dynamic_shared);
    if (code != 0) {
      Text detail = {0};
      text_add(&detail, "%s with %u bytes of dynamic shared memory", name, dynamic_shared);
      status = device_failed(report, device, code, PF_LAUNCH, "pf_function", text_get(&detail));
      text_clear(&detail);
      return device_leave(device, status);
    }
    found->dynamic_shared = dynamic_shared;
  }
  static const int which[] = {REGISTERS, LOCAL_BYTES, STATIC_SHARED, MOST_THREADS};
  CUresult code = 0;
  for (int k = 0; code == 0 && k < 4; k++) {
    int value = 0;
    code = driver->cuFuncGetAttribute(&value, which[k], found->function);
    attributes[k] = value;
  }
  *function = found->handle;
  return device_leave(device, device_check(report, device, code, "pf_function"));
}

Function* device_function(pf_report* report, Device* device, uint64_t function,
                          const char* caller) {
  Function* found = handles_find(&device->handles, HANDLE_FUNCTION, function);
  if (!found) {
    report_invalid(report, "%s: got %llu, which is no kernel of the device", caller,
                   (unsigned long long)function);
  }
  return found;
}

pf_status pf_occupancy(pf_report* report, uint64_t handle, uint64_t function, uint32_t threads,
                       uint32_t dynamic_shared, int32_t* blocks) {
  if (!blocks) return report_invalid(report, "pf_occupancy: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_occupancy", &device);
  if (status != PF_OK) return status;
  Function* found = device_function(report, device, function, "pf_occupancy");
  if (!found) return device_leave(device, PF_INVALID);
  int value = 0;
  CUresult code = CUDA_INVALID_VALUE;
  if (threads > 0 && threads <= INT32_MAX) {
    code = driver_get()->cuOccupancyMaxActiveBlocksPerMultiprocessor(&value, found->function,
                                                                     (int)threads, dynamic_shared);
  }
  *blocks = value;
  pf_status kind = code == CUDA_INVALID_VALUE ? PF_INVALID : PF_DRIVER;
  status = code == 0 ? report_ok(report)
                     : device_failed(report, device, code, kind, "pf_occupancy", found->name);
  return device_leave(device, status);
}

void device_launched(Device* device, const Function* function) {
  size_t length = strlen(function->name), most = sizeof(device->kernel) - 1;
  if (length > most) length = most;
  memcpy(device->kernel, function->name, length);
  device->kernel[length] = 0;
}

pf_status device_launch(pf_report* report, Device* device, Function* function, CUstream stream,
                        const uint32_t* dims, void** pointers, const char* caller) {
  device->work++;
  CUresult code =
      driver_get()->cuLaunchKernel(function->function, dims[0], dims[1], dims[2], dims[3], dims[4],
                                   dims[5], dims[6], stream, pointers, NULL);
  if (code == 0) {
    device_launched(device, function);
    return report_ok(report);
  }
  Text detail = {0};
  text_add(&detail, "%s, grid %u x %u x %u, block %u x %u x %u, %u bytes of dynamic shared memory",
           function->name, dims[0], dims[1], dims[2], dims[3], dims[4], dims[5], dims[6]);
  pf_status status = device_failed(report, device, code, PF_LAUNCH, caller, text_get(&detail));
  text_clear(&detail);
  return status;
}

pf_status pf_launch(pf_report* report, uint64_t handle, uint64_t stream, uint64_t function,
                    const uint32_t* dims, const void* arguments, const uint32_t* offsets,
                    uint32_t count) {
  if (!dims || (count > 0 && (!arguments || !offsets))) {
    return report_invalid(report, "pf_launch: a pointer is null");
  }
  if (count > MOST_ARGUMENTS) {
    return report_invalid(report, "pf_launch: got %u arguments; at most %d fit", count,
                          MOST_ARGUMENTS);
  }
  // the driver reads the arguments during the call and changes none of them
  void* pointers[MOST_ARGUMENTS];
  for (uint32_t k = 0; k < count; k++) {
    pointers[k] = (unsigned char*)(uintptr_t)arguments + offsets[k];
  }
  Device* device;
  pf_status status = device_enter(report, handle, "pf_launch", &device);
  if (status != PF_OK) return status;
  CUstream queue;
  Function* found = device_function(report, device, function, "pf_launch");
  if (!found || !device_stream(report, device, stream, &queue, "pf_launch")) {
    return device_leave(device, PF_INVALID);
  }
  status = device_launch(report, device, found, queue, dims, pointers, "pf_launch");
  return device_leave(device, status);
}
