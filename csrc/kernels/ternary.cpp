// z = f(x, y, w), one loop per line of csrc/ops/ternary.h. Three reads and one write per element.
#include "ops/ternary.h"

#include "kernels/elementwise.h"
#include "kernels/ternary_math.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula)                               \
  case TernaryOp::name:                                            \
    return [](char* const* data, int64_t n, const void* params) {  \
      const T value = static_cast<const Number*>(params)->as<T>(); \
      map3<T>(data, n, [value](T x, T y, T w) -> T {               \
        (void)value;                                               \
        return formula;                                            \
      });                                                          \
    };

template <class T>
Loop float_loop(TernaryOp op) {
  switch (op) {
    MT_TERNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_TERNARY_FLOAT_OPS(MT_CASE_LOOP_)
  }
  return nullptr;
}

Loop int_loop(TernaryOp op) {
  using T = int64_t;
  switch (op) {
    MT_TERNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    default:
      return nullptr;
  }
}

// clamp between numbers: a loop of one operand.
template <class T>
void clamp_loop(char* const* data, int64_t n, const void* params) {
  const T lo = static_cast<const T*>(params)[0], hi = static_cast<const T*>(params)[1];
  map1<T, T>(data, n, [lo, hi](T x) -> T {
    T y = x < lo ? lo : x;
    return y > hi ? hi : y;
  });
}
template <class T>
bool clamp_numbers(const ElementIter& it, const OperandTypes& types, DType compute) {
  const T limits[2] = {*reinterpret_cast<const T*>(it.data[2]),
                       *reinterpret_cast<const T*>(it.data[3])};
  if (limits[0] != limits[0] || limits[1] != limits[1]) return false;
  ElementIter two = it;
  two.nargs = 2;
  run_loop(two, types, same_type(&clamp_loop<T>, compute, limits));
  return true;
}

template <class T>
void where_loop(char* const* data, int64_t n, const void*) {
  T* z = reinterpret_cast<T*>(data[0]);
  const uint8_t* c = reinterpret_cast<const uint8_t*>(data[1]);
  const T* x = reinterpret_cast<const T*>(data[2]);
  const T* y = reinterpret_cast<const T*>(data[3]);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    T a = x[i], b = y[i];
    z[i] = c[i] ? a : b;
  }
}

}  // namespace

void ternary_forward(TernaryOp op, DType compute, OperandTypes types, const ElementIter& it,
                     Number value) {
  if (op == TernaryOp::clamp && types.numbers == 0b1100) {
    const bool done = compute == DType::Float32   ? clamp_numbers<float>(it, types, compute)
                      : compute == DType::Float64 ? clamp_numbers<double>(it, types, compute)
                                                  : clamp_numbers<int64_t>(it, types, compute);
    if (done) return;
  }
  Loop loop = compute == DType::Float32   ? float_loop<float>(op)
              : compute == DType::Float64 ? float_loop<double>(op)
                                          : int_loop(op);
  run_loop(it, types, same_type(loop, compute, &value));
}

void where_forward(DType compute, OperandTypes types, const ElementIter& it) {
  // Values are only moved: one loop serves both types of a size.
  Loop loop = compute == DType::Float32 ? &where_loop<uint32_t> : &where_loop<uint64_t>;
  run_loop(it, types, {loop, nullptr, {compute, DType::Bool, compute, compute}});
}

}  // namespace mt::cpu::MT_ISA
