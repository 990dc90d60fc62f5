// y = sum(f(x)): blocks of 2048 elements are summed in eight vectors of the compute type and added
// up in float64, so that the error of a long float32 sum does not grow with its length. One read of
// x; the arithmetic hides behind it.
#include "ops/reduce.h"

#include "kernels/lanes.h"
#include "kernels/math.h"
#include "kernels/reduce.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kBlock = 2048;

// Sum of f over n <= kBlock elements; f takes a vector or a number.
template <class T, class F>
MT_INLINE T sum_block(const T* p, int64_t n, const F& f) {
  constexpr int64_t L = Lanes<T>::count;
  using V = lanes_t<T>;
  int64_t i = 0;
  T total = 0;
  if (n >= L) {
    V a[8] = {};
    for (; i + 8 * L <= n; i += 8 * L) {
      a[0] += f(load_lanes(p + i));
      a[1] += f(load_lanes(p + i + L));
      a[2] += f(load_lanes(p + i + 2 * L));
      a[3] += f(load_lanes(p + i + 3 * L));
      a[4] += f(load_lanes(p + i + 4 * L));
      a[5] += f(load_lanes(p + i + 5 * L));
      a[6] += f(load_lanes(p + i + 6 * L));
      a[7] += f(load_lanes(p + i + 7 * L));
    }
    for (; i + L <= n; i += L) a[0] += f(load_lanes(p + i));
    if (i < n) a[1] += map_last(p + n, n - i, f);
    i = n;
    const V sum = ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
    total = fold_lanes<T>(sum, [](V u, V v) { return u + v; });
  }
  for (; i < n; i++) total += f(p[i]);
  return total;
}

template <SumOp op, class X, class C>
MT_INLINE X apply(X x, [[maybe_unused]] C c) {
  if constexpr (op == SumOp::sum) return x;
  if constexpr (op == SumOp::nansum) return x == x ? x : X{};
  if constexpr (op == SumOp::norm1) return x < X{} ? -x : x;
  if constexpr (op == SumOp::norm2) return x * x;
  if constexpr (op == SumOp::square_dev) {
    X d = x - c;
    return d * d;
  }
}

template <SumOp op, class Stored>
struct Sum {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = T;
  using Total = double;
  static constexpr bool has_param = op == SumOp::square_dev || op == SumOp::exp_dev;
  template <bool, class A, class>
  struct Pick {
    using type = A;
  };
  template <class A, class B>
  struct Pick<false, A, B> {
    using type = B;
  };
  using Param = typename Pick<has_param, T, NoParam>::type;
  static constexpr int kFlush = 128;

  double divisor;
  bool wide, root;

  Total start() const { return 0; }
  Lane lane() const { return 0; }
  MT_INLINE Lane join(Lane a, Lane b) const { return a + b; }
  MT_INLINE Total add(Total a, Lane b) const { return a + double(b); }
  Total combine(Total a, Total b) const { return a + b; }
  MT_INLINE Lane map(S x, Param c) const {
    if constexpr (op == SumOp::exp_dev) {
      return fn::exp(load<S>(x) - c);
    } else if constexpr (has_param) {
      return apply<op, T, T>(load<S>(x), c);
    } else {
      return apply<op, T, T>(load<S>(x), T(0));
    }
  }
  MT_INLINE void row(Total& total, const S* p, int64_t n, Param c) const {
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t m = n - i < kBlock ? n - i : kBlock;
      if constexpr (op == SumOp::exp_dev || !__is_same(S, T)) {
        T block[kBlock];
#pragma GCC ivdep
        for (int64_t j = 0; j < m; j++) block[j] = map(p[i + j], c);
        total += double(sum_block<T>(block, m, [](auto x) { return x; }));
      } else if constexpr (has_param) {
        total += double(sum_block<T>(p + i, m, [c](auto x) { return apply<op>(x, c); }));
      } else {
        total += double(sum_block<T>(p + i, m, [](auto x) { return apply<op>(x, T(0)); }));
      }
    }
  }
  MT_INLINE void store(char* y, Total t) const {
    t /= divisor;
    if (root) t = fn::sqrt(t);
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
  Total start() const { return 0; }
  Lane lane() const { return 0; }
  MT_INLINE Lane map(S x, Param) const { return int64_t(x); }
  MT_INLINE Lane join(Lane a, Lane b) const { return int64_t(uint64_t(a) + uint64_t(b)); }
  MT_INLINE Total add(Total a, Lane b) const { return join(a, b); }
  Total combine(Total a, Total b) const { return join(a, b); }
  MT_INLINE void row(Total& total, const S* p, int64_t n, Param) const {
    uint64_t s = 0;
    int64_t i = 0;
    if constexpr (sizeof(S) == 1) {  // groups of columns in the type itself, or in 32 bits
      for (; i + kGroup <= n; i += kGroup) s += uint64_t(int64_t(sum_group(p + i)));
    }
    for (; i < n; i++) s += uint64_t(int64_t(p[i]));
    total = join(total, int64_t(s));
  }
  static constexpr int64_t kGroup = 64 * 128;
  static MT_INLINE int32_t sum_group(const S* p) {
    int32_t s = 0;
    if constexpr (__is_same(S, bool)) {
      uint8_t lanes[64] = {};
      for (int64_t i = 0; i < kGroup; i += 64)
        for (int64_t j = 0; j < 64; j++) lanes[j] = uint8_t(lanes[j] + p[i + j]);
      for (int64_t j = 0; j < 64; j++) s += lanes[j];
    } else {
      for (int64_t i = 0; i < kGroup; i++) s += p[i];
    }
    return s;
  }
  void store(char* y, Total t) const { *reinterpret_cast<int64_t*>(y) = t; }
};

template <class Stored>
struct Prod {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = T;
  using Total = T;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  Total start() const { return 1; }
  Lane lane() const { return 1; }
  MT_INLINE Lane map(S x, Param) const { return load<S>(x); }
  MT_INLINE Lane join(Lane a, Lane b) const {
    if constexpr (__is_same(T, int64_t)) return int64_t(uint64_t(a) * uint64_t(b));
    else return a * b;
  }
  MT_INLINE Total add(Total a, Lane b) const { return join(a, b); }
  Total combine(Total a, Total b) const { return join(a, b); }
  void row(Total& total, const S* p, int64_t n, Param) const {
    const int64_t done = multiply<64>(total, p, n);
    const int64_t eights = done + multiply<8>(total, p + done, n - done);
    for (int64_t i = eights; i < n; i++) total = join(total, load<S>(p[i]));
  }
  // Multiplies the first elements, a multiple of W, into the total; returns how many.
  template <int64_t W>
  MT_INLINE int64_t multiply(Total& total, const S* p, int64_t n) const {
    if (n < W) return 0;
    T a[W];
    int64_t i = W;
    for (int64_t j = 0; j < W; j++) a[j] = load<S>(p[j]);
    for (; i + W <= n; i += W)
      for (int64_t j = 0; j < W; j++) a[j] = join(a[j], load<S>(p[i + j]));
#pragma GCC unroll 6
    for (int64_t w = W / 2; w > 0; w /= 2)
      for (int64_t j = 0; j < w; j++) a[j] = join(a[j], a[j + w]);
    total = join(total, a[0]);
    return i;
  }
  void store(char* y, Total t) const { *reinterpret_cast<S*>(y) = store_as<S>(t); }
};

// Counts the nonzero elements, or the zeros for `all`. Elements as bits: x is nonzero where x &
// mask is (the mask leaves out the sign of a float's zero).
template <class Bits>
struct Logic {
  using S = Bits;
  using Lane = uint32_t;
  using Total = int64_t;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  LogicOp op;
  Bits mask;
  Total start() const { return 0; }
  Lane lane() const { return 0; }
  MT_INLINE Lane map(S x, Param) const { return (Bits(x & mask) == 0) == (op == LogicOp::all); }
  MT_INLINE Lane join(Lane a, Lane b) const { return a + b; }
  MT_INLINE Total add(Total a, Lane b) const { return a + b; }
  Total combine(Total a, Total b) const { return a + b; }
  void row(Total& total, const S* p, int64_t n, Param) const {
    const bool zeros = op == LogicOp::all;
    for (int64_t i = 0; i < n; i += 4096) {
      if (total > 0 && op != LogicOp::count_nonzero) return;
      const int64_t m = n - i < 4096 ? n - i : 4096;
      uint32_t count = 0;
      for (int64_t j = 0; j < m; j++) count += Bits(p[i + j] & mask) == 0;
      total += zeros ? count : m - count;
    }
  }
  void store(char* y, Total t) const {
    if (op == LogicOp::count_nonzero) *reinterpret_cast<int64_t*>(y) = t;
    else *reinterpret_cast<bool*>(y) = (t > 0) == (op == LogicOp::any);
  }
};

}  // namespace

void reduce_sum(SumOp op, DType dtype, const ElementIter& kept, const ElementIter& reduced,
                double divisor, bool wide, bool root) {
#define MT_RUN_(name)    \
  if (op == SumOp::name) \
    return reduce(Sum<SumOp::name, scalar_t>{divisor, wide, root}, kept, reduced);
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_(sum))
  MT_SWITCH_FLOAT(
      dtype, {MT_RUN_(nansum) MT_RUN_(square_dev) MT_RUN_(exp_dev) MT_RUN_(norm1) MT_RUN_(norm2)})
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
  MT_SWITCH_FLOAT(dtype, {
    scalar_t* p = static_cast<scalar_t*>(c);
    for (int64_t i = 0; i < n; i++)
      if (zero || p[i] - p[i] != 0) p[i] = 0;
  })
}

void reduce_log_finish(DType dtype, void* y, const void* c, int64_t n) {
  MT_SWITCH_FLOAT(dtype, {
    scalar_t* p = static_cast<scalar_t*>(y);
    const scalar_t* q = static_cast<const scalar_t*>(c);
    for (int64_t i = 0; i < n; i++) p[i] = fn::log(p[i]) + q[i];
  })
}

}  // namespace mt::cpu::MT_ISA
