// The C ABI between Pairfold and the CUDA driver with NVRTC.
//
// The library links neither: it finds and opens both when asked, so that it loads on machines that
// have no GPU and can say what it looked for.
//
// Rules of every entry point:
// - It may be called from any thread; it makes the context that it needs current itself.
// - The first parameter is the caller's report (may be null). The result is its status: PF_OK or
//   what went wrong, and then `text` says so in one or more lines of UTF-8, cut to `capacity`.
// - Handles, device addresses and byte counts are 64 bits wide. A handle of 0 is none.
// - Memory that a caller passes is read or written during the call only, unless said otherwise.
// - Work of one stream runs in order. Stream 0 is the device's own; allocation is ordered on it.

#ifndef PAIRFOLD_CUDA_H
#define PAIRFOLD_CUDA_H

#include <stdint.h>

#if defined(_WIN32)
#define PF_API __declspec(dllexport)
#else
#define PF_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Changes whenever a declaration below does.
#define PF_ABI_VERSION 3

typedef int32_t pf_status;
enum {
  PF_OK = 0,
  PF_NO_DRIVER = 1,      // no driver library, or one without the symbols needed
  PF_NO_DEVICE = 2,      // a driver without such a device
  PF_NO_NVRTC = 3,       // no NVRTC library that the driver can use
  PF_INVALID = 4,        // an argument out of range, a handle that is none
  PF_OUT_OF_MEMORY = 5,  // of the device, or pinned memory of the host
  PF_COMPILE = 6,        // NVRTC's log is the text
  PF_LAUNCH = 7,         // a launch was refused
  PF_CONTEXT_LOST = 8,   // a kernel faulted: nothing of this device works until the process ends
  PF_IO = 9,             // the cache folder; never fails a compile
  PF_DRIVER = 10         // any other error of the driver, by its name
};

typedef struct pf_report {
  int32_t status;     // as returned
  int32_t code;       // the driver's or NVRTC's own code, else 0
  uint32_t capacity;  // bytes of text, set by the caller
  uint32_t length;    // bytes of text written, without the final 0
  char text[];
} pf_report;

// ---- the libraries --------------------------------------------------------------------------

PF_API uint32_t pf_abi_version(void);

// Opens the driver: `path`, else the environment's PAIRFOLD_CUDA_DRIVER, else the usual names.
// A path that was asked for is never replaced by another. Opening twice is opening once.
PF_API pf_status pf_open_driver(pf_report* report, const char* path);

// Opens NVRTC: `path`, else the environment's PAIRFOLD_NVRTC, else a library that the process has
// loaded already, the usual names and folders. With a driver open, one newer than it is refused.
PF_API pf_status pf_open_nvrtc(pf_report* report, const char* path);

// What was looked for, found and refused so far, a line each, into the report's text.
PF_API pf_status pf_search_log(pf_report* report);

// The driver's CUDA version as 1000 * major + 10 * minor, and NVRTC's; 0 where none is open.
PF_API pf_status pf_versions(pf_report* report, int32_t* driver, int32_t* nvrtc);

// ---- devices --------------------------------------------------------------------------------

PF_API pf_status pf_device_count(pf_report* report, int32_t* count);

// Retains the primary context of a device; each open wants one close.
PF_API pf_status pf_device_open(pf_report* report, int32_t ordinal, uint64_t* device);
PF_API pf_status pf_device_close(pf_report* report, uint64_t device);

// The device's name into the report's text.
PF_API pf_status pf_device_name(pf_report* report, uint64_t device);

// values[k] = attribute which[k], numbered as CUdevice_attribute.
PF_API pf_status pf_device_attributes(pf_report* report, uint64_t device, const int32_t* which,
                                      int32_t* values, uint32_t count);

// ---- memory ---------------------------------------------------------------------------------

// Bytes that callers hold, that the pool keeps for reuse, that are free on the device, and in all.
PF_API pf_status pf_memory(pf_report* report, uint64_t device, uint64_t* live, uint64_t* pooled,
                           uint64_t* available, uint64_t* total);

// Allocates from the pool, aligned to 256 bytes. Gives pooled blocks back to the driver before it
// says PF_OUT_OF_MEMORY. Contents are undefined. 0 bytes give an address of their own.
PF_API pf_status pf_alloc(pf_report* report, uint64_t device, uint64_t bytes, uint64_t* address);

// Gives an allocation back to the pool, in stream order: work queued before may still use it.
PF_API pf_status pf_free(pf_report* report, uint64_t device, uint64_t address);

// Gives all pooled blocks back to the driver.
PF_API pf_status pf_trim(pf_report* report, uint64_t device);

// Queues copies through pinned staging. An upload returns when `source` may change again; a
// download when `target` is filled (call it without blocking the event loop).
PF_API pf_status pf_upload(pf_report* report, uint64_t device, uint64_t stream, uint64_t target,
                           const void* source, uint64_t bytes);
PF_API pf_status pf_download(pf_report* report, uint64_t device, uint64_t stream, void* target,
                             uint64_t source, uint64_t bytes);
// The same where the work queued before is short: fills `target` if it ends within so many
// nanoseconds, else leaves it as it is, with done = 0. At most 16 KiB.
PF_API pf_status pf_download_soon(pf_report* report, uint64_t device, uint64_t stream, void* target,
                                  uint64_t source, uint64_t bytes, uint64_t nanoseconds,
                                  int32_t* done);
PF_API pf_status pf_copy(pf_report* report, uint64_t device, uint64_t stream, uint64_t target,
                         uint64_t source, uint64_t bytes);
PF_API pf_status pf_fill(pf_report* report, uint64_t device, uint64_t stream, uint64_t target,
                         uint8_t byte, uint64_t bytes);

// ---- streams and events ---------------------------------------------------------------------

PF_API pf_status pf_stream_create(pf_report* report, uint64_t device, uint64_t* stream);
PF_API pf_status pf_stream_free(pf_report* report, uint64_t device, uint64_t stream);
// Later work of the stream waits for the event.
PF_API pf_status pf_stream_wait(pf_report* report, uint64_t device, uint64_t stream,
                                uint64_t event);

// A new event behind the work that a stream has now.
PF_API pf_status pf_event_record(pf_report* report, uint64_t device, uint64_t stream,
                                 uint64_t* event);
// done = 1 once the event has happened, else 0.
PF_API pf_status pf_event_query(pf_report* report, uint64_t device, uint64_t event, int32_t* done);
PF_API pf_status pf_event_wait(pf_report* report, uint64_t device, uint64_t event);
PF_API pf_status pf_event_elapsed(pf_report* report, uint64_t device, uint64_t from, uint64_t to,
                                  float* milliseconds);
PF_API pf_status pf_event_free(pf_report* report, uint64_t device, uint64_t event);

// Waits for all work of the device.
PF_API pf_status pf_synchronize(pf_report* report, uint64_t device);

// ---- programs -------------------------------------------------------------------------------

// Compiles CUDA C++ for a device and loads it. `options` are NVRTC's, one per line, without the
// architecture. With a cache folder (else empty) the binary is looked up and kept there under the
// SHA-256 of all that it depends on; what cannot be read or written there costs only time.
// cached = 1 where the binary came from there.
PF_API pf_status pf_compile(pf_report* report, uint64_t device, const char* source,
                            const char* name, const char* options, const char* cache,
                            uint64_t* module, int32_t* cached);
PF_API pf_status pf_module_free(pf_report* report, uint64_t device, uint64_t module);

// Compiles for an architecture such as 90, with NVRTC alone. Writes at most `capacity` bytes of the
// binary; `bytes` is its whole size. NVRTC's warnings are the report's text.
PF_API pf_status pf_compile_binary(pf_report* report, int32_t architecture, const char* source,
                                   const char* name, const char* options, void* binary,
                                   uint64_t capacity, uint64_t* bytes);

// Finds a kernel and lets it use so much dynamic shared memory. attributes: registers per thread,
// bytes of local memory per thread, bytes of static shared memory, most threads per block.
PF_API pf_status pf_function(pf_report* report, uint64_t device, uint64_t module, const char* name,
                             uint32_t dynamic_shared, uint64_t* function, int32_t* attributes);

// Blocks of a kernel that one multiprocessor holds.
PF_API pf_status pf_occupancy(pf_report* report, uint64_t device, uint64_t function,
                              uint32_t threads, uint32_t dynamic_shared, int32_t* blocks);

// Queues a launch. dims: grid x y z, block x y z, bytes of dynamic shared memory. Argument k is
// read at arguments + offsets[k].
PF_API pf_status pf_launch(pf_report* report, uint64_t device, uint64_t stream, uint64_t function,
                           const uint32_t* dims, const void* arguments, const uint32_t* offsets,
                           uint32_t count);

// Queues a list of copies and launches in order, in one call. Words, command after command:
//   PF_RUN_UPLOAD, target, offset, bytes      as pf_upload, from `data` + offset
//   PF_RUN_LAUNCH, function, blocks, threads, bytes of dynamic shared memory, count, and as many
//                  arguments of 8 bytes each  as pf_launch, blocks and threads along x
//   PF_RUN_WRITE, target, bytes, and these, in whole words   as pf_upload
// Nothing is queued where a command is none. What a refused command follows is queued.
//
// A list that comes again may be recorded as a graph, which is launched as a whole from then on;
// bytes that are copied may be others each time. `graphs`: PF_GRAPHS_AUTO for lists of three
// commands and more, counting the pf_download_soon that follows them, once both ways were timed and
// if the graph's was shorter; PF_GRAPHS_ALWAYS for all that can be, from the second time on.
enum { PF_RUN_UPLOAD = 1, PF_RUN_LAUNCH = 2, PF_RUN_WRITE = 3 };
enum { PF_GRAPHS_NEVER = 0, PF_GRAPHS_AUTO = 1, PF_GRAPHS_ALWAYS = 2 };
PF_API pf_status pf_run(pf_report* report, uint64_t device, uint64_t stream, const uint64_t* words,
                        uint64_t count, const void* data, uint64_t bytes, int32_t graphs);

// Of a device's graphs, five numbers: those that are kept, and so far how many were recorded, how
// often one was launched, how many took longer than their lists, how many were refused.
PF_API pf_status pf_graphs(pf_report* report, uint64_t device, uint64_t* counts);

#ifdef __cplusplus
}
#endif

#endif
