// Many threads use the shim at once while a sanitizer watches: allocations, copies of all sizes,
// events that are freed while others wait for them, programs with a cache folder, devices that are
// closed under way. Arguments: the driver, NVRTC, a folder. Prints what is wrong.

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pairfold_cuda.h"

#define THREADS 8
#ifndef STRESS_ROUNDS
#define STRESS_ROUNDS 60
#endif

static atomic_int failures;
static const char* folder;

typedef struct Report {
  pf_report head;
  char text[4096];
} Report;

#define WANT(wanted, call)                                                 \
  do {                                                                     \
    report.head.capacity = sizeof(report.text);                            \
    int32_t got = (call);                                                  \
    if (got != (wanted) || report.head.status != got) {                    \
      atomic_fetch_add(&failures, 1);                                      \
      printf("line %d: status %d: %s\n", __LINE__, got, report.head.text); \
    }                                                                      \
  } while (0)

#define CHECK(condition)                                           \
  do {                                                             \
    if (!(condition)) {                                            \
      atomic_fetch_add(&failures, 1);                              \
      printf("line %d: %s does not hold\n", __LINE__, #condition); \
    }                                                              \
  } while (0)

static void copies(uint64_t device, uint64_t stream, unsigned* seed) {
  static const size_t sizes[] = {1, 100, 16384, 16385, 100000, (4 << 20) - 1, (9 << 20) + 7};
  Report report;
  size_t bytes = sizes[rand_r(seed) % 7];
  unsigned char *source = malloc(bytes), *target = calloc(bytes, 1);
  for (size_t k = 0; k < bytes; k++) source[k] = (unsigned char)(k * 31 + *seed);
  uint64_t first = 0, second = 0;
  WANT(PF_OK, pf_alloc(&report.head, device, bytes, &first));
  WANT(PF_OK, pf_alloc(&report.head, device, bytes, &second));
  WANT(PF_OK, pf_upload(&report.head, device, stream, first, source, bytes));
  WANT(PF_OK, pf_copy(&report.head, device, stream, second, first, bytes));
  WANT(PF_OK, pf_download(&report.head, device, stream, target, second, bytes));
  CHECK(memcmp(source, target, bytes) == 0);
  WANT(PF_OK, pf_fill(&report.head, device, stream, first + bytes / 2, 7, bytes - bytes / 2));
  WANT(PF_INVALID, pf_fill(&report.head, device, stream, first + 1, 7, bytes));
  WANT(PF_OK, pf_download(&report.head, device, stream, target, first, bytes));
  CHECK(target[bytes - 1] == 7);
  int32_t done = 0;
  size_t few = bytes < 16384 ? bytes : 16384;
  memset(target, 0, few);
  WANT(PF_OK, pf_download_soon(&report.head, device, stream, target, first + bytes - few, few,
                               (uint64_t)(rand_r(seed) % 100) * 1000, &done));
  CHECK(target[few - 1] == (done ? 7 : 0));
  WANT(PF_OK, pf_free(&report.head, device, first));
  WANT(PF_INVALID, pf_free(&report.head, device, first + 1));
  WANT(PF_OK, pf_free(&report.head, device, second));
  free(source);
  free(target);
}

static void programs(uint64_t device, uint64_t stream, unsigned* seed) {
  Report report;
  char source[64];
  snprintf(source, sizeof(source), "kernel %d", rand_r(seed) % 5);
  uint64_t module = 0, function = 0, address = 0;
  int32_t cached = 0, attributes[4], blocks = 0, value = 41;
  WANT(PF_OK, pf_compile(&report.head, device, source, "k.cu", "-a\n-b", folder, &module, &cached));
  WANT(PF_COMPILE,
       pf_compile(&report.head, device, "#error", "k.cu", "", folder, &address, &cached));
  CHECK(strstr(report.head.text, "log") != NULL);
  WANT(PF_OK, pf_function(&report.head, device, module, "adds", 100000, &function, attributes));
  WANT(PF_LAUNCH, pf_function(&report.head, device, module, "adds", 300000, &address, attributes));
  WANT(PF_OK, pf_occupancy(&report.head, device, function, 128, 0, &blocks));
  CHECK(blocks == 16);
  WANT(PF_OK, pf_alloc(&report.head, device, 4, &address));
  WANT(PF_OK, pf_upload(&report.head, device, stream, address, &value, 4));
  uint32_t dims[7] = {1, 1, 1, 32, 1, 1, 0}, offset = 0;
  WANT(PF_OK, pf_launch(&report.head, device, stream, function, dims, &address, &offset, 1));
  dims[3] = 2048;
  WANT(PF_LAUNCH, pf_launch(&report.head, device, stream, function, dims, &address, &offset, 1));
  WANT(PF_OK, pf_download(&report.head, device, stream, &value, address, 4));
  CHECK(value == 42);
  // the same in one call
  int32_t values[2] = {0, 1}, modes[] = {PF_GRAPHS_NEVER, PF_GRAPHS_AUTO, PF_GRAPHS_ALWAYS};
  uint64_t list[] = {PF_RUN_UPLOAD, address, 4, 4,          PF_RUN_LAUNCH, function, 1, 32,
                     0,             1,       address, PF_RUN_LAUNCH, function, 1, 32,
                     0,             1,       address};
  uint64_t words = sizeof(list) / sizeof(*list);
  // again and again with other numbers, as a graph too
  int32_t mode = modes[rand_r(seed) % 3], soon = 0;
  for (int k = 0; k < 24; k++) {
    values[1] = k;
    WANT(PF_OK, pf_run(&report.head, device, stream, list, words, values, sizeof(values), mode));
    value = -1;
    if (k % 5) {
      WANT(PF_OK, pf_download_soon(&report.head, device, stream, &value, address, 4, 1000, &soon));
    }
    if (k % 5 == 0 || !soon) {
      WANT(PF_OK, pf_download(&report.head, device, stream, &value, address, 4));
    }
    CHECK(value == k + 2);
  }
  uint64_t counts[5];
  WANT(PF_OK, pf_graphs(&report.head, device, counts));
  WANT(PF_INVALID, pf_run(&report.head, device, stream, list, words, values, sizeof(values), 3));
  WANT(PF_INVALID,
       pf_run(&report.head, device, stream, list, words - 1, values, sizeof(values), mode));
  WANT(PF_OK, pf_free(&report.head, device, address));
  WANT(PF_OK, pf_module_free(&report.head, device, module));
  WANT(PF_INVALID, pf_launch(&report.head, device, stream, function, dims, &address, &offset, 1));
  WANT(PF_INVALID, pf_run(&report.head, device, stream, list, words, values, sizeof(values), mode));
}

// An event of all threads: one frees it, the others find it or not.
static _Atomic uint64_t shared_event;

static void events(uint64_t device, uint64_t stream) {
  Report report;
  uint64_t event = 0;
  int32_t done = 0;
  float milliseconds = 0;
  WANT(PF_OK, pf_event_record(&report.head, device, stream, &event));
  WANT(PF_OK, pf_event_query(&report.head, device, event, &done));
  WANT(PF_OK, pf_stream_wait(&report.head, device, 0, event));
  uint64_t old = atomic_exchange(&shared_event, event);
  report.head.capacity = sizeof(report.text);
  int32_t waited = pf_event_wait(&report.head, device, event);
  CHECK(waited == PF_OK || waited == PF_INVALID);
  int32_t elapsed = pf_event_elapsed(&report.head, device, event, event, &milliseconds);
  CHECK(elapsed == PF_OK || elapsed == PF_INVALID);
  if (old) WANT(PF_OK, pf_event_free(&report.head, device, old));
  WANT(PF_OK, pf_synchronize(&report.head, device));
}

static void* work(void* argument) {
  unsigned seed = (unsigned)(uintptr_t)argument;
  Report report;
  for (int round = 0; round < STRESS_ROUNDS; round++) {
    uint64_t device = 0, stream = 0, live, pooled, available, total;
    // each thread opens and closes of its own: the device goes away and comes back meanwhile
    WANT(PF_OK, pf_device_open(&report.head, 0, &device));
    if (round % 2) WANT(PF_OK, pf_stream_create(&report.head, device, &stream));
    copies(device, stream, &seed);
    programs(device, stream, &seed);
    WANT(PF_OK, pf_memory(&report.head, device, &live, &pooled, &available, &total));
    if (round % 7 == 0) WANT(PF_OK, pf_trim(&report.head, device));
    if (stream && round % 4 == 1) WANT(PF_OK, pf_stream_free(&report.head, device, stream));
    WANT(PF_OK, pf_device_close(&report.head, device));
  }
  return NULL;
}

static void* wait_for_events(void* argument) {
  for (int round = 0; round < 4 * STRESS_ROUNDS; round++) events((uint64_t)(uintptr_t)argument, 0);
  return NULL;
}

// A download is under way while the device is closed: it ends well, and takes the device down.
static atomic_int downloads_begun;
typedef struct Closing {
  uint64_t device, address;
  unsigned char* target;
} Closing;

static void* download_while_closing(void* argument) {
  Closing* closing = argument;
  Report report;
  for (int k = 0;; k++) {
    report.head.capacity = sizeof(report.text);
    int32_t status =
        pf_download(&report.head, closing->device, 0, closing->target, closing->address, 20 << 20);
    if (k == 0) atomic_fetch_add(&downloads_begun, 1);
    CHECK(status == PF_OK || status == PF_INVALID);
    if (status != PF_OK) return NULL;
    CHECK(closing->target[(20 << 20) - 1] == 9);
  }
}

static void close_under_way(void) {
  Report report;
  Closing closing[2];
  pthread_t threads[2];
  uint64_t device = 0, address = 0;
  WANT(PF_OK, pf_device_open(&report.head, 1, &device));
  WANT(PF_OK, pf_alloc(&report.head, device, 20 << 20, &address));
  WANT(PF_OK, pf_fill(&report.head, device, 0, address, 9, 20 << 20));
  for (int k = 0; k < 2; k++) {
    closing[k] = (Closing){.device = device, .address = address, .target = calloc(20, 1 << 20)};
    pthread_create(&threads[k], NULL, download_while_closing, &closing[k]);
  }
  while (atomic_load(&downloads_begun) < 2) continue;
  WANT(PF_OK, pf_device_close(&report.head, device));
  for (int k = 0; k < 2; k++) {
    pthread_join(threads[k], NULL);
    free(closing[k].target);
  }
}

// Graphs are dropped while others read what they copied back: nothing else is queued meanwhile.
static atomic_int reads_ended;
typedef struct Repeating {
  uint64_t device, function, address;
} Repeating;

static void* read_again(void* argument) {
  const Repeating* own = argument;
  Report report;
  for (int32_t k = 0; k < 50 * STRESS_ROUNDS; k++) {
    int32_t value = -1, soon = 0;
    uint64_t list[] = {PF_RUN_UPLOAD, own->address, 0, 4, PF_RUN_LAUNCH, own->function, 1, 32,
                       0,             1,            own->address};
    WANT(PF_OK, pf_run(&report.head, own->device, 0, list, sizeof(list) / sizeof(*list), &k, 4,
                       PF_GRAPHS_ALWAYS));
    WANT(PF_OK, pf_download_soon(&report.head, own->device, 0, &value, own->address, 4, 10000000,
                                 &soon));
    CHECK(soon && value == k + 1);
  }
  atomic_store(&reads_ended, 1);
  return NULL;
}

static void drop_under_readers(uint64_t device) {
  Report report;
  Repeating own = {.device = device};
  uint64_t module = 0, address = 0, counts[5] = {0};
  int32_t cached = 0, attributes[4];
  WANT(PF_OK, pf_compile(&report.head, device, "k", "k.cu", "", folder, &module, &cached));
  WANT(PF_OK, pf_function(&report.head, device, module, "adds", 0, &own.function, attributes));
  WANT(PF_OK, pf_alloc(&report.head, device, 4, &own.address));
  pthread_t thread;
  pthread_create(&thread, NULL, read_again, &own);
  while (!atomic_load(&reads_ended)) {
    WANT(PF_OK, pf_alloc(&report.head, device, 100, &address));
    WANT(PF_OK, pf_free(&report.head, device, address));
    WANT(PF_OK, pf_trim(&report.head, device));
    usleep(100);
  }
  pthread_join(thread, NULL);
  WANT(PF_OK, pf_graphs(&report.head, device, counts));
  CHECK(counts[1] > 2 && counts[2] > 2);
  WANT(PF_OK, pf_free(&report.head, device, own.address));
  WANT(PF_OK, pf_module_free(&report.head, device, module));
}

// Out of memory: what the pool keeps is given back first.
static void run_out(uint64_t device) {
  Report report;
  uint64_t address = 0, other = 0, live, pooled, available, total;
  WANT(PF_OK, pf_memory(&report.head, device, &live, &pooled, &available, &total));
  WANT(PF_OK, pf_alloc(&report.head, device, total / 2, &address));
  WANT(PF_OUT_OF_MEMORY, pf_alloc(&report.head, device, total / 4 * 3, &other));
  CHECK(strstr(report.head.text, "bytes beside") != NULL);
  WANT(PF_OK, pf_free(&report.head, device, address));
  WANT(PF_OK, pf_alloc(&report.head, device, total / 4 * 3, &other));
  WANT(PF_OUT_OF_MEMORY, pf_alloc(&report.head, device, UINT64_MAX, &address));
  WANT(PF_OK, pf_free(&report.head, device, other));
  // both devices have one memory here
  WANT(PF_OK, pf_trim(&report.head, device));
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  Report report;
  folder = arguments[3];
  WANT(PF_OK, pf_open_driver(&report.head, arguments[1]));
  WANT(PF_OK, pf_open_nvrtc(&report.head, arguments[2]));
  uint64_t device = 0;
  WANT(PF_NO_DEVICE, pf_device_open(&report.head, 2, &device));
  WANT(PF_OK, pf_device_open(&report.head, 1, &device));
  run_out(device);
  pthread_t threads[2 * THREADS];
  for (uintptr_t k = 0; k < THREADS; k++) {
    pthread_create(&threads[2 * k], NULL, work, (void*)(k + 1));
    pthread_create(&threads[2 * k + 1], NULL, wait_for_events, (void*)(uintptr_t)device);
  }
  for (int k = 0; k < 2 * THREADS; k++) pthread_join(threads[k], NULL);
  // copies behind graphs are read where a device never had other streams
  uint64_t fresh = 0;
  WANT(PF_OK, pf_device_open(&report.head, 1, &fresh));
  drop_under_readers(fresh);
  WANT(PF_OK, pf_device_close(&report.head, fresh));
  WANT(PF_OK, pf_device_close(&report.head, device));
  WANT(PF_INVALID, pf_device_close(&report.head, device));
  close_under_way();
  int (*objects)(void) = (int (*)(void))dlsym(dlopen(arguments[1], RTLD_NOW), "test_objects");
  printf("%d failures, %d objects left\n", atomic_load(&failures), objects());
  return atomic_load(&failures) ? 1 : 0;
}
