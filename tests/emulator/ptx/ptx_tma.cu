// Tensor copies of rank 2..5 in all swizzles, hanging over every edge, against plain loops.
#include "cuda/core/ptx_tma.cuh"

#include "cuda/core/ptx_barrier.cuh"
#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

struct Coords {
  int c[5];
};

// Loads one box, writes its shared memory out as it lies, and stores the box to another tensor.
template <int Rank>
__global__ void box_kernel(const __grid_constant__ ptx::TensorMap from,
                           const __grid_constant__ ptx::TensorMap to, Coords at, int bytes,
                           char* image) {
  if constexpr (ptx::kSm90) {
    MT_DYN_SHARED_ALIGNED(char, tile, 1024);
    MT_SHARED(uint64_t, bar, 1);
    if (threadIdx.x == 0) {
      ptx::prefetch_tensor_map(&from);
      ptx::mbarrier_init(raw(bar), 1);
      ptx::mbarrier_fence_init();
    }
    __syncthreads();
    const int* c = at.c;
    if (threadIdx.x == 0) {
      ptx::mbarrier_arrive_expect_tx(raw(bar), uint32_t(bytes));
      if constexpr (Rank == 2) ptx::tma_load(raw(tile), &from, raw(bar), c[0], c[1]);
      if constexpr (Rank == 3) ptx::tma_load(raw(tile), &from, raw(bar), c[0], c[1], c[2]);
      if constexpr (Rank == 4) ptx::tma_load(raw(tile), &from, raw(bar), c[0], c[1], c[2], c[3]);
      if constexpr (Rank == 5)
        ptx::tma_load(raw(tile), &from, raw(bar), c[0], c[1], c[2], c[3], c[4]);
    }
    ptx::mbarrier_wait(raw(bar), 0);
    for (int i = int(threadIdx.x); i < bytes; i += int(blockDim.x)) {
      const char v = tile[i];
      image[i] = v;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      if constexpr (Rank == 2) ptx::tma_store(&to, raw(tile), c[0], c[1]);
      if constexpr (Rank == 3) ptx::tma_store(&to, raw(tile), c[0], c[1], c[2]);
      if constexpr (Rank == 4) ptx::tma_store(&to, raw(tile), c[0], c[1], c[2], c[3]);
      if constexpr (Rank == 5) ptx::tma_store(&to, raw(tile), c[0], c[1], c[2], c[3], c[4]);
      ptx::bulk_commit();
      ptx::bulk_wait<0>();
    }
  }
}

template <int Rank>
void test_box(ptx::Swizzle swizzle, Coords at) {
  const int sizes[5] = {72, 11, 3, 2, 3}, boxes[5] = {8 << int(swizzle), 9, 2, 2, 2};
  ptx::TensorMapSpec spec;
  spec.dtype = DType::BFloat16;
  spec.rank = Rank;
  spec.swizzle = swizzle;
  int64_t stride[5] = {1}, total = sizes[0], bytes = 2 * boxes[0];
  spec.size[0] = uint64_t(sizes[0]);
  spec.box[0] = uint32_t(boxes[0]);
  for (int i = 1; i < Rank; ++i) {
    spec.size[i] = uint64_t(sizes[i]);
    spec.box[i] = uint32_t(boxes[i]);
    stride[i] = total + 8;  // a gap
    spec.stride_bytes[i] = uint64_t(2 * stride[i]);
    total = stride[i] * sizes[i];
    bytes *= boxes[i];
  }
  std::vector<uint16_t> src(size_t(total), 0), blank(size_t(total), 0xabcd);
  for (size_t i = 0; i < src.size(); ++i) src[i] = uint16_t(i + 1);
  DeviceArray<uint16_t> a(src), b(blank);
  DeviceArray<char> image{size_t(bytes)};
  ptx::TensorMap from, to;
  spec.base = a.p;
  expect(cuda::encode_tensor_map(&from, spec), "encode_tensor_map");
  spec.base = b.p;
  expect(cuda::encode_tensor_map(&to, spec), "encode_tensor_map");
  MT_LAUNCH((box_kernel<Rank>), dim3(1), dim3(64), size_t(bytes), nullptr, from, to, at, int(bytes),
            image.p);
  if (!launched("tma")) return;
  const auto got = image.get();
  const auto stored = b.get();
  bool same = true;
  int64_t at_box = 0;
  for (int64_t i = 0; i < bytes / 2; ++i, ++at_box) {
    int64_t rest = i, offset = 0;
    bool inside = true;
    for (int j = 0; j < Rank; ++j) {
      const int64_t x = at.c[j] + rest % boxes[j];
      rest /= boxes[j];
      inside = inside && x >= 0 && x < sizes[j];
      offset += x * stride[j];
    }
    uint32_t place = uint32_t(2 * i);
    place ^= (place >> 7 & ((1u << int(swizzle)) - 1)) << 4;
    uint16_t v;
    std::memcpy(&v, &got[place], 2);
    same = same && v == (inside ? src[size_t(offset)] : 0);
    if (inside) {
      same = same && stored[size_t(offset)] == src[size_t(offset)];
      blank[size_t(offset)] = src[size_t(offset)];
    }
  }
  const std::string where = "rank " + std::to_string(Rank) + " swizzle " +
                            std::to_string(int(swizzle)) + " at " + std::to_string(at.c[0]) + "," +
                            std::to_string(at.c[1]);
  expect(same, "tma_load and tma_store", where);
  expect(stored == blank, "tma_store leaves what is outside of the box", where);
}

void test_encode() {
  DeviceArray<float> a(64);
  ptx::TensorMap map;
  ptx::TensorMapSpec spec;
  spec.dtype = DType::Float32;
  spec.base = a.p;
  spec.size[0] = spec.size[1] = 8;
  spec.stride_bytes[1] = 32;
  spec.box[0] = 8;
  spec.box[1] = 8;
  expect(cuda::encode_tensor_map(&map, spec), "encode_tensor_map");
  spec.stride_bytes[1] = 36;
  expect(!cuda::encode_tensor_map(&map, spec), "encode_tensor_map takes a stride of 36");
  spec.stride_bytes[1] = 32;
  spec.base = a.p + 1;
  expect(!cuda::encode_tensor_map(&map, spec), "encode_tensor_map takes a base off 16 bytes");
  spec.base = a.p;
  spec.box[1] = 257;
  expect(!cuda::encode_tensor_map(&map, spec), "encode_tensor_map takes a box of 257");
}

}  // namespace

int main() {
  for_each_mode("tma", [] {
    for (int swizzle = 0; swizzle < 4; ++swizzle) {
      const auto s = ptx::Swizzle(swizzle);
      test_box<2>(s, {{0, 0}});
      test_box<2>(s, {{-3, -2}});
      test_box<2>(s, {{56, 7}});
      test_box<2>(s, {{200, 0}});
      test_box<3>(s, {{8, 1, 2}});
      test_box<4>(s, {{8, 4, -1, 1}});
      test_box<5>(s, {{16, 1, 1, 0, 2}});
    }
  });
  test_encode();
  return finish();
}
