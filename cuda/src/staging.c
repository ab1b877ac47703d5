// See staging.h.

#include "staging.h"

#include "device.h"

CUresult ring_prepare(Ring* ring, const Driver* driver) {
  if (ring->memory) return 0;
  void* memory = NULL;
  CUresult code = driver->cuMemHostAlloc(&memory, ring->bytes * ring->count, 0);
  for (uint32_t k = 0; code == 0 && k < ring->count; k++) {
    Chunk* chunk = &ring->chunks[k];
    *chunk = (Chunk){.memory = (unsigned char*)memory + k * ring->bytes, .event = chunk->event};
    // events made by an attempt that failed later are still there
    if (!chunk->event) code = driver->cuEventCreate(&chunk->event, EVENT_FLAGS_UNTIMED);
  }
  if (code == 0) {
    ring->memory = memory;
  } else if (memory) {
    driver->cuMemFreeHost(memory);
  }
  return code;
}

Chunk* ring_take(Ring* ring) {
  for (uint32_t k = 0; k < ring->count; k++) {
    uint32_t index = (ring->next + k) % ring->count;
    Chunk* chunk = &ring->chunks[index];
    if (chunk->taken) continue;
    chunk->taken = true;
    ring->next = (index + 1) % ring->count;
    return chunk;
  }
  return NULL;
}

void ring_clear(Ring* ring, const Driver* driver) {
  for (uint32_t k = 0; k < ring->count; k++) {
    Chunk* chunk = &ring->chunks[k];
    if (driver && chunk->event) driver->cuEventDestroy_v2(chunk->event);
    *chunk = (Chunk){0};
  }
  if (driver && ring->memory) driver->cuMemFreeHost(ring->memory);
  ring->memory = NULL;
  ring->next = 0;
}
