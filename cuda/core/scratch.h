// Device memory for the length of a kernel function: allocated and freed in stream order, so that
// the kernels launched in between may use it.
#pragma once
#include "cuda/core/device.h"

namespace mt::cuda {

class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes), device_(current_device()) {
    data_ = allocate(bytes, device_, &stream_);
  }
  ~Scratch() { release(data_, bytes_, device_, stream_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void *data_, *stream_ = nullptr;
  size_t bytes_;
  int device_;
};

}  // namespace mt::cuda
