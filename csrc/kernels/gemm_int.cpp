// Matrix product of integers, modulo 2^bits: rows of C as sums of rows of B.
#include "kernels/gemm_one.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kStrip = 512;  // columns of C summed at a time, in L1

// T is the element type, U an unsigned type in which overflow is defined.
template <class T, class U>
void int_rows(const GemmArgs& args, int64_t i0, int64_t i1) {
  const T* a = static_cast<const T*>(args.a);
  const T* b = static_cast<const T*>(args.b);
  const T* bias = static_cast<const T*>(args.bias);
  T* c = static_cast<T*>(args.c);
  const U alpha = U(int64_t(args.alpha)), beta = U(int64_t(args.beta));
  U sum[kStrip];
  for (int64_t i = i0; i < i1; i++) {
    for (int64_t j0 = 0; j0 < args.n; j0 += kStrip) {
      const int64_t cols = min64(kStrip, args.n - j0);
      for (int64_t j = 0; j < cols; j++) sum[j] = 0;
      for (int64_t p = 0; p < args.k; p++) {
        const U x = U(a[i * args.a_row + p * args.a_col]);
        const T* row = b + p * args.b_row + j0 * args.b_col;
        if (args.b_col == 1) {
          for (int64_t j = 0; j < cols; j++) sum[j] += x * U(row[j]);
        } else {
          for (int64_t j = 0; j < cols; j++) sum[j] += x * U(row[j * args.b_col]);
        }
      }
      T* to = c + i * args.c_row + j0;
      for (int64_t j = 0; j < cols; j++) {
        U x = alpha * sum[j];
        if (args.beta != 0) x += beta * U(to[j]);
        if (bias) x += U(bias[args.bias_per_row ? i : j0 + j]);
        to[j] = args.activation == Activation::relu && T(x) < 0 ? T(0) : T(x);
      }
    }
  }
}

template <class T, class U>
void int_batched(const GemmArgs& args) {
  const int64_t rows = args.batch * args.m;
  const int64_t grain = max64(1, 65536 / max64(1, args.n * args.k));
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t batch = begin / args.m, first = begin % args.m;
      const int64_t last = min64(args.m, first + end - begin);
      GemmArgs one = args;
      one.a = static_cast<const T*>(args.a) + batch * args.a_batch;
      one.b = static_cast<const T*>(args.b) + batch * args.b_batch;
      one.c = static_cast<T*>(args.c) + batch * args.c_batch;
      int_rows<T, U>(one, first, last);
      begin += last - first;
    }
  });
}

// int8: sums in int32 by the dot product instructions, then their low bits.
void int8_product(const GemmArgs& args) {
  Workspace<int32_t> sums(args.m * args.n);
  GemmArgs one = args;
  one.batch = 1;
  one.c = sums.data;
  one.c_row = args.n;
  for (int64_t i = 0; i < args.batch; i++) {
    one.a = static_cast<const int8_t*>(args.a) + i * args.a_batch;
    one.b = static_cast<const int8_t*>(args.b) + i * args.b_batch;
    gemm_int8(one);
    int8_t* c = static_cast<int8_t*>(args.c) + i * args.c_batch;
    parallel_for(args.m, max64(1, kGrain / args.n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        for (int64_t j = 0; j < args.n; j++)
          c[r * args.c_row + j] = int8_t(sums.data[r * args.n + j]);
    });
  }
}

// The rounding to int8 is all that follows the sums, and they repay packing.
bool is_plain_int8(const GemmArgs& args) {
  return args.dtype == DType::Int8 && args.alpha == 1 && args.beta == 0 && !args.bias &&
         args.activation == Activation::none && args.m >= 4 && args.n >= 8 &&
         args.m * args.n * args.k >= 32 * 32 * 32;
}

}  // namespace

void gemm_int(const GemmArgs& args) {
  if (is_plain_int8(args)) return int8_product(args);
  switch (args.dtype) {
    case DType::UInt8:
      return int_batched<uint8_t, uint32_t>(args);
    case DType::Int8:
      return int_batched<int8_t, uint32_t>(args);
    case DType::Int16:
      return int_batched<int16_t, uint32_t>(args);
    case DType::Int32:
      return int_batched<int32_t, uint32_t>(args);
    case DType::Int64:
      return int_batched<int64_t, uint64_t>(args);
    default:
      return;
  }
}

}  // namespace mt::cpu::MT_ISA
