// z = f(x, y), one loop per line of csrc/ops/binary.h. Two reads and one write per element.
#include "ops/binary.h"

#include "kernels/binary_math.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_WITH_(map, name, formula)                                             \
  case BinaryOp::name:                                                                \
    return [](char* const* data, int64_t n, [[maybe_unused]] const void* params) {    \
      [[maybe_unused]] const T alpha = static_cast<const Number*>(params)->as<T>();   \
      map<T, T>(data, n, [alpha](T x, T y) -> T {                                     \
        (void)alpha;                                                                  \
        return formula;                                                               \
      });                                                                             \
    };
#define MT_CASE_LOOP_(name, formula) MT_CASE_WITH_(map2, name, formula)
#define MT_CASE_PLAIN_(name, formula) MT_CASE_WITH_(plain2, name, formula)

template <class T> Loop float_loop(BinaryOp op) {
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_BINARY_NUMERIC_PLAIN_OPS(MT_CASE_PLAIN_)
    MT_BINARY_FLOAT_OPS(MT_CASE_LOOP_)
    MT_BINARY_FLOAT_PLAIN_OPS(MT_CASE_PLAIN_)
    default: return nullptr;
  }
}

Loop int_loop(BinaryOp op) {
  using T = int64_t;
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_BINARY_NUMERIC_PLAIN_OPS(MT_CASE_PLAIN_)
    MT_BINARY_BIT_OPS(MT_CASE_LOOP_)
    MT_BINARY_INT_OPS(MT_CASE_PLAIN_)
    default: return nullptr;
  }
}

// Bits of one-byte operands without the detour through int64.
Loop byte_loop(BinaryOp op) {
  using T = uint8_t;
  switch (op) {
    MT_BINARY_BIT_OPS(MT_CASE_LOOP_)
    default: return nullptr;
  }
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
  Loop loop = compute == DType::Float32   ? float_loop<float>(op)
              : compute == DType::Float64 ? float_loop<double>(op)
                                          : int_loop(op);
  run_loop(it, types, same_type(loop, compute, &alpha));
}

}  // namespace mt::cpu::MT_ISA
