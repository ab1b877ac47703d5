// NVRTC_CHECK: the real compiler's word on the source that the emulator is to run.
//
// Enters: the path of NVIDIA's NVRTC, the unmodified source and options. Leaves: yes, or its log.

#pragma once

#include <string>

namespace emulator {

bool second_opinion(const std::string& library, const std::string& source, const std::string& name,
                    int count, const char* const* options, std::string& log);

}  // namespace emulator
