// The CUDA driver: which functions of it the shim uses, and the one library that they come from.

#ifndef PF_DRIVER_LIBRARY_H
#define PF_DRIVER_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pairfold_cuda.h"
#include "text.h"

typedef int32_t CUresult;
typedef int32_t CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct CUctx_st* CUcontext;
typedef struct CUstream_st* CUstream;
typedef struct CUevent_st* CUevent;
typedef struct CUmod_st* CUmodule;
typedef struct CUfunc_st* CUfunction;
typedef struct CUgraph_st* CUgraph;
typedef struct CUgraphNode_st* CUgraphNode;
typedef struct CUgraphExec_st* CUgraphExec;

// CUDA_MEMCPY3D, and its numbers of kinds of memory
enum { MEMORY_HOST = 1, MEMORY_DEVICE = 2 };
typedef struct CopyParameters {
  size_t from_x, from_y, from_z, from_level;
  int from_kind;
  const void* from_host;
  CUdeviceptr from_device;
  void *from_array, *from_reserved;
  size_t from_pitch, from_height;
  size_t to_x, to_y, to_z, to_level;
  int to_kind;
  void* to_host;
  CUdeviceptr to_device;
  void *to_array, *to_reserved;
  size_t to_pitch, to_height;
  size_t bytes, rows, layers;
} CopyParameters;

// CUDA_KERNEL_NODE_PARAMS_v2
typedef struct KernelParameters {
  CUfunction function;
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_shared;
  void **arguments, **extra;
  void* kernel;  // looked at where there is no function
  CUcontext context;
} KernelParameters;

// Every function by the name that the library exports: X(name, parameters).
#define DRIVER_FUNCTIONS(X)                                                                  \
  X(cuInit, (unsigned flags))                                                                \
  X(cuDriverGetVersion, (int* version))                                                      \
  X(cuGetErrorName, (CUresult code, const char** name))                                      \
  X(cuGetErrorString, (CUresult code, const char** text))                                    \
  X(cuDeviceGetCount, (int* count))                                                          \
  X(cuDeviceGet, (CUdevice * device, int ordinal))                                           \
  X(cuDeviceGetName, (char* name, int capacity, CUdevice device))                            \
  X(cuDeviceGetAttribute, (int* value, int attribute, CUdevice device))                      \
  X(cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                        \
  X(cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                         \
  X(cuCtxSetCurrent, (CUcontext context))                                                    \
  X(cuCtxSynchronize, (void))                                                                \
  X(cuMemGetInfo_v2, (size_t* available, size_t* total))                                     \
  X(cuMemAlloc_v2, (CUdeviceptr * address, size_t bytes))                                    \
  X(cuMemFree_v2, (CUdeviceptr address))                                                     \
  X(cuMemHostAlloc, (void** memory, size_t bytes, unsigned flags))                           \
  X(cuMemFreeHost, (void* memory))                                                           \
  X(cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void* from, size_t bytes, CUstream stream)) \
  X(cuMemcpyDtoHAsync_v2, (void* to, CUdeviceptr from, size_t bytes, CUstream stream))       \
  X(cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)) \
  X(cuMemsetD8Async, (CUdeviceptr to, unsigned char byte, size_t bytes, CUstream stream))    \
  X(cuStreamCreate, (CUstream * stream, unsigned flags))                                     \
  X(cuStreamDestroy_v2, (CUstream stream))                                                   \
  X(cuStreamWaitEvent, (CUstream stream, CUevent event, unsigned flags))                     \
  X(cuEventCreate, (CUevent * event, unsigned flags))                                        \
  X(cuEventRecord, (CUevent event, CUstream stream))                                         \
  X(cuEventQuery, (CUevent event))                                                           \
  X(cuEventSynchronize, (CUevent event))                                                     \
  X(cuEventElapsedTime, (float* milliseconds, CUevent from, CUevent to))                     \
  X(cuEventDestroy_v2, (CUevent event))                                                      \
  X(cuModuleLoadData, (CUmodule * module, const void* image))                                \
  X(cuModuleUnload, (CUmodule module))                                                       \
  X(cuModuleGetFunction, (CUfunction * function, CUmodule module, const char* name))         \
  X(cuFuncSetAttribute, (CUfunction function, int attribute, int value))                     \
  X(cuFuncGetAttribute, (int* value, int attribute, CUfunction function))                    \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor,                                             \
    (int* blocks, CUfunction function, int threads, size_t dynamic_shared))                  \
  X(cuLaunchKernel, (CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, \
                     unsigned block_x, unsigned block_y, unsigned block_z,                   \
                     unsigned dynamic_shared, CUstream stream, void** arguments, void** extra))

// Those that a driver may lack, before CUDA 12: all of them are there, or none is.
#define GRAPH_FUNCTIONS(X)                                                                  \
  X(cuGraphCreate, (CUgraph * graph, unsigned flags))                                       \
  X(cuGraphDestroy, (CUgraph graph))                                                        \
  X(cuGraphAddKernelNode_v2, (CUgraphNode * node, CUgraph graph, const CUgraphNode* after,  \
                              size_t count, const KernelParameters* parameters))            \
  X(cuGraphAddMemcpyNode, (CUgraphNode * node, CUgraph graph, const CUgraphNode* after,     \
                           size_t count, const CopyParameters* copy, CUcontext context))    \
  X(cuGraphInstantiateWithFlags, (CUgraphExec * made, CUgraph graph, unsigned long long flags)) \
  X(cuGraphExecDestroy, (CUgraphExec graph))                                                \
  X(cuGraphLaunch, (CUgraphExec graph, CUstream stream))

typedef struct Driver {
#define X(name, parameters) CUresult(*name) parameters;
  DRIVER_FUNCTIONS(X)
  GRAPH_FUNCTIONS(X)
#undef X
  bool has_graphs;
  int32_t version;   // 1000 * major + 10 * minor
  const char* path;  // the file it came from, resolved
} Driver;

// Codes of the driver that the shim knows by number.
enum {
  CUDA_INVALID_VALUE = 1,
  CUDA_OUT_OF_MEMORY = 2,
  CUDA_NO_DEVICE = 100,
  CUDA_UNSUPPORTED_PTX = 222,
  CUDA_NOT_FOUND = 500,
  CUDA_NOT_READY = 600
};

// The open driver; null while none is open.
const Driver* driver_get(void);
// The same, and PF_NO_DRIVER in the report where none is.
const Driver* driver_need(pf_report* report, const char* function);
// Adds "NAME (code): text".
void driver_describe(const Driver* driver, CUresult code, Text* text);
// Whether nothing of a context works after this code.
bool driver_is_sticky(CUresult code);
// Adds what the last search for the driver did, a line each.
void driver_log(Text* text);

#endif
