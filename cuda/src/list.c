// See list.h.

#include "list.h"

#include "device.h"

enum { UPLOAD_WORDS = 4, WRITE_WORDS = 3 };

uint64_t list_length_at(const List* list, uint64_t at) {
  const uint64_t* command = list->words + at;
  uint64_t left = list->count - at;
  if (command[0] == PF_RUN_UPLOAD && left >= UPLOAD_WORDS) {
    uint64_t offset = command[2], bytes = command[3];
    return offset <= list->bytes && bytes <= list->bytes - offset ? UPLOAD_WORDS : 0;
  }
  if (command[0] == PF_RUN_WRITE && left >= WRITE_WORDS) {
    uint64_t bytes = command[2], words = bytes / 8 + (bytes % 8 > 0);
    return words <= left - WRITE_WORDS ? WRITE_WORDS + words : 0;
  }
  if (command[0] == PF_RUN_LAUNCH && left >= LAUNCH_WORDS) {
    bool fits = command[2] <= UINT32_MAX && command[3] <= UINT32_MAX && command[4] <= UINT32_MAX;
    uint64_t arguments = command[5];
    bool ends = arguments <= MOST_ARGUMENTS && arguments <= left - LAUNCH_WORDS;
    return fits && ends ? LAUNCH_WORDS + arguments : 0;
  }
  return 0;
}

bool list_copy(const List* list, const uint64_t* command, ListCopy* copy) {
  if (command[0] == PF_RUN_UPLOAD) {
    const unsigned char* source = list->data + command[2];
    *copy = (ListCopy){.target = command[1], .source = source, .bytes = command[3]};
  } else if (command[0] == PF_RUN_WRITE) {
    const unsigned char* source = (const unsigned char*)(command + WRITE_WORDS);
    *copy = (ListCopy){.target = command[1], .source = source, .bytes = command[2]};
  } else {
    return false;
  }
  return true;
}
