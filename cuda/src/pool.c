// See pool.h.
//
// Sizes: multiples of 256 bytes up to 1 KiB, quarter steps between powers of two up to 2 MiB (at
// most a fifth is wasted), multiples of 2 MiB beyond, which is the driver's own page.

#include "pool.h"

#include <stdlib.h>
#include <string.h>

#define LARGE ((uint64_t)2 << 20)

uint64_t pool_round(uint64_t bytes, int* size_class) {
  if (bytes == 0) bytes = 1;
  if (bytes > LARGE) {
    *size_class = -1;
    return (bytes + LARGE - 1) / LARGE * LARGE;
  }
  if (bytes <= 1024) {
    uint64_t size = (bytes + 255) / 256 * 256;
    *size_class = (int)(size / 256) - 1;
    return size;
  }
  int octave = 0;
  while ((uint64_t)2048 << octave < bytes) octave++;
  uint64_t low = (uint64_t)1024 << octave, step = low / 4;
  uint64_t quarters = (bytes - low + step - 1) / step;
  *size_class = 4 + 4 * octave + (int)quarters - 1;
  return low + quarters * step;
}

// Where an address is in the list of live blocks, or would be put.
static size_t place_of(const Pool* pool, uint64_t address) {
  size_t low = 0, high = pool->live_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (pool->live[middle]->address < address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool make_room(Pool* pool) {
  if (pool->live_count < pool->live_capacity) return true;
  size_t capacity = pool->live_capacity ? 2 * pool->live_capacity : 64;
  Block** live = realloc(pool->live, capacity * sizeof(*live));
  if (!live) return false;
  pool->live = live;
  pool->live_capacity = capacity;
  return true;
}

// A free block of this size; a large one may be an eighth larger.
static Block* reuse(Pool* pool, uint64_t size, int size_class) {
  Block** link = size_class < 0 ? &pool->large : &pool->classes[size_class];
  while (*link && (*link)->size < size) link = &(*link)->next;
  Block* block = *link;
  if (!block || block->size > size + size / 8) return NULL;
  *link = block->next;
  pool->pooled_bytes -= block->size;
  return block;
}

CUresult pool_take(Pool* pool, const Driver* driver, uint64_t bytes, uint64_t* address) {
  if (bytes > UINT64_MAX / 4 || !make_room(pool)) return CUDA_OUT_OF_MEMORY;
  int size_class;
  uint64_t size = pool_round(bytes, &size_class);
  if (pool->exact) size = bytes ? bytes : 1;
  Block* block = pool->exact ? NULL : reuse(pool, size, size_class);
  if (!block) {
    CUdeviceptr made = 0;
    block = malloc(sizeof(*block));
    CUresult code = block ? driver->cuMemAlloc_v2(&made, (size_t)size) : CUDA_OUT_OF_MEMORY;
    if (code != 0) {
      free(block);
      return code;
    }
    *block = (Block){.address = made, .size = size};
  }
  block->asked = bytes;
  block->next = NULL;
  size_t place = place_of(pool, block->address);
  memmove(pool->live + place + 1, pool->live + place,
          (pool->live_count - place) * sizeof(*pool->live));
  pool->live[place] = block;
  pool->live_count++;
  pool->live_bytes += bytes;
  *address = block->address;
  return 0;
}

static void keep(Pool* pool, Block* block) {
  int size_class;
  pool_round(block->size, &size_class);
  Block** link = size_class < 0 ? &pool->large : &pool->classes[size_class];
  while (*link && (*link)->size < block->size) link = &(*link)->next;
  block->next = *link;
  *link = block;
  pool->pooled_bytes += block->size;
}

bool pool_give(Pool* pool, const Driver* driver, uint64_t address, CUresult* code) {
  size_t place = place_of(pool, address);
  *code = 0;
  if (place == pool->live_count || pool->live[place]->address != address) return false;
  Block* block = pool->live[place];
  pool->live_count--;
  memmove(pool->live + place, pool->live + place + 1,
          (pool->live_count - place) * sizeof(*pool->live));
  pool->live_bytes -= block->asked;
  if (pool->exact) {
    *code = driver->cuCtxSynchronize();
    if (*code == 0) {
      *code = driver->cuMemFree_v2(block->address);
      free(block);
      return true;
    }
  }
  // what queued work may use still goes back to the driver later
  keep(pool, block);
  return true;
}

static CUresult trim_list(Pool* pool, const Driver* driver, Block** list) {
  CUresult first = 0;
  while (*list) {
    Block* block = *list;
    CUresult code = driver->cuMemFree_v2(block->address);
    if (code != 0 && first == 0) first = code;
    *list = block->next;
    pool->pooled_bytes -= block->size;
    free(block);
  }
  return first;
}

CUresult pool_trim(Pool* pool, const Driver* driver) {
  CUresult first = trim_list(pool, driver, &pool->large);
  for (int k = 0; k < POOL_CLASSES; k++) {
    CUresult code = trim_list(pool, driver, &pool->classes[k]);
    if (first == 0) first = code;
  }
  return first;
}

bool pool_holds(const Pool* pool, uint64_t address, uint64_t bytes) {
  size_t place = place_of(pool, address);
  if (place == pool->live_count || pool->live[place]->address != address) {
    if (place == 0) return false;
    place--;
  }
  const Block* block = pool->live[place];
  uint64_t offset = address - block->address;
  return offset <= block->asked && bytes <= block->asked - offset;
}

uint64_t pool_bytes(const Pool* pool, uint64_t address) {
  size_t place = place_of(pool, address);
  if (place == pool->live_count || pool->live[place]->address != address) return 0;
  return pool->live[place]->size;
}

static void forget_list(Block** list) {
  while (*list) {
    Block* block = *list;
    *list = block->next;
    free(block);
  }
}

void pool_clear(Pool* pool, const Driver* driver) {
  if (driver) pool_trim(pool, driver);
  for (size_t k = 0; k < pool->live_count; k++) {
    if (driver) driver->cuMemFree_v2(pool->live[k]->address);
    free(pool->live[k]);
  }
  for (int k = 0; k < POOL_CLASSES; k++) forget_list(&pool->classes[k]);
  forget_list(&pool->large);
  free(pool->live);
  *pool = (Pool){.exact = pool->exact};
}
