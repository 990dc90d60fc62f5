// z = f(x, y), one loop per line of csrc/ops/binary.h. Two reads and one write per element.
#include "ops/binary.h"

#include "kernels/binary_math.h"
#include "kernels/elementwise.h"
#include "kernels/guarded.h"
#include "kernels/rows.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_WITH_(map, name, formula)                                           \
  case BinaryOp::name:                                                              \
    return [](char* const* data, int64_t n, [[maybe_unused]] const void* params) {  \
      [[maybe_unused]] const T alpha = static_cast<const Number*>(params)->as<T>(); \
      map<T, T>(data, n, [alpha](T x, T y) -> T {                                   \
        (void)alpha;                                                                \
        return formula;                                                             \
      });                                                                           \
    };
#define MT_CASE_LOOP_(name, formula) MT_CASE_WITH_(map2, name, formula)
#define MT_CASE_PLAIN_(name, formula) MT_CASE_WITH_(plain2, name, formula)

// float32 has vectorised forms of what the tables run one element at a time.
#define MT_CASE_QUOTIENT_(name, slow)                                                          \
  case BinaryOp::name:                                                                         \
    return [](char* const* data, int64_t n, const void*) {                                     \
      map2_guarded(                                                                            \
          data, n, fn::quotient_holds, [](float x, float y) { return fn::name##_fast(x, y); }, \
          [](float x, float y) { return fn::slow(x, y); });                                    \
    };

Loop float32_loop(BinaryOp op) {
  switch (op) {
    MT_CASE_QUOTIENT_(fmod, fmod_any)
    MT_CASE_QUOTIENT_(remainder, remainder)
    MT_CASE_QUOTIENT_(floor_divide, floor_divide)
    case BinaryOp::trunc_divide:
      return [](char* const* data, int64_t n, const void*) {
        map2<float, float>(data, n, [](float x, float y) { return fn::trunc(x / y); });
      };
    case BinaryOp::pow:
      return [](char* const* data, int64_t n, const void*) {
        map2_guarded<true>(
            data, n, fn::pow_holds, [](float x, float y) { return fn::pow_fast(x, y); },
            [](float x, float y) { return fn::pow(x, y); });
      };
    default:
      return nullptr;
  }
}

template <class T>
Loop float_loop(BinaryOp op) {
  if (__is_same(T, float))
    if (Loop loop = float32_loop(op)) return loop;
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_BINARY_NUMERIC_PLAIN_OPS(MT_CASE_PLAIN_)
    MT_BINARY_FLOAT_OPS(MT_CASE_LOOP_)
    MT_BINARY_FLOAT_PLAIN_OPS(MT_CASE_PLAIN_)
    default:
      return nullptr;
  }
}

Loop int_loop(BinaryOp op) {
  using T = int64_t;
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_BINARY_NUMERIC_PLAIN_OPS(MT_CASE_PLAIN_)
    MT_BINARY_BIT_OPS(MT_CASE_LOOP_)
    MT_BINARY_INT_OPS(MT_CASE_PLAIN_)
    default:
      return nullptr;
  }
}

// Bits of one-byte operands without the detour through int64.
Loop byte_loop(BinaryOp op) {
  using T = uint8_t;
  switch (op) {
    MT_BINARY_BIT_OPS(MT_CASE_LOOP_)
    default:
      return nullptr;
  }
}

// Sums, products and bits of int32 wrap to the same values without the detour through int64.
Loop int32_loop(BinaryOp op) {
  using T = int32_t;
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_BINARY_BIT_OPS(MT_CASE_LOOP_)
    default:
      return nullptr;
  }
}

// x to the power of a number that is a few multiplications away.
#define MT_POWER_(exponent, formula)                         \
  if (y == (exponent))                                       \
    return [](char* const* data, int64_t n, const void*) {   \
      map1<T, T>(data, n, [](T x) -> T { return formula; }); \
    };

template <class T>
Loop power_loop(double y) {
  MT_POWER_(0, (void(x), T(1)))
  MT_POWER_(1, x)
  MT_POWER_(2, x * x)
  MT_POWER_(3, x * x * x)
  MT_POWER_(4, (x * x) * (x * x))
  if constexpr (!__is_same(T, int64_t)) {
    MT_POWER_(0.5, fn::sqrt(x))
    MT_POWER_(-0.5, T(1) / fn::sqrt(x))
    MT_POWER_(-1, T(1) / x)
    MT_POWER_(-2, T(1) / (x * x))
  }
  return nullptr;
}

bool power_of_number(DType compute, const OperandTypes& types, const ElementIter& it) {
  const char* y = it.data[2];
  Loop loop = compute == DType::Float32 ? power_loop<float>(*reinterpret_cast<const float*>(y))
              : compute == DType::Float64
                  ? power_loop<double>(*reinterpret_cast<const double*>(y))
                  : power_loop<int64_t>(double(*reinterpret_cast<const int64_t*>(y)));
  if (!loop) return false;
  ElementIter two = it;
  two.nargs = 2;
  run_loop(two, types, same_type(loop, compute));
  return true;
}

// Broadcast and strided operands of the arithmetic that models are made of.
template <class T>
bool arithmetic_rows(BinaryOp op, const ElementIter& it, const Number& alpha) {
  using V = simd::Vec<T>;
  switch (op) {
    case BinaryOp::add:
      return run_rows<T>(it, [](V x, V y) { return x + y; });
    case BinaryOp::sub:
      return run_rows<T>(it, [](V x, V y) { return x - y; });
    case BinaryOp::mul:
      return run_rows<T>(it, [](V x, V y) { return x * y; });
    case BinaryOp::div:
      return run_rows<T>(it, [](V x, V y) { return x / y; });
    case BinaryOp::add_scaled: {
      const V scale = simd::set(alpha.as<T>());
      return run_rows<T>(it, [scale](V x, V y) { return x + scale * y; });
    }
    default:
      return false;
  }
}
bool rows_of_one_type(BinaryOp op, DType compute, const OperandTypes& types, const ElementIter& it,
                      const Number& alpha) {
  if (it.ndim < 2 || types.numbers) return false;
  for (int k = 0; k < 3; k++)
    if (types.t[k] != compute) return false;
  if (compute == DType::Float32) return arithmetic_rows<float>(op, it, alpha);
  return compute == DType::Float64 && arithmetic_rows<double>(op, it, alpha);
}

bool all_int32(const OperandTypes& types) {
  for (int k = 0; k < 3; k++)
    if (types.t[k] != DType::Int32 && !(types.numbers >> k & 1)) return false;
  return true;
}

bool all_bytes(const OperandTypes& types) {
  for (int k = 0; k < 3; k++)
    if (itemsize(types.t[k]) != 1 || types.t[k] != types.t[0] || types.numbers) return false;
  return true;
}

}  // namespace

void binary_forward(BinaryOp op, DType compute, OperandTypes types, const ElementIter& it,
                    Number alpha) {
  if (compute == DType::Int64 && all_bytes(types))
    if (Loop loop = byte_loop(op)) return run_loop(it, types, same_type(loop, types.t[0], &alpha));
#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (compute == DType::Int64 && all_int32(types)) {
    if (Loop loop = int32_loop(op)) {
      types.t[1] = types.t[2] = DType::Int32;  // of a number, the low half
      return run_loop(it, types, same_type(loop, DType::Int32, &alpha));
    }
  }
#endif
  if (op == BinaryOp::pow && types.numbers == 4 && power_of_number(compute, types, it)) return;
  if (rows_of_one_type(op, compute, types, it, alpha)) return;
  Loop loop = compute == DType::Float32   ? float_loop<float>(op)
              : compute == DType::Float64 ? float_loop<double>(op)
                                          : int_loop(op);
  run_loop(it, types, same_type(loop, compute, &alpha));
}

}  // namespace mt::cpu::MT_ISA
