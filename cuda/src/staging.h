// Pinned memory of the host that copies go through: rings of equal chunks, made when they are
// needed.

#ifndef PF_STAGING_H
#define PF_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"

// A piece of pinned memory. The thread that took it fills or empties it.
typedef struct Chunk {
  unsigned char* memory;
  CUevent event;  // behind the last copy that used it
  bool pending;   // the event may not have happened yet
  bool untold;    // something uses it, and no event says how long
  struct Chunk* next;
} Chunk;

// Chunks that were made together, in one piece of memory.
typedef struct Segment {
  struct Segment* next;
  void* memory;
  Chunk chunks[];
} Segment;

typedef struct Ring {
  size_t bytes;    // of a chunk
  uint32_t step;   // chunks of a segment
  uint32_t most;   // chunks
  uint32_t count;  // chunks made so far
  Chunk* first;    // those that nobody has, used longest ago first
  Chunk* last;
  Chunk* lost;  // untold ones, which are free once all work has ended
  Segment* segments;
} Ring;

// Takes a chunk that no copy uses; makes more of them where all are in use. Where there are as many
// as may be: one that is pending still, or null where others have them all. Waits for all work
// where a chunk was lost and no other is free. The caller holds the device's lock.
CUresult ring_take(Ring* ring, const Driver* driver, Chunk** chunk);
void ring_give(Ring* ring, Chunk* chunk);
// Puts the chunk's event behind the work of a stream that uses it. Where the driver does not take
// it, nobody gets the chunk before all work has ended.
CUresult chunk_follow(Chunk* chunk, const Driver* driver, CUstream stream);
// Forgets everything; with a driver, gives everything back to it.
void ring_clear(Ring* ring, const Driver* driver);

#endif
