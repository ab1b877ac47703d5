// The driver's entry points for memory and copies.
//
// Enters: sizes, device and host addresses. Leaves: allocations, and copies queued on streams.

#include <cstring>
#include <memory>

#include "device.h"
#include "memory.h"
#include "result.h"
#include "stream.h"

using namespace emulator;

EMULATOR_API CUresult cuMemGetInfo_v2(size_t* available, size_t* total) {
  ENTER;
  NEED_CONTEXT(context);
  *total = device_memory(context->device);
  std::lock_guard<std::mutex> guard(queue_lock());
  *available = *total > context->used_bytes ? *total - context->used_bytes : 0;
  return SUCCESS;
}

EMULATOR_API CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  ENTER;
  NEED_CONTEXT(context);
  if (!bytes) return INVALID_VALUE;
  {
    std::lock_guard<std::mutex> guard(queue_lock());
    size_t total = device_memory(context->device);
    if (bytes > total || context->used_bytes > total - bytes) return OUT_OF_MEMORY;
    context->used_bytes += bytes;
  }
  Allocation* allocation = allocate_device(context, bytes);
  if (!allocation) {
    std::lock_guard<std::mutex> guard(queue_lock());
    context->used_bytes -= bytes;
    return OUT_OF_MEMORY;
  }
  *address = (CUdeviceptr)allocation->block.start;
  return SUCCESS;
}

// As the driver's, it waits for all work that may use the memory.
EMULATOR_API CUresult cuMemFree_v2(CUdeviceptr address) {
  ENTER;
  NEED_CONTEXT(context);
  if (!address) return SUCCESS;
  Allocation* allocation = device_allocation(address);
  if (!allocation || allocation->owner != context) return INVALID_VALUE;
  run_all(*context);
  std::lock_guard<std::mutex> engine(engine_lock());
  if (!context->lost && !allocation->slack_intact()) {
    context->lose(ILLEGAL_ADDRESS);
    explain(ILLEGAL_ADDRESS, "bytes behind the end of an allocation of " +
                                 std::to_string(allocation->block.bytes) +
                                 " bytes were written");
  }
  std::lock_guard<std::mutex> queues(queue_lock());
  context->used_bytes -= allocation->block.bytes;
  free_device(allocation);
  return context->lost;
}

EMULATOR_API CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  ENTER;
  NEED_CONTEXT(context);
  if (!bytes) return INVALID_VALUE;
  *address = allocate_pinned(bytes);
  return *address ? SUCCESS : OUT_OF_MEMORY;
}

EMULATOR_API CUresult cuMemFreeHost(void* address) {
  ENTER;
  Context* context = current_context();
  if (!context) return INVALID_CONTEXT;
  run_all(*context);
  std::lock_guard<std::mutex> guard(engine_lock());
  return free_pinned(address) ? (int)context->lost : INVALID_VALUE;
}

// ---- copies -------------------------------------------------------------------------------------

// The stream of a handle, or a return with the driver's code.
#define NEED_STREAM(stream, handle)                             \
  std::shared_ptr<emulator::Stream> stream = stream_of(handle); \
  if (!stream) return INVALID_HANDLE

// Pinned memory is read when the copy runs, so that staging that is used again too early shows;
// other memory is read now, as the driver does.
EMULATOR_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void* source, size_t bytes,
                                           void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  NEED_STREAM(stream, handle);
  if (!bytes) return SUCCESS;
  if (!device_range(target, bytes)) return INVALID_VALUE;
  count_bytes("bytes up", bytes);
  std::shared_ptr<unsigned char> snapshot;
  if (!pinned_range(source, bytes)) {
    snapshot.reset(new unsigned char[bytes], std::default_delete<unsigned char[]>());
    memcpy(snapshot.get(), source, bytes);
  }
  return enqueue(*stream, [=](const Slice&) {
    memcpy((void*)target, snapshot ? snapshot.get() : source, bytes);
    note_device_write(target, bytes);
    return true;
  });
}

// The target is filled only when somebody waits, even where it is not pinned.
EMULATOR_API CUresult cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, size_t bytes,
                                           void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  NEED_STREAM(stream, handle);
  if (!bytes) return SUCCESS;
  if (!device_range(source, bytes)) return INVALID_VALUE;
  count_bytes("bytes down", bytes);
  return enqueue(*stream, [=](const Slice&) {
    memcpy(target, (const void*)source, bytes);
    return true;
  });
}

EMULATOR_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes,
                                           void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  NEED_STREAM(stream, handle);
  if (!bytes) return SUCCESS;
  if (!device_range(target, bytes) || !device_range(source, bytes)) return INVALID_VALUE;
  return enqueue(*stream, [=](const Slice&) {
    memmove((void*)target, (const void*)source, bytes);
    note_device_copy(target, source, bytes);
    return true;
  });
}

EMULATOR_API CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char byte, size_t count,
                                      void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  NEED_STREAM(stream, handle);
  if (!count) return SUCCESS;
  if (!device_range(target, count)) return INVALID_VALUE;
  return enqueue(*stream, [=](const Slice&) {
    memset((void*)target, byte, count);
    note_device_write(target, count);
    return true;
  });
}
