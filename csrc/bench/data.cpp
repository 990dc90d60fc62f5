#include "bench/data.h"

#include "core/allocator.h"
#include "core/make_iter.h"
#include "ops/random.h"

namespace mt::bench {
namespace {

template <class T>
std::shared_ptr<T> allocate(int64_t n) {
  const size_t bytes = size_t(n) * sizeof(T);
  return {static_cast<T*>(cpu_allocate(bytes)), [bytes](T* p) { cpu_free(p, bytes); }};
}

}  // namespace

Floats floats(int64_t n) {
  static uint64_t seed = 0;
  Floats x = allocate<float>(n);
  cpu::random_fill(RandomOp::normal, DType::Float32, x.get(), n, ++seed, 0, 0, 1);
  return x;
}

Longs longs(int64_t n, int64_t below) {
  Longs x = allocate<int64_t>(n);
  cpu::random_integers(DType::Int64, x.get(), n, 1, 0, 0, uint64_t(below), false);
  return x;
}

ElementIter flat(int64_t n, std::initializer_list<const void*> operands) {
  ElementIter it;
  it.ndim = 1;
  it.numel = it.shape[0] = n;
  for (const void* p : operands) {
    it.data[it.nargs] = static_cast<char*>(const_cast<void*>(p));
    it.strides[0][it.nargs++] = 4;
  }
  return it;
}

OperandTypes float_types(int operands) {
  OperandTypes types;
  for (int i = 0; i < operands; i++) types.t[i] = DType::Float32;
  return types;
}

}  // namespace mt::bench
