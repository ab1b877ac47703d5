// Handles of what a device holds: a number that was given back, or never given, finds nothing.

#ifndef PF_HANDLES_H
#define PF_HANDLES_H

#include <stdint.h>

typedef enum HandleKind {
  HANDLE_FREE,
  HANDLE_STREAM,
  HANDLE_OLD_STREAM,  // nobody has its handle
  HANDLE_EVENT,
  HANDLE_MODULE,
  HANDLE_FUNCTION
} HandleKind;

typedef struct HandleEntry {
  void* object;
  uint32_t serial;  // differs each time that the entry is taken
  uint32_t next;    // of the free entries: index + 1
  HandleKind kind;
} HandleEntry;

typedef struct Handles {
  HandleEntry* entries;
  uint32_t count;
  uint32_t capacity;
  uint32_t free;  // index + 1
} Handles;

// A new handle, 0 where the host has no memory left.
uint64_t handles_add(Handles* handles, HandleKind kind, void* object);
void* handles_find(const Handles* handles, HandleKind kind, uint64_t handle);
// Finds and forgets.
void* handles_take(Handles* handles, HandleKind kind, uint64_t handle);
void handles_clear(Handles* handles);
// A number that no other call gives, for handles of all devices.
uint32_t handles_serial(void);

#endif
