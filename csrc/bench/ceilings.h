// The roofs that results are compared with, measured on the machine at hand.
#pragma once
#include "core/macros.h"

namespace mt {

enum Level : int { kL1, kL2, kL3, kMemory, kLevels };
const char* level_name(int level);

struct Ceilings {
  int threads;
  double flops;                  // float32 multiply-adds per second times two
  double copy[kLevels];          // bytes read plus bytes written per second
  double read[kLevels];          // bytes read per second
  int64_t working_set[kLevels];  // bytes of all threads together, as measured
};

// Takes about half a second. Sets the number of threads for the time of the call.
Ceilings measure_ceilings(int threads);

// The level in which `bytes`, touched again and again by that many threads, stay.
int level_of(double bytes, int threads);

// The least time that the roofs allow, in seconds.
double floor_seconds(const Ceilings& c, double flops, double bytes, bool only_reads);

}  // namespace mt
