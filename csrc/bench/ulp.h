// Errors of the float32 functions against the C library in double precision.
#pragma once
#include "core/macros.h"

namespace mt {

struct UlpError {
  double error = 0;   // |result - exact| in units of the last place of the rounded exact value
  uint32_t bits = 0;  // the argument, where the error is largest
};

// Over `count` arguments whose bit patterns are first, first + stride ... (mod 2^32). `name` is one
// of exp expm1 log log1p tanh erf sin cos sigmoid sqrt rsqrt.
UlpError max_ulp_error(const char* name, uint32_t first, uint32_t stride, int64_t count);

}  // namespace mt
