#include "module.h"

#include <dlfcn.h>
#ifdef __linux__
#include <link.h>
#endif
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "device.h"
#include "files.h"
#include "hash.h"
#include "result.h"
#include "settings.h"

namespace emulator {

static const char MAGIC[8] = {'P', 'F', 'E', 'M', 'U', 0, 0, 1};

static uint64_t hash_of(const void* bytes, size_t count) {
  Hash hash;
  hash.add(bytes, count);
  return hash.value();
}

std::string make_image(const std::string& object, int architecture, bool is_virtual,
                       bool checked) {
  ImageHeader header = {};
  memcpy(header.magic, MAGIC, sizeof MAGIC);
  header.abi_version = PFE_ABI_VERSION;
  header.architecture = architecture;
  header.is_virtual = is_virtual;
  header.checked = checked;
  header.machine = machine_number();
  header.bytes = object.size();
  header.hash = hash_of(object.data(), object.size());
  return std::string((const char*)&header, sizeof header) + object;
}

// As with cards: a cubin runs on its own major version from its minor version on, PTX on all later.
static bool runs_on(const ImageHeader& header, const DeviceModel& model) {
  int major = header.architecture / 10, minor = header.architecture % 10;
  if (header.is_virtual) return 10 * major + minor <= 10 * model.major + model.minor;
  return major == model.major && minor <= model.minor;
}

int judge_image(const void* image, int device, std::string& why) {
  ImageHeader header;
  if (memcmp(image, MAGIC, sizeof MAGIC)) {
    why = "it was not made by the emulator's NVRTC";
    return INVALID_IMAGE;
  }
  memcpy(&header, image, sizeof header);
  if (header.hash != hash_of((const char*)image + sizeof header, header.bytes)) {
    why = "it is damaged";
    return INVALID_IMAGE;
  }
  why = header.abi_version != PFE_ABI_VERSION       ? "another version of the emulator made it"
        : header.machine != machine_number()        ? "it was compiled for another processor"
        : header.checked != (uint32_t)check_mode()  ? "it was compiled in the other mode"
        : !runs_on(header, device_model(device))    ? "it was compiled for another architecture"
                                                    : "";
  return why.empty() ? SUCCESS : NO_BINARY_FOR_GPU;
}

// ---- loading ------------------------------------------------------------------------------------

Module::~Module() {
  if (library) dlclose(library);
}

static void find_extent(Module& module) {
#ifdef __linux__
  struct Search {
    const void* inside;
    Module* module;
  } search = {module.description, &module};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        Search& search = *(Search*)data;
        const char *begin = nullptr, *end = nullptr;
        for (int k = 0; k < info->dlpi_phnum; k++) {
          if (info->dlpi_phdr[k].p_type != PT_LOAD) continue;
          const char* start = (const char*)info->dlpi_addr + info->dlpi_phdr[k].p_vaddr;
          if (!begin || start < begin) begin = start;
          if (start + info->dlpi_phdr[k].p_memsz > end) end = start + info->dlpi_phdr[k].p_memsz;
        }
        if (search.inside < begin || search.inside >= end) return 0;
        search.module->code_begin = begin;
        search.module->code_end = end;
        return 1;
      },
      &search);
#else
  Dl_info info;
  if (!dladdr(module.description, &info)) return;
  module.code_begin = (const char*)info.dli_fbase;
  module.code_end = module.code_begin + module.object.size();
#endif
}

std::unique_ptr<Module> load_module(const std::string& object, std::string& why) {
  auto module = std::make_unique<Module>();
  // a name of its own, since dlopen gives back what it once loaded under the same one
  ScratchFile file(".so");
  if (!file.write(object)) {
    why = "cannot write " + file.path();
    return nullptr;
  }
  module->library = dlopen(file.path().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module->library) {
    why = dlerror();
    return nullptr;
  }
  module->description = (const PfeModule*)dlsym(module->library, "pfe_module");
  if (!module->description || module->description->version != PFE_ABI_VERSION) {
    why = "it describes no kernels";
    return nullptr;
  }
  module->object = object;
  find_extent(*module);
  return module;
}

unsigned static_shared_bytes(const Module& module, const PfeKernel& kernel) {
  unsigned long bytes = 0;
  for (const int* id = kernel.shared_ids; *id >= 0; id++) {
    const PfeShared& shared = module.description->shared[*id];
    unsigned long alignment = shared.alignment ? shared.alignment : 1;
    bytes = (bytes + alignment - 1) / alignment * alignment + shared.bytes;
  }
  return (unsigned)bytes;
}

// ---- lines --------------------------------------------------------------------------------------

std::string source_place(const Module& module, const void* address) {
  if (!address || !module.holds(address)) return "";
  ScratchFile file(".so");
  if (!file.write(module.object)) return "";
  char command[600];
  // a return address is behind the call
  snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%lx 2>/dev/null", file.path().c_str(),
           (unsigned long)((const char*)address - module.code_begin - 1));
  FILE* pipe = popen(command, "r");
  if (!pipe) return "";
  std::string place;
  char line[512];
  while (fgets(line, sizeof line, pipe)) {
    std::string text(line, strcspn(line, "\n ("));
    // the innermost line that is not the prelude's
    bool own = text.find("/prelude") == std::string::npos && text.compare(0, 2, "??") != 0;
    if (place.empty() && own) place = text;
  }
  pclose(pipe);
  size_t slash = place.rfind('/');
  return slash == std::string::npos ? place : place.substr(slash + 1);
}

}  // namespace emulator
