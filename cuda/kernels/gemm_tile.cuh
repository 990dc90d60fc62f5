// Operand tiles of the mma.sync GEMM in shared memory: kTile lines of A (or columns of B) by 64
// bytes of K. "mn" is the index along M or N.
//
//   K-major  (K contiguous in memory)  rows of 64 bytes, one per mn; 16-byte chunk c of row r lies
//            at chunk c ^ (r / 2 % 4), so that 8 rows of one chunk fall into 32 different banks
//   MN-major                           rows of kTile elements, one per k; chunk c of row k lies at
//            c ^ (k % 8) for 16-bit types (ldmatrix.trans reads 8 k of one chunk), c ^ 2 (k % 4)
//            for tf32 (a warp reads 4 k by 2 chunks with ordinary loads)
#pragma once
#include "cuda/core/ptx_copy.cuh"
#include "cuda/core/ptx_mma.cuh"
#include "cuda/kernels/gemm_epilogue.cuh"

namespace mt::cuda {

constexpr int kTile = 128, kTileBytes = kTile * 64, kMmaThreads = 256;

// How an operand reaches shared memory: 16-byte cp.async where rows are aligned, else one element
// at a time with any strides (stored K-major).
enum class Layout { k_major, mn_major, any };

template <class T, Layout L>
struct OperandTile {
  static constexpr int kPerChunk = 16 / sizeof(T), kDepth = 64 / sizeof(T);
  static constexpr bool kMnMajor = L == Layout::mn_major;

  // Byte offset of the chunk that holds (mn, k).
  static __device__ __forceinline__ int offset(int mn, int k) {
    if constexpr (kMnMajor) {
      int chunk = mn / kPerChunk, flip = sizeof(T) == 2 ? k % 8 : k % 4 * 2;
      return k * int(kTile * sizeof(T)) + (chunk ^ flip) * 16;
    } else {
      return mn * 64 + ((k / kPerChunk) ^ (mn / 2 % 4)) * 16;
    }
  }

  // Starts loading the tile at (mn0, k0) of a matrix with `mn_end` lines, K up to k_end.
  static __device__ __forceinline__ void load(Shared<char> tile, const T* src, int64_t mn_stride,
                                              int64_t k_stride, int mn0, int mn_end, int k0,
                                              int k_end) {
    constexpr int chunks = kTileBytes / 16;
    if constexpr (L == Layout::any) {
      const bool along_mn = mn_stride < k_stride;  // neighbours in memory go to neighbour threads
#pragma unroll 1
      for (int i = int(threadIdx.x); i < chunks; i += kMmaThreads) {
        const int mn = along_mn ? i % kTile : i / 4, k = (along_mn ? i / kTile : i % 4) * kPerChunk;
        Chunk chunk;
#pragma unroll
        for (int j = 0; j < kPerChunk; ++j) {
          const bool inside = mn0 + mn < mn_end && k0 + k + j < k_end;
          chunk.at[j] = inside ? src[(mn0 + mn) * mn_stride + (k0 + k + j) * k_stride] : T{};
        }
        shared_cast<Chunk>(tile + offset(mn, k))[0] = chunk;
      }
    } else {
#pragma unroll
      for (int j = 0; j < chunks / kMmaThreads; ++j) {
        const int i = int(threadIdx.x) + j * kMmaThreads;
        constexpr int row_chunks = kMnMajor ? kTile / kPerChunk : 4;
        const int row = i / row_chunks, along = i % row_chunks * kPerChunk;
        const int mn = mn0 + (kMnMajor ? along : row), k = k0 + (kMnMajor ? row : along);
        const int left = kMnMajor ? mn_end - mn : k_end - k;  // elements up to the edge
        const bool inside = kMnMajor ? k < k_end : mn < mn_end;
        const int valid = inside ? max(0, min(left, kPerChunk)) : 0;
        const T* from = valid > 0 ? src + mn * mn_stride + k * k_stride : src;
        ptx::cp_async<16>(raw(tile + offset(mn - mn0, k - k0)), from, uint32_t(valid * sizeof(T)));
      }
    }
  }

  // The words of a 16 (mn) by 32-byte (k) piece in the order of an mma.sync A fragment: r[0] first
  // half of mn and k, r[1] second half of mn, r[2], r[3] the same in the second half of k. Words
  // {r[j], r[j + 2]} are the B fragment of half j.
  static __device__ __forceinline__ void fragment(uint32_t (&r)[4], Shared<char> tile, int mn,
                                                  int k) {
    const int lane = int(threadIdx.x) % 32;
    if constexpr (!kMnMajor) {
      ptx::ldmatrix(r, raw(tile + offset(mn + lane % 16, k + lane / 16 * kPerChunk)));
    } else if constexpr (sizeof(T) == 2) {
      ptx::ldmatrix<true>(r,
                          raw(tile + offset(mn + lane / 8 % 2 * 8, k + lane % 8 + lane / 16 * 8)));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at_mn = mn + lane / 4 + i % 2 * 8, at_k = k + lane % 4 + i / 2 * 4;
        const uint32_t word =
            shared_cast<uint32_t>(tile + offset(at_mn, at_k) + at_mn % kPerChunk * 4)[0];
        r[i] = word;
      }
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < 4; ++i) r[i] = ptx::to_tf32(__uint_as_float(r[i]));
    }
  }

 private:
  struct alignas(16) Chunk {
    T at[kPerChunk];
  };
};

}  // namespace mt::cuda
