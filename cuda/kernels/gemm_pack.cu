// Copies an operand of a matrix product into lines of contiguous, 16-byte aligned elements, which
// is what the tensor-core kernels load fast. Any strides; 32 x 32 tiles through shared memory, so
// that both sides of the copy run along memory. Bytes: the operand once read, once written.
#include "cuda/kernels/gemm_launch.h"
#include "cuda/kernels/gemm_pack.h"

namespace mt::cuda {
namespace {

constexpr int kSide = 32, kPackThreads = 256;

struct PackParams {
  const void* src;
  void* dst;
  int64_t src_batch, line_stride, stride, dst_line;
  int lines, length;
};

// U is an unsigned integer of the element's size.
template <class U>
__global__ void __launch_bounds__(kPackThreads) gemm_pack_kernel(PackParams p) {
  MT_SHARED(U, tile, kSide * (kSide + 1));
  const int tiles_i = (p.length + kSide - 1) / kSide, tiles_l = (p.lines + kSide - 1) / kSide;
  const int64_t batch = int64_t(blockIdx.x) / (int64_t(tiles_i) * tiles_l);
  const int at = int(int64_t(blockIdx.x) % (int64_t(tiles_i) * tiles_l));
  const int line0 = at / tiles_i * kSide, i0 = at % tiles_i * kSide;
  const U* src = static_cast<const U*>(p.src) + batch * p.src_batch;
  U* dst = static_cast<U*>(p.dst) + (batch * p.lines + line0) * p.dst_line + i0;
  const int x = int(threadIdx.x) % kSide, y0 = int(threadIdx.x) / kSide;
  const bool across = p.line_stride < p.stride;  // neighbour threads read neighbour lines
  for (int y = y0; y < kSide; y += kPackThreads / kSide) {
    const int line = across ? x : y, i = across ? y : x;
    if (line0 + line < p.lines && i0 + i < p.length)
      tile[line * (kSide + 1) + i] = src[(line0 + line) * p.line_stride + (i0 + i) * p.stride];
  }
  __syncthreads();
  for (int y = y0; y < kSide; y += kPackThreads / kSide) {
    if (line0 + y < p.lines && i0 + x < p.length) {
      const U value = tile[y * (kSide + 1) + x];
      dst[y * p.dst_line + x] = value;
    }
  }
}

}  // namespace

PackedOperand::PackedOperand(const void* src, int64_t itemsize, int64_t batch, int64_t batch_stride,
                             int64_t lines, int64_t line_stride, int64_t length, int64_t stride,
                             cudaStream_t stream)
    : stream_(stream) {
  const int64_t copies = batch_stride == 0 ? 1 : batch, per_chunk = 16 / itemsize;
  line_ = ceil_div(length, per_chunk) * per_chunk;
  batch_ = batch_stride == 0 ? 0 : lines * line_;
  const int64_t blocks = copies * ceil_div(length, kSide) * ceil_div(lines, kSide);
  if (blocks > kMaxGrid) return;
  if (cudaMallocAsync(&data_, size_t(copies * lines * line_ * itemsize), stream) != cudaSuccess) {
    cudaGetLastError();
    data_ = nullptr;
    return;
  }
  const PackParams p{src, data_, batch_stride, line_stride, stride, line_, int(lines), int(length)};
  if (itemsize == 2)
    MT_LAUNCH((gemm_pack_kernel<uint16_t>), dim3(unsigned(blocks)), dim3(kPackThreads), 0, stream,
              p);
  else
    MT_LAUNCH((gemm_pack_kernel<uint32_t>), dim3(unsigned(blocks)), dim3(kPackThreads), 0, stream,
              p);
}

PackedOperand::~PackedOperand() {
  if (data_) cudaFreeAsync(data_, stream_);
}

}  // namespace mt::cuda
