#include "device.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include "hash.h"
#include "result.h"
#include "settings.h"

namespace emulator {

// The first two devices; further ones repeat the first.
static const DeviceModel models[] = {
    {"sm_90", 9, 0, 132, 2048, 32, 233472, 232448, 1024, 1980000, 2619000, 5120, 52428800,
     (size_t)8 << 30},
    {"sm_75", 7, 5, 46, 1024, 16, 65536, 65536, 0, 1770000, 7001000, 256, 4194304,
     (size_t)1 << 30},
};

int device_count() { return atoi(setting("DEVICES", "2").c_str()); }

bool is_device(int device) { return device >= 0 && device < device_count(); }

const DeviceModel& device_model(int device) { return models[device == 1 ? 1 : 0]; }

// MEMORY: bytes, one number for all devices or a list.
size_t device_memory(int device) {
  std::vector<std::string> sizes = setting_list("MEMORY");
  if (sizes.empty()) return device_model(device).memory_bytes;
  const std::string& size = (size_t)device < sizes.size() ? sizes[device] : sizes.back();
  return strtoull(size.c_str(), nullptr, 10);
}

// Check mode has a name of its own: whoever keeps compiled kernels by the device's name must not
// mix checked ones with fast ones.
std::string device_name(int device) {
  return std::string("Pairfold emulator ") + device_model(device).like + "-like" +
         (check_mode() ? " (check mode)" : "");
}

struct AttributeRow {
  int number, value;
};

bool device_attribute(int device, int attribute, int& value) {
  const DeviceModel& model = device_model(device);
  const AttributeRow rows[] = {
      {MAX_THREADS_PER_BLOCK, 1024},
      {MAX_BLOCK_DIM_X, 1024},
      {MAX_BLOCK_DIM_Y, 1024},
      {MAX_BLOCK_DIM_Z, 64},
      {MAX_GRID_DIM_X, 2147483647},
      {MAX_GRID_DIM_Y, 65535},
      {MAX_GRID_DIM_Z, 65535},
      {MAX_SHARED_PER_BLOCK, 49152},
      {9, 65536},                              // constant memory
      {10, 32},                                // threads of a warp
      {11, 2147483647},                        // pitch
      {12, 65536},                             // registers per block
      {13, model.clock_khz},
      {14, 512},                               // texture alignment
      {15, 1},                                 // copies overlap kernels
      {16, model.multiprocessors},
      {17, 0},                                 // no time limit of kernels
      {18, 0},                                 // not integrated
      {19, 1},                                 // can map host memory
      {20, 0},                                 // compute mode: default
      {31, 1},                                 // concurrent kernels
      {32, 0},                                 // no ECC
      {33, device + 1},                        // PCI bus
      {34, 0},                                 // PCI device
      {35, 0},                                 // no TCC driver
      {36, model.memory_clock_khz},
      {37, model.memory_bus_bits},
      {38, model.l2_bytes},
      {39, model.threads_per_multiprocessor},
      {40, 2},                                 // copy engines
      {41, 1},                                 // unified addressing
      {50, 0},                                 // PCI domain
      {75, model.major},
      {76, model.minor},
      {78, 1},                                 // stream priorities
      {79, 1},                                 // global accesses go through the first-level cache
      {80, 1},
      {81, model.shared_per_multiprocessor},
      {REGISTERS_PER_MULTIPROCESSOR, 65536},
      {83, 0},                                 // no managed memory
      {84, 0},
      {85, device},
      {86, 0},
      {87, model.major >= 9 ? 2 : 32},         // single to double throughput
      {88, 0},
      {89, 0},
      {90, 1},                                 // compute preemption
      {91, 0},
      {95, 0},                                 // no cooperative launch
      {97, model.shared_per_block_at_most},
      {106, model.blocks_per_multiprocessor},
      {111, model.shared_reserved},
      {115, 0},                                // no memory pools
  };
  for (const AttributeRow& row : rows) {
    if (row.number == attribute) {
      value = row.value;
      return true;
    }
  }
  return false;
}

unsigned long long machine_number() {
  static const unsigned long long number = [] {
    Hash hash;
    std::ifstream cpu("/proc/cpuinfo");
    for (std::string line; std::getline(cpu, line);) {
      bool tells = line.compare(0, 5, "flags") == 0 || line.compare(0, 10, "model name") == 0 ||
                   line.compare(0, 8, "Features") == 0;
      if (tells) hash.add(line);
      if (line.empty()) break;  // the first core's paragraph is enough
    }
    return hash.value();
  }();
  return number;
}

}  // namespace emulator

using namespace emulator;

static bool initialised = false;

#define NEED_DEVICE(device)                   \
  if (!initialised) return NOT_INITIALIZED;   \
  if (!is_device(device)) return INVALID_DEVICE

EMULATOR_API CUresult cuInit(unsigned flags) {
  ENTER;
  if (flags) return INVALID_VALUE;
  if (device_count() <= 0) return NO_DEVICE;
  initialised = true;
  return SUCCESS;
}

EMULATOR_API CUresult cuDriverGetVersion(int* version) {
  ENTER;
  *version = version_setting("DRIVER_VERSION", "13.0");
  return SUCCESS;
}

EMULATOR_API CUresult cuDeviceGetCount(int* count) {
  ENTER;
  if (!initialised) return NOT_INITIALIZED;
  *count = device_count();
  return SUCCESS;
}

EMULATOR_API CUresult cuDeviceGet(int* device, int ordinal) {
  ENTER;
  NEED_DEVICE(ordinal);
  *device = ordinal;
  return SUCCESS;
}

EMULATOR_API CUresult cuDeviceGetName(char* name, int bytes, int device) {
  ENTER;
  NEED_DEVICE(device);
  if (bytes <= 0) return INVALID_VALUE;
  snprintf(name, bytes, "%s", device_name(device).c_str());
  return SUCCESS;
}

// Of sixteen bytes: the emulator's mark, the mode, the device and the machine.
EMULATOR_API CUresult cuDeviceGetUuid(unsigned char* uuid, int device) {
  ENTER;
  NEED_DEVICE(device);
  memcpy(uuid, "PFEMU", 5);
  uuid[5] = 0;
  uuid[6] = check_mode();
  uuid[7] = (unsigned char)device;
  unsigned long long machine = machine_number();
  memcpy(uuid + 8, &machine, 8);
  return SUCCESS;
}

EMULATOR_API CUresult cuDeviceGetUuid_v2(unsigned char* uuid, int device) {
  return cuDeviceGetUuid(uuid, device);
}

EMULATOR_API CUresult cuDeviceTotalMem_v2(size_t* bytes, int device) {
  ENTER;
  NEED_DEVICE(device);
  *bytes = device_memory(device);
  return SUCCESS;
}

EMULATOR_API CUresult cuDeviceGetAttribute(int* value, int attribute, int device) {
  ENTER;
  NEED_DEVICE(device);
  return device_attribute(device, attribute, *value) ? SUCCESS : INVALID_VALUE;
}
