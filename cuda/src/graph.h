// A list of commands that the driver launches as a whole. What it copies goes through a pinned
// chunk of its own, so that bytes may be others each time: they are not overwritten before the
// launch before has copied them.

#ifndef PF_GRAPH_H
#define PF_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "driver.h"
#include "list.h"
#include "staging.h"

struct Device;
struct Function;

// A copy back to the host behind a list; none where there are no bytes.
typedef struct GraphRead {
  uint64_t source;
  uint64_t bytes;
} GraphRead;

// What a list is but for the bytes that it copies: two with equal words are one graph.
typedef struct GraphKey {
  uint64_t hash;
  uint32_t commands;
  uint32_t count;
  uint64_t staged;  // bytes of the chunk that copies take
  uint64_t* words;
} GraphKey;

// How a list is queued.
typedef enum GraphWay { WAY_LIST, WAY_GRAPH, WAYS } GraphWay;

typedef struct Graph {
  struct Graph* next;
  CUgraphExec exec;
  Chunk* chunk;  // null where nothing is copied; its event is behind the last launch
  GraphKey key;
  GraphRead read;
  uint64_t read_at;  // in the chunk
  const struct Function* last;  // the last kernel
  uint64_t used;                // the number of the last list that was it
  uint32_t readers;             // calls that wait for the chunk's event, outside of the lock
  bool dropped;                 // released by the last reader
  bool wasted;                  // nobody took what the last launch copied back
  uint32_t wastes;              // times in a row
  bool decided;
  uint32_t turns;       // while both ways are timed
  uint64_t best[WAYS];  // nanoseconds
} Graph;

// Fills a key, whose words have room for `most`; false where the list is too long for a graph, or
// copies more than a chunk has. `stream` is part of it.
bool graph_key(const List* list, uint64_t stream, uint64_t most, uint64_t most_staged,
               GraphKey* key);

// Records a list, with a copy back behind it; null where the driver refuses with *code, where the
// host's memory is full or no chunk is free (0).
Graph* graph_record(struct Device* device, const Driver* driver, const GraphKey* key,
                    GraphRead read, CUresult* code);
// Launches it with the bytes of a list; false with *code, or with 0 where the launch before uses
// the chunk still. Where it was launched and nothing will say when it is over, true with *code.
bool graph_launch(struct Device* device, const Driver* driver, Graph* graph, const List* list,
                  CUstream stream, CUresult* code);
// Gives back its chunk and the host's memory. What the driver made of it is gone by then, or was
// never made.
void graph_release(struct Device* device, Graph* graph);

#endif
