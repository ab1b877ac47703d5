// A device that is open: its context, its lock, and all that lives in them.
//
// Every entry point enters a device (which checks the handle, takes the lock and makes the context
// current) and leaves it. What waits for the device lets others in meanwhile: it steps out and in.
// A device that is closed while calls wait in it is taken down by the last of them.

#ifndef PF_DEVICE_H
#define PF_DEVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "driver.h"
#include "graphs.h"
#include "handles.h"
#include "pairfold_cuda.h"
#include "platform.h"
#include "pool.h"
#include "staging.h"

// CU_EVENT_BLOCKING_SYNC, and with it CU_EVENT_DISABLE_TIMING
enum { EVENT_FLAGS_TIMED = 1, EVENT_FLAGS_UNTIMED = 3 };

#define IDLE_EVENTS 64
// of one launch
#define MOST_ARGUMENTS 512

typedef struct Device {
  Mutex mutex;
  Condition chunk_free;
  uint64_t handle;  // 0 once closed
  bool used;        // the slot has a device, open or on its way out
  uint32_t opens;
  uint32_t guests;  // calls that are waiting, outside of the lock
  int32_t ordinal;
  CUdevice id;
  CUcontext context;
  CUstream stream;  // stream 0
  int architecture;
  char name[128];
  bool lost;
  char kernel[128];  // the last one launched
  Handles handles;
  Pool pool;
  Ring small, large;
  Graphs graphs;
  uint64_t work;  // how often something was queued that may write to the device's memory
  bool has_streams;  // whether it ever had streams beside its own, whose work ends at any time
  uint32_t old_streams;  // freed while calls were waiting, which may queue on them yet
  CUevent idle_events[IDLE_EVENTS];  // freed ones, for the next to use
  uint32_t idle_event_count;
} Device;

// An event that a caller has, and the calls that are waiting for it now.
typedef struct Event {
  CUevent event;
  uint32_t waiters;
  bool freed;
} Event;

typedef struct Function {
  CUfunction function;
  uint64_t handle;
  uint32_t dynamic_shared;  // as much as it was allowed so far
  struct Function* next;    // of the same module
  char name[];
} Function;

typedef struct Module {
  CUmodule module;
  Function* functions;
} Module;

// PF_OK and the device with its lock held and its context current, or what is wrong.
pf_status device_enter(pf_report* report, uint64_t handle, const char* function, Device** entered);
// Gives the lock back; returns what it is given.
pf_status device_leave(Device* device, pf_status status);
void device_step_out(Device* device);
void device_step_in(Device* device);

// Reports a code of the driver: out of memory, a lost context, else `status`. Says the function, a
// detail (or null) and the driver's words.
pf_status device_failed(pf_report* report, Device* device, CUresult code, pf_status status,
                        const char* function, const char* detail);
// PF_OK, or as device_failed with PF_DRIVER.
pf_status device_check(pf_report* report, Device* device, CUresult code, const char* function);

// The driver's stream of a handle; false with PF_INVALID in the report where it is none.
bool device_stream(pf_report* report, Device* device, uint64_t stream, CUstream* found,
                   const char* function);
// Whether bytes of the device are within an allocation; else PF_INVALID in the report.
bool device_holds(pf_report* report, Device* device, uint64_t address, uint64_t bytes,
                  const char* function);

// Queues a copy to the device through pinned memory.
CUresult device_upload(Device* device, const Driver* driver, CUstream stream, uint64_t target,
                       const unsigned char* source, uint64_t bytes);
// The kernel of a handle; null with PF_INVALID in the report where it is none.
Function* device_function(pf_report* report, Device* device, uint64_t function, const char* caller);
// Queues a launch; dims as of pf_launch.
pf_status device_launch(pf_report* report, Device* device, Function* function, CUstream stream,
                        const uint32_t* dims, void** pointers, const char* caller);

// Notes which kernel was launched last.
void device_launched(Device* device, const Function* function);

// Waits for an event: looks again and again for a moment, then sleeps. Outside of the lock.
CUresult event_wait(const Driver* driver, CUevent event);
void event_release(Device* device, const Driver* driver, Event* event);
// Forgets the kernels of a module: nobody finds them any more, and no graph has them.
void module_forget(Device* device, Module* module);

#endif
