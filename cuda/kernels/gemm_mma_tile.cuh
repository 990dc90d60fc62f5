// Operand tiles of the mma.sync GEMM in shared memory: `Lines` lines of A (or columns of B) by 64
// bytes of K. "mn" is the index along M or N.
//
//   K-major  (K contiguous in memory)  rows of 64 bytes, one per mn; 16-byte chunk c of row r lies
//            at chunk c ^ (r / 2 % 4), so that 8 rows of one chunk fall into 32 different banks
//   MN-major                           rows of `Lines` elements, one per k; chunk c of row k lies
//   at
//            c ^ (k % 8) for 16-bit types (ldmatrix.trans reads 8 k of one chunk), c ^ 2 (k % 4)
//            for tf32 (a warp reads 4 k by 2 chunks with ordinary loads)
#pragma once
#include "cuda/core/ptx_copy.cuh"
#include "cuda/core/ptx_mma.cuh"
#include "cuda/kernels/gemm_epilogue.cuh"

namespace mt::cuda {

// A block of kThreads computes Tile x Tile of C, each of its warps kWarpM x 32.
template <int Tile>
struct MmaShape {
  static constexpr int kWarpM = Tile / 2, kWarpsN = Tile / 32, kThreads = 2 * kWarpsN * 32;
  static constexpr int kStages = 4, kBytes = Tile * 64;  // of an operand in a stage
  static constexpr int kShared = kStages * 2 * kBytes;
  static_assert(kShared >= Tile * Tile * 4, "the sums of a tile fit where its operands were");
};

// How an operand reaches shared memory: 16-byte cp.async where rows are aligned, else one element
// at a time with any strides (stored K-major).
enum class Layout { k_major, mn_major, any };

template <class T, Layout L, int Lines>
struct OperandTile {
  static constexpr int kPerChunk = 16 / sizeof(T), kDepth = 64 / sizeof(T);
  static constexpr bool kMnMajor = L == Layout::mn_major;
  static constexpr int kRowBytes = kMnMajor ? Lines * int(sizeof(T)) : 64;

  // Byte offset of the chunk that holds (mn, k).
  static __device__ __forceinline__ int offset(int mn, int k) {
    if constexpr (kMnMajor) {
      const int flip = sizeof(T) == 2 ? k % 8 : k % 4 * 2;
      return k * kRowBytes + ((mn / kPerChunk) ^ flip) * 16;
    } else {
      return mn * kRowBytes + ((k / kPerChunk) ^ (mn / 2 % 4)) * 16;
    }
  }
};

// Brings one operand's tiles to shared memory, one stage after the other.
template <class T, Layout L, int Lines>
class OperandLoader {
  using Tile = OperandTile<T, L, Lines>;
  static constexpr int kPerChunk = Tile::kPerChunk, kDepth = Tile::kDepth;
  static constexpr int kThreads = MmaShape<Lines>::kThreads, kChunks = MmaShape<Lines>::kBytes / 16;
  // A thread copies two chunks of 16 bytes per stage, half a tile apart.
  static constexpr int kCopies = kChunks / kThreads;
  static constexpr int kRowChunks = Tile::kRowBytes / 16, kRowsApart = kThreads / kRowChunks;

 public:
  // The tiles at line mn0 of a matrix of mn_end lines, from k_begin on, up to k_end.
  __device__ __forceinline__ OperandLoader(const T* src, int64_t mn_stride, int64_t k_stride,
                                           int mn0, int mn_end, int k_begin, int k_end)
      : mn_stride_(mn_stride), k_stride_(k_stride) {
    if constexpr (L == Layout::any) {
      from_ = src + mn0 * mn_stride + k_begin * k_stride;
      lines_ = mn_end - mn0;
      left_ = k_end - k_begin;
    } else {
      const int row = int(threadIdx.x) / kRowChunks, along = int(threadIdx.x) % kRowChunks;
      const int mn = Tile::kMnMajor ? along * kPerChunk : row;
      const int k = Tile::kMnMajor ? row : along * kPerChunk;
      from_ = src + (mn0 + mn) * mn_stride + (k_begin + k) * k_stride;
      apart_ = kRowsApart * (Tile::kMnMajor ? k_stride : mn_stride);
      to_ = Tile::offset(mn, k);
      lines_ = mn_end - mn0 - mn;
      left_ = k_end - k_begin - k;
    }
  }

  // Starts the copy of the next stage.
  __device__ __forceinline__ void next(Shared<char> tile) {
    if constexpr (L == Layout::any) {
      copy_elements(tile);
    } else {
#pragma unroll
      for (int j = 0; j < kCopies; ++j) {
        // Elements up to the edge along the row, where the row itself is inside.
        const int left = Tile::kMnMajor ? lines_ : left_;
        const bool inside = Tile::kMnMajor ? left_ > j * kRowsApart : lines_ > j * kRowsApart;
        const int valid = inside ? max(0, min(left, kPerChunk)) : 0;
        ptx::cp_async<16>(raw(tile + (to_ + j * kRowsApart * Tile::kRowBytes)), from_ + j * apart_,
                          uint32_t(valid * int(sizeof(T))));
      }
    }
    from_ += kDepth * k_stride_;
    left_ -= kDepth;
  }

 private:
  struct alignas(16) Chunk {
    T at[kPerChunk];
  };

  __device__ __forceinline__ void copy_elements(Shared<char> tile) {
    const bool along_mn = mn_stride_ < k_stride_;  // neighbours in memory go to neighbour threads
#pragma unroll 1
    for (int i = int(threadIdx.x); i < kChunks; i += kThreads) {
      const int mn = along_mn ? i % Lines : i / 4, k = (along_mn ? i / Lines : i % 4) * kPerChunk;
      Chunk chunk;
#pragma unroll
      for (int j = 0; j < kPerChunk; ++j)
        chunk.at[j] =
            mn < lines_ && k + j < left_ ? from_[mn * mn_stride_ + (k + j) * k_stride_] : T{};
      shared_cast<Chunk>(tile + Tile::offset(mn, k))[0] = chunk;
    }
  }

  const T* from_;
  int64_t mn_stride_, k_stride_, apart_ = 0;
  int to_ = 0, lines_, left_;
};

// Reads a warp's fragments of one operand: pieces of 16 (mn) by 32 bytes of K. In the order of an
// mma.sync A fragment r[0], r[1] are the two halves of mn and r[2], r[3] the same in the second
// half of K; for B the halves of K come first, so that {r[0], r[1]} and {r[2], r[3]} are two
// fragments.
template <class T, Layout L, int Lines, bool IsB>
class FragmentReader {
  using Tile = OperandTile<T, L, Lines>;
  static constexpr int kPerChunk = Tile::kPerChunk;
  static constexpr bool kScalar = Tile::kMnMajor && sizeof(T) == 4;

 public:
  // `mn`: first line of the warp, a multiple of 32.
  __device__ __forceinline__ explicit FragmentReader(int mn) {
    const int lane = int(threadIdx.x) % 32, eight = lane / 8 % 2, sixteen = lane / 16;
    if constexpr (kScalar) {
      mn += lane / 4;
      lane_ = Tile::offset(mn, lane % 4) + mn % kPerChunk * 4;
    } else {
      // Lanes 8 i.. name the rows of matrix i, which word i comes from: the halves of mn and K.
      const int mn_half = IsB ? sixteen : eight, k_half = IsB ? eight : sixteen;
      lane_ = Tile::kMnMajor ? Tile::offset(mn + mn_half * 8, lane % 8 + k_half * 8)
                             : Tile::offset(mn + lane % 8 + mn_half * 8, k_half * kPerChunk);
    }
  }

  // Piece `piece` of the warp's lines, at element k of the stage. The permutation of chunks is an
  // XOR, so both are added to the lane's offset by an XOR or a sum of constants.
  __device__ __forceinline__ void read(uint32_t (&r)[4], Shared<char> tile, int piece,
                                       int k) const {
    if constexpr (!Tile::kMnMajor) {
      ptx::ldmatrix(r, raw(tile + ((lane_ ^ (k / kPerChunk * 16)) + piece * 16 * 64)));
    } else {
      const int at = (lane_ ^ (piece * 16 * int(sizeof(T)))) + k * Tile::kRowBytes;
      if constexpr (!kScalar) {
        ptx::ldmatrix<true>(r, raw(tile + at));
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int mn_half = IsB ? i / 2 : i % 2, k_half = IsB ? i % 2 : i / 2;
          const uint32_t word = shared_cast<uint32_t>(
              tile + ((at ^ (mn_half * 32)) + k_half * 4 * Tile::kRowBytes))[0];
          r[i] = word;
        }
      }
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < 4; ++i) r[i] = ptx::to_tf32(__uint_as_float(r[i]));
    }
  }

 private:
  int lane_;
};

// acc += A B over one stage, a warp's pieces of 16 lines by 32 columns.
template <class T, int pieces, class ReadA, class ReadB>
__device__ __forceinline__ void multiply_stage(float (&acc)[pieces][4][4], const ReadA& read_a,
                                               Shared<char> tile_a, const ReadB& read_b,
                                               Shared<char> tile_b) {
  constexpr int depth = 64 / sizeof(T), step = 32 / sizeof(T);  // of K: a stage, an mma
#pragma unroll
  for (int k = 0; k < depth; k += step) {
    uint32_t fa[pieces][4], fb[2][4];
#pragma unroll
    for (int m = 0; m < pieces; ++m) read_a.read(fa[m], tile_a, m, k);
#pragma unroll
    for (int n = 0; n < 2; ++n) read_b.read(fb[n], tile_b, n, k);
#pragma unroll
    for (int m = 0; m < pieces; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const uint32_t words[2] = {fb[n / 2][n % 2 * 2], fb[n / 2][n % 2 * 2 + 1]};
        if constexpr (sizeof(T) == 2) ptx::mma_m16n8k16<T>(acc[m][n], fa[m], words);
        else ptx::mma_m16n8k8_tf32(acc[m][n], fa[m], words);
      }
  }
}

}  // namespace mt::cuda
