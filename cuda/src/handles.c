// See handles.h. A handle is serial << 32 | index + 1.

#include "handles.h"

#include <stdatomic.h>
#include <stdlib.h>

uint32_t handles_serial(void) {
  static atomic_uint last;
  return (uint32_t)atomic_fetch_add(&last, 1) + 1;
}

static HandleEntry* entry_of(const Handles* handles, HandleKind kind, uint64_t handle) {
  uint32_t index = (uint32_t)handle - 1;
  if ((uint32_t)handle == 0 || index >= handles->count) return NULL;
  HandleEntry* entry = &handles->entries[index];
  return entry->kind == kind && entry->serial == handle >> 32 ? entry : NULL;
}

uint64_t handles_add(Handles* handles, HandleKind kind, void* object) {
  uint32_t index;
  if (handles->free) {
    index = handles->free - 1;
    handles->free = handles->entries[index].next;
  } else {
    if (handles->count == handles->capacity) {
      uint32_t capacity = handles->capacity ? 2 * handles->capacity : 64;
      HandleEntry* entries = realloc(handles->entries, capacity * sizeof(*entries));
      if (!entries) return 0;
      handles->entries = entries;
      handles->capacity = capacity;
    }
    index = handles->count++;
  }
  HandleEntry* entry = &handles->entries[index];
  *entry = (HandleEntry){.object = object, .serial = handles_serial(), .kind = kind};
  return (uint64_t)entry->serial << 32 | (index + 1);
}

void* handles_find(const Handles* handles, HandleKind kind, uint64_t handle) {
  HandleEntry* entry = entry_of(handles, kind, handle);
  return entry ? entry->object : NULL;
}

void* handles_take(Handles* handles, HandleKind kind, uint64_t handle) {
  HandleEntry* entry = entry_of(handles, kind, handle);
  if (!entry) return NULL;
  void* object = entry->object;
  *entry = (HandleEntry){.next = handles->free, .kind = HANDLE_FREE};
  handles->free = (uint32_t)handle;
  return object;
}

void handles_clear(Handles* handles) {
  free(handles->entries);
  *handles = (Handles){0};
}
