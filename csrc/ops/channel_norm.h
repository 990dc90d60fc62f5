// What batch, group and instance norm have in common: an input [n, c, *], values per channel.
#pragma once
#include "ops/dispatch.h"
#include "ops/layout.h"

namespace mt {

struct ChannelInput {
  DType dtype;   // compute type, of everything but x
  DType memory;  // of x: the CPU's kernels read float32 and float64, CUDA's any floating dtype
  Tensor x, weight, bias;
  int64_t n, c, inner = 1;

  // `rows`: an input whose channels lie last in memory stays as it is, a matrix [n * inner, c].
  ChannelInput(const char* op, const Tensor& input, const std::optional<Tensor>& w,
               const std::optional<Tensor>& b, bool rows = false) {
    check_floating(input, op, "input");
    MT_CHECK(input.dim() >= 2, op,
             "(): Expected at least 2 dimensions for input tensor (N, C, *) but received ",
             input.sizes());
    dtype = input.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    memory = input.device().is_cpu() ? dtype : input.dtype();
    n = input.size(0);
    c = input.size(1);
    for (int i = 2; i < input.dim(); i++) inner *= input.size(i);
    x = to_dtype_in_layout(input, memory);
    if (rows && channels_last(x)) {
      n *= inner;
      inner = 1;
    } else {
      x = contiguous(x);
    }
    if (w) weight = channel(op, "weight", *w);
    if (b) bias = channel(op, "bias", *b);
  }

  // t, of the input's shape, laid out as x is.
  Tensor like_x(const Tensor& t) const {
    if (x.is_contiguous()) return contiguous(t);
    if (channels_last(t)) return t;
    Tensor y = empty_as_x();
    copy_into(y, t);
    return y;
  }
  Tensor empty_as_x() const { return empty_strided(x.sizes(), x.strides(), x.dtype(), x.device()); }

  // A vector of c values in the compute type.
  Tensor channel(const char* op, const char* name, const Tensor& t) const {
    MT_CHECK(t.dim() == 1 && t.numel() == c, op, "(): Expected ", name,
             " to be a vector of size equal to the number of channels in input, but got ", name,
             " of shape ", t.sizes(), " and input of ", c, " channels");
    return contiguous(to_dtype(t, dtype));
  }
  static const void* data(const Tensor& t) { return t ? t.data() : nullptr; }
};

}  // namespace mt
