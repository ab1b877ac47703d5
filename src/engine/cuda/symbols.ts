// The foreign function interface of the shim and nothing else: cuda/include/pairfold_cuda.h, name
// by name. A test holds the table against the header. Importing it opens nothing.

/** The ABI that the table below describes; a library with another is refused. */
export const ABI_VERSION = 3;

/**
 * The header's functions. Pointers are buffers (null for none); their C types stand beside them.
 */
const BLOCKING = {
  pf_abi_version: {
    parameters: [],
    result: "u32",
  },
  pf_open_driver: {
    parameters: [
      "buffer", // report: pf_report*
      "buffer", // path: const char*
    ],
    result: "i32",
  },
  pf_open_nvrtc: {
    parameters: [
      "buffer", // report: pf_report*
      "buffer", // path: const char*
    ],
    result: "i32",
  },
  pf_search_log: {
    parameters: [
      "buffer", // report: pf_report*
    ],
    result: "i32",
  },
  pf_versions: {
    parameters: [
      "buffer", // report: pf_report*
      "buffer", // driver: int32_t*
      "buffer", // nvrtc: int32_t*
    ],
    result: "i32",
  },
  pf_device_count: {
    parameters: [
      "buffer", // report: pf_report*
      "buffer", // count: int32_t*
    ],
    result: "i32",
  },
  pf_device_open: {
    parameters: [
      "buffer", // report: pf_report*
      "i32", // ordinal
      "buffer", // device: uint64_t*
    ],
    result: "i32",
  },
  pf_device_close: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
    ],
    result: "i32",
  },
  pf_device_name: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
    ],
    result: "i32",
  },
  pf_device_attributes: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "buffer", // which: const int32_t*
      "buffer", // values: int32_t*
      "u32", // count
    ],
    result: "i32",
  },
  pf_memory: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "buffer", // live: uint64_t*
      "buffer", // pooled: uint64_t*
      "buffer", // available: uint64_t*
      "buffer", // total: uint64_t*
    ],
    result: "i32",
  },
  pf_alloc: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // bytes
      "buffer", // address: uint64_t*
    ],
    result: "i32",
  },
  pf_free: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // address
    ],
    result: "i32",
  },
  pf_trim: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
    ],
    result: "i32",
  },
  pf_upload: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "u64", // target
      "buffer", // source: const void*
      "u64", // bytes
    ],
    result: "i32",
  },
  pf_download: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "buffer", // target: void*
      "u64", // source
      "u64", // bytes
    ],
    result: "i32",
  },
  pf_download_soon: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "buffer", // target: void*
      "u64", // source
      "u64", // bytes
      "u64", // nanoseconds
      "buffer", // done: int32_t*
    ],
    result: "i32",
  },
  pf_copy: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "u64", // target
      "u64", // source
      "u64", // bytes
    ],
    result: "i32",
  },
  pf_fill: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "u64", // target
      "u8", // byte
      "u64", // bytes
    ],
    result: "i32",
  },
  pf_stream_create: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "buffer", // stream: uint64_t*
    ],
    result: "i32",
  },
  pf_stream_free: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
    ],
    result: "i32",
  },
  pf_stream_wait: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "u64", // event
    ],
    result: "i32",
  },
  pf_event_record: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "buffer", // event: uint64_t*
    ],
    result: "i32",
  },
  pf_event_query: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // event
      "buffer", // done: int32_t*
    ],
    result: "i32",
  },
  pf_event_wait: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // event
    ],
    result: "i32",
  },
  pf_event_elapsed: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // from
      "u64", // to
      "buffer", // milliseconds: float*
    ],
    result: "i32",
  },
  pf_event_free: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // event
    ],
    result: "i32",
  },
  pf_synchronize: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
    ],
    result: "i32",
  },
  pf_compile: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "buffer", // source: const char*
      "buffer", // name: const char*
      "buffer", // options: const char*
      "buffer", // cache: const char*
      "buffer", // module: uint64_t*
      "buffer", // cached: int32_t*
    ],
    result: "i32",
  },
  pf_module_free: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // module
    ],
    result: "i32",
  },
  pf_compile_binary: {
    parameters: [
      "buffer", // report: pf_report*
      "i32", // architecture
      "buffer", // source: const char*
      "buffer", // name: const char*
      "buffer", // options: const char*
      "buffer", // binary: void*
      "u64", // capacity
      "buffer", // bytes: uint64_t*
    ],
    result: "i32",
  },
  pf_function: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // module
      "buffer", // name: const char*
      "u32", // dynamic_shared
      "buffer", // function: uint64_t*
      "buffer", // attributes: int32_t*
    ],
    result: "i32",
  },
  pf_occupancy: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // function
      "u32", // threads
      "u32", // dynamic_shared
      "buffer", // blocks: int32_t*
    ],
    result: "i32",
  },
  pf_launch: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "u64", // function
      "buffer", // dims: const uint32_t*
      "buffer", // arguments: const void*
      "buffer", // offsets: const uint32_t*
      "u32", // count
    ],
    result: "i32",
  },
  pf_run: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "u64", // stream
      "buffer", // words: const uint64_t*
      "u64", // count
      "buffer", // data: const void*
      "u64", // bytes
      "i32", // graphs
    ],
    result: "i32",
  },
  pf_graphs: {
    parameters: [
      "buffer", // report: pf_report*
      "u64", // device
      "buffer", // counts: uint64_t*
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The same functions on a thread of their own, for those that may wait or take long. */
const NONBLOCKING = {
  pf_upload_nonblocking: { ...BLOCKING.pf_upload, name: "pf_upload", nonblocking: true },
  pf_download_nonblocking: { ...BLOCKING.pf_download, name: "pf_download", nonblocking: true },
  pf_event_wait_nonblocking: {
    ...BLOCKING.pf_event_wait,
    name: "pf_event_wait",
    nonblocking: true,
  },
  pf_synchronize_nonblocking: {
    ...BLOCKING.pf_synchronize,
    name: "pf_synchronize",
    nonblocking: true,
  },
  pf_compile_nonblocking: { ...BLOCKING.pf_compile, name: "pf_compile", nonblocking: true },
  pf_module_free_nonblocking: {
    ...BLOCKING.pf_module_free,
    name: "pf_module_free",
    nonblocking: true,
  },
  pf_compile_binary_nonblocking: {
    ...BLOCKING.pf_compile_binary,
    name: "pf_compile_binary",
    nonblocking: true,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** What `Deno.dlopen` gets. */
export const SYMBOLS = { ...BLOCKING, ...NONBLOCKING } as const;
