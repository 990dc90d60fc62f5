// Where the tiles of a matrix product go: C = act(alpha * sum + beta * C + bias).
#pragma once
#include "kernels/gemm_pack.h"
#include "kernels/math.h"
#include "ops/gemm.h"

namespace mt::cpu::MT_ISA {

template <class Out, class T>
MT_INLINE Out narrow(T x) {
  if constexpr (sizeof(Out) == sizeof(T)) {
    return x;
  } else {
    return dtype_of<Out>::value == DType::Float16 ? Out{to_float16(x).bits}
                                                  : Out{to_bfloat16(x).bits};
  }
}

template <class T, class F>
MT_INLINE void map_row(T* x, int n, const F& f) {
#pragma GCC ivdep
  for (int q = 0; q < n; q++) x[q] = f(x[q]);
}

template <class T>
void activate_row(T* x, int n, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return map_row(x, n, [](T v) { return v < T(0) ? T(0) : v; });
    case Activation::gelu:
      return map_row(x, n,
                     [](T v) { return T(0.5) * v * (T(1) + fn::erf(v * T(0.7071067811865476))); });
    case Activation::gelu_tanh:
      return map_row(x, n, [](T v) {
        return T(0.5) * v *
               (T(1) + fn::tanh(T(0.7978845608028654) * (v + T(0.044715) * v * v * v)));
      });
    case Activation::silu:
      return map_row(x, n, [](T v) { return v * fn::sigmoid(v); });
    case Activation::sigmoid:
      return map_row(x, n, [](T v) { return fn::sigmoid(v); });
    case Activation::tanh:
      return map_row(x, n, [](T v) { return fn::tanh(v); });
    default:
      return;
  }
}

// A store functor of gemm_driver.h over a row-strided C of type Out, accumulated in T. Sums of a k
// that takes several blocks are kept in `partial` where C itself cannot hold them.
template <class T, class Out>
struct StoreMatrix {
  Out* c;
  int64_t c_row;
  T alpha, beta;
  const Out* bias;
  bool bias_per_row;
  Activation activation;
  T* partial;
  int64_t partial_row;
  bool plain;  // C takes sums as they are: same type, alpha = 1, beta = 0 or 1

  explicit StoreMatrix(const GemmArgs& args)
      : c(static_cast<Out*>(args.c)),
        c_row(args.c_row),
        alpha(T(args.alpha)),
        beta(T(args.beta)),
        bias(static_cast<const Out*>(args.bias)),
        bias_per_row(args.bias_per_row),
        activation(args.activation),
        partial(nullptr),
        partial_row(args.n),
        plain(sizeof(T) == sizeof(Out) && args.alpha == 1 && (args.beta == 0 || args.beta == 1)) {}

  // kc: the least depth of a block.
  bool needs_partial(int64_t k, int64_t kc) const { return !plain && k > kc; }

  MT_INLINE bool direct(int64_t i, int64_t j, int, int, bool first, bool last, T** to, int64_t* row,
                        bool* add) const {
    if (plain) {
      *to = reinterpret_cast<T*>(c + i * c_row + j);
      *row = c_row;
      *add = !first || beta != T(0);
      return true;
    }
    if (last) return false;
    *to = partial + i * partial_row + j;
    *row = partial_row;
    *add = !first;
    return true;
  }

  void merge(int64_t i0, int64_t j0, int rows, int cols, const T* tile, bool first, bool) const {
    if (cols == Tile<T>::NR && first && alpha == T(1) && beta == T(0) && !bias &&
        activation == Activation::none) {
      for (int r = 0; r < rows; r++) {
        Out* to = c + (i0 + r) * c_row + j0;
#pragma GCC ivdep
        for (int q = 0; q < Tile<T>::NR; q++) to[q] = narrow<Out>(tile[r * Tile<T>::NR + q]);
      }
      return;
    }
    for (int r = 0; r < rows; r++) {
      const T* sum = tile + r * Tile<T>::NR;
      Out* to = c + (i0 + r) * c_row + j0;
      T out[Tile<T>::NR];
      for (int q = 0; q < cols; q++) out[q] = sum[q];
      if (!first) {
        const T* before = partial + (i0 + r) * partial_row + j0;
        for (int q = 0; q < cols; q++) out[q] += before[q];
      }
      for (int q = 0; q < cols; q++) out[q] *= alpha;
      if (beta != T(0)) {
        for (int q = 0; q < cols; q++) out[q] += beta * T(widen(to[q]));
      }
      finish_row(i0 + r, j0, cols, out);
      for (int q = 0; q < cols; q++) to[q] = narrow<Out>(out[q]);
    }
  }

  MT_INLINE void finish(int64_t i0, int64_t j0, int rows, int cols) const {
    if (!plain || (!bias && activation == Activation::none)) return;
    for (int r = 0; r < rows; r++)
      finish_row(i0 + r, j0, cols, reinterpret_cast<T*>(c + (i0 + r) * c_row + j0));
  }

  void finish_row(int64_t i, int64_t j0, int cols, T* x) const {
    if (bias && bias_per_row) {
      T b = widen(bias[i]);
      for (int q = 0; q < cols; q++) x[q] += b;
    } else if (bias) {
      for (int q = 0; q < cols; q++) x[q] += widen(bias[j0 + q]);
    }
    if (activation != Activation::none) activate_row(x, cols, activation);
  }
};

}  // namespace mt::cpu::MT_ISA
