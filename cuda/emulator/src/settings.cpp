#include "settings.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

namespace emulator {

std::string setting(const char* name, const char* otherwise) {
  const char* value = getenv((std::string("PAIRFOLD_EMULATOR_") + name).c_str());
  return value && *value ? value : otherwise;
}

static std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> setting_list(const char* name, const char* otherwise) {
  return split(setting(name, otherwise), ',');
}

bool check_mode() { return setting("CHECK", "0") != "0"; }

unsigned host_threads() {
  if (check_mode()) return 1;
  long threads = atol(setting("THREADS", "0").c_str());
  return threads > 0 ? (unsigned)threads : std::max(1u, std::thread::hardware_concurrency());
}

Order fibre_order() {
  std::string order = setting("ORDER", "mixed");
  return order == "forward"   ? Order::forward
         : order == "reverse" ? Order::reverse
         : order == "random"  ? Order::random
                              : Order::mixed;
}

uint64_t order_seed() { return strtoull(setting("SEED", "1").c_str(), nullptr, 10); }

static std::mutex lock;
static std::map<std::string, unsigned long long> calls;

unsigned long long calls_of(const char* name) {
  std::lock_guard<std::mutex> guard(lock);
  auto found = calls.find(name);
  return found == calls.end() ? 0 : found->second;
}

void count_bytes(const char* direction, unsigned long long bytes) {
  std::lock_guard<std::mutex> guard(lock);
  calls[direction] += bytes;
}

int injected_failure(const char* name) {
  static std::string counted_for;
  static std::map<std::string, long> counts;
  const char* wanted = getenv("PAIRFOLD_EMULATOR_FAIL");
  std::lock_guard<std::mutex> guard(lock);
  calls[name]++;
  if (counted_for != (wanted ? wanted : "")) {
    counted_for = wanted ? wanted : "";
    counts.clear();
  }
  if (counted_for.empty()) return 0;
  long count = ++counts[name];
  for (const std::string& rule : split(counted_for, ',')) {
    size_t colon = rule.find(':'), equals = rule.find('=');
    if (colon == std::string::npos || equals == std::string::npos) continue;
    if (rule.compare(0, colon, name) != 0) continue;
    long from = atol(rule.c_str() + colon + 1);
    bool onwards = rule[equals - 1] == '+';
    if (count == from || (onwards && count > from)) return atoi(rule.c_str() + equals + 1);
  }
  return 0;
}

int version_setting(const char* name, const char* otherwise) {
  std::string text = setting(name, otherwise);
  size_t dot = text.find('.');
  if (dot == std::string::npos) {
    int value = atoi(text.c_str());
    return value < 1000 ? 1000 * value : value;
  }
  return 1000 * atoi(text.c_str()) + 10 * atoi(text.c_str() + dot + 1);
}

}  // namespace emulator
