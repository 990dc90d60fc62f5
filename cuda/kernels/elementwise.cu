#include "cuda/kernels/elementwise.cuh"

#include <utility>

#include "cuda/core/device.h"
#include "ops/copy.h"

namespace mt::cuda {
namespace {

bool reads(DType compute, DType memory) {
  return compute == DType::Float32   ? in_kernel<float>(memory)
         : compute == DType::Float64 ? in_kernel<double>(memory)
                                     : in_kernel<int64_t>(memory);
}

bool is_number(const OperandTypes& types, int k) { return types.numbers >> k & 1; }

}  // namespace

Converted::Converted(const ElementIter& given, const OperandTypes& given_types, DType compute)
    : it(given), types(given_types) {
  for (int k = 0; k < it.nargs; k++) {
    if (is_number(types, k) || reads(compute, types.t[k])) continue;
    const DType type = types.t[k];
    const ElementIter between = move(k, compute);
    if (k > 0) {
      copy(compute, type, between);
      continue;
    }
    out_ = between;
    for (int d = 0; d < out_.ndim; d++) std::swap(out_.strides[d][0], out_.strides[d][1]);
    std::swap(out_.data[0], out_.data[1]);
    out_type_ = type;
  }
}

// The new memory is dense in the iterator's order of dims; dims that an operand is broadcast along
// stay broadcast.
ElementIter Converted::move(int k, DType compute) {
  ElementIter between;
  between.nargs = 2;
  const int64_t size = int64_t(itemsize(compute));
  int64_t step = size;
  for (int d = 0; d < it.ndim; d++) {
    const int64_t old = it.strides[d][k];
    it.strides[d][k] = old ? step : 0;
    if (!old) continue;
    between.shape[between.ndim] = it.shape[d];
    between.strides[between.ndim][0] = step;
    between.strides[between.ndim++][1] = old;
    step *= it.shape[d];
  }
  if (between.ndim == 0) {
    between.ndim = 1;
    between.shape[0] = 1;
    between.strides[0][0] = between.strides[0][1] = size;
  }
  between.numel = step / size;
  Block& block = blocks_[count_++];
  block.bytes = size_t(step);
  block.data = allocate(block.bytes, current_device(), &block.stream);
  between.data[0] = static_cast<char*>(block.data);
  between.data[1] = it.data[k];
  it.data[k] = between.data[0];
  types.t[k] = compute;
  return between;
}

void Converted::convert_out() const { copy(out_type_, types.t[0], out_); }

Converted::~Converted() {
  for (int k = 0; k < count_; k++)
    release(blocks_[k].data, blocks_[k].bytes, current_device(), blocks_[k].stream);
}

bool take_vectors(ElementIter& it, const OperandTypes& types) {
  if (it.ndim == 0 || it.shape[0] % kVector) return false;
  for (int k = 0; k < it.nargs; k++) {
    if (is_number(types, k) || (it.strides[0][k] == 0 && k > 0)) continue;
    const int64_t size = int64_t(itemsize(types.t[k]));
    const int64_t vector = size * kVector < 16 ? size * kVector : 16;
    if (it.strides[0][k] != size || reinterpret_cast<intptr_t>(it.data[k]) % vector) return false;
    for (int d = 1; d < it.ndim; d++)
      if (it.strides[d][k] % vector) return false;
  }
  it.shape[0] /= kVector;
  it.numel /= kVector;
  for (int k = 0; k < it.nargs; k++) it.strides[0][k] *= kVector;
  return true;
}

Argument argument_of(const ElementIter& it, const OperandTypes& types, int k, DType compute) {
  Argument a = {};
  a.type = types.t[k];
  a.number = is_number(types, k);
  if (a.number) {
    memcpy(&a.value, it.data[k], itemsize(compute));
    return a;
  }
  a.data = it.data[k];
  a.single = it.ndim > 0 && it.strides[0][k] == 0;
  return a;
}

}  // namespace mt::cuda
