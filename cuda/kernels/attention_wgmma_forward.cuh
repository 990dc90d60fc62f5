// Attention of 16-bit operands with wgmma and TMA (sm_90a), without a mask (Shah et al., 2024):
//   out = softmax(s) v, s = scale q k^T
// Three warpgroups: one thread of the first loads 128 queries once and then keys and values, 128 at
// a time, by TMA into a ring of two stages each; the other two have 64 queries each. A consumer
// starts the scores of the next keys and the sum over the values of the last ones, and computes
// weights of the former while the tensor cores work on the latter and for the other consumer.
// Weights are the left operand of the sum as they lie in registers. Work: 4 queries keys width
// flops per head, half of it where causal; memory: q and out once, k and v once per 128 queries.
#pragma once
#include "cuda/core/ptx.cuh"
#include "cuda/core/tensor_map.h"
#include "cuda/kernels/attention_mma_tile.cuh"

namespace mt::cuda {

template <class Element, int Width>
struct WgmmaForwardShape {
  using T = Element;
  static constexpr int W = Width, kKeys = 128, kRows = 128, kThreads = 384, kStages = 2;
  static constexpr int kBoxes = W / 64;           // of 64 columns: 128 bytes, swizzled
  static constexpr int kQueryBytes = 64 * W * 2;  // of a consumer
  static constexpr int kTileBytes = kKeys * W * 2;
  static constexpr int kAtKeys = 2 * kQueryBytes, kAtValues = kAtKeys + kStages * kTileBytes;
  static constexpr int kAtBarriers = kAtValues + kStages * kTileBytes;
  static constexpr int kShared = kAtBarriers + (1 + 4 * kStages) * 8;
};

// A tile of `Rows` rows from `row` on, one box of 64 columns after the other.
template <int Boxes, int Rows>
__device__ __forceinline__ void load_boxes(char* to, const ptx::TensorMap* map, uint64_t* full,
                                           int row, int h, int b) {
#pragma unroll
  for (int i = 0; i < Boxes; i++) ptx::tma_load(to + i * Rows * 128, map, full, i * 64, row, h, b);
}

template <class S, class T = typename S::T>
__global__ void __launch_bounds__(S::kThreads, 1)
    attention_wgmma_forward_kernel(const __grid_constant__ ptx::TensorMap map_q,
                                   const __grid_constant__ ptx::TensorMap map_k,
                                   const __grid_constant__ ptx::TensorMap map_v,
                                   const __grid_constant__ AttentionArgs a, T* __restrict__ out,
                                   const HeadStrides out_at, float* __restrict__ lse, int tiles) {
  if constexpr (!ptx::kSm90a) {
    ptx::unsupported();
  } else {
    constexpr int N = S::kKeys / 8, M = S::W / 8;
    MT_DYN_SHARED_ALIGNED(char, smem, 1024);
    uint64_t* full_q = reinterpret_cast<uint64_t*>(raw(smem + S::kAtBarriers));
    uint64_t *full_k = full_q + 1, *empty_k = full_k + S::kStages;
    uint64_t *full_v = empty_k + S::kStages, *empty_v = full_v + S::kStages;
    if (threadIdx.x == 0) {
      ptx::mbarrier_init(full_q, 1);
      for (int s = 0; s < S::kStages; s++) {
        ptx::mbarrier_init(full_k + s, 1);
        ptx::mbarrier_init(full_v + s, 1);
        ptx::mbarrier_init(empty_k + s, 2);
        ptx::mbarrier_init(empty_v + s, 2);
      }
      ptx::mbarrier_fence_init();
    }
    __syncthreads();

    const TileTask task(int(a.heads), tiles, S::kRows, a.causal);
    const int i0 = task.first, group = int(threadIdx.x) / 128;
    int end = int(a.keys);
    if (a.causal) end = min(end, i0 + S::kRows);
    const int key_tiles = (end + S::kKeys - 1) / S::kKeys;

    if (group == 0) {
      ptx::register_limit_decrease<40>();
      if (threadIdx.x == 0) {
        const int kv_head = task.h / int(a.heads / a.kv_heads);
        ptx::mbarrier_arrive_expect_tx(full_q, 2 * S::kQueryBytes);
        for (int c = 0; c < 2; c++)
          load_boxes<S::kBoxes, 64>(raw(smem + c * S::kQueryBytes), &map_q, full_q, i0 + c * 64,
                                    task.h, task.b);
        for (int i = 0; i < key_tiles; i++) {
          const int stage = i % S::kStages;
          const uint32_t parity = uint32_t(i / S::kStages) & 1;
          ptx::mbarrier_wait(empty_k + stage, parity ^ 1);
          ptx::mbarrier_arrive_expect_tx(full_k + stage, S::kTileBytes);
          load_boxes<S::kBoxes, S::kKeys>(raw(smem + (S::kAtKeys + stage * S::kTileBytes)), &map_k,
                                          full_k + stage, i * S::kKeys, kv_head, task.b);
          ptx::mbarrier_wait(empty_v + stage, parity ^ 1);
          ptx::mbarrier_arrive_expect_tx(full_v + stage, S::kTileBytes);
          load_boxes<S::kBoxes, S::kKeys>(raw(smem + (S::kAtValues + stage * S::kTileBytes)),
                                          &map_v, full_v + stage, i * S::kKeys, kv_head, task.b);
        }
      }
      return;
    }
    ptx::register_limit_increase<232>();
    const int consumer = group - 1, thread = int(threadIdx.x) % 128, lane = thread % 32;
    const int warp_row = consumer * 64 + __shfl_sync(0xffffffffu, thread / 32, 0) * 16;
    const Shared<char> own_queries = smem + consumer * S::kQueryBytes;
    const Scores<false> scores(a, task.b, task.h);
    float sum[1][M][4], s[1][N][4], maximum[2] = {kLowest, kLowest}, total[2] = {0.0f, 0.0f};
    uint32_t weights[N / 2][4];

    auto start_scores = [&](int i) {
      const int stage = i % S::kStages;
      ptx::mbarrier_wait(full_k + stage, uint32_t(i / S::kStages) & 1);
      const uint64_t q = ptx::wgmma_descriptor(raw(own_queries), 16, 1024, ptx::Swizzle::b128);
      const uint64_t k = ptx::wgmma_descriptor(raw(smem + (S::kAtKeys + stage * S::kTileBytes)), 16,
                                               1024, ptx::Swizzle::b128);
      ptx::wgmma_fence();
#pragma unroll
      for (int c = 0; c < S::W; c += 16)
        ptx::wgmma<T, S::kKeys>(reinterpret_cast<float (&)[S::kKeys / 2]>(s),
                                ptx::wgmma_advance(q, c / 64 * 64 * 128 + c % 64 * 2),
                                ptx::wgmma_advance(k, c / 64 * S::kKeys * 128 + c % 64 * 2), c > 0);
      ptx::wgmma_commit();
    };
    auto start_sum = [&](int i) {
      const int stage = i % S::kStages;
      ptx::mbarrier_wait(full_v + stage, uint32_t(i / S::kStages) & 1);
      const uint64_t v = ptx::wgmma_descriptor(raw(smem + (S::kAtValues + stage * S::kTileBytes)),
                                               S::kKeys * 128, 1024, ptx::Swizzle::b128);
      ptx::wgmma_fence();
#pragma unroll
      for (int n = 0; n < N / 2; n++)
        ptx::wgmma<T, S::W, true>(reinterpret_cast<float (&)[S::W / 2]>(sum), weights[n],
                                  ptx::wgmma_advance(v, n * 2048), i > 0 || n > 0);
      ptx::wgmma_commit();
    };
    auto release = [&](uint64_t* empty, int i) {
      if (thread == 0) ptx::mbarrier_arrive(empty + i % S::kStages);
    };
    // Scores become weights; returns whether the warp's maxima have moved, and by what factors.
    float correction[2];
    auto make_weights = [&](int i) {
      scores.template mask<T, false>(i0 + warp_row + lane / 4, i * S::kKeys + lane % 4 * 2, s);
      float high[2];
      bool moves = false;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float m = -kInfinity;
#pragma unroll
        for (int n = 0; n < N; n++) m = fmaxf(m, fmaxf(s[0][n][half * 2], s[0][n][half * 2 + 1]));
        high[half] = m * scores.factor;
        moves = moves || high[half] > maximum[half] + kSlack;
      }
      moves = __any_sync(0xffffffffu, moves);
      if (moves) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const float m = fmaxf(row_max(high[half]), maximum[half]);
          correction[half] = ptx::exp2_approx(maximum[half] - m);
          maximum[half] = m;
          total[half] *= correction[half];
        }
      }
#pragma unroll
      for (int n = 0; n < N; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          s[0][n][e] = ptx::exp2_approx(s[0][n][e] * scores.factor - maximum[e / 2]);
          total[e / 2] += s[0][n][e];
        }
      return moves;
    };
    auto round_weights = [&] {
#pragma unroll
      for (int n = 0; n < N / 2; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
          weights[n][i] =
              ptx::pack_two<T>(s[0][2 * n + i / 2][i % 2 * 2], s[0][2 * n + i / 2][i % 2 * 2 + 1]);
    };

    ptx::mbarrier_wait(full_q, 0);
    start_scores(0);
    ptx::wgmma_wait<0>();
    ptx::wgmma_own(reinterpret_cast<float (&)[S::kKeys / 2]>(s));
    release(empty_k, 0);
    make_weights(0);
    round_weights();
#pragma unroll 1
    for (int i = 1; i < key_tiles; i++) {
      start_scores(i);
      start_sum(i - 1);
      ptx::wgmma_wait<1>();
      ptx::wgmma_own(reinterpret_cast<float (&)[S::kKeys / 2]>(s));
      release(empty_k, i);
      const bool moved = make_weights(i);
      ptx::wgmma_wait<0>();
      ptx::wgmma_own(reinterpret_cast<float (&)[S::W / 2]>(sum));
      release(empty_v, i - 1);
      if (moved) {
#pragma unroll
        for (int m = 0; m < M; m++)
#pragma unroll
          for (int e = 0; e < 4; e++) sum[0][m][e] *= correction[e / 2];
      }
      round_weights();
    }
    start_sum(key_tiles - 1);
    ptx::wgmma_wait<0>();
    ptx::wgmma_own(reinterpret_cast<float (&)[S::W / 2]>(sum));

#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = i0 + warp_row + lane / 4 + half * 8;
      const float all = row_sum(total[half]);
      const bool seen = !(all == 0.0f);
      const float inverse = seen ? 1.0f / all : 0.0f;
#pragma unroll
      for (int m = 0; m < M; m++)
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; e++) sum[0][m][e] *= inverse;
      if (row < int(a.queries) && lane % 4 == 0)
        lse[(task.b * a.heads + task.h) * a.queries + row] =
            seen ? maximum[half] + log2f(all) : kInfinity;
    }
    ptx::named_barrier_sync(1 + consumer, 128);  // all have read this consumer's queries
    store_rows<T>(sum, own_queries + warp_row % 64 * S::W * 2,
                  row_of<T>(out, out_at, task.b, task.h, i0 + warp_row), out_at.row,
                  int(a.queries) - i0 - warp_row, int(a.value_width));
  }
}

// --- host side

// [batch][heads][rows][width] in boxes of 64 columns. False where the accelerator cannot see it.
inline bool encode_heads(ptx::TensorMap* map, DType dtype, const void* base, const HeadStrides& at,
                         int64_t batch, int64_t heads, int64_t rows, int64_t width, int box_rows) {
  ptx::TensorMapSpec spec;
  spec.dtype = dtype;
  spec.rank = 4;
  spec.base = base;
  const int64_t sizes[4] = {width, rows, heads, batch}, strides[4] = {1, at.row, at.head, at.batch};
  for (int d = 0; d < 4; d++) {
    if (sizes[d] > 1 && strides[d] <= 0) return false;
    spec.size[d] = uint64_t(sizes[d]);
    spec.stride_bytes[d] = uint64_t((sizes[d] > 1 ? strides[d] : width) * 2);
  }
  spec.box[0] = 64;
  spec.box[1] = uint32_t(box_rows);
  spec.swizzle = ptx::Swizzle::b128;
  return encode_tensor_map(map, spec);
}

template <class S>
bool run_wgmma_forward(const AttentionArgs& a, typename S::T* out, const HeadStrides& out_at,
                       float* lse) {
  ptx::TensorMap q, k, v;
  if (!encode_heads(&q, a.dtype, a.q, a.q_at, a.batch, a.heads, a.queries, a.width, 64) ||
      !encode_heads(&k, a.dtype, a.k, a.k_at, a.batch, a.kv_heads, a.keys, a.width, S::kKeys) ||
      !encode_heads(&v, a.dtype, a.v, a.v_at, a.batch, a.kv_heads, a.keys, a.value_width, S::kKeys))
    return false;
  const int64_t tiles = ceil_div(a.queries, S::kRows);
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&attention_wgmma_forward_kernel<S>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, S::kShared);
  MT_LAUNCH((attention_wgmma_forward_kernel<S>), grid_of(a.batch * a.heads * tiles), S::kThreads,
            S::kShared, stream(), q, k, v, a, out, out_at, lse, int(tiles));
  return true;
}

template <class T>
bool wgmma_forward(const AttentionArgs& a, T* out, const HeadStrides& out_at, float* lse) {
  if (is_general(a) || a.keys == 0 || a.width > 128 || a.value_width > 128) return false;
  if (a.width > 64 || a.value_width > 64)
    return run_wgmma_forward<WgmmaForwardShape<T, 128>>(a, out, out_at, lse);
  return run_wgmma_forward<WgmmaForwardShape<T, 64>>(a, out, out_at, lse);
}

}  // namespace mt::cuda
