// What the environment chooses, read anew at each use, so that a test may change it in its process.
//
// Enters: variables PAIRFOLD_EMULATOR_*. Leaves: their values, and injected failures.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace emulator {

// The value of PAIRFOLD_EMULATOR_<name>, or `otherwise` where it is unset or empty.
std::string setting(const char* name, const char* otherwise = "");

// The comma-separated parts of a setting.
std::vector<std::string> setting_list(const char* name, const char* otherwise = "");

// CHECK=1: kernels are compiled and run with races, bounds, alignment and first reads checked.
bool check_mode();

// THREADS: host threads that run the blocks of a launch; all cores by default, 1 in check mode.
unsigned host_threads();

// ORDER: in which order the threads of a block take their turns.
// - forward, reverse: the same in all phases
// - random: shuffled anew at every barrier, from SEED
// - mixed (default): forward or reverse, drawn anew at every barrier from a fixed sequence. Reverse
//   alone hides a missing barrier where low threads read what high ones wrote before, forward where
//   high ones read what low ones wrote; with both in one launch either shows.
enum class Order { mixed, forward, reverse, random };
Order fibre_order();
uint64_t order_seed();

// FAIL="cuMemAlloc_v2:3=2,launch:1=700,cuLaunchKernel:2+=719": the third call of an entry point,
// the first kernel to run, every launch from the second on. Counts one event of this name and gives
// the code that it is to fail with, or 0. Counting starts again when the variable changes.
int injected_failure(const char* name);

// How often an event of this name was met so far, whether it failed or not; of "bytes up" and
// "bytes down", how many were copied.
unsigned long long calls_of(const char* name);
void count_bytes(const char* direction, unsigned long long bytes);

// "13.0" as 13000, "12.4" as 12040.
int version_setting(const char* name, const char* otherwise);

}  // namespace emulator
