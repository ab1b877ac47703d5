// Lists of copies and launches that one call queues.

#include "device.h"
#include "report.h"

// A list as it is read, and what it may read.
typedef struct List {
  const uint64_t* words;
  uint64_t count;
  const unsigned char* data;
  uint64_t bytes;
} List;

// Words of a command before a launch's arguments.
enum { UPLOAD_WORDS = 4, LAUNCH_WORDS = 6 };

// The words that the command at a place has; 0 where it is none, or does not end in the list.
static uint64_t length_at(const List* list, uint64_t at) {
  const uint64_t* command = list->words + at;
  uint64_t left = list->count - at;
  if (command[0] == PF_RUN_UPLOAD && left >= UPLOAD_WORDS) {
    uint64_t offset = command[2], bytes = command[3];
    return offset <= list->bytes && bytes <= list->bytes - offset ? UPLOAD_WORDS : 0;
  }
  if (command[0] == PF_RUN_LAUNCH && left >= LAUNCH_WORDS) {
    bool fits = command[2] <= UINT32_MAX && command[3] <= UINT32_MAX && command[4] <= UINT32_MAX;
    uint64_t arguments = command[5];
    bool ends = arguments <= MOST_ARGUMENTS && arguments <= left - LAUNCH_WORDS;
    return fits && ends ? LAUNCH_WORDS + arguments : 0;
  }
  return 0;
}

// Whether all of a list can be queued as far as the shim can tell: so that nothing of it is else.
static bool is_whole(pf_report* report, Device* device, const List* list) {
  for (uint64_t at = 0; at < list->count;) {
    const uint64_t* command = list->words + at;
    uint64_t length = length_at(list, at);
    if (length == 0) {
      report_invalid(report, "pf_run: no command, or not a whole one, at word %llu of %llu",
                     (unsigned long long)at, (unsigned long long)list->count);
      return false;
    }
    bool known = command[0] == PF_RUN_UPLOAD
                     ? device_holds(report, device, command[1], command[3], "pf_run")
                     : device_function(report, device, command[1], "pf_run") != NULL;
    if (!known) return false;
    at += length;
  }
  return true;
}

static pf_status queue_command(pf_report* report, Device* device, CUstream stream, const List* list,
                               const uint64_t* command) {
  if (command[0] == PF_RUN_UPLOAD) {
    const unsigned char* source = list->data + command[2];
    CUresult code =
        device_upload(device, driver_get(), stream, command[1], source, command[3]);
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
                 uint64_t count, const void* data, uint64_t bytes) {
  if ((!words && count > 0) || (!data && bytes > 0)) {
    return report_invalid(report, "pf_run: a pointer is null");
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
  status = report_ok(report);
  for (uint64_t at = 0; status == PF_OK && at < count; at += length_at(&list, at)) {
    status = queue_command(report, device, queue, &list, words + at);
  }
  return device_leave(device, status);
}
