// Contexts and their streams: queues of work that runs only when somebody waits for it.
//
// Enters: tasks and what they wait for. Leaves: the order in which they run. A forgotten
// synchronisation shows, because nothing has run by then.
//
// One lock, the engine's, is held while work runs, so that it runs on one thread at a time;
// another, the queues', while queues change. A thread takes the engine's first.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "result.h"

namespace emulator {

struct Stream;

// Work up to and with task `number` of a stream.
struct Point {
  std::shared_ptr<Stream> stream;
  uint64_t number = 0;
};

// How long work may run now.
struct Slice {
  typedef std::chrono::steady_clock Clock;
  bool endless = true;
  Clock::time_point end;

  static Slice milliseconds(int count) {
    return Slice{false, Clock::now() + std::chrono::milliseconds(count)};
  }
  bool over() const { return !endless && Clock::now() >= end; }
};

// Runs a task, or goes on with it; true when it is done.
typedef std::function<bool(const Slice&)> Work;

struct Task {
  uint64_t number;
  std::vector<Point> after;
  Work work;
};

struct Context {
  int device = 0;
  std::atomic<int> retained{0};
  std::atomic<int> lost{0};  // the code of a kernel's fault: all calls give it from then on
  size_t used_bytes = 0;
  std::vector<std::shared_ptr<Stream>> streams;  // the first is the default stream

  // Work that runs must not go on, and later calls must say so. False where it was lost before.
  bool lose(int code) {
    int none = 0;
    return lost.compare_exchange_strong(none, code);
  }
};

enum { STREAM_NON_BLOCKING = 1 };

struct Stream : std::enable_shared_from_this<Stream> {
  Context* owner = nullptr;
  unsigned flags = 0;
  bool destroyed = false;  // its work runs yet, but it takes no more
  std::deque<Task> tasks;
  uint64_t issued = 0;
  std::atomic<uint64_t> done{0};
};

std::mutex& engine_lock();
std::mutex& queue_lock();

// The calling thread's context, or null.
Context* current_context();
// The stream of a handle (0 is the current context's default stream), or null.
std::shared_ptr<Stream> stream_of(void* handle);

// Queues work, and says its number; where the context is lost, gives its code instead.
CUresult enqueue(Stream& stream, Work work, std::vector<Point> after = {},
                 uint64_t* number = nullptr);

// Runs a stream's work up to a task. With a slice, false where its time was over before.
bool run_until(const Point& point, const Slice& slice = Slice());
void run_all(Context& context);

// Forgets all work and all streams but the default one. The engine's lock must be held.
void drop_streams(Context& context);

}  // namespace emulator

// The current context, or a return with the driver's code where there is none or it is lost.
#define NEED_CONTEXT(context)                               \
  emulator::Context* context = emulator::current_context(); \
  if (!context) return emulator::INVALID_CONTEXT;           \
  if (context->lost) return context->lost
