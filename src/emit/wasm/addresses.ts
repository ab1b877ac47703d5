// Where things stand in a WebAssembly kernel's memory, and what its functions take. Without
// imports, because workers know it too.

/** Bytes of a vector register. */
export const VECTOR_BYTES = 16;

/**
 * Constants stand at fixed addresses, below the memory's least size: V8 checks every other address
 * against the memory's size, which costs four instructions per load in the inner loop.
 */
export const CONSTANTS_ADDRESS = 4096;
export const CONSTANTS_END = 65536;
/** Pages that a kernel's memory has at least. */
export const MINIMUM_PAGES = 16;

/** 32-bit fields at the start of a job block; input pointers follow, then output pointers. */
export const JOB = { uniforms: 0, rowIndex: 4, columnCount: 8, inputs: 12 } as const;

/**
 * Bits of a fold call's flags. `mirror`: rows and later columns are folded for both, and `state` is
 * the address of two others, as in MIRROR_STATES; `joins`: the columns have got something before.
 */
export const FLAGS = { resume: 1, save: 2, mirror: 4, joins: 8 } as const;

/**
 * Where an item of points with themselves finds the states of its rows, and those of its columns.
 */
export const MIRROR_STATES = { ofRows: 0, ofColumns: 4, bytes: 8 } as const;

/** The word of the control block that tells whether to stop. */
export const ABORT_ADDRESS = 8;

/** Parameters of the exported functions, in order. */
export const PARAMETERS = {
  pack: ["job", "count", "index", "record", "scratch"],
  fold: ["job", "row", "rowEnd", "record", "count", "index", "state", "flags", "scratch"],
  combine: ["job", "row", "rowEnd", "state", "splitStride", "splits", "scratch"],
  mirrored: ["job", "row", "record", "count", "index", "state", "flags", "sums", "scratch"],
  spread: ["sums", "state", "isNew"],
} as const;
