// What elementwise kernels of all families take beside an ElementIter.
//
// Values are computed in one of three types: Float32 (also for the 16-bit floats), Float64 and
// Int64 (all integers and bool; results wrap when they are stored in a smaller type). Each operand
// has the dtype it has in memory; the kernel converts on the way in and out.
#pragma once
#include "core/dtype.h"
#include "core/iter.h"

namespace mt {

constexpr DType compute_dtype(DType t) {
  return t == DType::Float64 ? DType::Float64 : is_floating(t) ? DType::Float32 : DType::Int64;
}

// A Python number: exact as an integer and as a float.
struct Number {
  double d = 0;
  int64_t i = 0;
  template <class T>
  MT_HD T as() const {
    if constexpr (__is_same(T, float) || __is_same(T, double)) return T(d);
    else return T(i);
  }
};

// The dtypes of an iterator's operands in memory.
struct OperandTypes {
  DType t[kMaxOperands] = {};
  // Bit k: operand k is a number; its data points to one host value of the compute type, its
  // strides are 0.
  uint8_t numbers = 0;
};

}  // namespace mt
