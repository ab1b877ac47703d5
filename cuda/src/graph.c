// See graph.h.
//
// Nodes are added one by one, each behind the one before. Recording what a stream is given would do
// the same, but while a stream records, other threads may not wait for the context.

#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "device.h"

// Where copies begin in a chunk: at multiples of so many bytes.
#define STAGED_AT 256

static uint64_t staged(uint64_t bytes) {
  return (bytes + STAGED_AT - 1) / STAGED_AT * STAGED_AT;
}

static uint64_t mixed(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 29;
}

bool graph_key(const List* list, uint64_t stream, uint64_t most, uint64_t most_staged,
               GraphKey* key) {
  uint64_t hash = mixed(0, stream), count = 0;
  key->commands = 0;
  key->staged = 0;
  if (most == 0) return false;
  key->words[count++] = stream;
  for (uint64_t at = 0; at < list->count; key->commands++) {
    const uint64_t* command = list->words + at;
    uint64_t length = list_length_at(list, at);
    ListCopy copy;
    if (list_copy(list, command, &copy)) {
      uint64_t words[] = {PF_RUN_WRITE, copy.target, copy.bytes};
      if (count + 3 > most || copy.bytes > most_staged) return false;
      memcpy(key->words + count, words, sizeof(words));
      count += 3;
      key->staged += staged(copy.bytes);
      if (key->staged > most_staged) return false;
    } else {
      if (count + length > most) return false;
      memcpy(key->words + count, command, length * sizeof(*command));
      count += length;
    }
    at += length;
  }
  for (uint64_t k = 1; k < count; k++) hash = mixed(hash, key->words[k]);
  key->count = (uint32_t)count;
  key->hash = hash ? hash : 1;
  return true;
}

// ---- recording ------------------------------------------------------------------------------

// A graph that is being made: its last node, and how much of the chunk is taken.
typedef struct Making {
  const Driver* driver;
  Device* device;
  CUgraph graph;
  CUgraphNode last;
  Graph* made;
  uint64_t at;
} Making;

static CUresult add_copy(Making* making, bool is_read, uint64_t address, uint64_t bytes) {
  CUgraphNode node = NULL;
  unsigned char* memory = making->made->chunk->memory + making->at;
  CopyParameters copy = {.bytes = (size_t)bytes, .rows = 1, .layers = 1};
  making->at += staged(bytes);
  if (bytes == 0) return 0;
  copy.from_kind = is_read ? MEMORY_DEVICE : MEMORY_HOST;
  copy.to_kind = is_read ? MEMORY_HOST : MEMORY_DEVICE;
  if (is_read) {
    copy.from_device = address;
    copy.to_host = memory;
  } else {
    copy.from_host = memory;
    copy.to_device = address;
  }
  CUresult code = making->driver->cuGraphAddMemcpyNode(&node, making->graph, &making->last,
                                                       making->last ? 1 : 0, &copy,
                                                       making->device->context);
  if (code == 0) making->last = node;
  return code;
}

static CUresult add_launch(Making* making, const uint64_t* command) {
  Function* function = handles_find(&making->device->handles, HANDLE_FUNCTION, command[1]);
  if (!function) return CUDA_INVALID_VALUE;
  CUgraphNode node = NULL;
  void* pointers[MOST_ARGUMENTS];
  for (uint64_t k = 0; k < command[5]; k++) {
    pointers[k] = (void*)(uintptr_t)(command + LAUNCH_WORDS + k);
  }
  KernelParameters kernel = {.function = function->function,
                             .grid_x = (unsigned)command[2],
                             .grid_y = 1,
                             .grid_z = 1,
                             .block_x = (unsigned)command[3],
                             .block_y = 1,
                             .block_z = 1,
                             .dynamic_shared = (unsigned)command[4],
                             .arguments = pointers};
  CUresult code = making->driver->cuGraphAddKernelNode_v2(&node, making->graph, &making->last,
                                                          making->last ? 1 : 0, &kernel);
  if (code == 0) making->last = node;
  making->made->last = function;
  return code;
}

// The nodes of a key's commands, and of the copy back.
static CUresult add_all(Making* making, const GraphKey* key, GraphRead read) {
  CUresult code = 0;
  for (uint64_t at = 1; code == 0 && at < key->count;) {
    const uint64_t* command = key->words + at;
    if (command[0] == PF_RUN_WRITE) {
      code = add_copy(making, false, command[1], command[2]);
      at += 3;
    } else {
      code = add_launch(making, command);
      at += LAUNCH_WORDS + command[5];
    }
  }
  making->made->read_at = making->at;
  if (code == 0 && read.bytes > 0) code = add_copy(making, true, read.source, read.bytes);
  return code;
}

static bool take_chunk(Device* device, const Driver* driver, Graph* graph, CUresult* code) {
  Chunk* chunk;
  *code = ring_take(&device->small, driver, &chunk);
  if (!chunk) return false;
  if (chunk->pending) {
    ring_give(&device->small, chunk);
    return false;
  }
  graph->chunk = chunk;
  return true;
}

Graph* graph_record(Device* device, const Driver* driver, const GraphKey* key, GraphRead read,
                    CUresult* code) {
  *code = 0;
  Graph* graph = calloc(1, sizeof(*graph));
  uint64_t* words = malloc(key->count * sizeof(*words));
  if (!graph || !words) {
    free(graph);
    free(words);
    return NULL;
  }
  memcpy(words, key->words, key->count * sizeof(*words));
  graph->key = *key;
  graph->key.words = words;
  graph->read = read;
  for (int way = 0; way < WAYS; way++) graph->best[way] = UINT64_MAX;
  bool copies = key->staged > 0 || read.bytes > 0;
  Making making = {.driver = driver, .device = device, .made = graph};
  if (!copies || take_chunk(device, driver, graph, code)) {
    *code = driver->cuGraphCreate(&making.graph, 0);
    if (*code == 0) *code = add_all(&making, key, read);
    if (*code == 0) {
      *code = driver->cuGraphInstantiateWithFlags(&graph->exec, making.graph, 0);
    }
    // what was made of it needs it no longer
    if (making.graph) driver->cuGraphDestroy(making.graph);
    if (*code == 0) return graph;
  }
  graph_release(device, graph);
  return NULL;
}

// ---- launching ------------------------------------------------------------------------------

// Whether nothing uses the chunk any more.
static bool is_idle(const Driver* driver, const Graph* graph, CUresult* code) {
  if (graph->readers > 0) return false;
  if (!graph->chunk->pending) return true;
  *code = driver->cuEventQuery(graph->chunk->event);
  graph->chunk->pending = *code != 0;
  if (*code == CUDA_NOT_READY) *code = 0;
  return !graph->chunk->pending;
}

bool graph_launch(Device* device, const Driver* driver, Graph* graph, const List* list,
                  CUstream stream, CUresult* code) {
  *code = 0;
  Chunk* chunk = graph->chunk;
  if (chunk && !is_idle(driver, graph, code)) return false;
  uint64_t to = 0;
  for (uint64_t at = 0; chunk && at < list->count; at += list_length_at(list, at)) {
    ListCopy copy;
    if (!list_copy(list, list->words + at, &copy)) continue;
    if (copy.bytes > 0) memcpy(chunk->memory + to, copy.source, (size_t)copy.bytes);
    to += staged(copy.bytes);
  }
  *code = driver->cuGraphLaunch(graph->exec, stream);
  if (*code != 0) return false;
  device->work++;
  if (graph->last) device_launched(device, graph->last);
  if (!chunk) return true;
  *code = chunk_follow(chunk, driver, stream);
  return true;
}

void graph_release(Device* device, Graph* graph) {
  // a launch that is under way may use the chunk, which knows
  if (graph->chunk) {
    ring_give(&device->small, graph->chunk);
    condition_wake_all(&device->chunk_free);
  }
  free(graph->key.words);
  free(graph);
}
