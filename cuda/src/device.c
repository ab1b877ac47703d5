// Opening, entering, leaving and closing devices; what they say of themselves.

#include "device.h"

#include <stdlib.h>
#include <string.h>

#include "report.h"

// as many devices may be open, or on their way out, at once; ordinals are below it too
#define MOST_DEVICES 64

static Mutex opening = MUTEX_INITIALIZER;
static Device devices[MOST_DEVICES];
// how many slots have a lock that can be taken
static atomic_uint prepared;

// Why a device was lost, by ordinal, until the process ends: opening it again does not help.
static Mutex losing = MUTEX_INITIALIZER;
static char* lost_texts[MOST_DEVICES];

// CUdevice_attribute's numbers of the compute capability
enum { CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76, STREAM_NON_BLOCKING = 1 };

// ---- what is lost ---------------------------------------------------------------------------

static void lose(Device* device, const char* text) {
  device->lost = true;
  mutex_lock(&losing);
  if (!lost_texts[device->ordinal]) {
    char* copy = malloc(strlen(text) + 1);
    lost_texts[device->ordinal] = copy ? strcpy(copy, text) : NULL;
  }
  mutex_unlock(&losing);
}

static pf_status report_lost(pf_report* report, int32_t ordinal, const char* function) {
  mutex_lock(&losing);
  const char* text = lost_texts[ordinal];
  report_text(report, PF_CONTEXT_LOST, 0,
              "%s: device %d is lost until the process ends; first reported by %s", function,
              ordinal, text ? text : "a call before");
  mutex_unlock(&losing);
  return PF_CONTEXT_LOST;
}

static bool is_lost(int32_t ordinal) {
  mutex_lock(&losing);
  bool lost = lost_texts[ordinal] != NULL;
  mutex_unlock(&losing);
  return lost;
}

pf_status device_failed(pf_report* report, Device* device, CUresult code, pf_status status,
                        const char* function, const char* detail) {
  const Driver* driver = driver_get();
  Text text = {0};
  text_add(&text, "%s: %s%s", function, detail ? detail : "", detail ? ": " : "");
  driver_describe(driver, code, &text);
  if (driver_is_sticky(code)) {
    text_add(&text, "; the last kernel launched before was %s",
             device->kernel[0] ? device->kernel : "none");
    text_add(&text, " (with CUDA_LAUNCH_BLOCKING=1 the one to blame reports it)");
    lose(device, text_get(&text));
    report_text(report, PF_CONTEXT_LOST, code, "device %d is lost until the process ends: %s",
                device->ordinal, text_get(&text));
    status = PF_CONTEXT_LOST;
  } else {
    if (code == CUDA_OUT_OF_MEMORY) status = PF_OUT_OF_MEMORY;
    report_text(report, status, code, "%s", text_get(&text));
  }
  text_clear(&text);
  return status;
}

pf_status device_check(pf_report* report, Device* device, CUresult code, const char* function) {
  return code == 0 ? report_ok(report)
                   : device_failed(report, device, code, PF_DRIVER, function, NULL);
}

// ---- entering and leaving -------------------------------------------------------------------

// The device of a handle with its lock held, also a lost one.
static Device* find(uint64_t handle) {
  uint32_t index = (uint32_t)handle - 1;
  if ((uint32_t)handle == 0 || index >= atomic_load(&prepared)) return NULL;
  Device* device = &devices[index];
  mutex_lock(&device->mutex);
  if (device->used && device->handle == handle) return device;
  mutex_unlock(&device->mutex);
  return NULL;
}

pf_status device_enter(pf_report* report, uint64_t handle, const char* function, Device** entered) {
  Device* device = find(handle);
  *entered = device;
  if (!device) {
    return report_invalid(report, "%s: got %llu, which is no open device", function,
                          (unsigned long long)handle);
  }
  if (device->lost) {
    return device_leave(device, report_lost(report, device->ordinal, function));
  }
  CUresult code = driver_get()->cuCtxSetCurrent(device->context);
  if (code == 0) return PF_OK;
  return device_leave(device,
                      device_failed(report, device, code, PF_DRIVER, function, "cuCtxSetCurrent"));
}

void event_release(Device* device, const Driver* driver, Event* event) {
  if (device->lost) {
    // the driver forgets it with the context
  } else if (device->idle_event_count < IDLE_EVENTS) {
    device->idle_events[device->idle_event_count++] = event->event;
  } else {
    driver->cuEventDestroy_v2(event->event);
  }
  free(event);
}

void module_forget(Device* device, Module* module) {
  while (module->functions) {
    Function* function = module->functions;
    graphs_forget(device, function->handle, function->handle);
    module->functions = function->next;
    handles_take(&device->handles, HANDLE_FUNCTION, function->handle);
    free(function);
  }
}

// Destroys streams that were freed while calls were waiting, which are over.
static void destroy_old_streams(Device* device) {
  HandleEntry* entries = device->handles.entries;
  for (uint32_t k = 0; device->old_streams > 0; k++) {
    if (entries[k].kind != HANDLE_OLD_STREAM) continue;
    uint64_t handle = (uint64_t)entries[k].serial << 32 | (k + 1);
    CUstream stream = handles_take(&device->handles, HANDLE_OLD_STREAM, handle);
    if (!device->lost) driver_get()->cuStreamDestroy_v2(stream);
    device->old_streams--;
  }
}

// Gives everything back. The context of a lost device takes its memory along.
static void take_down(Device* device) {
  const Driver* driver = driver_get();
  bool works = !device->lost && driver->cuCtxSetCurrent(device->context) == 0 &&
               driver->cuCtxSynchronize() == 0;
  device->lost = !works;
  graphs_clear(device);
  for (uint32_t k = 0; k < device->handles.count; k++) {
    HandleEntry* entry = &device->handles.entries[k];
    bool is_stream = entry->kind == HANDLE_STREAM || entry->kind == HANDLE_OLD_STREAM;
    if (is_stream && works) driver->cuStreamDestroy_v2(entry->object);
    if (entry->kind == HANDLE_EVENT) event_release(device, driver, entry->object);
    if (entry->kind == HANDLE_MODULE) {
      Module* module = entry->object;
      module_forget(device, module);
      if (works) driver->cuModuleUnload(module->module);
      free(module);
    }
  }
  handles_clear(&device->handles);
  device->old_streams = 0;
  ring_clear(&device->small, works ? driver : NULL);
  ring_clear(&device->large, works ? driver : NULL);
  pool_clear(&device->pool, works ? driver : NULL);
  for (uint32_t k = 0; works && k < device->idle_event_count; k++) {
    driver->cuEventDestroy_v2(device->idle_events[k]);
  }
  device->idle_event_count = 0;
  if (works) driver->cuStreamDestroy_v2(device->stream);
  driver->cuDevicePrimaryCtxRelease_v2(device->id);
  device->used = false;
}

pf_status device_leave(Device* device, pf_status status) {
  if (device->handle == 0 && device->guests == 0 && device->used) take_down(device);
  if (device->old_streams > 0 && device->guests == 0) destroy_old_streams(device);
  mutex_unlock(&device->mutex);
  return status;
}

void device_step_out(Device* device) {
  device->guests++;
  mutex_unlock(&device->mutex);
}

void device_step_in(Device* device) {
  mutex_lock(&device->mutex);
  device->guests--;
}

bool device_stream(pf_report* report, Device* device, uint64_t stream, CUstream* found,
                   const char* function) {
  *found = stream ? handles_find(&device->handles, HANDLE_STREAM, stream) : device->stream;
  if (!*found) {
    report_invalid(report, "%s: got %llu, which is no stream of the device", function,
                   (unsigned long long)stream);
  }
  return *found != NULL;
}

bool device_holds(pf_report* report, Device* device, uint64_t address, uint64_t bytes,
                  const char* function) {
  if (pool_holds(&device->pool, address, bytes)) return true;
  report_invalid(report, "%s: %llu bytes at %#llx are not within one allocation of the device",
                 function, (unsigned long long)bytes, (unsigned long long)address);
  return false;
}

// ---- opening and closing --------------------------------------------------------------------

// An unused slot with its lock held; null where there is none. The caller holds `opening`.
static Device* free_slot(void) {
  uint32_t count = atomic_load(&prepared);
  for (uint32_t k = 0; k < count; k++) {
    mutex_lock(&devices[k].mutex);
    if (!devices[k].used) return &devices[k];
    mutex_unlock(&devices[k].mutex);
  }
  if (count == MOST_DEVICES) return NULL;
  mutex_prepare(&devices[count].mutex);
  condition_prepare(&devices[count].chunk_free);
  mutex_lock(&devices[count].mutex);
  atomic_store(&prepared, count + 1);
  return &devices[count];
}

// The slot where an ordinal is open, with its lock held.
static Device* open_slot(int32_t ordinal) {
  uint32_t count = atomic_load(&prepared);
  for (uint32_t k = 0; k < count; k++) {
    mutex_lock(&devices[k].mutex);
    if (devices[k].used && devices[k].handle && devices[k].ordinal == ordinal) return &devices[k];
    mutex_unlock(&devices[k].mutex);
  }
  return NULL;
}

// Fills a slot whose lock is held. On failure the context is given back.
static CUresult fill_slot(const Driver* driver, Device* device, int32_t ordinal) {
  int major = 0, minor = 0;
  CUresult code = driver->cuDeviceGet(&device->id, ordinal);
  if (code == 0) code = driver->cuDeviceGetAttribute(&major, CAPABILITY_MAJOR, device->id);
  if (code == 0) code = driver->cuDeviceGetAttribute(&minor, CAPABILITY_MINOR, device->id);
  if (code == 0) code = driver->cuDeviceGetName(device->name, sizeof(device->name), device->id);
  if (code == 0) code = driver->cuDevicePrimaryCtxRetain(&device->context, device->id);
  if (code != 0) return code;
  device->architecture = 10 * major + minor;
  code = driver->cuCtxSetCurrent(device->context);
  if (code == 0) code = driver->cuStreamCreate(&device->stream, STREAM_NON_BLOCKING);
  if (code != 0) driver->cuDevicePrimaryCtxRelease_v2(device->id);
  return code;
}

static pf_status open_device(pf_report* report, const Driver* driver, int32_t ordinal,
                             uint64_t* handle) {
  Device* device = open_slot(ordinal);
  if (device) {
    device->opens++;
    *handle = device->handle;
    return device_leave(device, report_ok(report));
  }
  device = free_slot();
  if (!device) return report_invalid(report, "pf_device_open: too many devices are open");
  device->ordinal = ordinal;
  device->lost = false;
  device->kernel[0] = 0;
  device->graphs = (Graphs){0};
  device->has_streams = false;
  // A small copy has a chunk of its own, and up to 16 MiB of them may wait behind kernels without
  // anyone waiting for them. 4 x 4 MiB keep the bus and the host's memory busy.
  device->small = (Ring){.bytes = 16 << 10, .step = 16, .most = 1024};
  device->large = (Ring){.bytes = 4 << 20, .step = 1, .most = 4};
  char* exact = environment_copy("PAIRFOLD_CUDA_NO_POOL");
  device->pool.exact = exact != NULL;
  free(exact);
  CUresult code = fill_slot(driver, device, ordinal);
  pf_status status;
  if (code == 0) {
    device->used = true;
    device->opens = 1;
    device->handle = (uint64_t)handles_serial() << 32 | (uint32_t)(device - devices + 1);
    *handle = device->handle;
    status = report_ok(report);
  } else {
    status = device_failed(report, device, code, PF_DRIVER, "pf_device_open", NULL);
  }
  return device_leave(device, status);
}

pf_status pf_device_count(pf_report* report, int32_t* count) {
  if (!count) return report_invalid(report, "pf_device_count: a pointer is null");
  const Driver* driver = driver_need(report, "pf_device_count");
  if (!driver) return PF_NO_DRIVER;
  int found = 0;
  CUresult code = driver->cuDeviceGetCount(&found);
  if (code == 0) {
    *count = found;
    return report_ok(report);
  }
  Text text = {0};
  driver_describe(driver, code, &text);
  report_text(report, PF_DRIVER, code, "pf_device_count: %s", text_get(&text));
  text_clear(&text);
  return PF_DRIVER;
}

pf_status pf_device_open(pf_report* report, int32_t ordinal, uint64_t* device) {
  if (!device) return report_invalid(report, "pf_device_open: a pointer is null");
  int32_t count = 0;
  pf_status status = pf_device_count(report, &count);
  if (status != PF_OK) return status;
  if (ordinal < 0 || ordinal >= count || ordinal >= MOST_DEVICES) {
    return report_text(report, PF_NO_DEVICE, 0,
                       "pf_device_open: got device %d; the driver has %d, numbered from 0", ordinal,
                       count);
  }
  if (is_lost(ordinal)) return report_lost(report, ordinal, "pf_device_open");
  mutex_lock(&opening);
  status = open_device(report, driver_get(), ordinal, device);
  mutex_unlock(&opening);
  return status;
}

pf_status pf_device_close(pf_report* report, uint64_t handle) {
  Device* device = find(handle);
  if (!device) {
    return report_invalid(report, "pf_device_close: got %llu, which is no open device",
                          (unsigned long long)handle);
  }
  if (--device->opens == 0) device->handle = 0;
  return device_leave(device, report_ok(report));
}

// ---- what a device says of itself -----------------------------------------------------------

pf_status pf_device_name(pf_report* report, uint64_t handle) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_device_name", &device);
  if (status != PF_OK) return status;
  return device_leave(device, report_text(report, PF_OK, 0, "%s", device->name));
}

pf_status pf_device_attributes(pf_report* report, uint64_t handle, const int32_t* which,
                               int32_t* values, uint32_t count) {
  if (count > 0 && (!which || !values)) {
    return report_invalid(report, "pf_device_attributes: a pointer is null");
  }
  Device* device;
  pf_status status = device_enter(report, handle, "pf_device_attributes", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  for (uint32_t k = 0; k < count; k++) {
    int value = 0;
    CUresult code = driver->cuDeviceGetAttribute(&value, which[k], device->id);
    if (code == CUDA_INVALID_VALUE) {
      status =
          report_invalid(report, "pf_device_attributes: got %d, which is no attribute", which[k]);
      return device_leave(device, status);
    }
    if (code != 0) {
      return device_leave(device, device_check(report, device, code, "pf_device_attributes"));
    }
    values[k] = value;
  }
  return device_leave(device, report_ok(report));
}
