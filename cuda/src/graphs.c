// See graphs.h.
//
// A list is found by a hash of its words. Once it came several times it is recorded, with the read
// that followed it the last time, and for a while queued in both ways in turns. The time that
// counts is that until what is read behind it has arrived, or, where nothing is, that of the call.

#include "graphs.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "report.h"

// Lists that are remembered, a power of two.
#define SEEN 512
// Words of a list that can be a graph.
#define MOST_WORDS 512
#define MOST_GRAPHS 32
// Lists that have to be queued before a graph that is not used makes room for another.
#define IDLE_LISTS 256
// How often a list has come when it is recorded, and how many commands it has at least.
#define TIMES 3
#define COMMANDS 3
// How often each way is timed.
#define TURNS 8
// As many times more until both ways are timed.
#define PATIENCE 8
// Copies back in a row that nobody asked for, after which a graph does without.
#define WASTES 8

static SeenList* seen_list(Device* device, uint64_t hash) {
  Graphs* graphs = &device->graphs;
  if (!graphs->seen) graphs->seen = calloc(SEEN, sizeof(*graphs->seen));
  return graphs->seen ? &graphs->seen[hash % SEEN] : NULL;
}

// What is remembered of a list, if anything is.
static SeenList* known_list(Device* device, uint64_t hash) {
  SeenList* seen = seen_list(device, hash);
  return seen && seen->hash == hash ? seen : NULL;
}

static Graph* find(Device* device, const GraphKey* key) {
  Graph* graph = device->graphs.first;
  for (; graph; graph = graph->next) {
    bool equal = graph->key.hash == key->hash && graph->key.count == key->count &&
                 memcmp(graph->key.words, key->words, key->count * sizeof(*key->words)) == 0;
    if (equal) return graph;
  }
  return NULL;
}

static void drop(Device* device, Graph* graph) {
  Graphs* graphs = &device->graphs;
  Graph** link = &graphs->first;
  while (*link != graph) link = &(*link)->next;
  *link = graph->next;
  graphs->count--;
  if (graphs->last.graph == graph) graphs->last.number = 0;
  // now, for its kernels' module may go next; readers need the chunk alone, and a launch that is
  // under way ends
  if (!device->lost) driver_get()->cuGraphExecDestroy(graph->exec);
  if (graph->readers > 0) {
    graph->dropped = true;
  } else {
    graph_release(device, graph);
  }
}

// Whether one more graph may be kept; the one that was not used for longest goes for it.
static bool make_room(Device* device) {
  Graphs* graphs = &device->graphs;
  if (graphs->count < MOST_GRAPHS) return true;
  Graph* oldest = graphs->first;
  for (Graph* graph = oldest; graph; graph = graph->next) {
    if (graph->used < oldest->used) oldest = graph;
  }
  if (graphs->lists - oldest->used < IDLE_LISTS) return false;
  drop(device, oldest);
  return true;
}

// Records a list whose turn it is; null where it is not, or cannot be.
static Graph* record(Device* device, const Driver* driver, SeenList* seen, const GraphKey* key,
                     int32_t mode, CUresult* code) {
  GraphRead read = seen->unread ? (GraphRead){0} : seen->read;
  if (key->staged + read.bytes > device->small.bytes) read = (GraphRead){0};
  uint32_t commands = key->commands + (read.bytes > 0);
  bool always = mode == PF_GRAPHS_ALWAYS;
  if (seen->times < (always ? 2 : TIMES) || commands < (always ? 1 : COMMANDS)) return NULL;
  if (read.bytes > 0 && !pool_holds(&device->pool, read.source, read.bytes)) return NULL;
  if (!make_room(device)) return NULL;
  Graph* graph = graph_record(device, driver, key, read, code);
  if (!graph) return NULL;
  graph->next = device->graphs.first;
  device->graphs.first = graph;
  device->graphs.count++;
  device->graphs.counts[COUNT_RECORDED]++;
  return graph;
}

// Settles on the shorter way, once both were timed; null where that is the list's.
static Graph* judged(Device* device, Graph* graph, SeenList* seen) {
  if (graph->decided || graph->turns < 2 * TURNS) return graph;
  // a graph whose bytes are still on their way is queued as a list: later turns may time it
  bool timed = graph->best[WAY_GRAPH] != UINT64_MAX && graph->best[WAY_LIST] != UINT64_MAX;
  if (!timed && graph->turns < PATIENCE * TURNS) return graph;
  graph->decided = true;
  if (graph->best[WAY_GRAPH] < graph->best[WAY_LIST]) return graph;
  seen->settled = true;
  device->graphs.counts[COUNT_SLOWER]++;
  drop(device, graph);
  return NULL;
}

// What nobody reads is not copied back: the list is recorded anew.
static Graph* not_wasteful(Device* device, Graph* graph, SeenList* seen) {
  if (!graph->wasted) return graph;
  graph->wasted = false;
  if (++graph->wastes < WASTES) return graph;
  seen->unread = true;
  drop(device, graph);
  return NULL;
}

static void note(Device* device, uint64_t stream, const GraphTurn* turn, GraphWay way) {
  Graphs* graphs = &device->graphs;
  graphs->last = (LastList){.number = ++graphs->lists,
                            .hash = turn->hash,
                            .stream = stream,
                            .work = device->work,
                            .begun = turn->begun,
                            .graph = turn->graph,
                            .way = way};
  Graph* graph = turn->graph;
  if (!graph) return;
  graph->used = graphs->lists;
  graph->turns++;
  if (graph->read.bytes > 0) return;
  uint64_t spent = clock_nanoseconds() - turn->begun;
  if (spent < graph->best[way]) graph->best[way] = spent;
}

void graphs_listed(Device* device, uint64_t stream, GraphTurn* turn) {
  if (turn->hash == 0) return;
  // a copy of the list may have let others in, who have dropped its graph
  Graph* graph = device->graphs.first;
  while (graph && graph != turn->graph) graph = graph->next;
  turn->graph = graph && graph->key.hash == turn->hash ? graph : NULL;
  note(device, stream, turn, WAY_LIST);
}

bool graphs_run(pf_report* report, Device* device, const List* list, uint64_t stream,
                CUstream queue, int32_t mode, GraphTurn* turn, pf_status* status) {
  const Driver* driver = driver_get();
  uint64_t words[MOST_WORDS];
  GraphKey key = {.words = words};
  *turn = (GraphTurn){0};
  device->graphs.last.number = 0;
  if (mode == PF_GRAPHS_NEVER || !driver->has_graphs || list->count == 0) return false;
  turn->begun = clock_nanoseconds();
  if (!graph_key(list, stream, MOST_WORDS, device->small.bytes, &key)) return false;
  SeenList* seen = seen_list(device, key.hash);
  if (!seen) return false;
  if (seen->hash != key.hash) *seen = (SeenList){.hash = key.hash};
  if (seen->times < UINT32_MAX) seen->times++;
  turn->hash = key.hash;
  bool always = mode == PF_GRAPHS_ALWAYS;
  CUresult code = 0;
  Graph* graph = seen->settled && !always ? NULL : find(device, &key);
  if (graph) graph = not_wasteful(device, graph, seen);
  if (graph && !always) graph = judged(device, graph, seen);
  if (seen->settled && !always) return false;
  if (!graph) graph = record(device, driver, seen, &key, mode, &code);
  turn->graph = graph;
  // in turns, as long as both ways are timed
  bool as_list = graph && !graph->decided && !always && graph->turns % 2 == 1;
  if (graph && !as_list && graph_launch(device, driver, graph, list, queue, &code)) {
    graph->wasted = graph->read.bytes > 0;
    device->graphs.counts[COUNT_LAUNCHED]++;
    note(device, stream, turn, WAY_GRAPH);
    if (code != 0) drop(device, graph);
    *status = device_check(report, device, code, "pf_run");
    return true;
  }
  if (code == 0) return false;
  // the driver will not have it as a graph: as a list it may
  device->graphs.counts[COUNT_REFUSED]++;
  seen->settled = true;
  turn->graph = NULL;
  if (graph) drop(device, graph);
  if (!driver_is_sticky(code)) return false;
  *status = device_check(report, device, code, "pf_run");
  return true;
}

// ---- what is read behind a list ---------------------------------------------------------------

uint64_t graphs_follow(Device* device, uint64_t stream) {
  const LastList* last = &device->graphs.last;
  // another stream's work may have ended since and been waited for: the copy would be from before
  if (device->has_streams) return 0;
  return last->stream == stream && last->work == device->work ? last->number : 0;
}

Graph* graphs_reading(Device* device, uint64_t number, uint64_t source, uint64_t bytes) {
  const LastList* last = &device->graphs.last;
  if (number == 0 || last->number != number || last->way != WAY_GRAPH) return NULL;
  Graph* graph = last->graph;
  if (graph->read.bytes != bytes || graph->read.source != source) return NULL;
  graph->readers++;
  graph->wasted = false;
  return graph;
}

void graphs_read(Device* device, Graph* graph, bool arrived) {
  graph->readers--;
  if (arrived) {
    graph->chunk->pending = false;
    graph->wastes = 0;
  } else {
    graph->wasted = true;
  }
  if (graph->dropped && graph->readers == 0) graph_release(device, graph);
}

void graphs_arrived(Device* device, uint64_t number, uint64_t source, uint64_t bytes) {
  LastList* last = &device->graphs.last;
  if (number == 0 || last->number != number) return;
  SeenList* seen = known_list(device, last->hash);
  if (seen && bytes <= device->small.bytes) seen->read = (GraphRead){source, bytes};
  Graph* graph = last->graph;
  bool timed = graph && graph->read.bytes == bytes && graph->read.source == source;
  uint64_t spent = clock_nanoseconds() - last->begun;
  if (timed && spent < graph->best[last->way]) graph->best[last->way] = spent;
  // what is read next is something else
  last->number = 0;
}

// ---- forgetting ------------------------------------------------------------------------------

void graphs_forget(Device* device, uint64_t first, uint64_t last) {
  Graph* next;
  for (Graph* graph = device->graphs.first; graph; graph = next) {
    next = graph->next;
    bool names = graph->read.bytes > 0 && graph->read.source >= first && graph->read.source <= last;
    for (uint32_t k = 1; k < graph->key.count && !names; k++) {
      names = graph->key.words[k] >= first && graph->key.words[k] <= last;
    }
    if (names) drop(device, graph);
  }
}

void graphs_clear(Device* device) {
  while (device->graphs.first) drop(device, device->graphs.first);
  free(device->graphs.seen);
  device->graphs = (Graphs){0};
}

pf_status pf_graphs(pf_report* report, uint64_t handle, uint64_t* counts) {
  if (!counts) return report_invalid(report, "pf_graphs: a pointer is null");
  Device* device;
  pf_status status = device_enter(report, handle, "pf_graphs", &device);
  if (status != PF_OK) return status;
  counts[0] = device->graphs.count;
  memcpy(counts + 1, device->graphs.counts, sizeof(device->graphs.counts));
  return device_leave(device, report_ok(report));
}
