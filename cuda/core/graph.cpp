// Graphs: a stream's work recorded once and launched again as a whole.
//
// Memory of a captured tensor has to stay where it is for every replay. While a stream is captured,
// allocate() therefore takes blocks from the graph's own pool: real memory, got outside of the
// capture. A block that is released during the capture serves later tensors of the same graph and
// stream, as the order of the stream allows; all of it goes back when the graph and the last tensor
// are gone. A stream that waits for an event of a captured one is captured with it.
#include "cuda/core/graph.h"

#include <map>
#include <mutex>
#include <unordered_map>
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

struct Graph {
  int device = 0;
  unsigned long long id = 0;  // of the capture
  cudaStream_t stream = nullptr;
  cudaGraphExec_t exec = nullptr;
  bool capturing = false, deleted = false;
  std::vector<FreeBlock> later;           // of the ordinary pool, to be freed after the capture
  std::multimap<size_t, FreeBlock> free;  // by size
  std::unordered_map<void*, Block> live;  // blocks of tensors
};

std::mutex mutex;
// The owner of each block that a graph handed out, and the graphs that are being captured.
std::unordered_map<void*, Graph*>& owners() {
  static auto& map = *new std::unordered_map<void*, Graph*>;
  return map;
}
std::vector<Graph*>& captures() {
  static auto& list = *new std::vector<Graph*>;
  return list;
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

// Frees what no tensor holds; the graph itself when nothing is left.
void collect(Graph* graph) {
  if (!graph->deleted) return;
  RelaxedCapture relaxed;  // another graph may be recorded meanwhile
  for (auto& [size, block] : graph->free) cudaFree(block.data);
  graph->free.clear();
  if (graph->live.empty()) delete graph;
}

}  // namespace

bool capture_allocate(cudaStream_t stream, size_t bytes, void** data, cudaError_t* error) {
  std::lock_guard lock(mutex);
  Graph* graph = captures().empty() ? nullptr : capture_of(stream);
  if (!graph) return false;
  *error = cudaSuccess;
  // The smallest free block that is not more than twice as large.
  auto found = graph->free.lower_bound(bytes);
  while (found != graph->free.end() && found->second.stream != stream) ++found;
  size_t size = bytes;
  if (found != graph->free.end() && found->first <= 2 * bytes + 512) {
    size = found->first;
    *data = found->second.data;
    graph->free.erase(found);
  } else {
    RelaxedCapture relaxed;
    *error = cudaMalloc(data, bytes);
    if (*error != cudaSuccess) return true;
    owners()[*data] = graph;
  }
  graph->live[*data] = {size, stream};
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
  Graph* graph = owner->second;
  auto block = graph->live.find(data);
  // Outside of the capture a replay may still write the block, and inside another stream that has
  // used it: it is not handed out again.
  if ((graph->capturing && !shared) || graph->deleted)
    graph->free.emplace(block->second.size, FreeBlock{data, block->second.stream});
  if (graph->deleted) owners().erase(owner);
  graph->live.erase(block);
  collect(graph);
  return true;
}

void* begin_capture(int device) {
  device = check_device(device);
  DeviceGuard guard(device);
  MT_CHECK(stream() != nullptr,
           "graph: the default stream cannot be captured; use a stream of minitorch.cuda.Stream()");
  auto* graph = new Graph;
  graph->device = device;
  graph->stream = stream();
  graph->capturing = true;
  cudaError_t error = cudaStreamBeginCapture(graph->stream, cudaStreamCaptureModeThreadLocal);
  if (error != cudaSuccess) {
    delete graph;
    fail_call(error, "cudaStreamBeginCapture");
  }
  cudaStreamCaptureStatus status;
  MT_CUDA_CHECK(cudaStreamGetCaptureInfo(graph->stream, &status, &graph->id));
  std::lock_guard lock(mutex);
  captures().push_back(graph);
  return graph;
}

namespace {

cudaError_t finish_capture(Graph* graph, cudaGraph_t* recorded) {
  DeviceGuard guard(graph->device);
  cudaError_t error = cudaStreamEndCapture(graph->stream, recorded);
  std::lock_guard lock(mutex);
  std::erase(captures(), graph);
  graph->capturing = false;
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
  graph->deleted = true;
  std::vector<void*> gone;
  for (auto& [data, owner] : owners())
    if (owner == graph && !graph->live.contains(data)) gone.push_back(data);
  for (void* data : gone) {
    owners().erase(data);
    bool listed = false;
    for (auto& [size, free] : graph->free) listed = listed || free.data == data;
    if (!listed) graph->free.emplace(0, FreeBlock{data, nullptr});
  }
  collect(graph);
}

void* current_capture(int device) {
  std::lock_guard lock(mutex);
  if (captures().empty()) return nullptr;
  DeviceGuard guard(check_device(device));
  return capture_of(stream());
}

}  // namespace mt::cuda
