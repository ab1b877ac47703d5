// The driver's entry points for contexts.
//
// Enters: devices. Leaves: each device's primary context; the calling thread's current one.

#include <map>

#include "device.h"
#include "launch.h"
#include "memory.h"
#include "module.h"
#include "result.h"
#include "stream.h"

namespace emulator {

static thread_local Context* current = nullptr;
Context* current_context() { return current; }

// Never freed: a handle stays the device's own, as with the driver's primary contexts.
static Context& primary(int device) {
  static std::map<int, Context*> contexts;
  std::lock_guard<std::mutex> guard(queue_lock());
  Context*& context = contexts[device];
  if (!context) {
    context = new Context;
    context->device = device;
    auto stream = std::make_shared<Stream>();
    stream->owner = context;
    context->streams.push_back(stream);
  }
  return *context;
}

// All that the context had is gone, its fault too.
static void reset(Context& context) {
  std::lock_guard<std::mutex> guard(engine_lock());
  drop_streams(context);
  drop_graphs(context);
  drop_modules(context);
  free_all_device(&context);
  context.used_bytes = 0;
  context.lost = 0;
}

}  // namespace emulator

using namespace emulator;

EMULATOR_API CUresult cuDevicePrimaryCtxRetain(void** context, int device) {
  ENTER;
  if (!is_device(device)) return INVALID_DEVICE;
  Context& own = primary(device);
  own.retained++;
  *context = &own;
  return SUCCESS;
}

EMULATOR_API CUresult cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER;
  if (!is_device(device)) return INVALID_DEVICE;
  Context& own = primary(device);
  if (own.retained <= 0) return INVALID_CONTEXT;
  if (--own.retained == 0) reset(own);
  return SUCCESS;
}

EMULATOR_API CUresult cuDevicePrimaryCtxReset_v2(int device) {
  ENTER;
  if (!is_device(device)) return INVALID_DEVICE;
  reset(primary(device));
  return SUCCESS;
}

EMULATOR_API CUresult cuCtxSetCurrent(void* context) {
  ENTER;
  current = (Context*)context;
  return SUCCESS;
}

EMULATOR_API CUresult cuCtxGetCurrent(void** context) {
  ENTER;
  *context = current;
  return SUCCESS;
}

EMULATOR_API CUresult cuCtxGetDevice(int* device) {
  ENTER;
  if (!current) return INVALID_CONTEXT;
  *device = current->device;
  return SUCCESS;
}

EMULATOR_API CUresult cuCtxSynchronize() {
  ENTER;
  NEED_CONTEXT(context);
  run_all(*context);
  return context->lost;
}
