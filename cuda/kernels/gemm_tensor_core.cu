// Entry points of the tensor-core GEMM: which kernel takes which request.
#include "cuda/kernels/gemm_tensor_core.h"

#include <algorithm>

#include "cuda/kernels/gemm_launch.h"

namespace mt::cuda {

void gemm_mma_tf32(const GemmParams& p, cudaStream_t stream, int splits);
void gemm_mma_float16(const GemmParams& p, cudaStream_t stream, int splits);
void gemm_mma_bfloat16(const GemmParams& p, cudaStream_t stream, int splits);
bool gemm_wgmma_tf32(const GemmParams& p, cudaStream_t stream, int tile_n);
bool gemm_wgmma_float16(const GemmParams& p, cudaStream_t stream, int tile_n);
bool gemm_wgmma_bfloat16(const GemmParams& p, cudaStream_t stream, int tile_n);

bool gemm_mma(const GemmArgs& args, cudaStream_t stream, int splits) {
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
        stream, splits);
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

bool gemm_tensor_core(const GemmArgs& args, bool allow_tf32, cudaStream_t stream,
                      const GemmTuning& tuning) {
  using Path = GemmTuning::Path;
  if (args.dtype == DType::Float32 && !allow_tf32) return false;
  if (tuning.path == Path::wgmma) return gemm_wgmma(args, stream, tuning.tile_n);
  if (tuning.path == Path::automatic && tuning.splits == 0 && !wants_splits(args) &&
      gemm_wgmma(args, stream, tuning.tile_n))
    return true;
  return gemm_mma(args, stream, tuning.splits);
}

}  // namespace mt::cuda
