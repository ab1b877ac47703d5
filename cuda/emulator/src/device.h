// The devices that the emulator has, and their limits.
//
// Enters: PAIRFOLD_EMULATOR_DEVICES, _MEMORY. Leaves: names, sizes and attributes.

#pragma once

#include <cstddef>
#include <string>

namespace emulator {

struct DeviceModel {
  const char* like;  // the kind of card whose limits these are
  int major, minor;
  int multiprocessors;
  int threads_per_multiprocessor, blocks_per_multiprocessor;
  int shared_per_multiprocessor, shared_per_block_at_most, shared_reserved;
  int clock_khz, memory_clock_khz, memory_bus_bits, l2_bytes;
  size_t memory_bytes;
};

// Attributes by CUdevice_attribute's numbers, where the emulator's own code needs them.
enum Attribute {
  MAX_THREADS_PER_BLOCK = 1,
  MAX_BLOCK_DIM_X = 2,
  MAX_BLOCK_DIM_Y = 3,
  MAX_BLOCK_DIM_Z = 4,
  MAX_GRID_DIM_X = 5,
  MAX_GRID_DIM_Y = 6,
  MAX_GRID_DIM_Z = 7,
  MAX_SHARED_PER_BLOCK = 8,
  REGISTERS_PER_MULTIPROCESSOR = 82
};

int device_count();
bool is_device(int device);
const DeviceModel& device_model(int device);
size_t device_memory(int device);
std::string device_name(int device);

// False where the emulator does not know the attribute.
bool device_attribute(int device, int attribute, int& value);

// A number of the processor that compiled kernels run on: code for one may not run on another.
unsigned long long machine_number();

}  // namespace emulator
