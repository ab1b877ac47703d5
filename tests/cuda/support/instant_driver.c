// A driver whose device is the host's memory and whose work is done at once, so that sanitizers of
// the host can watch the shim. Events say for a while that they have not happened. Its NVRTC knows
// sm_80 and sm_90 and compiles a source to its own text; the devices have INSTANT_MAJOR.0, else
// 9.0. Built with -DINSTANT_IDLE, events happen at once and kernels do nothing: what is left is the
// host's own time.

#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOTAL ((size_t)256 << 20)
#define EXPORT __attribute__((visibility("default")))

enum { OK = 0, INVALID = 1, NO_MEMORY = 2, NOT_READY = 600 };

static atomic_size_t used;
static atomic_int objects;

// how many streams, events, modules, allocations and contexts are not given back
EXPORT int test_objects(void) {
  return atomic_load(&objects);
}

EXPORT int cuInit(unsigned flags) {
  return flags ? INVALID : OK;
}
EXPORT int cuDriverGetVersion(int* version) {
  *version = 13000;
  return OK;
}
EXPORT int cuGetErrorName(int code, const char** name) {
  *name = code == NO_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR";
  return OK;
}
EXPORT int cuGetErrorString(int code, const char** text) {
  *text = code == NO_MEMORY ? "out of memory" : "an error";
  return OK;
}
EXPORT int cuDeviceGetCount(int* count) {
  *count = 2;
  return OK;
}
EXPORT int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return OK;
}
EXPORT int cuDeviceGetName(char* name, int capacity, int device) {
  strncpy(name, device ? "second" : "first", (size_t)capacity);
  return OK;
}
static int major(void) {
  const char* text = getenv("INSTANT_MAJOR");
  return text ? atoi(text) : 9;
}
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? major() : 0;
  return OK;
}
EXPORT int cuDevicePrimaryCtxRetain(void** context, int device) {
  static int contexts[2];
  atomic_fetch_add(&objects, 1);
  *context = &contexts[device];
  return OK;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
  (void)device;
  atomic_fetch_sub(&objects, 1);
  return OK;
}
static _Thread_local void* current;
EXPORT int cuCtxSetCurrent(void* context) {
  current = context;
  return OK;
}
EXPORT int cuCtxSynchronize(void) {
  return current ? OK : INVALID;
}
EXPORT int cuMemGetInfo_v2(size_t* available, size_t* total) {
  *total = TOTAL;
  *available = TOTAL - atomic_load(&used);
  return OK;
}

// sizes are kept before what is given out
EXPORT int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  if (!current || bytes == 0) return INVALID;
  if (bytes > TOTAL) return NO_MEMORY;
  if (atomic_fetch_add(&used, bytes) + bytes > TOTAL) {
    atomic_fetch_sub(&used, bytes);
    return NO_MEMORY;
  }
  size_t* memory = malloc(bytes + 16);
  memory[0] = bytes;
  atomic_fetch_add(&objects, 1);
  *address = (uint64_t)(uintptr_t)(memory + 2);
  return OK;
}
EXPORT int cuMemFree_v2(uint64_t address) {
  if (!current) return INVALID;
  size_t* memory = (size_t*)(uintptr_t)address - 2;
  atomic_fetch_sub(&used, memory[0]);
  atomic_fetch_sub(&objects, 1);
  free(memory);
  return OK;
}
EXPORT int cuMemHostAlloc(void** memory, size_t bytes, unsigned flags) {
  (void)flags;
  *memory = malloc(bytes);
  atomic_fetch_add(&objects, 1);
  return OK;
}
EXPORT int cuMemFreeHost(void* memory) {
  free(memory);
  atomic_fetch_sub(&objects, 1);
  return OK;
}
EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
  if (!current || !stream) return INVALID;
  memcpy((void*)(uintptr_t)to, from, bytes);
  return OK;
}
EXPORT int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  if (!current || !stream) return INVALID;
  memcpy(to, (void*)(uintptr_t)from, bytes);
  return OK;
}
EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  if (!current || !stream) return INVALID;
  memmove((void*)(uintptr_t)to, (void*)(uintptr_t)from, bytes);
  return OK;
}
EXPORT int cuMemsetD8Async(uint64_t to, unsigned char byte, size_t bytes, void* stream) {
  if (!current || !stream) return INVALID;
  memset((void*)(uintptr_t)to, byte, bytes);
  return OK;
}

static int make(void** object) {
  if (!current) return INVALID;
  *object = calloc(1, sizeof(atomic_int));
  atomic_fetch_add(&objects, 1);
  return OK;
}
static int destroy(void* object) {
  if (!current) return INVALID;
  free(object);
  atomic_fetch_sub(&objects, 1);
  return OK;
}
EXPORT int cuStreamCreate(void** stream, unsigned flags) {
  return flags == 1 ? make(stream) : INVALID;
}
EXPORT int cuStreamDestroy_v2(void* stream) {
  return destroy(stream);
}
EXPORT int cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
  return stream && event && !flags ? OK : INVALID;
}
EXPORT int cuEventCreate(void** event, unsigned flags) {
  (void)flags;
  return make(event);
}
EXPORT int cuEventRecord(void* event, void* stream) {
  atomic_store((atomic_int*)event, 3);
  return stream ? OK : INVALID;
}
// Others shall have their turn while one waits.
static void pause_shortly(void) {
  nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}
EXPORT int cuEventQuery(void* event) {
#ifdef INSTANT_IDLE
  return event ? OK : INVALID;
#endif
  if (atomic_fetch_sub((atomic_int*)event, 1) <= 0) return OK;
  pause_shortly();
  return NOT_READY;
}
EXPORT int cuEventSynchronize(void* event) {
  pause_shortly();
  return event ? OK : INVALID;
}
EXPORT int cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  *milliseconds = 1;
  return from && to ? OK : INVALID;
}
EXPORT int cuEventDestroy_v2(void* event) {
  return destroy(event);
}
EXPORT int cuModuleLoadData(void** module, const void* image) {
  // 209: no binary for the card
  if ((major() > 9) != (strncmp(image, "ptx ", 4) == 0)) return 209;
  return make(module);
}
EXPORT int cuModuleUnload(void* module) {
  return destroy(module);
}
EXPORT int cuModuleGetFunction(void** function, void* module, const char* name) {
  *function = module;
  return *name ? OK : 500;
}
EXPORT int cuFuncSetAttribute(void* function, int attribute, int value) {
  return function && attribute == 8 && value < 200000 ? OK : INVALID;
}
EXPORT int cuFuncGetAttribute(int* value, int attribute, void* function) {
  *value = attribute;
  return function ? OK : INVALID;
}
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* function, int threads,
                                                       size_t dynamic_shared) {
  (void)dynamic_shared;
  *blocks = 2048 / threads;
  return function ? OK : INVALID;
}
EXPORT int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned dynamic_shared, void* stream,
                          void** arguments, void** extra) {
  (void)gx, (void)gy, (void)gz, (void)by, (void)bz, (void)dynamic_shared, (void)extra;
  if (!current || !function || !stream || bx > 1024) return INVALID;
#ifdef INSTANT_IDLE
  (void)arguments;
#else
  // the kernel of the test: adds one to a number on the device
  ++*(int*)*(void**)arguments[0];
#endif
  return OK;
}

// ---- graphs ----

// Kernels of the test have one argument; copies are one row, as CUDA_MEMCPY3D has it.
typedef struct Node {
  void *function, *argument, *from, *to;
  size_t bytes;
} Node;
typedef struct Graph {
  Node nodes[64];
  int count;
} Graph;

EXPORT int cuGraphCreate(Graph** graph, unsigned flags) {
  if (!current || flags) return INVALID;
  *graph = calloc(1, sizeof(**graph));
  atomic_fetch_add(&objects, 1);
  return OK;
}
EXPORT int cuGraphDestroy(Graph* graph) {
  return destroy(graph);
}
static int add(Graph* graph, void** handle, size_t dependencies, Node node) {
  if (!current || graph->count == 64 || dependencies != (graph->count > 0)) return INVALID;
  graph->nodes[graph->count] = node;
  *handle = &graph->nodes[graph->count++];
  return OK;
}
typedef struct Kernel {
  void* function;
  unsigned dims[7];
  void **arguments, **extra;
} Kernel;
EXPORT int cuGraphAddKernelNode_v2(void** handle, Graph* graph, void** after, size_t count,
                                   const Kernel* kernel) {
  (void)after;
  if (kernel->dims[3] > 1024) return INVALID;
  Node node = {.function = kernel->function};
#ifndef INSTANT_IDLE
  node.argument = *(void**)kernel->arguments[0];
#endif
  return add(graph, handle, count, node);
}
EXPORT int cuGraphAddMemcpyNode(void** handle, Graph* graph, void** after, size_t count,
                                void* const* copy, void* context) {
  (void)after;
  // words of the structure: the kind of memory, the host's and the device's address, the bytes
  int from_host = (int)(uintptr_t)copy[4] == 1, to_host = (int)(uintptr_t)copy[15] == 1;
  if (!context || from_host == to_host) return INVALID;
  Node node = {.from = from_host ? copy[5] : copy[6], .to = to_host ? copy[16] : copy[17]};
  node.bytes = (size_t)copy[22];
  return add(graph, handle, count, node);
}
EXPORT int cuGraphInstantiateWithFlags(Graph** made, Graph* graph, unsigned long long flags) {
  int code = cuGraphCreate(made, (unsigned)flags);
  if (code == OK) memcpy(*made, graph, sizeof(*graph));
  return code;
}
EXPORT int cuGraphExecDestroy(Graph* graph) {
  return destroy(graph);
}
EXPORT int cuGraphLaunch(Graph* graph, void* stream) {
  if (!current || !stream) return INVALID;
  for (Node* node = graph->nodes; node < graph->nodes + graph->count; node++) {
    if (!node->function) {
      memcpy(node->to, node->from, node->bytes);
    } else {
#ifndef INSTANT_IDLE
      ++*(int*)node->argument;
#endif
    }
  }
  return OK;
}

// ---- NVRTC ----

EXPORT int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return OK;
}
EXPORT int nvrtcGetNumSupportedArchs(int* count) {
  *count = 2;
  return OK;
}
EXPORT int nvrtcGetSupportedArchs(int* list) {
  list[0] = 80;
  list[1] = 90;
  return OK;
}
EXPORT const char* nvrtcGetErrorString(int code) {
  return code == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR";
}
EXPORT int nvrtcCreateProgram(char** program, const char* source, const char* name, int count,
                              const char* const* headers, const char* const* names) {
  (void)name, (void)headers, (void)names;
  if (count) return INVALID;
  *program = strcpy(malloc(strlen(source) + 1), source);
  return OK;
}
EXPORT int nvrtcDestroyProgram(char** program) {
  free(*program);
  *program = NULL;
  return OK;
}
EXPORT int nvrtcCompileProgram(char* program, int count, const char* const* options) {
  const char* wanted = major() > 9 ? "--gpu-architecture=compute_90" : "--gpu-architecture=sm_90";
  if (count < 1 || strcmp(options[0], wanted) != 0) return 5;
  return strstr(program, "#error") ? 6 : OK;
}
EXPORT int nvrtcGetProgramLogSize(char* program, size_t* bytes) {
  (void)program;
  *bytes = 4;
  return OK;
}
EXPORT int nvrtcGetProgramLog(char* program, char* log) {
  (void)program;
  memcpy(log, "log", 4);
  return OK;
}
EXPORT int nvrtcGetCUBINSize(char* program, size_t* bytes) {
  *bytes = strlen(program);
  return OK;
}
EXPORT int nvrtcGetCUBIN(char* program, char* binary) {
  memcpy(binary, program, strlen(program));
  return OK;
}
EXPORT int nvrtcGetPTXSize(char* program, size_t* bytes) {
  *bytes = strlen(program) + 5;
  return OK;
}
EXPORT int nvrtcGetPTX(char* program, char* text) {
  strcpy(text, "ptx ");
  strcat(text, program);
  return OK;
}
