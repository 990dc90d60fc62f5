// The shape of an elementwise loop: up to four operands over one index space, reduced to as few
// dimensions as their strides allow, the innermost first.
#pragma once
#include "core/macros.h"

namespace mt {

constexpr int kMaxIterDims = 16;
constexpr int kMaxOperands = 4;

struct ElementIter {
  int nargs = 0, ndim = 0;
  int64_t numel = 1;
  int64_t shape[kMaxIterDims];                  // shape[0] is the innermost
  int64_t strides[kMaxIterDims][kMaxOperands];  // in bytes
  char* data[kMaxOperands];
};

}  // namespace mt
