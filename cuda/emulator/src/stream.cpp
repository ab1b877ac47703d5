#include "stream.h"

#include <algorithm>

namespace emulator {

std::mutex& engine_lock() {
  static std::mutex lock;
  return lock;
}

std::mutex& queue_lock() {
  static std::mutex lock;
  return lock;
}

std::shared_ptr<Stream> stream_of(void* handle) {
  Context* context = current_context();
  if (!context) return nullptr;
  std::lock_guard<std::mutex> guard(queue_lock());
  // 1 and 2 are the driver's names of default streams
  if ((uintptr_t)handle <= 2) return context->streams[0];
  for (auto& stream : context->streams) {
    if (stream.get() == handle && !stream->destroyed) return stream;
  }
  return nullptr;
}

// The default stream waits for all blocking streams, and they wait for it.
static void add_default_order(Stream& stream, std::vector<Point>& after) {
  if (stream.flags & STREAM_NON_BLOCKING) return;
  auto& streams = stream.owner->streams;
  bool is_default = streams[0].get() == &stream;
  for (auto& other : streams) {
    bool orders = other.get() != &stream && !(other->flags & STREAM_NON_BLOCKING) &&
                  (is_default || other == streams[0]) && other->issued > other->done;
    if (orders) after.push_back(Point{other, other->issued});
  }
}

CUresult enqueue(Stream& stream, Work work, std::vector<Point> after, uint64_t* number) {
  if (stream.owner->lost) return stream.owner->lost;
  std::lock_guard<std::mutex> guard(queue_lock());
  add_default_order(stream, after);
  stream.tasks.push_back(Task{++stream.issued, std::move(after), std::move(work)});
  if (number) *number = stream.issued;
  return SUCCESS;
}

static Task* first_task(Stream& stream) {
  std::lock_guard<std::mutex> guard(queue_lock());
  return stream.tasks.empty() ? nullptr : &stream.tasks.front();
}

static void finish_task(Stream& stream) {
  std::lock_guard<std::mutex> guard(queue_lock());
  stream.done = stream.tasks.front().number;
  stream.tasks.pop_front();
  auto& streams = stream.owner->streams;
  if (stream.destroyed && stream.tasks.empty()) {
    streams.erase(std::find_if(streams.begin(), streams.end(),
                               [&](auto& other) { return other.get() == &stream; }));
  }
}

// Holds the engine's lock. A deque's front stays where it is while others push at its back.
static bool run_held(Point point, const Slice& slice) {
  Stream& stream = *point.stream;
  while (stream.done < point.number) {
    Task* task = first_task(stream);
    if (!task) return true;  // dropped by a reset
    for (const Point& before : task->after) {
      if (!run_held(before, slice)) return false;
    }
    if (!stream.owner->lost && !task->work(slice)) return false;
    finish_task(stream);
    if (slice.over() && stream.done < point.number) return false;
  }
  return true;
}

bool run_until(const Point& point, const Slice& slice) {
  if (!point.stream || point.stream->done >= point.number) return true;
  if (slice.endless) {
    std::lock_guard<std::mutex> guard(engine_lock());
    return run_held(point, slice);
  }
  // whoever polls does not wait for another thread's work
  std::unique_lock<std::mutex> guard(engine_lock(), std::try_to_lock);
  return guard.owns_lock() && run_held(point, slice);
}

static std::vector<Point> ends_of(Context& context) {
  std::lock_guard<std::mutex> guard(queue_lock());
  std::vector<Point> ends;
  for (auto& stream : context.streams) ends.push_back(Point{stream, stream->issued});
  return ends;
}

void run_all(Context& context) {
  for (const Point& end : ends_of(context)) run_until(end);
}

void drop_streams(Context& context) {
  std::lock_guard<std::mutex> guard(queue_lock());
  for (auto& stream : context.streams) {
    stream->tasks.clear();
    stream->done = stream->issued;
    stream->destroyed = true;
  }
  auto fresh = std::make_shared<Stream>();
  fresh->owner = &context;
  context.streams.assign(1, fresh);
}

}  // namespace emulator
