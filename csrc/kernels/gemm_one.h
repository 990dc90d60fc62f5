// Chooses the way of a matrix product by its size and strides, and cuts batches and long sums into
// tasks. The choice never depends on the number of threads, on the size of caches only between ways
// that sum in the same order.
#pragma once
#include "kernels/gemm_direct.h"
#include "kernels/gemm_dot.h"
#include "kernels/gemm_group.h"

namespace mt::cpu::MT_ISA {

constexpr double kThreadedFlops = 2e6;  // below, waking a thread costs more than it saves

// A column as a row: C^T = B^T @ A^T.
MT_INLINE GemmArgs transposed(const GemmArgs& args) {
  GemmArgs t = args;
  t.m = args.n, t.n = args.m;
  t.a = args.b, t.a_row = args.b_col, t.a_col = args.b_row;
  t.b = args.a, t.b_row = args.a_col, t.b_col = args.a_row;
  t.bias_per_row = !args.bias_per_row;
  return t;
}

// One product of matrices of Src, summed in T, stored as Out.
template <class T, class Src, class Out>
void gemm_whole(const GemmArgs& given, bool serial) {
  const GemmArgs& args = given.n == 1 && given.c_row == 1 ? transposed(given) : given;
  const int64_t m = args.m, n = args.n, k = args.k;
  constexpr int64_t MR = Tile<T>::MR, NR = Tile<T>::NR;
  StoreMatrix<T, Out> store(args);
  PackStrided<T, MR, Src> a{static_cast<const Src*>(args.a), args.a_row, args.a_col};
  PackStrided<T, NR, Src> b{static_cast<const Src*>(args.b), args.b_col, args.b_row};
  if (m == 1 && b.across == 1) {
    return gemv<T>(n, k, a.data, a.along, b.data, b.along, store, serial);
  }
  // Packed, 16-bit floats are widened once for all rows, or not at all.
  constexpr int64_t kFew = sizeof(T) == sizeof(Src) ? 8 : 2;
  if (a.along == 1 && b.along == 1 && min64(m, n) <= kFew && min64(m, n) * 16 <= k) {
    return gemm_dot<T>(m, n, k, a.data, a.across, b.data, b.across, store, serial);
  }
  Workspace<T> partial(store.needs_partial(k, kShallow) ? m * n : 0);
  store.partial = partial.data;
  if constexpr (sizeof(T) == sizeof(Src)) {
    // Rows of B a multiple of 1 KiB apart share few cache sets: copies pay sooner.
    const bool spread = b.along * int64_t(sizeof(T)) % 1024 != 0;
    const bool few_rows = b.across == 1 && m <= (spread ? 8 : 3) * MR;
    if (m * n * k <= 64 * 64 * 64 || n <= 2 * NR || few_rows) {
      return gemm_direct<T>(m, n, k, a, b, store, false, serial);
    }
    // A's rows in place, where B (many rows) or A (many columns) stays in cache. As the packed
    // product, this sums in blocks of at most KC.
    const int64_t room = int64_t((m >= n ? l3_bytes() / 4 : l2_bytes() / 2) / sizeof(T));
    if (a.along == 1 && (m >= n ? n * k : m * min64(k, Tile<T>::KC)) <= room) {
      return gemm_direct<T>(m, n, k, a, b, store, true, serial);
    }
  }
#if defined(__AVX512F__)
  if constexpr (dtype_of<Src>::value == DType::BFloat16) {
    if (dot_instructions().avx512_bf16) {
      using Bits = Bf16Pairs::Src;
      const PackGroups<Bf16Pairs, MR> pairs_a{static_cast<const Bits*>(args.a), a.across, a.along,
                                              k};
      const PackGroups<Bf16Pairs, NR> pairs_b{static_cast<const Bits*>(args.b), b.across, b.along,
                                              k};
      return gemm_blocked<T, GroupKernels<Bf16Pairs>>(m, n, ceil_div(k, 2), pairs_a, pairs_b, store,
                                                      serial);
    }
  }
#endif
  gemm_blocked<T>(m, n, k, a, b, store, serial);
}

// A small C under a long sum: slices of k are products of their own, added in order.
template <class T, class Src>
void gemm_slices(const GemmArgs& args, int64_t slices) {
  const int64_t size = args.m * args.n, depth = ceil_div(args.k, slices);
  constexpr int NR = Tile<T>::NR;
  Workspace<T> sums(slices * size);
  parallel_for(slices, 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) {
      const int64_t k0 = s * depth;
      GemmArgs part = args;
      part.k = max64(0, min64(depth, args.k - k0));
      part.a = static_cast<const Src*>(args.a) + k0 * args.a_col;
      part.b = static_cast<const Src*>(args.b) + k0 * args.b_row;
      part.c = sums.data + s * size;
      part.c_row = args.n;
      part.alpha = 1, part.beta = 0;
      part.bias = nullptr;
      part.activation = Activation::none;
      gemm_whole<T, Src, T>(part, true);
    }
  });
  const StoreMatrix<T, Src> store(args);
  const int64_t grain = max64(1, kGrain / (slices * args.n));
  parallel_for(args.m, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      for (int64_t j = 0; j < args.n; j += NR) {
        const int cols = int(min64(NR, args.n - j));
        T row[NR] = {};
        for (int64_t s = 0; s < slices; s++) {
          const T* sum = sums.data + s * size + i * args.n + j;
          for (int q = 0; q < cols; q++) row[q] += sum[q];
        }
        store.merge(i, j, 1, cols, row, true, true);
      }
    }
  });
}

template <class T, class Src>
void gemm_batched(const GemmArgs& args) {
  if (args.m <= 0 || args.n <= 0 || args.batch <= 0) return;
  const int64_t size = args.m * args.n;
  const double flops = 2.0 * double(size) * double(max64(args.k, 1));
  // A matrix and a vector move more bytes than they compute.
  const bool light = flops * (min64(args.m, args.n) < 8 ? 8 : 1) < kThreadedFlops;
  // A small C under a long sum: as many slices as keep threads evenly busy.
  const int64_t depth = max64(1024, min64(16384, (int64_t(1) << 20) / size));
  const int64_t slices = size > 128 * 128 || args.k < 8 * depth ? 1 : min64(16, args.k / depth);
  const bool across = args.batch > 1 && (light || args.batch >= 2 * num_threads());
  const int64_t grain = max64(1, int64_t(kThreadedFlops / 4 / flops));
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      GemmArgs one = args;
      one.a = static_cast<const Src*>(args.a) + i * args.a_batch;
      one.b = static_cast<const Src*>(args.b) + i * args.b_batch;
      one.c = static_cast<Src*>(args.c) + i * args.c_batch;
      if (slices > 1) {
        gemm_slices<T, Src>(one, slices);
      } else {
        gemm_whole<T, Src, Src>(one, across || light);
      }
    }
  };
  if (across) {
    parallel_for(args.batch, grain, run);
  } else {
    run(0, args.batch);
  }
}

// gemm_half.cpp and gemm_int.cpp
void gemm_half(const GemmArgs& args);
void gemm_int(const GemmArgs& args);

}  // namespace mt::cpu::MT_ISA
