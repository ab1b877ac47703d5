// The driver's entry points for modules, functions and launches.
//
// Enters: images of the emulated NVRTC. Leaves: functions, and launches queued on streams.

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "device.h"
#include "launch.h"
#include "module.h"
#include "result.h"
#include "stream.h"
#include "worker.h"

namespace emulator {

// Both under the queues' lock. A function's handle leads to its module.
static std::map<void*, std::shared_ptr<Module>> modules;
static std::map<void*, std::shared_ptr<Module>> functions;

static std::shared_ptr<Module> module_of(void* handle) {
  std::lock_guard<std::mutex> guard(queue_lock());
  auto found = modules.find(handle);
  return found == modules.end() ? nullptr : found->second;
}

// What its launches still use stays loaded with them.
static void forget(std::map<void*, std::shared_ptr<Module>>::iterator at) {
  for (auto& function : at->second->functions) functions.erase(function.second.get());
  modules.erase(at);
}

void drop_modules(const Context& context) {
  std::lock_guard<std::mutex> guard(queue_lock());
  for (auto at = modules.begin(); at != modules.end();) {
    auto here = at++;
    if (here->second->owner == &context) forget(here);
  }
}

// The function of a handle, with its module, or null.
static Function* function_of(void* handle, std::shared_ptr<Module>& module) {
  std::lock_guard<std::mutex> guard(queue_lock());
  auto found = functions.find(handle);
  if (found == functions.end()) return nullptr;
  module = found->second;
  return (Function*)handle;
}

static std::unique_ptr<Function> make_function(Module& module, const PfeKernel& kernel) {
  auto function = std::make_unique<Function>();
  function->module = &module;
  function->kernel = &kernel;
  function->static_shared = static_shared_bytes(module, kernel);
  int common = 0;
  device_attribute(module.owner->device, MAX_SHARED_PER_BLOCK, common);
  function->dynamic_shared_at_most =
      function->static_shared < (unsigned)common ? common - function->static_shared : 0;
  if (kernel.max_threads > 0) function->max_threads = std::min(kernel.max_threads, 1024);
  return function;
}

}  // namespace emulator

using namespace emulator;

// ---- modules ------------------------------------------------------------------------------------

EMULATOR_API CUresult cuModuleLoadData(void** handle, const void* image) {
  ENTER;
  NEED_CONTEXT(context);
  std::string why;
  int code = judge_image(image, context->device, why);
  std::unique_ptr<Module> module;
  if (code == SUCCESS) {
    ImageHeader header;
    memcpy(&header, image, sizeof header);
    module = load_module(std::string((const char*)image + sizeof header, header.bytes), why);
    if (!module) code = INVALID_IMAGE;
  }
  if (code != SUCCESS) {
    explain(code, why);
    return code;
  }
  module->owner = context;
  module->description->bind(&Worker::host(module->description->checked));
  *handle = module.get();
  std::lock_guard<std::mutex> guard(queue_lock());
  modules[*handle] = std::move(module);
  return SUCCESS;
}

EMULATOR_API CUresult cuModuleUnload(void* handle) {
  ENTER;
  std::shared_ptr<Module> module;  // unloaded without the lock
  {
    std::lock_guard<std::mutex> guard(queue_lock());
    auto found = modules.find(handle);
    if (found == modules.end()) return INVALID_HANDLE;
    module = found->second;
    forget(found);
  }
  return module->owner->lost;
}

// Found by the symbol of the kernel itself, as on a card: without extern "C" its name is mangled.
EMULATOR_API CUresult cuModuleGetFunction(void** handle, void* module_handle, const char* name) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Module> module = module_of(module_handle);
  if (!module) return INVALID_HANDLE;
  const void* symbol = dlsym(module->library, name);
  const PfeModule& description = *module->description;
  for (int k = 0; k < description.kernel_count; k++) {
    const PfeKernel& kernel = description.kernels[k];
    if (!symbol || kernel.function != symbol) continue;
    std::lock_guard<std::mutex> guard(queue_lock());
    auto& function = module->functions[name];
    if (!function) function = make_function(*module, kernel);
    functions[function.get()] = module;
    *handle = function.get();
    return SUCCESS;
  }
  return NOT_FOUND;
}

// ---- functions ----------------------------------------------------------------------------------

// Attributes by CUfunction_attribute's numbers.
enum FunctionAttribute {
  FUNCTION_MAX_THREADS = 0,
  FUNCTION_STATIC_SHARED = 1,
  FUNCTION_CONSTANT = 2,
  FUNCTION_LOCAL = 3,
  FUNCTION_REGISTERS = 4,
  FUNCTION_PTX_VERSION = 5,
  FUNCTION_BINARY_VERSION = 6,
  FUNCTION_CACHE_MODE = 7,
  FUNCTION_MAX_DYNAMIC_SHARED = 8,
  FUNCTION_SHARED_CARVEOUT = 9
};

// The emulator allots no registers; a middling number, so that occupancy is no fantasy.
static const int REGISTERS = 40;

EMULATOR_API CUresult cuFuncSetAttribute(void* handle, int attribute, int value) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Module> module;
  Function* function = function_of(handle, module);
  if (!function) return INVALID_HANDLE;
  if (attribute == FUNCTION_SHARED_CARVEOUT) {
    return value >= -1 && value <= 100 ? SUCCESS : INVALID_VALUE;
  }
  if (attribute != FUNCTION_MAX_DYNAMIC_SHARED || value < 0) return INVALID_VALUE;
  unsigned most = device_model(module->owner->device).shared_per_block_at_most;
  if ((unsigned)value + function->static_shared > most) return INVALID_VALUE;
  function->dynamic_shared_at_most = value;
  return SUCCESS;
}

EMULATOR_API CUresult cuFuncGetAttribute(int* value, int attribute, void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Module> module;
  Function* function = function_of(handle, module);
  if (!function) return INVALID_HANDLE;
  const DeviceModel& model = device_model(module->owner->device);
  switch (attribute) {
    case FUNCTION_MAX_THREADS: *value = function->max_threads; return SUCCESS;
    case FUNCTION_STATIC_SHARED: *value = (int)function->static_shared; return SUCCESS;
    case FUNCTION_CONSTANT: *value = 0; return SUCCESS;
    case FUNCTION_LOCAL: *value = 0; return SUCCESS;
    case FUNCTION_REGISTERS: *value = REGISTERS; return SUCCESS;
    case FUNCTION_PTX_VERSION:
    case FUNCTION_BINARY_VERSION: *value = 10 * model.major + model.minor; return SUCCESS;
    case FUNCTION_CACHE_MODE: *value = 0; return SUCCESS;
    case FUNCTION_MAX_DYNAMIC_SHARED:
      *value = (int)function->dynamic_shared_at_most;
      return SUCCESS;
    case FUNCTION_SHARED_CARVEOUT: *value = -1; return SUCCESS;
  }
  return INVALID_VALUE;
}

EMULATOR_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle,
                                                                  int threads, size_t dynamic) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Module> module;
  Function* function = function_of(handle, module);
  if (!function) return INVALID_HANDLE;
  if (threads <= 0) return INVALID_VALUE;
  const DeviceModel& model = device_model(module->owner->device);
  int whole_warps = (threads + 31) / 32 * 32;
  size_t shared = function->static_shared + dynamic + model.shared_reserved;
  size_t most = model.blocks_per_multiprocessor;
  most = std::min(most, (size_t)(model.threads_per_multiprocessor / whole_warps));
  most = std::min(most, (size_t)(65536 / (whole_warps * REGISTERS)));
  if (shared) most = std::min(most, model.shared_per_multiprocessor / shared);
  bool fits = threads <= function->max_threads &&
              function->static_shared + dynamic <= (size_t)model.shared_per_block_at_most;
  *blocks = fits ? (int)most : 0;
  return SUCCESS;
}

// ---- launches -----------------------------------------------------------------------------------

static bool dims_allowed(const PfeDim& grid, const PfeDim& block, const Function& function) {
  if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z) return false;
  if (grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return false;
  if (block.x > 1024 || block.y > 1024 || block.z > 64) return false;
  return (uint64_t)block.x * block.y * block.z <= (uint64_t)function.max_threads;
}

// Arguments are copied now, each at a multiple of 16 bytes.
static void copy_arguments(Launch& launch, void** values) {
  size_t bytes = 0;
  const int* sizes = launch.function->kernel->sizes;
  for (const int* size = sizes; *size; size++) bytes += (*size + 15) / 16 * 16;
  launch.storage.reset(new unsigned char[bytes + 16]);
  unsigned char* at = launch.storage.get();
  at += -(uintptr_t)at & 15;
  for (const int* size = sizes; *size; size++) {
    memcpy(at, *values++, *size);
    launch.values.push_back(at);
    at += (*size + 15) / 16 * 16;
  }
}

namespace emulator {

int make_launch(Context* context, void* handle, const PfeDim& grid, const PfeDim& block,
                unsigned dynamic, void** values, void** extra, std::shared_ptr<Launch>& made) {
  auto launch = std::make_shared<Launch>();
  launch->function = function_of(handle, launch->module);
  if (!launch->function || launch->module->owner != context) return INVALID_HANDLE;
  launch->context = context;
  launch->grid = grid;
  launch->block = block;
  if (!dims_allowed(launch->grid, launch->block, *launch->function)) return INVALID_VALUE;
  if (dynamic > launch->function->dynamic_shared_at_most) return INVALID_VALUE;
  if (extra || (!values && launch->function->kernel->sizes[0])) return INVALID_VALUE;
  launch->dynamic_shared = dynamic;
  launch->threads = block.x * block.y * block.z;
  launch->blocks = (uint64_t)grid.x * grid.y * grid.z;
  copy_arguments(*launch, values);
  made = std::move(launch);
  return SUCCESS;
}

bool is_loaded(void* handle) {
  std::shared_ptr<Module> module;
  return function_of(handle, module) != nullptr;
}

}  // namespace emulator

EMULATOR_API CUresult cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y,
                                     unsigned grid_z, unsigned block_x, unsigned block_y,
                                     unsigned block_z, unsigned dynamic, void* stream_handle,
                                     void** values, void** extra) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Stream> stream = stream_of(stream_handle);
  if (!stream) return INVALID_HANDLE;
  std::shared_ptr<Launch> launch;
  int code = make_launch(context, handle, PfeDim{grid_x, grid_y, grid_z},
                         PfeDim{block_x, block_y, block_z}, dynamic, values, extra, launch);
  if (code != SUCCESS) return code;
  return enqueue(*stream, [launch](const Slice& slice) { return run_launch(*launch, slice); });
}
