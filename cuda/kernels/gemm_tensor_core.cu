// Entry points of the tensor-core GEMM: which kernel takes which request.
#include "cuda/kernels/gemm_tensor_core.h"

#include <algorithm>

#include "cuda/kernels/gemm_launch.h"
#include "cuda/kernels/gemm_pack.h"

namespace mt::cuda {

void gemm_mma_tf32(const GemmParams& p, cudaStream_t stream, int splits, int tile);
void gemm_mma_float16(const GemmParams& p, cudaStream_t stream, int splits, int tile);
void gemm_mma_bfloat16(const GemmParams& p, cudaStream_t stream, int splits, int tile);
bool gemm_wgmma_tf32(const GemmParams& p, cudaStream_t stream, int tile_n);
bool gemm_wgmma_float16(const GemmParams& p, cudaStream_t stream, int tile_n);
bool gemm_wgmma_bfloat16(const GemmParams& p, cudaStream_t stream, int tile_n);

bool gemm_mma(const GemmArgs& args, cudaStream_t stream, int splits, int tile) {
  auto* run = args.dtype == DType::BFloat16  ? gemm_mma_bfloat16
              : args.dtype == DType::Float16 ? gemm_mma_float16
              : args.dtype == DType::Float32 ? gemm_mma_tf32
                                             : nullptr;
  if (!run || !fits_int(args) || device_attribute(cudaDevAttrComputeCapabilityMajor) < 8)
    return false;
  if (args.m == 0 || args.n == 0) return true;
  const GemmParams p = make_params(args);
  constexpr int64_t kMaxGridZ = 65535;
  for (int64_t first = 0; first < args.batch; first += kMaxGridZ)
    run(part_of_batch(p, first, std::min(kMaxGridZ, args.batch - first),
                      int64_t(itemsize(args.dtype))),
        stream, splits, tile);
  return true;
}

// The width whose waves of blocks take the least time; a tile costs its width and a constant part.
// Tiles of 256 come in pairs of blocks below each other.
static int choose_tile(const GemmArgs& args) {
  const int64_t sms = device_attribute(cudaDevAttrMultiProcessorCount);
  int best = 0;
  int64_t least = 0;
  for (const int n : {256, 128, 64}) {
    const int64_t blocks = n == 256 ? 2 : 1;
    const int64_t tiles = ceil_div(args.m, 128 * blocks) * ceil_div(args.n, n) * args.batch;
    const int64_t time = ceil_div(tiles * blocks, sms) * (n + 32);
    if (best == 0 || time < least) {
      best = n;
      least = time;
    }
  }
  return best;
}

bool gemm_wgmma(const GemmArgs& args, cudaStream_t stream, int tile_n) {
  auto* run = args.dtype == DType::BFloat16  ? gemm_wgmma_bfloat16
              : args.dtype == DType::Float16 ? gemm_wgmma_float16
              : args.dtype == DType::Float32 ? gemm_wgmma_tf32
                                             : nullptr;
  if (!run || !fits_int(args) || args.k == 0 ||
      device_attribute(cudaDevAttrComputeCapabilityMajor) != 9)
    return false;
  if (args.m == 0 || args.n == 0 || args.batch == 0) return true;
  if (tile_n == 0) tile_n = choose_tile(args);
  return run(make_params(args), stream, tile_n);
}

// Few tiles and a long K: cutting K fills the device better than larger tiles do.
static bool wants_splits(const GemmArgs& args) {
  const int64_t tiles = ceil_div(args.m, 128) * ceil_div(args.n, 128) * args.batch;
  return args.k >= 1024 && 3 * tiles < device_attribute(cudaDevAttrMultiProcessorCount);
}

// Whether the kernels load an operand fast: lines of K, or lines across it, that are aligned.
static bool loads_fast(const void* p, int64_t lines, int64_t line_stride, int64_t k, int64_t stride,
                       const GemmArgs& args, int64_t batch_stride, bool only_k_major) {
  const int64_t size = int64_t(itemsize(args.dtype));
  if (stride == 1 && has_aligned_lines(p, lines, line_stride, args.batch, batch_stride, size))
    return true;
  return !only_k_major && line_stride == 1 &&
         has_aligned_lines(p, k, stride, args.batch, batch_stride, size);
}

static bool dispatch(const GemmArgs& args, cudaStream_t stream, const GemmTuning& tuning) {
  using Path = GemmTuning::Path;
  if (tuning.path == Path::wgmma) return gemm_wgmma(args, stream, tuning.tile);
  if (tuning.path == Path::automatic && tuning.splits == 0 && !wants_splits(args) &&
      gemm_wgmma(args, stream, tuning.tile))
    return true;
  return gemm_mma(args, stream, tuning.splits, tuning.tile);
}

bool gemm_tensor_core(const GemmArgs& args, bool allow_tf32, cudaStream_t stream,
                      const GemmTuning& tuning) {
  using Pack = GemmTuning::Pack;
  const int64_t size = int64_t(itemsize(args.dtype));
  const bool tf32 = args.dtype == DType::Float32;
  if (tf32 && !allow_tf32) return false;
  // An operand that loads slowly is copied first where the product is large enough to pay for it.
  const double flops = 2.0 * double(args.m) * double(args.n) * double(args.k) * double(args.batch);
  const bool pack = tuning.pack == Pack::automatic ? flops >= 1 << 29 : tuning.pack == Pack::always;
  if (!pack || size > 4 || !is_floating(args.dtype) || !fits_int(args) || flops == 0)
    return dispatch(args, stream, tuning);

  // wgmma takes float32 operands only with K contiguous.
  const bool only_k_major =
      tf32 && device_attribute(cudaDevAttrComputeCapabilityMajor) == 9 && !wants_splits(args);
  GemmArgs packed = args;
  auto copy = [&](const void*& p, int64_t& batch_stride, int64_t lines, int64_t& line_stride,
                  int64_t& stride) {
    if (loads_fast(p, lines, line_stride, args.k, stride, args, batch_stride, only_k_major))
      return PackedOperand();
    PackedOperand copied(p, size, args.batch, batch_stride, lines, line_stride, args.k, stride,
                         stream);
    if (copied.data()) {
      p = copied.data();
      batch_stride = copied.batch_stride();
      line_stride = copied.line_stride();
      stride = 1;
    }
    return copied;
  };
  const PackedOperand a = copy(packed.a, packed.a_batch, args.m, packed.a_row, packed.a_col);
  const PackedOperand b = copy(packed.b, packed.b_batch, args.n, packed.b_col, packed.b_row);
  return dispatch(packed, stream, tuning);
}

}  // namespace mt::cuda
