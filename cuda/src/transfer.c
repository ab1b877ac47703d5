// Uploads and downloads through pinned chunks.
//
// A chunk is one thread's while it copies between the chunk and the caller's memory, which happens
// outside of the device's lock. A thread that has a chunk never waits for another one: two
// downloads that want all chunks do not stop each other.

#include <string.h>

#include "device.h"
#include "report.h"

// A download has as many chunks on their way at once, so that bus and host work together.
#define IN_FLIGHT 2

static Ring* ring_for(Device* device, uint64_t bytes) {
  return bytes <= device->small.bytes ? &device->small : &device->large;
}

static void give_chunk(Device* device, Ring* ring, Chunk* chunk) {
  ring_give(ring, chunk);
  condition_wake_all(&device->chunk_free);
}

// Takes a chunk and waits until the copy that used it last is over. Null with *code 0: others have
// all, which is waited for only where `wait` says so.
static Chunk* take_chunk(Device* device, const Driver* driver, Ring* ring, bool wait,
                         CUresult* code) {
  Chunk* chunk;
  while ((*code = ring_take(ring, driver, &chunk)) == 0 && !chunk) {
    if (!wait) return NULL;
    device->guests++;
    condition_wait(&device->chunk_free, &device->mutex);
    device->guests--;
  }
  if (!chunk || !chunk->pending) return chunk;
  device_step_out(device);
  *code = event_wait(driver, chunk->event);
  device_step_in(device);
  // where the driver does not say, the copy may use it still
  chunk->pending = *code != 0;
  if (*code == 0) return chunk;
  give_chunk(device, ring, chunk);
  return NULL;
}

static size_t piece(const Ring* ring, uint64_t left) {
  return left < ring->bytes ? (size_t)left : ring->bytes;
}

CUresult device_upload(Device* device, const Driver* driver, CUstream stream, uint64_t target,
                       const unsigned char* source, uint64_t bytes) {
  Ring* ring = ring_for(device, bytes);
  device->work++;
  for (uint64_t done = 0; done < bytes;) {
    CUresult code;
    Chunk* chunk = take_chunk(device, driver, ring, true, &code);
    if (!chunk) return code;
    size_t size = piece(ring, bytes - done);
    device_step_out(device);
    memcpy(chunk->memory, source + done, size);
    device_step_in(device);
    code = driver->cuMemcpyHtoDAsync_v2(target + done, chunk->memory, size, stream);
    if (code == 0) code = chunk_follow(chunk, driver, stream);
    give_chunk(device, ring, chunk);
    if (code != 0) return code;
    done += size;
  }
  return 0;
}

typedef struct Flight {
  Chunk* chunk;
  size_t bytes;
} Flight;

// Queues the next piece of a download; false where no chunk is free or the driver refuses.
static bool queue_piece(Device* device, const Driver* driver, CUstream stream, Ring* ring,
                        uint64_t source, uint64_t left, bool wait, Flight* flight, CUresult* code) {
  Chunk* chunk = take_chunk(device, driver, ring, wait, code);
  if (!chunk) return false;
  size_t size = piece(ring, left);
  *code = driver->cuMemcpyDtoHAsync_v2(chunk->memory, source, size, stream);
  if (*code == 0) *code = chunk_follow(chunk, driver, stream);
  if (*code != 0) {
    give_chunk(device, ring, chunk);
    return false;
  }
  *flight = (Flight){.chunk = chunk, .bytes = size};
  return true;
}

static CUresult download(Device* device, const Driver* driver, CUstream stream,
                         unsigned char* target, uint64_t source, uint64_t bytes) {
  Ring* ring = ring_for(device, bytes);
  Flight flights[IN_FLIGHT];
  int flying = 0;
  CUresult code = 0;
  uint64_t queued = 0, done = 0;
  while (code == 0 && done < bytes) {
    while (code == 0 && flying < IN_FLIGHT && queued < bytes &&
           queue_piece(device, driver, stream, ring, source + queued, bytes - queued, flying == 0,
                       &flights[flying], &code)) {
      queued += flights[flying++].bytes;
    }
    if (code != 0) break;
    Flight first = flights[0];
    device_step_out(device);
    code = event_wait(driver, first.chunk->event);
    if (code == 0) memcpy(target + done, first.chunk->memory, first.bytes);
    device_step_in(device);
    first.chunk->pending = code != 0;
    give_chunk(device, ring, first.chunk);
    done += first.bytes;
    flying--;
    for (int k = 0; k < flying; k++) flights[k] = flights[k + 1];
  }
  // after an error the driver may still write to the chunks on their way: their events tell
  for (int k = 0; k < flying; k++) give_chunk(device, ring, flights[k].chunk);
  return code;
}

// What both copies check; PF_OK with the device entered.
static pf_status begin(pf_report* report, uint64_t handle, uint64_t stream, const void* memory,
                       uint64_t address, uint64_t bytes, const char* function, Device** device,
                       CUstream* queue) {
  if (bytes > SIZE_MAX / 2 || (!memory && bytes > 0)) {
    return report_invalid(report, "%s: the host's memory is null", function);
  }
  pf_status status = device_enter(report, handle, function, device);
  if (status != PF_OK) return status;
  if (!device_stream(report, *device, stream, queue, function) ||
      !device_holds(report, *device, address, bytes, function)) {
    return device_leave(*device, PF_INVALID);
  }
  return PF_OK;
}

pf_status pf_upload(pf_report* report, uint64_t handle, uint64_t stream, uint64_t target,
                    const void* source, uint64_t bytes) {
  Device* device;
  CUstream queue;
  pf_status status =
      begin(report, handle, stream, source, target, bytes, "pf_upload", &device, &queue);
  if (status != PF_OK) return status;
  CUresult code = device_upload(device, driver_get(), queue, target, source, bytes);
  return device_leave(device, device_check(report, device, code, "pf_upload"));
}

pf_status pf_download(pf_report* report, uint64_t handle, uint64_t stream, void* target,
                      uint64_t source, uint64_t bytes) {
  Device* device;
  CUstream queue;
  pf_status status =
      begin(report, handle, stream, target, source, bytes, "pf_download", &device, &queue);
  if (status != PF_OK) return status;
  CUresult code = download(device, driver_get(), queue, target, source, bytes);
  return device_leave(device, device_check(report, device, code, "pf_download"));
}

// Looks for an event again and again, so many nanoseconds at most.
static CUresult look_for(const Driver* driver, CUevent event, uint64_t nanoseconds) {
  uint64_t start = clock_nanoseconds();
  CUresult code;
  do {
    code = driver->cuEventQuery(event);
  } while (code == CUDA_NOT_READY && clock_nanoseconds() - start < nanoseconds);
  return code;
}

pf_status pf_download_soon(pf_report* report, uint64_t handle, uint64_t stream, void* target,
                           uint64_t source, uint64_t bytes, uint64_t nanoseconds, int32_t* done) {
  if (!done) return report_invalid(report, "pf_download_soon: a pointer is null");
  *done = 0;
  Device* device;
  CUstream queue;
  pf_status status =
      begin(report, handle, stream, target, source, bytes, "pf_download_soon", &device, &queue);
  if (status != PF_OK) return status;
  const Driver* driver = driver_get();
  Ring* ring = &device->small;
  if (bytes > ring->bytes) {
    status = report_invalid(report, "pf_download_soon: got %llu bytes; expected at most %llu",
                            (unsigned long long)bytes, (unsigned long long)ring->bytes);
    return device_leave(device, status);
  }
  CUresult code = 0;
  Flight flight;
  // the list before may have been a graph that has copied this back
  uint64_t list = graphs_follow(device, stream);
  Graph* graph = bytes > 0 ? graphs_reading(device, list, source, bytes) : NULL;
  if (bytes == 0) {
    *done = 1;
  } else if (graph) {
    device_step_out(device);
    code = look_for(driver, graph->chunk->event, nanoseconds);
    *done = code == 0;
    if (*done) memcpy(target, graph->chunk->memory + graph->read_at, (size_t)bytes);
    device_step_in(device);
    if (code == CUDA_NOT_READY) code = 0;
    graphs_read(device, graph, *done != 0);
  } else if (queue_piece(device, driver, queue, ring, source, bytes, false, &flight, &code)) {
    device_step_out(device);
    code = look_for(driver, flight.chunk->event, nanoseconds);
    *done = code == 0;
    if (*done) memcpy(target, flight.chunk->memory, flight.bytes);
    device_step_in(device);
    // what is on its way still has its event behind it
    flight.chunk->pending = !*done;
    if (code == CUDA_NOT_READY) code = 0;
    give_chunk(device, ring, flight.chunk);
  }
  if (*done && bytes > 0) graphs_arrived(device, list, source, bytes);
  return device_leave(device, device_check(report, device, code, "pf_download_soon"));
}
