// A copy of an operand of a matrix product in aligned lines, for the length of a launch.
#pragma once
#include "cuda/core/simt.h"

namespace mt::cuda {

// `lines` lines of `length` elements of 2 or 4 bytes, copied on `stream`; freed in its order.
class PackedOperand {
 public:
  PackedOperand() = default;
  PackedOperand(const void* src, int64_t itemsize, int64_t batch, int64_t batch_stride,
                int64_t lines, int64_t line_stride, int64_t length, int64_t stride,
                cudaStream_t stream);
  PackedOperand(PackedOperand&& other) noexcept
      : data_(other.data_), line_(other.line_), batch_(other.batch_), stream_(other.stream_) {
    other.data_ = nullptr;
  }
  PackedOperand& operator=(PackedOperand&&) = delete;
  ~PackedOperand();

  const void* data() const { return data_; }     // null where there was no memory
  int64_t line_stride() const { return line_; }  // in elements, as
  int64_t batch_stride() const { return batch_; }

 private:
  void* data_ = nullptr;
  int64_t line_ = 0, batch_ = 0;
  cudaStream_t stream_ = nullptr;
};

}  // namespace mt::cuda
