// Streams and events.

#include <stdlib.h>

#include "device.h"
#include "report.h"

// A moment is worth spending on looking again: sleeping and waking costs tens of microseconds.
#define LOOKING_NANOSECONDS 50000

CUresult event_wait(const Driver* driver, CUevent event) {
  uint64_t start = clock_nanoseconds();
  do {
    CUresult code = driver->cuEventQuery(event);
    if (code != CUDA_NOT_READY) return code;
  } while (clock_nanoseconds() - start < LOOKING_NANOSECONDS);
  return driver->cuEventSynchronize(event);
}

pf_status pf_stream_create(pf_report* report, uint64_t handle, uint64_t* stream) {
  if (!stream) return report_invalid(report, "pf_stream_create: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_stream_create", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  CUstream made = NULL;
  // 1: it does not wait for the default stream, which is not used here
  status = device_check(report, device, driver->cuStreamCreate(&made, 1), "pf_stream_create");
  if (status == PF_OK) {
    *stream = handles_add(&device->handles, HANDLE_STREAM, made);
    device->has_streams = true;
    if (!*stream) {
      driver->cuStreamDestroy_v2(made);
      status = report_no_host_memory(report, "pf_stream_create");
    }
  }
  return device_leave(device, status);
}

pf_status pf_stream_free(pf_report* report, uint64_t handle, uint64_t stream) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_stream_free", &device);
  if (status != PF_OK) return status;
  CUstream found = handles_take(&device->handles, HANDLE_STREAM, stream);
  if (found && device->guests > 0) {
    // one of those who wait may queue on it yet; there is room for the handle just taken
    handles_add(&device->handles, HANDLE_OLD_STREAM, found);
    device->old_streams++;
  } else if (found) {
    // the driver ends the work that is queued before it frees the stream
    CUresult code = driver_get()->cuStreamDestroy_v2(found);
    status = device_check(report, device, code, "pf_stream_free");
  } else {
    status = report_invalid(report, "pf_stream_free: got %llu, which is no stream of the device",
                            (unsigned long long)stream);
  }
  return device_leave(device, status);
}

static Event* find_event(pf_report* report, Device* device, uint64_t event, const char* function) {
  Event* found = handles_find(&device->handles, HANDLE_EVENT, event);
  if (!found) {
    report_invalid(report, "%s: got %llu, which is no event of the device", function,
                   (unsigned long long)event);
  }
  return found;
}

pf_status pf_stream_wait(pf_report* report, uint64_t handle, uint64_t stream, uint64_t event) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_stream_wait", &device);
  if (status != PF_OK) return status;
  CUstream queue;
  Event* found = find_event(report, device, event, "pf_stream_wait");
  if (!found || !device_stream(report, device, stream, &queue, "pf_stream_wait")) {
    return device_leave(device, PF_INVALID);
  }
  CUresult code = driver_get()->cuStreamWaitEvent(queue, found->event, 0);
  return device_leave(device, device_check(report, device, code, "pf_stream_wait"));
}

pf_status pf_event_record(pf_report* report, uint64_t handle, uint64_t stream, uint64_t* event) {
  if (!event) return report_invalid(report, "pf_event_record: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_event_record", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  CUstream queue;
  if (!device_stream(report, device, stream, &queue, "pf_event_record")) {
    return device_leave(device, PF_INVALID);
  }
  Event* made = calloc(1, sizeof(*made));
  *event = made ? handles_add(&device->handles, HANDLE_EVENT, made) : 0;
  if (!*event) {
    free(made);
    return device_leave(device, report_no_host_memory(report, "pf_event_record"));
  }
  CUresult code = 0;
  if (device->idle_event_count > 0) {
    made->event = device->idle_events[--device->idle_event_count];
  } else {
    code = driver->cuEventCreate(&made->event, EVENT_FLAGS_TIMED);
  }
  if (code == 0) code = driver->cuEventRecord(made->event, queue);
  status = device_check(report, device, code, "pf_event_record");
  if (status != PF_OK) {
    handles_take(&device->handles, HANDLE_EVENT, *event);
    if (made->event) {
      event_release(device, driver, made);
    } else {
      free(made);
    }
    *event = 0;
  }
  return device_leave(device, status);
}

pf_status pf_event_query(pf_report* report, uint64_t handle, uint64_t event, int32_t* done) {
  if (!done) return report_invalid(report, "pf_event_query: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_event_query", &device);
  if (status != PF_OK) return status;
  Event* found = find_event(report, device, event, "pf_event_query");
  if (!found) return device_leave(device, PF_INVALID);
  CUresult code = driver_get()->cuEventQuery(found->event);
  *done = code == 0;
  if (code == CUDA_NOT_READY) code = 0;
  return device_leave(device, device_check(report, device, code, "pf_event_query"));
}

pf_status pf_event_wait(pf_report* report, uint64_t handle, uint64_t event) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_event_wait", &device);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  Event* found = find_event(report, device, event, "pf_event_wait");
  if (!found) return device_leave(device, PF_INVALID);
  found->waiters++;
  device_step_out(device);
  CUresult code = event_wait(driver, found->event);
  device_step_in(device);
  status = device_check(report, device, code, "pf_event_wait");
  if (--found->waiters == 0 && found->freed) event_release(device, driver, found);
  return device_leave(device, status);
}

pf_status pf_event_elapsed(pf_report* report, uint64_t handle, uint64_t from, uint64_t to,
                           float* milliseconds) {
  if (!milliseconds) return report_invalid(report, "pf_event_elapsed: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_event_elapsed", &device);
  if (status != PF_OK) return status;
  Event* first = find_event(report, device, from, "pf_event_elapsed");
  Event* last = first ? find_event(report, device, to, "pf_event_elapsed") : NULL;
  if (!last) return device_leave(device, PF_INVALID);
  CUresult code = driver_get()->cuEventElapsedTime(milliseconds, first->event, last->event);
  if (code == CUDA_NOT_READY) {
    status = report_invalid(report, "pf_event_elapsed: an event has not happened yet");
  } else {
    status = device_check(report, device, code, "pf_event_elapsed");
  }
  return device_leave(device, status);
}

pf_status pf_event_free(pf_report* report, uint64_t handle, uint64_t event) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_event_free", &device);
  if (status != PF_OK) return status;
  Event* found = find_event(report, device, event, "pf_event_free");
  if (!found) return device_leave(device, PF_INVALID);
  handles_take(&device->handles, HANDLE_EVENT, event);
  if (found->waiters > 0) {
    found->freed = true;  // by the last call that waits for it
  } else {
    event_release(device, driver_get(), found);
  }
  return device_leave(device, report_ok(report));
}

pf_status pf_synchronize(pf_report* report, uint64_t handle) {
  Device* device;
  pf_status status = device_enter(report, handle, "pf_synchronize", &device);
  if (status != PF_OK) return status;
  device_step_out(device);
  CUresult code = driver_get()->cuCtxSynchronize();
  device_step_in(device);
  return device_leave(device, device_check(report, device, code, "pf_synchronize"));
}
