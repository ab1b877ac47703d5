// Entry points of the allocator, and filling and copying on the device.

#include "device.h"
#include "report.h"

pf_status pf_memory(pf_report* report, uint64_t handle, uint64_t* live, uint64_t* pooled,
                    uint64_t* available, uint64_t* total) {
  if (!live || !pooled || !available || !total) {
    return report_invalid(report, "pf_memory: a pointer is null");
  }
  Device* device;
  pf_status status = device_enter(report, handle, "pf_memory", &device);
  if (status != PF_OK) return status;
  size_t driver_available = 0, driver_total = 0;
  CUresult code = driver_get()->cuMemGetInfo_v2(&driver_available, &driver_total);
  *live = device->pool.live_bytes;
  *pooled = device->pool.pooled_bytes;
  *available = driver_available;
  *total = driver_total;
  return device_leave(device, device_check(report, device, code, "pf_memory"));
}

// Pooled blocks may still be in use by queued work: that has to end before the driver gets them.
static CUresult trim(Device* device, const Driver* driver) {
  if (device->pool.pooled_bytes == 0) return 0;
  CUresult code = driver->cuCtxSynchronize();
  // a graph names what it copies, and the driver may look at it when the graph is launched
  graphs_forget(device, 0, UINT64_MAX);
  return code == 0 ? pool_trim(&device->pool, driver) : code;
}

pf_status pf_alloc(pf_report* report, uint64_t handle, uint64_t bytes, uint64_t* address) {
  if (!address) return report_invalid(report, "pf_alloc: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_alloc", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  Pool* pool = &device->pool;
  CUresult code = pool_take(pool, driver, bytes, address);
  if (code == CUDA_OUT_OF_MEMORY && pool->pooled_bytes > 0) {
    code = trim(device, driver);
    if (code == 0) code = pool_take(pool, driver, bytes, address);
  }
  if (code == 0) return device_leave(device, report_ok(report));
  Text detail = {0};
  text_add(&detail, "%llu bytes beside %llu in use", (unsigned long long)bytes,
           (unsigned long long)pool->live_bytes);
  status = device_failed(report, device, code, PF_DRIVER, "pf_alloc", text_get(&detail));
  text_clear(&detail);
  return device_leave(device, status);
}

pf_status pf_free(pf_report* report, uint64_t handle, uint64_t address) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_free", &device);
  if (status != PF_OK) return status;
  CUresult code;
  if (device->pool.exact) {
    uint64_t bytes = pool_bytes(&device->pool, address);
    if (bytes > 0) graphs_forget(device, address, address + bytes - 1);
  }
  if (pool_give(&device->pool, driver_get(), address, &code)) {
    status = device_check(report, device, code, "pf_free");
  } else {
    status = report_invalid(report, "pf_free: got %#llx, which is no allocation of the device",
                            (unsigned long long)address);
  }
  return device_leave(device, status);
}

pf_status pf_trim(pf_report* report, uint64_t handle) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_trim", &device);
  if (status != PF_OK) return status;
  CUresult code = trim(device, driver_get());
  return device_leave(device, device_check(report, device, code, "pf_trim"));
}

pf_status pf_copy(pf_report* report, uint64_t handle, uint64_t stream, uint64_t target,
                  uint64_t source, uint64_t bytes) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_copy", &device);
  if (status != PF_OK) return status;
  CUstream queue;
  if (!device_stream(report, device, stream, &queue, "pf_copy") ||
      !device_holds(report, device, target, bytes, "pf_copy") ||
      !device_holds(report, device, source, bytes, "pf_copy")) {
    return device_leave(device, PF_INVALID);
  }
  CUresult code = 0;
  device->work++;
  if (bytes > 0) code = driver_get()->cuMemcpyDtoDAsync_v2(target, source, bytes, queue);
  return device_leave(device, device_check(report, device, code, "pf_copy"));
}

pf_status pf_fill(pf_report* report, uint64_t handle, uint64_t stream, uint64_t target,
                  uint8_t byte, uint64_t bytes) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_fill", &device);
  if (status != PF_OK) return status;
  CUstream queue;
  if (!device_stream(report, device, stream, &queue, "pf_fill") ||
      !device_holds(report, device, target, bytes, "pf_fill")) {
    return device_leave(device, PF_INVALID);
  }
  CUresult code = 0;
  device->work++;
  if (bytes > 0) code = driver_get()->cuMemsetD8Async(target, byte, bytes, queue);
  return device_leave(device, device_check(report, device, code, "pf_fill"));
}
