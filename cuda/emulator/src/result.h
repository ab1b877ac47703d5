// The driver's result codes that the emulator gives, by the driver's own numbers.
//
// Enters: nothing. Leaves: the codes, their names and texts, and the macros of entry points.

#pragma once

#include "settings.h"

typedef int CUresult;
typedef int nvrtcResult;
typedef unsigned long long CUdeviceptr;

namespace emulator {

enum Code {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  OUT_OF_RESOURCES = 701,
  MISALIGNED_ADDRESS = 716,
  LAUNCH_FAILED = 719,
  UNKNOWN = 999
};

// null for a code that the driver has not got
const char* code_name(int code);
const char* code_text(int code);

// Remembers what went wrong in a kernel, so that cuGetErrorString says it for that code, and
// prints it.
void explain(int code, const std::string& text);

// The last explanation of a code, or null. The text stays valid for the life of the process.
const char* explanation(int code);

}  // namespace emulator

#define EMULATOR_API extern "C" __attribute__((visibility("default")))

// First in every entry point: a failure that the environment asks for.
#define ENTER \
  if (int injected = emulator::injected_failure(__func__)) return injected
