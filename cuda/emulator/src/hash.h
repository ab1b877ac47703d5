// FNV-1a of 64 bits, for names of cache entries and for telling damaged images.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

class Hash {
 public:
  explicit Hash(uint64_t start = 14695981039346656037ull) : state_(start) {}
  void add(const void* bytes, size_t count) {
    for (size_t k = 0; k < count; k++) {
      state_ = (state_ ^ ((const unsigned char*)bytes)[k]) * 1099511628211ull;
    }
  }
  // With its length, so that two texts are not one.
  void add(const std::string& text) {
    uint64_t bytes = text.size();
    add(&bytes, sizeof bytes);
    add(text.data(), text.size());
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_;
};

}  // namespace emulator
