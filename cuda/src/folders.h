// Where NVRTC may lie when the system's loader does not know it.

#ifndef PF_FOLDERS_H
#define PF_FOLDERS_H

#include <stdbool.h>

// File names of NVRTC, newest first; ends with null.
extern const char* const NVRTC_NAMES[];

// Calls `visit` with every folder worth looking into, best first, until it returns true. The
// folders need not exist.
bool folders_visit(bool (*visit)(void* context, const char* folder), void* context);

#endif
