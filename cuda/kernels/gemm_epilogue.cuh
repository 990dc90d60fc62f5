// What the tensor-core GEMM kernels share: their parameters, the order in which blocks walk over C,
// and the last step C = act(alpha A B + beta C + bias).
#pragma once
#include "core/dtype.h"
#include "cuda/core/ptx_mma.cuh"
#include "ops/gemm.h"

namespace mt::cuda {

// GemmArgs as the device sees them; strides in elements. k_split is the part of K that one block
// sums: where it is less than k, block z of `splits` writes float32 sums to `partial`
// [splits, batch, m, n] and a second pass adds them in order.
struct GemmParams {
  const void *a, *b, *bias;
  void* c;
  float* partial;
  int64_t a_batch, a_row, a_col, b_batch, b_row, b_col, c_batch, c_row;
  int m, n, k, k_split, splits, batch;
  float alpha, beta;
  bool bias_per_row, aligned_c;  // aligned_c: rows of C take 4-element stores
  Activation activation;
};

__device__ __forceinline__ float activate(Activation activation, float x) {
  switch (activation) {
    case Activation::relu:
      return x < 0 ? 0.0f : x;  // NaN stays
    case Activation::gelu:
      return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case Activation::gelu_tanh:
      return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case Activation::silu:
      return x / (1.0f + expf(-x));
    case Activation::sigmoid:
      return 1.0f / (1.0f + expf(-x));
    case Activation::tanh:
      return tanhf(x);
    default:
      return x;
  }
}

template <class T>
__device__ __forceinline__ float load_float(const T* p) {
  if constexpr (sizeof(T) == 4) return *p;
  else return to_float(*p);
}
// Four elements as one store.
template <class T>
struct alignas(4 * sizeof(T)) Four {
  T at[4];
};
template <class T>
__device__ __forceinline__ Four<T> round_four(const float (&x)[4]) {
  Four<T> out;
  if constexpr (sizeof(T) == 4) {
    for (int i = 0; i < 4; ++i) out.at[i] = x[i];
  } else {
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
      const uint32_t two = ptx::pack_two<T>(x[i], x[i + 1]);
      out.at[i].bits = uint16_t(two);
      out.at[i + 1].bits = uint16_t(two >> 16);
    }
  }
  return out;
}

// Writes 4 sums of row `row`, columns col..col + 3 of batch `batch`; cuts what hangs over.
template <class T>
__device__ __forceinline__ void store_four(const GemmParams& p, int batch, int split, int row,
                                           int col, const float (&sum)[4]) {
  if (row >= p.m || col >= p.n) return;
  const int count = min(4, p.n - col);
  if (p.splits > 1) {
    float* to = p.partial + ((int64_t(split) * p.batch + batch) * p.m + row) * p.n + col;
    for (int i = 0; i < count; ++i) to[i] = sum[i];
    return;
  }
  T* c = static_cast<T*>(p.c) + batch * p.c_batch + row * p.c_row + col;
  const T* bias = static_cast<const T*>(p.bias);
  const bool wide = p.aligned_c && count == 4;
  Four<T> old;
  if (p.beta != 0) {
    if (wide) {
      old = *reinterpret_cast<const Four<T>*>(c);
    } else {
      for (int i = 0; i < count; ++i) old.at[i] = c[i];
    }
  }
  float x[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[i] = p.alpha * sum[i];
    if (i < count) {
      if (p.beta != 0) x[i] += p.beta * load_float(&old.at[i]);
      if (bias) x[i] += load_float(bias + (p.bias_per_row ? row : col + i));
    }
    x[i] = activate(p.activation, x[i]);
  }
  const Four<T> out = round_four<T>(x);
  if (wide) {
    *reinterpret_cast<Four<T>*>(c) = out;
  } else {
    for (int i = 0; i < count; ++i) c[i] = out.at[i];
  }
}

// Tiles are taken in super-rows of 8 tiles of M, so that blocks which run together share operands
// in the L2 cache.
struct TileAt {
  int m, n;
};
__device__ __forceinline__ TileAt tile_at(int index, int tiles_m, int tiles_n) {
  constexpr int kGroup = 8;
  const int per_group = kGroup * tiles_n, first = index / per_group * kGroup;
  const int rows = min(kGroup, tiles_m - first), at = index % per_group;
  return {first + at % rows, at / rows};
}

}  // namespace mt::cuda
