// Graphs: a stream's work recorded once and launched again as a whole.
//
// Memory of a captured tensor has to stay where it is for every replay. While a stream is captured,
// allocate() therefore takes blocks from a pool of the graph: real memory, got outside of the
// capture. A block that is released serves later tensors of the same stream that are captured into
// the pool; several graphs may share one, whose replays then must not overlap and follow in the
// order of the captures. All of it goes back when the graphs and the last tensor are gone. A stream
// that waits for an event of a captured one is captured with it.
#include "cuda/core/graph.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cuda/core/device.h"
#include "cuda/core/stream.h"

namespace mt::cuda {
namespace {

struct Block {
  size_t size;
  cudaStream_t stream;  // that it was made on
};
struct FreeBlock {
  void* data;
  cudaStream_t stream;
};

struct Pool {
  std::pair<int, int64_t> key;  // device, number
  int graphs = 0;
  std::multimap<size_t, FreeBlock> free;  // by size
  std::unordered_map<void*, Block> live;  // blocks of tensors
  // Released while other streams of the capture may use them; free when it ends.
  std::vector<std::pair<void*, Block>> held;
};

struct Graph {
  int device = 0;
  unsigned long long id = 0;  // of the capture
  cudaStream_t stream = nullptr;
  cudaGraphExec_t exec = nullptr;
  Pool* pool = nullptr;
  std::vector<FreeBlock> later;  // of the device's pool, to be freed after the capture
};

std::mutex mutex;
auto& pools() {
  static auto& map = *new std::map<std::pair<int, int64_t>, Pool*>;
  return map;
}
// The pool of each block, and the graphs that are being captured.
auto& owners() {
  static auto& map = *new std::unordered_map<void*, Pool*>;
  return map;
}
auto& captures() {
  static auto& list = *new std::vector<Graph*>;
  return list;
}

bool is_captured(const Pool* pool) {
  return std::any_of(captures().begin(), captures().end(),
                     [&](const Graph* graph) { return graph->pool == pool; });
}

Graph* capture_of(cudaStream_t stream) {
  for (Graph* graph : captures())
    if (graph->stream == stream) return graph;
  // Asking for the default stream would end every capture that does not forbid it.
  if (captures().empty() || !stream) return nullptr;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long id = 0;
  if (cudaStreamGetCaptureInfo(stream, &status, &id) != cudaSuccess) cudaGetLastError();
  else if (status == cudaStreamCaptureStatusActive)
    for (Graph* graph : captures())
      if (graph->id == id) return graph;
  return nullptr;
}

// A pool without graphs gives back what no tensor holds; without tensors as well it goes.
void collect(Pool* pool) {
  if (pool->graphs > 0) return;
  RelaxedCapture relaxed;  // another graph may be recorded meanwhile
  for (auto& [size, block] : pool->free) {
    owners().erase(block.data);
    cudaFree(block.data);
  }
  pool->free.clear();
  if (!pool->live.empty()) return;
  pools().erase(pool->key);
  delete pool;
}

}  // namespace

bool capture_allocate(cudaStream_t stream, size_t bytes, void** data, cudaError_t* error) {
  std::lock_guard lock(mutex);
  Graph* graph = captures().empty() ? nullptr : capture_of(stream);
  if (!graph) return false;
  Pool* pool = graph->pool;
  *error = cudaSuccess;
  // The smallest free block of the stream that is not more than twice as large.
  auto found = pool->free.lower_bound(bytes);
  while (found != pool->free.end() && found->second.stream != stream) ++found;
  size_t size = bytes;
  if (found != pool->free.end() && found->first <= 2 * bytes + 512) {
    size = found->first;
    *data = found->second.data;
    pool->free.erase(found);
  } else {
    RelaxedCapture relaxed;
    *error = cudaMalloc(data, bytes);
    if (*error != cudaSuccess) return true;
    owners()[*data] = pool;
  }
  pool->live[*data] = {size, stream};
  return true;
}

bool capture_release(void* data, cudaStream_t stream, bool shared) {
  std::lock_guard lock(mutex);
  auto owner = owners().find(data);
  if (owner == owners().end()) {
    // A free on a captured stream would become a part of the graph.
    Graph* graph = captures().empty() ? nullptr : capture_of(stream);
    if (graph) graph->later.push_back({data, stream});
    return graph;
  }
  Pool* pool = owner->second;
  auto found = pool->live.find(data);
  const Block block = found->second;
  pool->live.erase(found);
  if (shared && is_captured(pool)) pool->held.push_back({data, block});
  else pool->free.emplace(block.size, FreeBlock{data, block.stream});
  collect(pool);
  return true;
}

void* begin_capture(int device, int64_t pool) {
  device = check_device(device);
  DeviceGuard guard(device);
  MT_CHECK(stream() != nullptr,
           "graph: the default stream cannot be captured; use a stream of minitorch.cuda.Stream()");
  auto* graph = new Graph;
  graph->device = device;
  graph->stream = stream();
  cudaError_t error = cudaStreamBeginCapture(graph->stream, cudaStreamCaptureModeThreadLocal);
  if (error != cudaSuccess) {
    delete graph;
    fail_call(error, "cudaStreamBeginCapture");
  }
  cudaStreamCaptureStatus status;
  MT_CUDA_CHECK(cudaStreamGetCaptureInfo(graph->stream, &status, &graph->id));
  std::lock_guard lock(mutex);
  const std::pair<int, int64_t> key(device, pool);
  Pool*& shared = pools()[key];
  if (!shared) {
    shared = new Pool;
    shared->key = key;
  }
  shared->graphs++;
  graph->pool = shared;
  captures().push_back(graph);
  return graph;
}

namespace {

cudaError_t finish_capture(Graph* graph, cudaGraph_t* recorded) {
  DeviceGuard guard(graph->device);
  cudaError_t error = cudaStreamEndCapture(graph->stream, recorded);
  std::lock_guard lock(mutex);
  std::erase(captures(), graph);
  Pool* pool = graph->pool;
  if (!is_captured(pool)) {
    for (auto& [data, block] : pool->held)
      pool->free.emplace(block.size, FreeBlock{data, block.stream});
    pool->held.clear();
  }
  for (const FreeBlock& block : graph->later) cudaFreeAsync(block.data, block.stream);
  graph->later.clear();
  return error;
}

}  // namespace

void end_capture(void* handle) {
  auto* graph = static_cast<Graph*>(handle);
  cudaGraph_t recorded = nullptr;
  MT_CUDA_CHECK(finish_capture(graph, &recorded));
  cudaError_t error = cudaGraphInstantiate(&graph->exec, recorded, 0);
  cudaGraphDestroy(recorded);
  check_call(error, "cudaGraphInstantiate");
}

void abandon_capture(void* handle) noexcept {
  auto* graph = static_cast<Graph*>(handle);
  cudaGraph_t recorded = nullptr;
  if (finish_capture(graph, &recorded) == cudaSuccess && recorded) cudaGraphDestroy(recorded);
  cudaGetLastError();
}

void replay_graph(void* handle) {
  auto* graph = static_cast<Graph*>(handle);
  MT_CHECK(graph->exec, "CUDAGraph.replay(): nothing was captured");
  DeviceGuard guard(graph->device);
  MT_CUDA_CHECK(cudaGraphLaunch(graph->exec, stream()));
}

void delete_graph(void* handle) noexcept {
  auto* graph = static_cast<Graph*>(handle);
  if (graph->exec) {
    cudaDeviceSynchronize();  // a replay may be running
    cudaGraphExecDestroy(graph->exec);
  }
  std::lock_guard lock(mutex);
  graph->pool->graphs--;
  collect(graph->pool);
  delete graph;
}

void* current_capture(int device) {
  std::lock_guard lock(mutex);
  if (captures().empty()) return nullptr;
  DeviceGuard guard(check_device(device));
  return capture_of(stream());
}

}  // namespace mt::cuda
