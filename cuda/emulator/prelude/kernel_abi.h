// What a compiled kernel module and the emulator know of each other. Both include this file: the
// kernel's side through prelude.h, so it may include no other header.
//
// Enters: nothing. Leaves: the calls that a kernel makes into the emulator, the description of a
// module that the emulator reads, and one version number for both.

#ifndef PAIRFOLD_EMULATOR_KERNEL_ABI_H
#define PAIRFOLD_EMULATOR_KERNEL_ABI_H

// Changes whenever a declaration below does: a module built for another one is refused.
#define PFE_ABI_VERSION 1

struct PfeDim {
  unsigned x, y, z;
};

// The part of an emulated thread that its kernel reads.
struct PfeThread {
  PfeDim thread, block, block_dim, grid_dim;
  void* dynamic_shared;
  unsigned lane;
};

enum PfeBarrier { PFE_BARRIER = 0, PFE_BARRIER_OR = 1, PFE_BARRIER_AND = 2, PFE_BARRIER_COUNT = 3 };
enum PfeAccess { PFE_READ = 0, PFE_WRITE = 1, PFE_ATOMIC = 2 };
enum PfeDefect { PFE_MISALIGNED = 0, PFE_INDEX = 1, PFE_OTHER_DEFECT = 2 };

// The emulator's side. `line` is the line of the kernel's source.
struct PfeHost {
  PfeThread* (*self)();
  void* (*shared)(unsigned id, unsigned long bytes, unsigned long alignment);
  int (*barrier)(int kind, int predicate, int line);
  void (*sync_warp)(unsigned mask, int line);
  unsigned long long (*exchange)(unsigned mask, unsigned long long value, unsigned source,
                                 int line);
  unsigned (*ballot)(unsigned mask, int predicate, int line);
  void (*copy_async)(void* target, const void* source, unsigned bytes, int line);
  void (*commit_async)();
  void (*wait_async)(unsigned groups_left);
  void (*fence)();
  // Check mode only: every access, and what the compiler's own checks found.
  void (*access)(const void* address, unsigned long bytes, int kind, void* return_address);
  void (*defect)(int kind, const char* file, unsigned line, unsigned long long value);
};

struct PfeKernel {
  const char* name;             // as written in the source, for messages
  void* function;               // the kernel itself, found again by its symbol
  void (*call)(void** values);  // calls it with the arguments that values[k] point at
  const int* sizes;             // bytes of each argument, then 0
  int max_threads;              // __launch_bounds__, or 0
  int waits;                    // it uses barriers or warp operations: one fibre per thread
  const int* shared_ids;        // its static shared arrays, then -1
};

// One per `__shared__` array with a size of its own; 0 bytes where no compiled function uses it.
struct PfeShared {
  unsigned long bytes, alignment;
};

struct PfeModule {
  int version;
  int checked;
  const PfeKernel* kernels;
  int kernel_count;
  const PfeShared* shared;  // by the ids that the rewriting gave
  void (*bind)(const PfeHost* host);
};

#endif
