// The allocator: blocks of a few sizes, kept for reuse. It calls the driver and knows no streams;
// the caller holds the device's lock.

#ifndef PF_POOL_H
#define PF_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"

#define POOL_CLASSES 48

typedef struct Block {
  uint64_t address;
  uint64_t size;   // bytes of the driver's
  uint64_t asked;  // bytes of the caller's
  struct Block* next;
} Block;

typedef struct Pool {
  Block** live;  // what callers hold, by address
  size_t live_count;
  size_t live_capacity;
  Block* classes[POOL_CLASSES];  // free blocks up to 2 MiB, by size class
  Block* large;                  // free blocks beyond, smallest first
  uint64_t live_bytes;           // asked for
  uint64_t pooled_bytes;         // free blocks, whole
  bool exact;                    // keep nothing and round nothing, so that checkers see the bounds
} Pool;

// Bytes that a block for so many gets, and its size class (-1: a large one).
uint64_t pool_round(uint64_t bytes, int* size_class);
// An allocation; CUDA_OUT_OF_MEMORY of the driver is not yet the last word: trim and try again.
CUresult pool_take(Pool* pool, const Driver* driver, uint64_t bytes, uint64_t* address);
// Gives an allocation back; false where the address is none.
bool pool_give(Pool* pool, const Driver* driver, uint64_t address, CUresult* code);
// Gives free blocks back to the driver. The device must be idle.
CUresult pool_trim(Pool* pool, const Driver* driver);
// Whether these bytes lie within one allocation.
bool pool_holds(const Pool* pool, uint64_t address, uint64_t bytes);
// The driver's bytes of the allocation that begins at an address; 0 where none does.
uint64_t pool_bytes(const Pool* pool, uint64_t address);
// Forgets everything; with a driver, gives everything back to it.
void pool_clear(Pool* pool, const Driver* driver);

#endif
