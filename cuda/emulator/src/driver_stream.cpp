// The driver's entry points for streams and events.
//
// Enters: streams, points in them. Leaves: work that has run up to there.

#include <algorithm>
#include <map>

#include "result.h"
#include "stream.h"

namespace emulator {

enum { EVENT_DISABLE_TIMING = 2 };

// How long a poll may run work before it answers.
static const int POLL_MILLISECONDS = 3;

struct Event {
  Context* owner;
  unsigned flags;
  Point point;  // under the queues' lock; no stream where it was never recorded
  std::atomic<double> milliseconds{0};
};

static std::map<void*, std::shared_ptr<Event>> events;

static std::shared_ptr<Event> event_of(void* handle) {
  std::lock_guard<std::mutex> guard(queue_lock());
  auto found = events.find(handle);
  return found == events.end() ? nullptr : found->second;
}

static Point point_of(const Event& event) {
  std::lock_guard<std::mutex> guard(queue_lock());
  return event.point;
}

static double now_milliseconds() {
  auto since = Slice::Clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(since).count();
}

// A little of the work before a point, then whether it was all.
static int poll(const Context& owner, const Point& point) {
  if (!run_until(point, Slice::milliseconds(POLL_MILLISECONDS))) return NOT_READY;
  return owner.lost;
}

}  // namespace emulator

using namespace emulator;

// ---- streams ------------------------------------------------------------------------------------

EMULATOR_API CUresult cuStreamCreate(void** handle, unsigned flags) {
  ENTER;
  NEED_CONTEXT(context);
  if (flags > STREAM_NON_BLOCKING) return INVALID_VALUE;
  auto stream = std::make_shared<Stream>();
  stream->owner = context;
  stream->flags = flags;
  *handle = stream.get();
  std::lock_guard<std::mutex> guard(queue_lock());
  context->streams.push_back(stream);
  return SUCCESS;
}

// Work that is queued runs yet when somebody waits for the context.
EMULATOR_API CUresult cuStreamDestroy_v2(void* handle) {
  ENTER;
  std::shared_ptr<Stream> stream = stream_of(handle);
  if (!stream || (uintptr_t)handle <= 2) return INVALID_HANDLE;
  std::lock_guard<std::mutex> guard(queue_lock());
  stream->destroyed = true;
  auto& streams = stream->owner->streams;
  if (stream->tasks.empty()) streams.erase(std::find(streams.begin(), streams.end(), stream));
  return stream->owner->lost;
}

static Point end_of(const std::shared_ptr<Stream>& stream) {
  std::lock_guard<std::mutex> guard(queue_lock());
  return Point{stream, stream->issued};
}

EMULATOR_API CUresult cuStreamSynchronize(void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Stream> stream = stream_of(handle);
  if (!stream) return INVALID_HANDLE;
  run_until(end_of(stream));
  return context->lost;
}

EMULATOR_API CUresult cuStreamQuery(void* handle) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Stream> stream = stream_of(handle);
  if (!stream) return INVALID_HANDLE;
  return poll(*context, end_of(stream));
}

EMULATOR_API CUresult cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Stream> stream = stream_of(handle);
  std::shared_ptr<Event> event = event_of(event_handle);
  if (!stream || !event) return INVALID_HANDLE;
  Point point = point_of(*event);
  if (!point.stream) return SUCCESS;
  return enqueue(*stream, [](const Slice&) { return true; }, {point});
}

// ---- events -------------------------------------------------------------------------------------

EMULATOR_API CUresult cuEventCreate(void** handle, unsigned flags) {
  ENTER;
  NEED_CONTEXT(context);
  auto event = std::make_shared<Event>();
  event->owner = context;
  event->flags = flags;
  *handle = event.get();
  std::lock_guard<std::mutex> guard(queue_lock());
  events[event.get()] = event;
  return SUCCESS;
}

EMULATOR_API CUresult cuEventDestroy_v2(void* handle) {
  ENTER;
  std::lock_guard<std::mutex> guard(queue_lock());
  return events.erase(handle) ? SUCCESS : INVALID_HANDLE;
}

EMULATOR_API CUresult cuEventRecord(void* handle, void* stream_handle) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Stream> stream = stream_of(stream_handle);
  std::shared_ptr<Event> event = event_of(handle);
  if (!stream || !event || event->owner != context) return INVALID_HANDLE;
  auto happens = [event](const Slice&) {
    event->milliseconds = now_milliseconds();
    return true;
  };
  uint64_t number = 0;
  int code = enqueue(*stream, happens, {}, &number);
  std::lock_guard<std::mutex> guard(queue_lock());
  if (code == SUCCESS) event->point = Point{stream, number};
  return code;
}

EMULATOR_API CUresult cuEventQuery(void* handle) {
  ENTER;
  std::shared_ptr<Event> event = event_of(handle);
  if (!event) return INVALID_HANDLE;
  if (event->owner->lost) return event->owner->lost;
  return poll(*event->owner, point_of(*event));
}

EMULATOR_API CUresult cuEventSynchronize(void* handle) {
  ENTER;
  std::shared_ptr<Event> event = event_of(handle);
  if (!event) return INVALID_HANDLE;
  run_until(point_of(*event));
  return event->owner->lost;
}

EMULATOR_API CUresult cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  ENTER;
  std::shared_ptr<Event> first = event_of(from), second = event_of(to);
  if (!first || !second) return INVALID_HANDLE;
  for (const auto& event : {first, second}) {
    Point point = point_of(*event);
    if (event->flags & EVENT_DISABLE_TIMING || !point.stream) return INVALID_HANDLE;
    if (point.stream->done < point.number) return NOT_READY;
  }
  *milliseconds = (float)(second->milliseconds - first->milliseconds);
  return second->owner->lost;
}
