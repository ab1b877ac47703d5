// See staging.h.

#include "staging.h"

#include <stdlib.h>

#include "device.h"

static void put_first(Ring* ring, Chunk* chunk) {
  chunk->next = ring->first;
  ring->first = chunk;
  if (!ring->last) ring->last = chunk;
}

static Chunk* take_first(Ring* ring) {
  Chunk* chunk = ring->first;
  ring->first = chunk->next;
  if (!ring->first) ring->last = NULL;
  return chunk;
}

CUresult chunk_follow(Chunk* chunk, const Driver* driver, CUstream stream) {
  CUresult code = driver->cuEventRecord(chunk->event, stream);
  chunk->pending = code == 0;
  chunk->untold = code != 0;
  return code;
}

void ring_give(Ring* ring, Chunk* chunk) {
  if (chunk->untold) {
    chunk->next = ring->lost;
    ring->lost = chunk;
    return;
  }
  chunk->next = NULL;
  if (ring->last) {
    ring->last->next = chunk;
  } else {
    ring->first = chunk;
  }
  ring->last = chunk;
}

static void destroy(Ring* ring, Segment* segment, const Driver* driver) {
  for (uint32_t k = 0; driver && k < ring->step; k++) {
    if (segment->chunks[k].event) driver->cuEventDestroy_v2(segment->chunks[k].event);
  }
  if (driver && segment->memory) driver->cuMemFreeHost(segment->memory);
  free(segment);
}

// One more segment, its chunks before all others.
static CUresult grow(Ring* ring, const Driver* driver) {
  Segment* segment = calloc(1, sizeof(Segment) + ring->step * sizeof(Chunk));
  if (!segment) return CUDA_OUT_OF_MEMORY;
  CUresult code = driver->cuMemHostAlloc(&segment->memory, ring->bytes * ring->step, 0);
  for (uint32_t k = 0; code == 0 && k < ring->step; k++) {
    segment->chunks[k].memory = (unsigned char*)segment->memory + k * ring->bytes;
    code = driver->cuEventCreate(&segment->chunks[k].event, EVENT_FLAGS_UNTIMED);
  }
  if (code != 0) {
    destroy(ring, segment, driver);
    return code;
  }
  for (uint32_t k = ring->step; k-- > 0;) put_first(ring, &segment->chunks[k]);
  segment->next = ring->segments;
  ring->segments = segment;
  ring->count += ring->step;
  return 0;
}

// Waits for all work: nothing uses the lost chunks then.
static CUresult find_lost(Ring* ring, const Driver* driver) {
  CUresult code = driver->cuCtxSynchronize();
  while (code == 0 && ring->lost) {
    Chunk* chunk = ring->lost;
    ring->lost = chunk->next;
    chunk->untold = false;
    put_first(ring, chunk);
  }
  return code;
}

CUresult ring_take(Ring* ring, const Driver* driver, Chunk** chunk) {
  *chunk = NULL;
  CUresult code = 0;
  if (ring->first && ring->first->pending) {
    code = driver->cuEventQuery(ring->first->event);
    if (code == 0) ring->first->pending = false;
    if (code != 0 && code != CUDA_NOT_READY) return code;
  }
  bool is_free = ring->first && !ring->first->pending;
  if (!is_free && ring->lost) {
    code = find_lost(ring, driver);
    if (code != 0) return code;
  } else if (!is_free) {
    code = ring->count < ring->most ? grow(ring, driver) : 0;
    // no memory for more is no error while there is one to wait for
    if (code == CUDA_OUT_OF_MEMORY && ring->count > 0) code = 0;
    if (code != 0) return code;
  }
  if (ring->first) *chunk = take_first(ring);
  return 0;
}

void ring_clear(Ring* ring, const Driver* driver) {
  while (ring->segments) {
    Segment* segment = ring->segments;
    ring->segments = segment->next;
    destroy(ring, segment, driver);
  }
  ring->first = ring->last = ring->lost = NULL;
  ring->count = 0;
}
