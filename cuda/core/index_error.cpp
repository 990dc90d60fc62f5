#include "cuda/core/index_error.h"

#include <atomic>

#include "cuda/core/device.h"
#include "cuda/core/graph.h"
#include "cuda/core/stream.h"

namespace mt::cuda {
namespace {

constexpr const char* kNames[] = {"none", "index", "cross_entropy", "bernoulli",
                                  "binary_cross_entropy"};

// One record for all devices: mapped, portable host memory. Null until a kernel asks for it.
std::atomic<IndexErrors*> record{nullptr};

}  // namespace

IndexErrors* index_errors() {
  IndexErrors* errors = record.load(std::memory_order_acquire);
  if (MT_LIKELY(errors != nullptr)) return errors;
  void* memory = nullptr;
  RelaxedCapture relaxed;
  MT_CUDA_CHECK(
      cudaHostAlloc(&memory, sizeof(IndexErrors), cudaHostAllocMapped | cudaHostAllocPortable));
  auto* fresh = new (memory) IndexErrors{};
  if (!record.compare_exchange_strong(errors, fresh)) {
    cudaFreeHost(memory);
    return errors;
  }
  return fresh;
}

void check_index_errors() {
  IndexErrors* errors = record.load(std::memory_order_acquire);
  if (MT_LIKELY(!errors || !*const_cast<volatile int*>(&errors->claimed))) return;
  IndexErrors seen = *errors;
  *errors = {};
  if (seen.op == IndexOp::bernoulli)
    fail(ErrorKind::Runtime,
         "bernoulli_(): expects all probabilities to be >= 0 and <= 1 (found on the GPU)");
  if (seen.op == IndexOp::binary_cross_entropy)
    fail(ErrorKind::Runtime,
         "binary_cross_entropy(): all elements of input should be between 0 and 1 (found on the "
         "GPU)");
  fail(ErrorKind::Index, kNames[int(seen.op)], "(): index ", int64_t(seen.index),
       " is out of bounds for a dimension of size ", int64_t(seen.size), " (found on the GPU)");
}

}  // namespace mt::cuda
