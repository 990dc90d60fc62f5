// The tile kernel on matrices in memory: what GemmArgs describe, for element type T with sums in
// S::C. Out is the type of C and of the bias.
#pragma once
#include "cuda/kernels/gemm_simt.cuh"
#include "kernels/activation_math.h"
#include "ops/gemm.h"

namespace mt::cuda {

// C = act(alpha * sum + beta * C + bias). Integers are computed modulo 2^bits in an unsigned type.
template <class Out, class C>
struct MatrixStore {
  Out* c;
  const Out* bias;
  int64_t batch_step, row_step;
  C alpha, beta;
  Activation activation;
  bool per_row, vector;  // vector: rows start at multiples of 16 bytes of sums

  template <class V>
  static __device__ __forceinline__ C widen(const V& v) {
    return C(load(v));
  }

  __device__ __forceinline__ bool finishes() const {
    return alpha != C(1) || beta != C(0) || bias || activation != Activation::none;
  }

  __device__ __forceinline__ C finish(int64_t batch, int64_t i, int64_t j, C x) const {
    x *= alpha;
    if (beta != C(0)) x += beta * widen(c[batch * batch_step + i * row_step + j]);
    if (bias) x += widen(bias[per_row ? i : j]);
    return activate(x);
  }

  __device__ __forceinline__ C activate(C x) const {
    if constexpr (__is_same(C, float) || __is_same(C, double)) {
      switch (activation) {
        case Activation::relu:
          return x < C(0) ? C(0) : x;
        case Activation::gelu:
          return fn::gelu(x);
        case Activation::gelu_tanh:
          return fn::gelu_tanh(x);
        case Activation::silu:
          return x * fn::sigmoid(x);
        case Activation::sigmoid:
          return fn::sigmoid(x);
        case Activation::tanh:
          return fn::tanh(x);
        default:
          return x;
      }
    } else {
      const bool negative = int64_t(Out(x)) < 0;
      return activation == Activation::relu && negative ? C(0) : x;
    }
  }

  template <int V>
  __device__ __forceinline__ void put(int64_t batch, int64_t i, int64_t j, const Vec<C, V>& piece,
                                      int count) const {
    Out* to = c + batch * batch_step + i * row_step + j;
    if (vector && count >= V) {
      Vec<Out, V> v;
#pragma unroll
      for (int e = 0; e < V; e++) v.v[e] = store_as<Out>(piece.v[e]);
      *reinterpret_cast<Vec<Out, V>*>(to) = v;
    } else {
#pragma unroll
      for (int e = 0; e < V; e++)
        if (e < count) to[e] = store_as<Out>(piece.v[e]);
    }
  }
};

// [extent][k] of one operand; a dim of one element has no stride.
template <class T>
MatrixSource<T> source_of(const void* data, int64_t batch, int64_t step_i, int64_t step_k,
                          int64_t extent, int64_t k) {
  MatrixSource<T> s{static_cast<const T*>(data), batch,  extent > 1 ? step_i : 0,
                    k > 1 ? step_k : 0,          extent, false};
  const auto size = [](int64_t step) { return step < 0 ? -step : step; };
  s.along_k = s.step_k == 1 || (s.step_i != 1 && size(s.step_k) < size(s.step_i));
  return s;
}

template <class T>
bool in_vectors(const MatrixSource<T>& s, int64_t v) {
  const int64_t fast = s.along_k ? s.step_k : s.step_i, slow = s.along_k ? s.step_i : s.step_k;
  return fast == 1 && slow % v == 0 && s.batch % v == 0 &&
         reinterpret_cast<uintptr_t>(s.data) % (sizeof(T) * size_t(v)) == 0;
}

// v: elements of a piece of sums.
template <class Out, class C>
MatrixStore<Out, C> store_of(const GemmArgs& g, int64_t v) {
  MatrixStore<Out, C> store{static_cast<Out*>(g.c),
                            static_cast<const Out*>(g.bias),
                            g.c_batch,
                            g.c_row,
                            C(0),
                            C(0),
                            g.activation,
                            g.bias_per_row,
                            false};
  if constexpr (__is_same(C, float) || __is_same(C, double)) {
    store.alpha = C(g.alpha), store.beta = C(g.beta);
  } else {
    store.alpha = C(int64_t(g.alpha)), store.beta = C(int64_t(g.beta));
  }
  store.vector = g.c_row % v == 0 && g.c_batch % v == 0 &&
                 reinterpret_cast<uintptr_t>(g.c) % (sizeof(Out) * size_t(v)) == 0;
  return store;
}

template <class T, class Out, class S>
void gemm_tiles(const GemmArgs& g) {
  using C = typename S::C;
  const auto a = source_of<T>(g.a, g.a_batch, g.a_row, g.a_col, g.m, g.k);
  const auto b = source_of<T>(g.b, g.b_batch, g.b_col, g.b_row, g.n, g.k);
  const MatrixStore<Out, C> store = store_of<Out, C>(g, S::V);
  const auto run = [&]<Access x, Access y>() {
    run_tiles<S, LoadRowsA<T, S, x>, LoadColumnsB<T, S, y>>(g.m, g.n, g.k, g.batch, a, b, store);
  };
  using enum Access;
  if constexpr (__is_same(C, float) || __is_same(C, double)) {
    if (in_vectors(a, S::V) && in_vectors(b, S::V)) {
      if constexpr (S::BM < 64) return run.template operator()<vectors, vectors>();
      else if (a.along_k && b.along_k) return run.template operator()<along_k, along_k>();
      else if (a.along_k) return run.template operator()<along_k, along_i>();
      else if (b.along_k) return run.template operator()<along_i, along_k>();
      else return run.template operator()<along_i, along_i>();
    }
  }
  run.template operator()<any, any>();
}

// By element type: the tile that fills a GPU, or the one with enough blocks.
template <class C>
struct Tiles;
template <>
struct Tiles<float> {
  using Large = TileShape<float, 128, 128, 8, 64, 32, 8, 8, 2>;
  using Wide = TileShape<float, 64, 128, 8, 32, 64, 8, 8, 3>;
  using Medium = TileShape<float, 64, 64, 16, 32, 32, 8, 4, 4>;
  using Small = TileShape<float, 32, 32, 16, 32, 16, 4, 4, 8>;
};
template <>
struct Tiles<double> {
  using Large = TileShape<double, 64, 64, 8, 32, 32, 8, 4, 3>;
  using Wide = Large;
  using Medium = Large;
  using Small = TileShape<double, 32, 32, 8, 32, 16, 4, 4, 6>;
};

// The largest tile of which there are enough to fill a GPU, and no wider than the product.
enum class TileSize { large, wide, medium, small };
template <class C>
TileSize tile_size(int64_t m, int64_t n, int64_t batch) {
  using S = Tiles<C>;
  const auto fits = [&](int64_t bm, int64_t bn, int64_t least) {
    return m * 2 > bm && n * 2 > bn && ceil_div(m, bm) * ceil_div(n, bn) * batch >= least;
  };
  if (fits(S::Large::BM, S::Large::BN, 96)) return TileSize::large;
  if (m > 32 && m <= 64 && fits(S::Wide::BM, S::Wide::BN, 192)) return TileSize::wide;
  if (fits(S::Medium::BM, S::Medium::BN, 1) && m > 32 && n > 32) return TileSize::medium;
  return TileSize::small;
}

}  // namespace mt::cuda
