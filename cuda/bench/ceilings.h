// The roofs that results are held against, measured on the device at hand.
#pragma once
#include "cuda/bench/timer.h"

namespace mt::cuda::bench {

struct Ceilings {
  double copy;        // bytes read plus bytes written per second
  double read;        // bytes read per second
  double fp32;        // flops of float32 multiply-adds, from registers
  double tf32, half;  // flops of mma.sync from registers, of wgmma where it is faster
};

// `bytes` of memory are copied; `rounds` sets the length of the loops over registers.
Ceilings measure_ceilings(int64_t bytes, int rounds, const Plan& plan);

}  // namespace mt::cuda::bench
