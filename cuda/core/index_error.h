// An index that is out of range, found by a kernel: written down in host memory that the device
// sees, so that the context survives and the host raises IndexError at its next check.
//
// A kernel calls report_index(errors, op, index, size) and goes on with some valid index.
#pragma once
#include "cuda/core/simt.h"

namespace mt::cuda {

// Ops that check indices; the host turns the number into the name.
enum class IndexOp : int {
  none,
  index,
  cross_entropy,
  // Numbers that must lie in [0, 1]: RuntimeError, without index and size.
  bernoulli,
  binary_cross_entropy
};

struct IndexErrors {
  int claimed;  // 0, or 1 once a thread has written the rest
  IndexOp op;
  long long index, size;
};

// Of the current device; pass it to the kernel.
IndexErrors* index_errors();
// Throws IndexError for what a kernel reported since the last check.
void check_index_errors();

#if defined(__CUDACC__) || defined(MT_EMULATE)
// Only the first report since the last check is kept.
__device__ inline void report_index(IndexErrors* errors, IndexOp op, long long index,
                                    long long size) {
  if (atomicCAS_system(&errors->claimed, 0, 1) != 0) return;
  errors->op = op;
  errors->index = index;
  errors->size = size;
}
#endif

}  // namespace mt::cuda
