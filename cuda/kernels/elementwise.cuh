// Elementwise kernels: out = f(in...), one or two kernels per formula and compute type.
//
// Memory may hold another dtype than the one computed in: the 16-bit floats beside float, the
// smaller integers beside int64; the choice is the same for all threads, so it costs a branch and
// no divergence. Other dtypes are converted before or after (rare: an integer tensor in floating
// arithmetic).
// Float32 and 16-bit operands move in vectors of four per thread where their innermost dim has 4n
// elements, each aligned and contiguous or one for all; others element by element. Bytes: each
// operand once.
#pragma once
#include "core/iter.h"
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/vec.h"
#include "ops/elementwise.h"

namespace mt::cuda {

constexpr int kVector = 4;  // elements per access

// One operand: memory, or a number that every element has.
struct Argument {
  char* data;
  DType type;
  bool number;   // `value` holds the compute type
  bool single;   // one element for a whole vector
  double value;  // bits of the compute type
};

// Over elements, or over vectors of them; strides in bytes.
template <int N>
struct Loop {
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

template <class T>
__device__ __forceinline__ T load_one(const Argument& a, int64_t offset) {
  if (a.number) return number_of<T>(a);
  T out = T(0);
  with_memory_type<T>(a.type, [&](auto example) {
    out = T(load(*reinterpret_cast<const decltype(example)*>(a.data + offset)));
  });
  return out;
}

template <class R>
__device__ __forceinline__ void store_one(const Argument& a, int64_t offset, R value) {
  const auto put = [&](auto example) {
    using M = decltype(example);
    *reinterpret_cast<M*>(a.data + offset) = store_as<M>(value);
  };
  if constexpr (__is_same(R, bool)) put(bool{});
  else with_memory_type<R>(a.type, put);
}

template <class T>
__device__ __forceinline__ void load_vector(const Argument& a, int64_t offset, T (&out)[kVector]) {
  if (a.number || a.single) {
    const T v = load_one<T>(a, offset);
#pragma unroll
    for (int k = 0; k < kVector; k++) out[k] = v;
    return;
  }
  with_memory_type<T>(a.type, [&](auto example) {
    using M = decltype(example);
    const Vec<M, kVector> v = *reinterpret_cast<const Vec<M, kVector>*>(a.data + offset);
#pragma unroll
    for (int k = 0; k < kVector; k++) out[k] = T(load(v.v[k]));
  });
}

template <class R>
__device__ __forceinline__ void store_vector(const Argument& a, int64_t offset,
                                             const R (&value)[kVector]) {
  const auto put = [&](auto example) {
    using M = decltype(example);
    Vec<M, kVector> v;
#pragma unroll
    for (int k = 0; k < kVector; k++) v.v[k] = store_as<M>(value[k]);
    *reinterpret_cast<Vec<M, kVector>*>(a.data + offset) = v;
  };
  if constexpr (__is_same(R, bool)) put(bool{});
  else with_memory_type<R>(a.type, put);
}

// Where item i of a loop lies in each operand.
template <int N>
__device__ __forceinline__ void locate(const Loop<N>& loop, uint32_t i, int64_t (&offset)[N]) {
#pragma unroll
  for (int k = 0; k < N; k++) offset[k] = 0;
  for (int d = 0; d < loop.ndim; d++) {
    uint32_t index = i;
    if (d + 1 < loop.ndim) i = loop.shape[d].divide(i, &index);
#pragma unroll
    for (int k = 0; k < N; k++) offset[k] += index * loop.strides[d][k];
  }
}

template <class R, class T, int N, class F, size_t... I>
__device__ __forceinline__ void apply(const F& f, R (&out)[kVector], const T (&in)[N][kVector],
                                      std::index_sequence<I...>) {
#pragma unroll
  for (int k = 0; k < kVector; k++) out[k] = f(in[I][k]...);
}

template <class R, class T, int N, class F>
__global__ void __launch_bounds__(kThreads) vector_kernel(const Loop<N + 1> loop, const F f) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= loop.numel) return;
  int64_t offset[N + 1];
  locate(loop, i, offset);
  T in[N][kVector];
  R out[kVector];
#pragma unroll
  for (int k = 0; k < N; k++) load_vector<T>(loop.arg[k + 1], offset[k + 1], in[k]);
  apply<R, T, N>(f, out, in, std::make_index_sequence<N>{});
  store_vector<R>(loop.arg[0], offset[0], out);
}

template <class R, class T, int N, class F, size_t... I>
__device__ __forceinline__ R apply_one(const F& f, const T (&in)[N], std::index_sequence<I...>) {
  return f(in[I]...);
}

template <class R, class T, int N, class F>
__global__ void __launch_bounds__(kThreads) element_kernel(const Loop<N + 1> loop, const F f) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= loop.numel) return;
  int64_t offset[N + 1];
  locate(loop, i, offset);
  T in[N];
#pragma unroll
  for (int k = 0; k < N; k++) in[k] = load_one<T>(loop.arg[k + 1], offset[k + 1]);
  store_one<R>(loop.arg[0], offset[0], apply_one<R, T, N>(f, in, std::make_index_sequence<N>{}));
}

// --- host side (elementwise.cu)

// Operands whose dtype the kernels of `compute` do not read, converted to it; freed in stream
// order. A result of such a dtype is computed in other memory, and finish() converts it.
class Converted {
 public:
  Converted(const ElementIter& it, const OperandTypes& types, DType compute);
  ~Converted();
  Converted(const Converted&) = delete;
  Converted& operator=(const Converted&) = delete;
  void finish() const {
    if (out_.nargs) convert_out();
  }
  ElementIter it;
  OperandTypes types;

 private:
  // Moves operand k to new memory of type `compute`; the copy between old and new, {new, old}.
  ElementIter move(int k, DType compute);
  void convert_out() const;

  struct Block {
    void *data, *stream;
    size_t bytes;
  } blocks_[kMaxOperands];
  int count_ = 0;
  ElementIter out_;  // {result, what was computed}
  DType out_type_;
};

Argument argument_of(const ElementIter& it, const OperandTypes& types, int k, DType compute);
// Makes the elements of `it` vectors of kVector, where all operands allow.
bool take_vectors(ElementIter& it, const OperandTypes& types);
// Splits along the outermost dims until a part has fewer than 2^31 items.
template <class F>
void for_small_parts(const ElementIter& it, const F& f) {
  constexpr int64_t most = 0x7fffffff;
  if (it.numel <= most) return f(it);
  const int d = it.ndim - 1;
  const int64_t inner = it.numel / it.shape[d], step = inner < most ? most / inner : 1;
  for (int64_t i = 0; i < it.shape[d]; i += step) {
    ElementIter part = it;
    part.shape[d] = it.shape[d] - i < step ? it.shape[d] - i : step;
    part.numel = inner * part.shape[d];
    if (part.shape[d] == 1 && d > 0) part.ndim = d;
    for (int k = 0; k < it.nargs; k++) part.data[k] += i * it.strides[d][k];
    for_small_parts(part, f);
  }
}

template <int N>
Loop<N> loop_of(const ElementIter& it, const OperandTypes& types, DType compute) {
  Loop<N> loop;
  loop.numel = uint32_t(it.numel);
  loop.ndim = it.ndim;
  for (int k = 0; k < N; k++) loop.arg[k] = argument_of(it, types, k, compute);
  for (int d = 0; d < it.ndim; d++) {
    loop.shape[d] = Divider(uint32_t(it.shape[d]));
    for (int k = 0; k < N; k++) loop.strides[d][k] = it.strides[d][k];
  }
  return loop;
}

// out = f(in...) over the N + 1 operands of `it`, computed in T; R is what f returns.
template <class R, class T, int N, class F>
void run_elementwise(const ElementIter& given, const OperandTypes& given_types, const F& f) {
  if (given.numel == 0) return;
  const DType compute = dtype_of<T>::value;
  Converted ready(given, given_types, compute);
  if constexpr (__is_same(T, float)) {
    if (take_vectors(ready.it, ready.types)) {
      for_small_parts(ready.it, [&](const ElementIter& it) {
        const auto loop = loop_of<N + 1>(it, ready.types, compute);
        MT_LAUNCH((vector_kernel<R, T, N, F>), grid_for(it.numel, kThreads), kThreads, 0, stream(),
                  loop, f);
      });
      return ready.finish();
    }
  }
  for_small_parts(ready.it, [&](const ElementIter& it) {
    const auto loop = loop_of<N + 1>(it, ready.types, compute);
    MT_LAUNCH((element_kernel<R, T, N, F>), grid_for(it.numel, kThreads), kThreads, 0, stream(),
              loop, f);
  });
  ready.finish();
}

}  // namespace mt::cuda
