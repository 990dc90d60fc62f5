// Elementwise kernels: out = f(in...), one kernel per formula and compute type.
//
// Memory may hold another dtype than the one computed in: the 16-bit floats beside float, the
// smaller integers beside int64; the choice is the same for all threads, so it costs a branch and
// no divergence. Other dtypes are converted first (rare: an integer tensor in floating arithmetic).
// Flat operands move in vectors of four elements; strided ones element by element.
// Bytes: each operand once. Work: kVectors vectors of four elements per thread.
#pragma once
#include "core/iter.h"
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/vec.h"
#include "ops/elementwise.h"

namespace mt::cuda {

constexpr int kVector = 4;   // elements per access
constexpr int kVectors = 2;  // accesses per thread and operand

// One operand: memory, or a number that every element has.
struct Argument {
  char* data;
  DType type;
  bool number;   // `value` holds the compute type
  bool aligned;  // for vectors of kVector elements
  bool single;   // flat loops: one element for all
  double value;  // bits of the compute type
};

template <int N>
struct FlatLoop {
  int64_t numel;
  Argument arg[N];
};

template <int N>
struct StridedLoop {
  uint32_t numel;
  int ndim;
  Argument arg[N];
  Divider shape[kMaxIterDims];
  int64_t strides[kMaxIterDims][N];
};

// Memory types that a compute type is loaded from and stored to inside a kernel.
template <class T>
constexpr bool in_kernel(DType t) {
  if (__is_same(T, float))
    return t == DType::Float32 || t == DType::Float16 || t == DType::BFloat16 || t == DType::Bool;
  if (__is_same(T, double)) return t == DType::Float64 || t == DType::Bool;
  return !is_floating(t);
}

#define MT_MEMORY_CASE_(enumerator, type, ...) \
  case DType::enumerator: {                    \
    using memory_t = type;                     \
    __VA_ARGS__;                               \
    break;                                     \
  }
// Runs the code with memory_t bound to the type that `t` names, among those of in_kernel<T>.
template <class T, class F>
__device__ __forceinline__ void with_memory_type(DType t, const F& f) {
  if constexpr (__is_same(T, float)) {
    switch (t) {
      MT_MEMORY_CASE_(Float32, float, f(memory_t{}))
      MT_MEMORY_CASE_(Float16, float16, f(memory_t{}))
      MT_MEMORY_CASE_(BFloat16, bfloat16, f(memory_t{}))
      MT_MEMORY_CASE_(Bool, bool, f(memory_t{}))
      default:
        break;
    }
  } else if constexpr (__is_same(T, double)) {
    if (t == DType::Bool) f(bool{});
    else f(double{});
  } else {
    switch (t) {
      MT_MEMORY_CASE_(Bool, bool, f(memory_t{}))
      MT_MEMORY_CASE_(UInt8, uint8_t, f(memory_t{}))
      MT_MEMORY_CASE_(Int8, int8_t, f(memory_t{}))
      MT_MEMORY_CASE_(Int16, int16_t, f(memory_t{}))
      MT_MEMORY_CASE_(Int32, int32_t, f(memory_t{}))
      MT_MEMORY_CASE_(Int64, int64_t, f(memory_t{}))
      default:
        break;
    }
  }
}
#undef MT_MEMORY_CASE_

template <class T>
__device__ __forceinline__ T number_of(const Argument& a) {
  T v;
  memcpy(&v, &a.value, sizeof v);
  return v;
}

// Elements [i, i + count) of a flat operand.
template <class T>
__device__ __forceinline__ void load_flat(const Argument& a, int64_t i, int count,
                                          T (&out)[kVector]) {
  if (a.number) {
    const T v = number_of<T>(a);
    for (int k = 0; k < kVector; k++) out[k] = v;
    return;
  }
  with_memory_type<T>(a.type, [&](auto example) {
    using M = decltype(example);
    const M* p = reinterpret_cast<const M*>(a.data);
    if (a.single) {
      const T v = T(load(p[0]));
      for (int k = 0; k < kVector; k++) out[k] = v;
    } else if (a.aligned && count == kVector) {
      const Vec<M, kVector> v = *reinterpret_cast<const Vec<M, kVector>*>(p + i);
#pragma unroll
      for (int k = 0; k < kVector; k++) out[k] = T(load(v.v[k]));
    } else {
      for (int k = 0; k < count; k++) out[k] = T(load(p[i + k]));
    }
  });
}

template <class R>
__device__ __forceinline__ void store_flat(const Argument& a, int64_t i, int count,
                                           const R (&value)[kVector]) {
  const auto put = [&](auto example) {
    using M = decltype(example);
    M* p = reinterpret_cast<M*>(a.data);
    if (a.aligned && count == kVector) {
      Vec<M, kVector> v;
#pragma unroll
      for (int k = 0; k < kVector; k++) v.v[k] = store_as<M>(value[k]);
      *reinterpret_cast<Vec<M, kVector>*>(p + i) = v;
    } else {
      for (int k = 0; k < count; k++) p[i + k] = store_as<M>(value[k]);
    }
  };
  if constexpr (__is_same(R, bool)) put(bool{});
  else with_memory_type<R>(a.type, put);
}

template <class R, class T, int N, class F, size_t... I>
__device__ __forceinline__ void apply(const F& f, R (&out)[kVector], const T (&in)[N][kVector],
                                      int count, std::index_sequence<I...>) {
#pragma unroll
  for (int k = 0; k < kVector; k++)
    if (k < count) out[k] = f(in[I][k]...);
}

template <class R, class T, int N, class F>
__global__ void __launch_bounds__(kThreads) flat_kernel(const FlatLoop<N + 1> loop, const F f) {
  int64_t i = (int64_t(blockIdx.x) * kVectors * blockDim.x + threadIdx.x) * kVector;
#pragma unroll
  for (int u = 0; u < kVectors; u++, i += int64_t(kThreads) * kVector) {
    if (i >= loop.numel) return;
    const int count = loop.numel - i < kVector ? int(loop.numel - i) : kVector;
    T in[N][kVector];
    R out[kVector];
#pragma unroll
    for (int k = 0; k < N; k++) load_flat<T>(loop.arg[k + 1], i, count, in[k]);
    apply<R, T, N>(f, out, in, count, std::make_index_sequence<N>{});
    store_flat<R>(loop.arg[0], i, count, out);
  }
}

template <class R, class T, int N, class F, size_t... I>
__device__ __forceinline__ R apply_one(const F& f, const T (&in)[N], std::index_sequence<I...>) {
  return f(in[I]...);
}

template <class R, class T, int N, class F>
__global__ void __launch_bounds__(kThreads)
    strided_kernel(const StridedLoop<N + 1> loop, const F f) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= loop.numel) return;
  int64_t offset[N + 1] = {};
  uint32_t rest = i;
  for (int d = 0; d < loop.ndim; d++) {
    uint32_t index;
    rest = loop.shape[d].divide(rest, &index);
#pragma unroll
    for (int k = 0; k <= N; k++) offset[k] += index * loop.strides[d][k];
  }
  T in[N];
#pragma unroll
  for (int k = 0; k < N; k++) {
    const Argument& a = loop.arg[k + 1];
    if (a.number) {
      in[k] = number_of<T>(a);
    } else {
      with_memory_type<T>(a.type, [&](auto example) {
        in[k] = T(load(*reinterpret_cast<const decltype(example)*>(a.data + offset[k + 1])));
      });
    }
  }
  const R out = apply_one<R, T, N>(f, in, std::make_index_sequence<N>{});
  const auto put = [&](auto example) {
    using M = decltype(example);
    *reinterpret_cast<M*>(loop.arg[0].data + offset[0]) = store_as<M>(out);
  };
  if constexpr (__is_same(R, bool)) put(bool{});
  else with_memory_type<R>(loop.arg[0].type, put);
}

// --- host side (elementwise.cu)

// Operands whose dtype the kernels of `compute` do not read, converted to it; freed in stream
// order.
class Converted {
 public:
  Converted(const ElementIter& it, const OperandTypes& types, DType compute);
  ~Converted();
  Converted(const Converted&) = delete;
  Converted& operator=(const Converted&) = delete;
  ElementIter it;
  OperandTypes types;

 private:
  struct Block {
    void *data, *stream;
    size_t bytes;
  } blocks_[kMaxOperands];
  int count_ = 0;
};

// The part of `it` with fewer than 2^31 elements that starts at outermost index `begin`.
Argument argument_of(const ElementIter& it, const OperandTypes& types, int k, DType compute);
bool is_flat(const ElementIter& it, const OperandTypes& types);
// Splits along the outermost dims until a part has fewer than 2^31 elements.
template <class F>
void for_small_parts(const ElementIter& it, const F& f) {
  if (it.numel <= 0x7fffffff) return f(it);
  const int d = it.ndim - 1;
  for (int64_t i = 0; i < it.shape[d]; i++) {
    ElementIter part = it;
    part.ndim = d;
    part.numel = it.numel / it.shape[d];
    for (int k = 0; k < it.nargs; k++) part.data[k] += i * it.strides[d][k];
    for_small_parts(part, f);
  }
}

// out = f(in...) over the N + 1 operands of `it`, computed in T; R is what f returns.
template <class R, class T, int N, class F>
void run_elementwise(const ElementIter& given, const OperandTypes& given_types, const F& f) {
  if (given.numel == 0) return;
  const DType compute = dtype_of<T>::value;
  const Converted ready(given, given_types, compute);
  if (is_flat(ready.it, ready.types)) {
    FlatLoop<N + 1> loop;
    loop.numel = ready.it.numel;
    for (int k = 0; k <= N; k++) loop.arg[k] = argument_of(ready.it, ready.types, k, compute);
    MT_LAUNCH((flat_kernel<R, T, N, F>), grid_for(loop.numel, kThreads * kVector * kVectors),
              kThreads, 0, stream(), loop, f);
    return;
  }
  for_small_parts(ready.it, [&](const ElementIter& it) {
    StridedLoop<N + 1> loop;
    loop.numel = uint32_t(it.numel);
    loop.ndim = it.ndim;
    for (int k = 0; k <= N; k++) loop.arg[k] = argument_of(it, ready.types, k, compute);
    for (int d = 0; d < it.ndim; d++) {
      loop.shape[d] = Divider(uint32_t(it.shape[d]));
      for (int k = 0; k <= N; k++) loop.strides[d][k] = it.strides[d][k];
    }
    MT_LAUNCH((strided_kernel<R, T, N, F>), grid_for(it.numel, kThreads), kThreads, 0, stream(),
              loop, f);
  });
}

}  // namespace mt::cuda
