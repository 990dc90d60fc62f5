// y = sum(f(x)), products and logical reductions. Each thread sums in the compute type and adds up
// in float64 every 64 steps, so that the error of a long float32 sum does not grow with its length.
// One read of x; how the work is split is in cuda/kernels/reduce.cuh.
#include "ops/reduce.h"

#include "cuda/core/math.h"
#include "cuda/kernels/reduce.cuh"

namespace mt::cuda {
namespace {

template <SumOp op, class Stored>
struct Sum {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = T;
  using Total = double;
  static constexpr bool has_param = op == SumOp::square_dev || op == SumOp::exp_dev;
  using Param = std::conditional_t<has_param, T, NoParam>;
  static constexpr int kFlush = 64;

  double divisor;
  bool wide, root;

  MT_INLINE Total start() const { return 0; }
  MT_INLINE Lane lane() const { return 0; }
  MT_INLINE Lane join(Lane a, Lane b) const { return a + b; }
  MT_INLINE Total add(Total a, Lane b) const { return a + double(b); }
  MT_INLINE Total combine(Total a, Total b) const { return a + b; }
  MT_INLINE Lane map(S stored, [[maybe_unused]] Param c, int64_t) const {
    const T x = load(stored);
    if constexpr (op == SumOp::sum) return x;
    if constexpr (op == SumOp::nansum) return x == x ? x : T(0);
    if constexpr (op == SumOp::norm1) return x < T(0) ? -x : x;
    if constexpr (op == SumOp::norm2) return x * x;
    if constexpr (op == SumOp::square_dev) return (x - c) * (x - c);
    if constexpr (op == SumOp::exp_dev) return fn::exp(x - c);
  }
  __device__ void store(char* y, char*, Total t) const {
    t /= divisor;
    if (root) t = ::sqrt(t);
    if (wide) *reinterpret_cast<T*>(y) = T(t);
    else *reinterpret_cast<S*>(y) = store_as<S>(T(t));
  }
};

template <class Stored>
struct IntSum {
  using S = Stored;
  using Lane = int64_t;
  using Total = int64_t;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  MT_INLINE Total start() const { return 0; }
  MT_INLINE Lane lane() const { return 0; }
  MT_INLINE Lane map(S x, Param, int64_t) const { return int64_t(x); }
  MT_INLINE Lane join(Lane a, Lane b) const { return int64_t(uint64_t(a) + uint64_t(b)); }
  MT_INLINE Total add(Total a, Lane b) const { return join(a, b); }
  MT_INLINE Total combine(Total a, Total b) const { return join(a, b); }
  __device__ void store(char* y, char*, Total t) const { *reinterpret_cast<int64_t*>(y) = t; }
};

template <class Stored>
struct Prod {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = T;
  using Total = T;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  MT_INLINE Total start() const { return 1; }
  MT_INLINE Lane lane() const { return 1; }
  MT_INLINE Lane map(S x, Param, int64_t) const { return load(x); }
  MT_INLINE Lane join(Lane a, Lane b) const {
    if constexpr (__is_same(T, int64_t)) return int64_t(uint64_t(a) * uint64_t(b));
    else return a * b;
  }
  MT_INLINE Total add(Total a, Lane b) const { return join(a, b); }
  MT_INLINE Total combine(Total a, Total b) const { return join(a, b); }
  __device__ void store(char* y, char*, Total t) const {
    *reinterpret_cast<S*>(y) = store_as<S>(t);
  }
};

// Counts the nonzero elements, or the zeros for `all`. Elements as bits: x is nonzero where x &
// mask is (the mask leaves out the sign of a float's zero).
template <class Bits>
struct Logic {
  using S = Bits;
  using Lane = int64_t;
  using Total = int64_t;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  LogicOp op;
  Bits mask;
  MT_INLINE Total start() const { return 0; }
  MT_INLINE Lane lane() const { return 0; }
  MT_INLINE Lane map(S x, Param, int64_t) const {
    return (Bits(x & mask) == 0) == (op == LogicOp::all);
  }
  MT_INLINE Lane join(Lane a, Lane b) const { return a + b; }
  MT_INLINE Total add(Total a, Lane b) const { return a + b; }
  MT_INLINE Total combine(Total a, Total b) const { return a + b; }
  __device__ void store(char* y, char*, Total t) const {
    if (op == LogicOp::count_nonzero) *reinterpret_cast<int64_t*>(y) = t;
    else *reinterpret_cast<bool*>(y) = (t > 0) == (op == LogicOp::any);
  }
};

template <class T>
__device__ __forceinline__ bool finite(T x) {
  return x - x == T(0);
}

template <class T>
__global__ void __launch_bounds__(kThreads) log_shift_kernel(T* c, int64_t n, bool zero) {
  const int64_t i = thread_index();
  if (i < n && (zero || !finite(c[i]))) c[i] = 0;
}

template <class T>
__global__ void __launch_bounds__(kThreads) log_finish_kernel(T* y, const T* c, int64_t n) {
  const int64_t i = thread_index();
  if (i < n) y[i] = fn::log(y[i]) + c[i];
}

}  // namespace

void reduce_sum(SumOp op, DType dtype, const ElementIter& kept, const ElementIter& reduced,
                double divisor, bool wide, bool root) {
#define MT_RUN_(name)    \
  if (op == SumOp::name) \
    return reduce(Sum<SumOp::name, scalar_t>{divisor, wide, root}, kept, reduced);
  MT_SWITCH_FLOAT_HALF(dtype, {MT_RUN_(sum) MT_RUN_(nansum) MT_RUN_(square_dev) MT_RUN_(exp_dev)
                                   MT_RUN_(norm1) MT_RUN_(norm2)})
#undef MT_RUN_
}

void reduce_sum_int(DType dtype, const ElementIter& kept, const ElementIter& reduced) {
  MT_SWITCH_INT(dtype, return reduce(IntSum<scalar_t>{}, kept, reduced))
  if (dtype == DType::Bool) reduce(IntSum<bool>{}, kept, reduced);
}

void reduce_prod(DType dtype, const ElementIter& kept, const ElementIter& reduced) {
  MT_SWITCH_FLOAT_HALF(dtype, return reduce(Prod<scalar_t>{}, kept, reduced))
  if (dtype == DType::Int64) reduce(Prod<int64_t>{}, kept, reduced);
}

void reduce_logic(LogicOp op, DType dtype, const ElementIter& kept, const ElementIter& reduced) {
  const bool floating = is_floating(dtype);
  switch (itemsize(dtype)) {
    case 1:
      return reduce(Logic<uint8_t>{op, 0xff}, kept, reduced);
    case 2:
      return reduce(Logic<uint16_t>{op, uint16_t(floating ? 0x7fff : 0xffff)}, kept, reduced);
    case 4:
      return reduce(Logic<uint32_t>{op, floating ? ~0u >> 1 : ~0u}, kept, reduced);
    default:
      return reduce(Logic<uint64_t>{op, floating ? ~0ull >> 1 : ~0ull}, kept, reduced);
  }
}

void reduce_log_shift(DType dtype, void* c, int64_t n, bool zero) {
  if (n == 0) return;
  MT_SWITCH_FLOAT(dtype, MT_LAUNCH((log_shift_kernel<scalar_t>), grid_for(n, kThreads), kThreads, 0,
                                   stream(), static_cast<scalar_t*>(c), n, zero))
}

void reduce_log_finish(DType dtype, void* y, const void* c, int64_t n) {
  if (n == 0) return;
  MT_SWITCH_FLOAT(
      dtype, MT_LAUNCH((log_finish_kernel<scalar_t>), grid_for(n, kThreads), kThreads, 0, stream(),
                       static_cast<scalar_t*>(y), static_cast<const scalar_t*>(c), n))
}

}  // namespace mt::cuda
