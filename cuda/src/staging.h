// Pinned memory of the host that copies go through: rings of equal chunks, made on first use.

#ifndef PF_STAGING_H
#define PF_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"

#define RING_MOST_CHUNKS 16

typedef struct Chunk {
  unsigned char* memory;
  CUevent event;  // behind the last copy that used it
  bool taken;     // a call is filling or emptying it
  bool pending;   // the event may not have happened yet
} Chunk;

typedef struct Ring {
  size_t bytes;    // of a chunk
  uint32_t count;  // of chunks
  uint32_t next;   // the one used longest ago
  void* memory;    // null until first used
  Chunk chunks[RING_MOST_CHUNKS];
} Ring;

// Makes the ring's memory where that was not done; the caller holds the device's lock.
CUresult ring_prepare(Ring* ring, const Driver* driver);
// The chunk that was used longest ago of those that nobody has; null where all are taken.
Chunk* ring_take(Ring* ring);
// Forgets everything; with a driver, gives everything back to it.
void ring_clear(Ring* ring, const Driver* driver);

#endif
