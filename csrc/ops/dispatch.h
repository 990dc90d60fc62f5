// From tensors to a kernel: the GIL is released around work that is worth it, and the device picks
// the twin.
//
//   MT_DISPATCH(x.device(), work, softmax_forward, dtype, ...);
//
// `work` is the number of elements touched. MT_DISPATCH_CPU is for kernels declared CPU only.
#pragma once
#include "core/make_iter.h"
#include "core/parallel.h"
#include "python/bind.h"
#if defined(MT_WITH_CUDA)
#include "cuda/core/device.h"
#endif

namespace mt {

class ReleaseGil {
 public:
  explicit ReleaseGil(int64_t work) {
    if (MT_UNLIKELY(work > kGrain)) state_ = PyEval_SaveThread();
  }
  ~ReleaseGil() {
    if (MT_UNLIKELY(state_ != nullptr)) PyEval_RestoreThread(state_);
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_ = nullptr;
};

#define MT_DISPATCH_CPU(device_, work, kernel, ...)                                  \
  do {                                                                               \
    if (MT_UNLIKELY(!(device_).is_cpu()))                                            \
      ::mt::fail(::mt::ErrorKind::NotImplemented, #kernel, " runs on the CPU only"); \
    ::mt::ReleaseGil no_gil_(work);                                                  \
    ::mt::cpu::kernel(__VA_ARGS__);                                                  \
  } while (0)

#if defined(MT_WITH_CUDA)
#define MT_DISPATCH(device_, work, kernel, ...)     \
  do {                                              \
    const ::mt::Device on_ = (device_);             \
    ::mt::ReleaseGil no_gil_(work);                 \
    if (MT_LIKELY(on_.is_cpu())) {                  \
      ::mt::cpu::kernel(__VA_ARGS__);               \
    } else {                                        \
      ::mt::cuda::DeviceGuard guard_(on_.index);    \
      ::mt::cuda::kernel(__VA_ARGS__);              \
      ::mt::cuda::check_launch(#kernel, on_.index); \
    }                                               \
  } while (0)
#else
#define MT_DISPATCH(device_, work, kernel, ...) MT_DISPATCH_CPU(device_, work, kernel, __VA_ARGS__)
#endif

// --- helpers that most ops use (csrc/ops/common.cpp)

// x itself where it lies on that device, else a copy of its bytes there (contiguous).
Tensor to_device(const Tensor& x, Device device, bool non_blocking = false);
// x itself where it is contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& x);
// x itself where it has that dtype, else a converted copy.
Tensor to_dtype(const Tensor& x, DType dtype);
// dst[...] = src, broadcast and converted, from any device to any; no version count, no checks of
// overlap.
void copy_into(const Tensor& dst, const Tensor& src);
// A 0-dim tensor of the dtype that a Python number has beside a tensor of `beside`.
Tensor scalar_tensor(const Scalar& s, DType dtype, Device device);
// The element type in which a number acts beside a tensor: ints beside floats become floats ...
DType promote_scalar(DType tensor, const Scalar& s);
// PyTorch's promotion of two operands: dimensioned tensors over 0-dim ones over numbers.
DType result_type(const Operand& a, const Operand& b);
// Integers and bool become float32; floating types stay.
inline DType to_floating(DType t) { return is_floating(t) ? t : DType::Float32; }

void check_floating(const Tensor& x, const char* op, const char* argument);
// RuntimeError where two elements of an output share memory (an expanded tensor).
void check_no_overlap(const Tensor& out, const char* op);
// Whether the two may share memory without being the same elements in the same places.
bool partly_overlaps(const Tensor& a, const Tensor& b);
void check_same_device(const Tensor& a, const Tensor& b, const char* op);
// PyTorch's rule for in-place and out= results: no float into int, nothing but bool into bool.
void check_can_cast(DType from, DType to, const char* op);

}  // namespace mt
