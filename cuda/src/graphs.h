// Which lists come again, and whether they are queued as graphs: found by what they say, timed both
// ways, forgotten with the memory and the kernels that they name. Callers hold the device's lock.

#ifndef PF_GRAPHS_H
#define PF_GRAPHS_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

struct Device;

// What is remembered of lists by a part of their hashes.
typedef struct SeenList {
  uint64_t hash;
  uint32_t times;
  bool settled;    // it stays a list
  bool unread;     // what was copied back with it nobody took
  GraphRead read;  // what was read right behind it
} SeenList;

// The list that was queued last, so that what is read next is known to be its result.
typedef struct LastList {
  uint64_t number;  // 0: none
  uint64_t hash;
  uint64_t stream;
  uint64_t work;   // the device's then
  uint64_t begun;  // nanoseconds
  Graph* graph;    // of the list, however it was queued
  GraphWay way;
} LastList;

enum { COUNT_RECORDED, COUNT_LAUNCHED, COUNT_SLOWER, COUNT_REFUSED, COUNTS };

typedef struct Graphs {
  SeenList* seen;
  Graph* first;
  uint32_t count;
  uint64_t lists;  // so far
  LastList last;
  uint64_t counts[COUNTS];
} Graphs;

// A list that is being queued.
typedef struct GraphTurn {
  uint64_t hash;  // 0: it is none that could be a graph
  uint64_t begun;
  Graph* graph;
} GraphTurn;

// Queues a list as a graph: true with the status. False where it is to be queued as a list.
bool graphs_run(pf_report* report, struct Device* device, const List* list, uint64_t stream,
                CUstream queue, int32_t mode, GraphTurn* turn, pf_status* status);
// Notes that a list was queued as one.
void graphs_listed(struct Device* device, uint64_t stream, GraphTurn* turn);

// A read that follows a list: the number of the list, 0 where something else was queued since.
uint64_t graphs_follow(struct Device* device, uint64_t stream);
// The graph whose last launch has copied these bytes back; null where none has.
Graph* graphs_reading(struct Device* device, uint64_t number, uint64_t source, uint64_t bytes);
// Ends the use of such a graph; `arrived`: its bytes are there.
void graphs_read(struct Device* device, Graph* graph, bool arrived);
// Notes that bytes behind a list are there.
void graphs_arrived(struct Device* device, uint64_t number, uint64_t source, uint64_t bytes);

// Forgets the graphs that name something between these numbers: an address, a kernel's handle.
void graphs_forget(struct Device* device, uint64_t first, uint64_t last);
void graphs_clear(struct Device* device);

#endif
