// The driver's entry points for graphs: nodes for kernels and copies, added one by one.
//
// Enters: nodes and what each waits for. Leaves: executable graphs, whose launches are queued on
// streams, node after node. Of nodes that do not wait for each other the one that was added last
// runs first, so that a dependency that is missing shows. What a graph names is looked at again
// when it runs: memory that was freed and modules that were unloaded by then lose the context.

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "launch.h"
#include "memory.h"
#include "result.h"
#include "stream.h"

namespace emulator {

// CUDA_MEMCPY3D
struct CopyParameters {
  size_t from_x, from_y, from_z, from_level;
  int from_kind;
  const void* from_host;
  CUdeviceptr from_device;
  void *from_array, *from_reserved;
  size_t from_pitch, from_height;
  size_t to_x, to_y, to_z, to_level;
  int to_kind;
  void* to_host;
  CUdeviceptr to_device;
  void *to_array, *to_reserved;
  size_t to_pitch, to_height;
  size_t bytes, rows, layers;
};
static_assert(sizeof(CopyParameters) == 200, "the driver's layout");

// CUDA_KERNEL_NODE_PARAMS_v2
struct KernelParameters {
  void* function;
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_shared;
  void **values, **extra;
  void *kernel, *context;
};
static_assert(sizeof(KernelParameters) == 72, "the driver's layout");

enum { MEMORY_HOST = 1, MEMORY_DEVICE = 2 };

struct Copy {
  bool up;  // from the host to the device
  uint64_t device;
  char* host;
  size_t bytes;
};

struct Node {
  std::vector<Node*> after;
  void* function = nullptr;        // of a kernel's node
  std::shared_ptr<Launch> launch;  // as it was added; each run has its own
  Copy copy = {};
};

typedef std::vector<std::shared_ptr<Node>> Nodes;

struct Graph {
  Nodes nodes;  // in the order in which they were added
};

struct Executable {
  Context* owner = nullptr;
  Nodes nodes;  // in the order in which they run
  Point last;   // the end of the launch before
};

// All under the queues' lock.
static std::map<void*, std::shared_ptr<Graph>> graphs;
static std::map<void*, std::shared_ptr<Executable>> executables;

template <typename T>
static std::shared_ptr<T> find(std::map<void*, std::shared_ptr<T>>& all, void* handle) {
  std::lock_guard<std::mutex> guard(queue_lock());
  auto found = all.find(handle);
  return found == all.end() ? nullptr : found->second;
}

// Adds a node behind others of the graph.
static int add(Graph& graph, std::shared_ptr<Node> node, void* const* after, size_t count,
               void** handle) {
  if (count && !after) return INVALID_VALUE;
  for (size_t k = 0; k < count; k++) {
    bool known = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                             [&](auto& other) { return other.get() == after[k]; });
    if (!known) return INVALID_VALUE;
    node->after.push_back((Node*)after[k]);
  }
  *handle = node.get();
  graph.nodes.push_back(std::move(node));
  return SUCCESS;
}

static Nodes in_order(const Graph& graph) {
  Nodes left = graph.nodes, order;
  std::set<Node*> done;
  while (!left.empty()) {
    // dependencies are older than what waits for them: there is always one
    auto ready = std::find_if(left.rbegin(), left.rend(), [&](auto& node) {
      return std::all_of(node->after.begin(), node->after.end(),
                         [&](Node* before) { return done.count(before) > 0; });
    });
    done.insert(ready->get());
    order.push_back(*ready);
    left.erase(std::next(ready).base());
  }
  return order;
}

static bool is_there(const Copy& copy) {
  return device_range(copy.device, copy.bytes) && pinned_range(copy.host, copy.bytes);
}

static void lose(Context& context, const char* why) {
  if (context.lose(ILLEGAL_ADDRESS)) explain(ILLEGAL_ADDRESS, why);
}

static void run_copy(Context& context, const Copy& copy) {
  if (!is_there(copy)) return lose(context, "a graph copies memory that was freed");
  if (copy.up) {
    memcpy((void*)copy.device, copy.host, copy.bytes);
    note_device_write(copy.device, copy.bytes);
  } else {
    memcpy(copy.host, (const void*)copy.device, copy.bytes);
  }
}

// A launch of its own for each time that a node runs.
static std::shared_ptr<Launch> again(const Launch& first) {
  auto launch = std::make_shared<Launch>();
  launch->context = first.context;
  launch->module = first.module;
  launch->function = first.function;
  launch->grid = first.grid;
  launch->block = first.block;
  launch->dynamic_shared = first.dynamic_shared;
  launch->threads = first.threads;
  launch->blocks = first.blocks;
  launch->values = first.values;
  return launch;
}

static Work work_of(Context& context, const std::shared_ptr<Node>& node) {
  if (!node->launch) {
    return [&context, node](const Slice&) {
      run_copy(context, node->copy);
      return true;
    };
  }
  std::shared_ptr<Launch> launch = again(*node->launch);
  // the node's arguments live as long as the work does
  return [node, launch](const Slice& slice) { return run_launch(*launch, slice); };
}

void drop_graphs(const Context& context) {
  std::lock_guard<std::mutex> guard(queue_lock());
  for (auto at = executables.begin(); at != executables.end();) {
    at = at->second->owner == &context ? executables.erase(at) : std::next(at);
  }
}

}  // namespace emulator

using namespace emulator;

EMULATOR_API CUresult cuGraphCreate(void** handle, unsigned flags) {
  ENTER;
  NEED_CONTEXT(context);
  if (flags) return INVALID_VALUE;
  auto graph = std::make_shared<Graph>();
  *handle = graph.get();
  std::lock_guard<std::mutex> guard(queue_lock());
  graphs[*handle] = graph;
  return SUCCESS;
}

EMULATOR_API CUresult cuGraphDestroy(void* handle) {
  ENTER;
  std::lock_guard<std::mutex> guard(queue_lock());
  return graphs.erase(handle) ? SUCCESS : INVALID_VALUE;
}

EMULATOR_API CUresult cuGraphAddKernelNode_v2(void** handle, void* graph_handle, void* const* after,
                                              size_t count, const KernelParameters* kernel) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Graph> graph = find(graphs, graph_handle);
  if (!graph || !kernel || !kernel->function) return INVALID_VALUE;
  auto node = std::make_shared<Node>();
  node->function = kernel->function;
  int code = make_launch(context, kernel->function,
                         PfeDim{kernel->grid_x, kernel->grid_y, kernel->grid_z},
                         PfeDim{kernel->block_x, kernel->block_y, kernel->block_z},
                         kernel->dynamic_shared, kernel->values, kernel->extra, node->launch);
  return code == SUCCESS ? add(*graph, node, after, count, handle) : code;
}

// Copies of one row between pinned memory and the device, and no others.
EMULATOR_API CUresult cuGraphAddMemcpyNode(void** handle, void* graph_handle, void* const* after,
                                           size_t count, const CopyParameters* copy,
                                           void* context_handle) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Graph> graph = find(graphs, graph_handle);
  if (!graph || !copy || context_handle != context) return INVALID_VALUE;
  bool whole = !copy->from_x && !copy->from_y && !copy->from_z && !copy->from_level &&
               !copy->to_x && !copy->to_y && !copy->to_z && !copy->to_level &&
               !copy->from_reserved && !copy->to_reserved && copy->bytes && copy->rows == 1 &&
               copy->layers == 1;
  bool up = copy->from_kind == MEMORY_HOST && copy->to_kind == MEMORY_DEVICE;
  bool down = copy->from_kind == MEMORY_DEVICE && copy->to_kind == MEMORY_HOST;
  if (!whole || !(up || down)) return INVALID_VALUE;
  auto node = std::make_shared<Node>();
  node->copy = Copy{up, up ? copy->to_device : copy->from_device,
                    (char*)(up ? (void*)copy->from_host : copy->to_host), copy->bytes};
  return is_there(node->copy) ? add(*graph, node, after, count, handle) : INVALID_VALUE;
}

EMULATOR_API CUresult cuGraphInstantiateWithFlags(void** handle, void* graph_handle,
                                                  unsigned long long flags) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Graph> graph = find(graphs, graph_handle);
  if (!graph || flags) return INVALID_VALUE;
  auto executable = std::make_shared<Executable>();
  executable->owner = context;
  executable->nodes = in_order(*graph);
  *handle = executable.get();
  std::lock_guard<std::mutex> guard(queue_lock());
  executables[*handle] = executable;
  return SUCCESS;
}

// A launch that is under way ends.
EMULATOR_API CUresult cuGraphExecDestroy(void* handle) {
  ENTER;
  std::lock_guard<std::mutex> guard(queue_lock());
  return executables.erase(handle) ? SUCCESS : INVALID_VALUE;
}

EMULATOR_API CUresult cuGraphLaunch(void* handle, void* stream_handle) {
  ENTER;
  NEED_CONTEXT(context);
  std::shared_ptr<Stream> stream = stream_of(stream_handle);
  std::shared_ptr<Executable> graph = find(executables, handle);
  if (!stream || !graph || graph->owner != context) return INVALID_VALUE;
  for (const std::shared_ptr<Node>& node : graph->nodes) {
    if (!node->launch) count_bytes(node->copy.up ? "bytes up" : "bytes down", node->copy.bytes);
    if (node->launch && !is_loaded(node->function)) {
      lose(*context, "a graph launches a kernel of a module that was unloaded");
    }
  }
  // behind the launch before, whatever stream that was on
  std::vector<Point> after;
  {
    std::lock_guard<std::mutex> guard(queue_lock());
    if (graph->last.stream) after.push_back(graph->last);
  }
  for (const std::shared_ptr<Node>& node : graph->nodes) {
    uint64_t number = 0;
    int code = enqueue(*stream, work_of(*context, node), after, &number);
    if (code != SUCCESS) return code;
    after.clear();
    std::lock_guard<std::mutex> guard(queue_lock());
    graph->last = Point{stream, number};
  }
  return SUCCESS;
}
