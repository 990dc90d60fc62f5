#include "cuda/bench/operands.h"

#include "cuda/core/device.h"
#include "ops/random.h"

namespace mt::cuda::bench {
namespace {

uint64_t next_seed() {
  static uint64_t seed = 0;
  return ++seed;
}

}  // namespace

Operands::~Operands() {
  for (const Block& b : blocks_) release(b.data, b.bytes, current_device(), b.stream);
}

void* Operands::empty(DType t, int64_t n) {
  Block b{nullptr, nullptr, size_t(n) * itemsize(t)};
  b.data = allocate(b.bytes, current_device(), &b.stream);
  blocks_.push_back(b);
  bytes_ += b.bytes;
  return b.data;
}

void* Operands::normal(DType t, int64_t n) {
  void* x = empty(t, n);
  random_fill(RandomOp::normal, t, x, n, next_seed(), 0, 0, 1);
  return x;
}

void* Operands::uniform(DType t, int64_t n) {
  void* x = empty(t, n);
  random_fill(RandomOp::uniform, t, x, n, next_seed(), 0, 0, 1);
  return x;
}

int64_t* Operands::indices(int64_t n, int64_t below) {
  void* x = empty(DType::Int64, n);
  random_integers(DType::Int64, x, n, next_seed(), 0, 0, uint64_t(below), false);
  return static_cast<int64_t*>(x);
}

ElementIter flat(DType t, int64_t n, std::initializer_list<const void*> operands) {
  ElementIter it;
  it.ndim = 1;
  it.numel = it.shape[0] = n;
  for (const void* p : operands) {
    it.data[it.nargs] = static_cast<char*>(const_cast<void*>(p));
    it.strides[0][it.nargs++] = int64_t(itemsize(t));
  }
  return it;
}

ElementIter transposed(DType t, void* y, const void* x, int64_t batch, int64_t rows, int64_t cols) {
  const int64_t size = int64_t(itemsize(t));
  ElementIter it = flat(t, batch * rows * cols, {y, x});
  it.ndim = batch > 1 ? 3 : 2;
  const int64_t shape[] = {cols, rows, batch};
  const int64_t y_strides[] = {1, cols, rows * cols}, x_strides[] = {rows, 1, rows * cols};
  for (int d = 0; d < it.ndim; d++) {
    it.shape[d] = shape[d];
    it.strides[d][0] = y_strides[d] * size;
    it.strides[d][1] = x_strides[d] * size;
  }
  return it;
}

OperandTypes types_of(DType t, int operands) {
  OperandTypes types;
  for (int i = 0; i < operands; i++) types.t[i] = t;
  return types;
}

}  // namespace mt::cuda::bench
