// GEMM with wgmma and TMA (sm_90a): C = act(alpha A B + beta C + bias).
//
// Persistent blocks of three warpgroups: one thread of the first loads tiles by TMA into a ring of
// stages, the other two compute 64 x N each of a 128 x N tile of C (N = 64, 128 or 256), their sums
// in registers. full[s] completes when the bytes of stage s have landed, empty[s] when both
// consumers have read it. The sums leave through shared memory and TMA stores, which overlap with
// the loads of the next tile. A stage is 128 bytes of K; all tiles use the 128-byte swizzle. With N
// = 256 two blocks on neighbouring rows of tiles form a cluster: each loads its own A and half of
// the B that they share, which TMA delivers to both; a stage is empty when all four consumers say
// so. Per stage of 16-bit operands that is 32 KiB from L2 and 4.2 Mflop per block.
#pragma once
#include "cuda/core/ptx.cuh"
#include "cuda/kernels/gemm_epilogue.cuh"

namespace mt::cuda {

constexpr int kWgmmaThreads = 384, kTileM = 128, kBox = 64 * 128;  // bytes of 64 rows of 128

template <int N>
struct WgmmaShape {
  static constexpr int kCluster = N == 256 ? 2 : 1;
  static constexpr int kStages = N == 256 ? 4 : N == 128 ? 6 : 8;
  static constexpr int kBytesA = kTileM * 128, kBytesB = N * 128, kStage = kBytesA + kBytesB;
  // Then two boxes of 64 rows of C for each consumer, then the barriers.
  static constexpr int kAtC = kStages * kStage, kAtBarriers = kAtC + 4 * kBox;
  static constexpr int kShared = kAtBarriers + 2 * kStages * 8;
};

// Position in the ring, and the parity of the phase that a consumer waits for there.
template <int Stages>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ __forceinline__ void next() {
    if (++stage == Stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

struct WgmmaTile {
  int row, col, batch;
};
// Blocks of a cluster take tiles below each other; `index` counts clusters of tiles.
template <int N>
__host__ __device__ inline int wgmma_tiles_m(int m) {
  constexpr int rows = kTileM * WgmmaShape<N>::kCluster;
  return (m + rows - 1) / rows;
}
template <int N>
__device__ __forceinline__ WgmmaTile wgmma_tile(const GemmParams& p, int index, int rank) {
  const int tiles_m = wgmma_tiles_m<N>(p.m), tiles_n = (p.n + N - 1) / N;
  const int per_batch = tiles_m * tiles_n;
  const TileAt at = tile_at(index % per_batch, tiles_m, tiles_n);
  return {(at.m * WgmmaShape<N>::kCluster + rank) * kTileM, at.n * N, index / per_batch};
}

// `Lines` lines of an operand's part of a stage, by rows of K or (MN-major) boxes of 64 lines by
// the depth of K; to this block, or to all of a cluster.
template <class T, bool MnMajor, int Lines, bool Multicast>
__device__ __forceinline__ void load_operand(char* to, const ptx::TensorMap* map, uint64_t* full,
                                             int line, int k, int batch) {
#pragma unroll
  for (int i = 0; i < (MnMajor ? Lines / 64 : 1); ++i) {
    const int c0 = MnMajor ? line + i * 64 : k, c1 = MnMajor ? k : line;
    if constexpr (Multicast) ptx::tma_load_multicast(to + i * kBox, map, full, 3, c0, c1, batch);
    else ptx::tma_load(to + i * kBox, map, full, c0, c1, batch);
  }
}

// Descriptor of an operand that starts at `tile`, and the bytes from one step of K to the next.
template <bool MnMajor>
__device__ __forceinline__ uint64_t describe(const char* tile) {
  return ptx::wgmma_descriptor(tile, MnMajor ? kBox : 16, 1024, ptx::Swizzle::b128);
}
template <bool MnMajor>
constexpr int kStepBytes = MnMajor ? 2048 : 32;

// Sums of one row, columns col and col + 1, through the part of the epilogue that is cheap enough
// to be unrolled over all of them.
template <class T>
__device__ __forceinline__ void finish_pair(const GemmParams& p, int row, int col, float& x0,
                                            float& x1) {
  x0 *= p.alpha;
  x1 *= p.alpha;
  if (p.bias) {
    const T* bias = static_cast<const T*>(p.bias);
    const int i0 = p.bias_per_row ? row : col, i1 = p.bias_per_row ? row : col + 1;
    const int last = (p.bias_per_row ? p.m : p.n) - 1;  // what hangs over is not stored
    x0 += load_float(bias + min(i0, last));
    x1 += load_float(bias + min(i1, last));
  }
  if (p.activation == Activation::relu) {
    x0 = activate(Activation::relu, x0);
    x1 = activate(Activation::relu, x1);
  }
}

// 128 bytes of T per row, from the 8 columns of fragment `first` on, into the swizzled box of this
// consumer.
template <class T, int Count>
__device__ __forceinline__ void sums_to_box(Shared<char> box, const float (&d)[Count], int first) {
  const int thread = int(threadIdx.x) % 128, lane = thread % 32, row0 = thread / 32 * 16;
  if constexpr (sizeof(T) == 2) {
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      const float* x = d + 4 * (first + j);
      const uint32_t words[4] = {ptx::pack_two<T>(x[0], x[1]), ptx::pack_two<T>(x[2], x[3]),
                                 ptx::pack_two<T>(x[4], x[5]), ptx::pack_two<T>(x[6], x[7])};
      const int row = row0 + lane % 16, chunk = j + lane / 16;
      ptx::stmatrix(raw(box + row * 128 + (chunk ^ (row % 8)) * 16), words);
    }
  } else {
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = row0 + lane / 4 + half * 8, chunk = 2 * j + lane % 4 / 2;
        shared_cast<float2>(box + row * 128 + (chunk ^ (row % 8)) * 16 + lane % 2 * 8)[0] =
            make_float2(d[4 * (first + j) + 2 * half], d[4 * (first + j) + 2 * half + 1]);
      }
  }
}

// The plain epilogue: C leaves in boxes of 64 rows by 128 bytes, two under way at a time.
template <class T, int N>
__device__ __forceinline__ void store_by_tma(const GemmParams& p, const ptx::TensorMap* map_c,
                                             Shared<char> boxes, const WgmmaTile& tile,
                                             int consumer, float (&d)[N / 2]) {
  constexpr int columns = 128 / sizeof(T), fragments = columns / 8;
  const int thread = int(threadIdx.x) % 128, lane = thread % 32, row0 = tile.row + consumer * 64;
  const int row = row0 + thread / 32 * 16 + lane / 4;
#pragma unroll
  for (int c = 0; c < N / columns; ++c) {
    const Shared<char> box = boxes + c % 2 * kBox;
#pragma unroll
    for (int j = c * fragments; j < (c + 1) * fragments; ++j) {
      const int col = tile.col + j * 8 + lane % 4 * 2;
      finish_pair<T>(p, row, col, d[4 * j], d[4 * j + 1]);
      finish_pair<T>(p, row + 8, col, d[4 * j + 2], d[4 * j + 3]);
    }
    // The store that used this box before: the last but one, or the last of a narrow tile.
    if (thread == 0) ptx::bulk_wait_read<(N / columns > 1 ? 1 : 0)>();
    ptx::named_barrier_sync(1 + consumer, 128);
    sums_to_box<T>(box, d, c * fragments);
    ptx::fence_proxy_async();
    ptx::named_barrier_sync(1 + consumer, 128);
    if (thread == 0) {
      ptx::tma_store(map_c, raw(box), tile.col + c * columns, row0, tile.batch);
      ptx::bulk_commit();
    }
  }
}

// Any epilogue, any C: each warp turns its sums into rows, 32 columns at a time.
template <class T, int N>
__device__ __forceinline__ void store_by_rows(const GemmParams& p, Shared<char> boxes,
                                              const WgmmaTile& tile, int consumer,
                                              const float (&d)[N / 2]) {
  const int thread = int(threadIdx.x) % 128, lane = thread % 32;
#pragma unroll
  for (int c = 0; c < N / 32; ++c) {
    const Shared<char> box = boxes + c % 2 * kBox;
    sums_to_box<float>(box, d, c * 4);
    __syncwarp();
#pragma unroll 1
    for (int i = lane / 8; i < 16; i += 4) {
      const int row = thread / 32 * 16 + i, chunk = lane % 8;
      const float4 v = shared_cast<float4>(box + row * 128 + (chunk ^ (row % 8)) * 16)[0];
      const float sum[4] = {v.x, v.y, v.z, v.w};
      store_four<T>(p, tile.batch, 0, tile.row + consumer * 64 + row, tile.col + c * 32 + chunk * 4,
                    sum);
    }
  }
}

// A barrier of the block, or of its cluster.
template <int Cluster>
__device__ __forceinline__ void meet() {
  if constexpr (Cluster > 1) {
    ptx::cluster_arrive();
    ptx::cluster_wait();
  } else {
    __syncthreads();
  }
}

template <int Cluster>
__device__ __forceinline__ void wait_empty(uint64_t* bar, uint32_t parity) {
  if constexpr (Cluster > 1) ptx::mbarrier_wait_cluster(bar, parity);
  else ptx::mbarrier_wait(bar, parity);
}

template <class T, int N, bool MnA, bool MnB>
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    gemm_wgmma_kernel(const __grid_constant__ ptx::TensorMap map_a,
                      const __grid_constant__ ptx::TensorMap map_b,
                      const __grid_constant__ ptx::TensorMap map_c,
                      const __grid_constant__ GemmParams p, bool tma_c) {
  if constexpr (!ptx::kSm90a) {
    ptx::unsupported();
  } else {
    using Shape = WgmmaShape<N>;
    using Wide = std::conditional_t<sizeof(T) == 4, ptx::tf32, T>;
    constexpr int depth = 128 / sizeof(T), steps = 4, cluster = Shape::kCluster;
    MT_DYN_SHARED_ALIGNED(char, smem, 1024);
    uint64_t* full = reinterpret_cast<uint64_t*>(raw(smem + Shape::kAtBarriers));
    uint64_t* empty = full + Shape::kStages;
    const int group = int(threadIdx.x) / 128;
    if (threadIdx.x == 0) {
      for (int s = 0; s < Shape::kStages; ++s) {
        ptx::mbarrier_init(full + s, 1);
        ptx::mbarrier_init(empty + s, 2 * cluster);
      }
      ptx::mbarrier_fence_init();
    }
    meet<cluster>();

    const int tiles = wgmma_tiles_m<N>(p.m) * ((p.n + N - 1) / N) * p.batch;
    const int first = int(blockIdx.x) / cluster, every = int(gridDim.x) / cluster;
    const int rank = int(blockIdx.x) % cluster;
    const int stages = (p.k + depth - 1) / depth;
    Ring<Shape::kStages> ring;

    if (group == 0) {
      ptx::register_limit_decrease<40>();
      if (threadIdx.x == 0) {
        ptx::prefetch_tensor_map(&map_a);
        ptx::prefetch_tensor_map(&map_b);
        for (int t = first; t < tiles; t += every) {
          const WgmmaTile tile = wgmma_tile<N>(p, t, rank);
          const int batch_a = p.a_batch ? tile.batch : 0, batch_b = p.b_batch ? tile.batch : 0;
          for (int i = 0; i < stages; ++i, ring.next()) {
            wait_empty<cluster>(empty + ring.stage, ring.parity ^ 1);
            ptx::mbarrier_arrive_expect_tx(full + ring.stage, Shape::kStage);
            char* to = raw(smem + ring.stage * Shape::kStage);
            load_operand<T, MnA, kTileM, false>(to, &map_a, full + ring.stage, tile.row, i * depth,
                                                batch_a);
            constexpr int lines = N / cluster;
            load_operand<T, MnB, lines, (cluster > 1)>(to + Shape::kBytesA + rank * lines * 128,
                                                       &map_b, full + ring.stage,
                                                       tile.col + rank * lines, i * depth, batch_b);
          }
        }
      }
    } else {
      ptx::register_limit_increase<232>();
      const int consumer = group - 1, thread = int(threadIdx.x) % 128;
      const Shared<char> boxes = smem + (Shape::kAtC + consumer * 2 * kBox);
      float d[N / 2];
      auto release = [&](int stage) {
        if constexpr (cluster > 1) {
          if (thread < cluster) ptx::mbarrier_arrive_cluster(empty + stage, uint32_t(thread));
        } else {
          if (thread == 0) ptx::mbarrier_arrive(empty + stage);
        }
      };
      for (int t = first; t < tiles; t += every) {
        const WgmmaTile tile = wgmma_tile<N>(p, t, rank);
        int previous = 0;
        for (int i = 0; i < stages; ++i, ring.next()) {
          ptx::mbarrier_wait(full + ring.stage, ring.parity);
          const char* from = raw(smem + ring.stage * Shape::kStage);
          const uint64_t a = describe<MnA>(from + consumer * kBox);
          const uint64_t b = describe<MnB>(from + Shape::kBytesA);
          ptx::wgmma_fence();
#pragma unroll
          for (int k = 0; k < steps; ++k) {
            const uint64_t ak = ptx::wgmma_advance(a, k * kStepBytes<MnA>);
            const uint64_t bk = ptx::wgmma_advance(b, k * kStepBytes<MnB>);
            const bool accumulate = i > 0 || k > 0;
            ptx::wgmma<Wide, N, MnA, MnB>(d, ak, bk, accumulate);
          }
          ptx::wgmma_commit();
          ptx::wgmma_wait<1>();  // the stage before this one has been read
          if (i > 0) release(previous);
          previous = ring.stage;
        }
        ptx::wgmma_wait<0>();
        ptx::wgmma_own(d);
        release(previous);

        if (tma_c) {
          store_by_tma<T, N>(p, &map_c, boxes, tile, consumer, d);
        } else {
          store_by_rows<T, N>(p, boxes, tile, consumer, d);
        }
      }
      if (thread == 0) ptx::bulk_wait<0>();
    }
    if constexpr (cluster > 1) {
      __syncwarp();
      meet<cluster>();  // the other block may still send to this one's barriers
    }
  }
}

}  // namespace mt::cuda
