// Lists of copies and launches, as pf_run gets them: where each command ends, what it says.

#ifndef PF_LIST_H
#define PF_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "pairfold_cuda.h"

// A list as it is read, and what it may read.
typedef struct List {
  const uint64_t* words;
  uint64_t count;
  const unsigned char* data;
  uint64_t bytes;
} List;

// A copy to the device.
typedef struct ListCopy {
  uint64_t target;
  const unsigned char* source;
  uint64_t bytes;
} ListCopy;

// Words of a launch before its arguments.
enum { LAUNCH_WORDS = 6 };

// The words that the command at a place has; 0 where it is none, or does not end in the list.
uint64_t list_length_at(const List* list, uint64_t at);
// Whether a whole command is a copy, and which.
bool list_copy(const List* list, const uint64_t* command, ListCopy* copy);

#endif
