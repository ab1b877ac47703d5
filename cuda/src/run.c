// Lists of copies and launches that one call queues.

#include "device.h"
#include "graphs.h"
#include "list.h"
#include "report.h"

// Whether all of a list can be queued as far as the shim can tell: so that nothing of it is else.
static bool is_whole(pf_report* report, Device* device, const List* list) {
  for (uint64_t at = 0; at < list->count;) {
    const uint64_t* command = list->words + at;
    uint64_t length = list_length_at(list, at);
    if (length == 0) {
      report_invalid(report, "pf_run: no command, or not a whole one, at word %llu of %llu",
                     (unsigned long long)at, (unsigned long long)list->count);
      return false;
    }
    ListCopy copy;
    bool known = list_copy(list, command, &copy)
                     ? device_holds(report, device, copy.target, copy.bytes, "pf_run")
                     : device_function(report, device, command[1], "pf_run") != NULL;
    if (!known) return false;
    at += length;
  }
  return true;
}

static pf_status queue_command(pf_report* report, Device* device, CUstream stream, const List* list,
                               const uint64_t* command) {
  ListCopy copy;
  if (list_copy(list, command, &copy)) {
    CUresult code =
        device_upload(device, driver_get(), stream, copy.target, copy.source, copy.bytes);
    return device_check(report, device, code, "pf_run");
  }
  // an upload lets others in, who may have unloaded it
  Function* function = device_function(report, device, command[1], "pf_run");
  if (!function) return PF_INVALID;
  uint32_t dims[] = {(uint32_t)command[2], 1, 1, (uint32_t)command[3], 1, 1, (uint32_t)command[4]};
  void* pointers[MOST_ARGUMENTS];
  for (uint64_t k = 0; k < command[5]; k++) {
    pointers[k] = (void*)(uintptr_t)(command + LAUNCH_WORDS + k);
  }
  return device_launch(report, device, function, stream, dims, pointers, "pf_run");
}

pf_status pf_run(pf_report* report, uint64_t handle, uint64_t stream, const uint64_t* words,
                 uint64_t count, const void* data, uint64_t bytes, int32_t graphs) {
  if ((!words && count > 0) || (!data && bytes > 0)) {
    return report_invalid(report, "pf_run: a pointer is null");
  }
  if (graphs < PF_GRAPHS_NEVER || graphs > PF_GRAPHS_ALWAYS) {
    return report_invalid(report, "pf_run: got %d for graphs", graphs);
  }
  Device* device;
  pf_status status = device_enter(report, handle, "pf_run", &device);
  if (status != PF_OK) return status;
  List list = {.words = words, .count = count, .data = data, .bytes = bytes};
  CUstream queue;
  if (!device_stream(report, device, stream, &queue, "pf_run") ||
      !is_whole(report, device, &list)) {
    return device_leave(device, PF_INVALID);
  }
  GraphTurn turn;
  if (graphs_run(report, device, &list, stream, queue, graphs, &turn, &status)) {
    return device_leave(device, status);
  }
  status = report_ok(report);
  for (uint64_t at = 0; status == PF_OK && at < count; at += list_length_at(&list, at)) {
    status = queue_command(report, device, queue, &list, words + at);
  }
  if (status == PF_OK) graphs_listed(device, stream, &turn);
  return device_leave(device, status);
}
