#include "cuda/kernels/elementwise.cuh"

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

// A converted operand is dense in the iterator's order of dims; dims that it is broadcast along
// stay broadcast.
Converted::Converted(const ElementIter& given, const OperandTypes& given_types, DType compute)
    : it(given), types(given_types) {
  for (int k = 1; k < it.nargs; k++) {
    if (is_number(types, k) || reads(compute, types.t[k])) continue;
    ElementIter copy_it;
    copy_it.nargs = 2;
    copy_it.ndim = 0;
    const int64_t size = int64_t(itemsize(compute));
    int64_t step = size;
    for (int d = 0; d < it.ndim; d++) {
      const int64_t source = it.strides[d][k];
      it.strides[d][k] = source ? step : 0;
      if (!source) continue;
      copy_it.shape[copy_it.ndim] = it.shape[d];
      copy_it.strides[copy_it.ndim][0] = step;
      copy_it.strides[copy_it.ndim++][1] = source;
      step *= it.shape[d];
    }
    if (copy_it.ndim == 0) {
      copy_it.ndim = 1;
      copy_it.shape[0] = 1;
      copy_it.strides[0][0] = copy_it.strides[0][1] = size;
    }
    copy_it.numel = step / size;
    Block& block = blocks_[count_++];
    block.bytes = size_t(step);
    block.data = allocate(block.bytes, current_device(), &block.stream);
    copy_it.data[0] = static_cast<char*>(block.data);
    copy_it.data[1] = it.data[k];
    copy(compute, types.t[k], copy_it);
    it.data[k] = static_cast<char*>(block.data);
    types.t[k] = compute;
  }
}

Converted::~Converted() {
  for (int k = 0; k < count_; k++)
    release(blocks_[k].data, blocks_[k].bytes, current_device(), blocks_[k].stream);
}

bool is_flat(const ElementIter& it, const OperandTypes& types) {
  if (it.ndim > 1) return false;
  for (int k = 0; k < it.nargs; k++) {
    if (is_number(types, k) || it.ndim == 0) continue;
    const int64_t stride = it.strides[0][k];
    if (stride != int64_t(itemsize(types.t[k])) && !(stride == 0 && k > 0)) return false;
  }
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
  size_t bytes = itemsize(a.type) * kVector;
  a.aligned = reinterpret_cast<uintptr_t>(a.data) % (bytes < 16 ? bytes : 16) == 0;
  return a;
}

}  // namespace mt::cuda
