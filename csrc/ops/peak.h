// What the machine can do at most: arithmetic without memory, and memory without arithmetic.
#pragma once
#include "core/isa.h"

namespace mt {

// copy: ordinary stores; stream: stores that go past the caches; read: a sum.
enum class StreamKind : int { copy, stream, read };

}  // namespace mt

// `rounds` of multiply-adds on registers; adds what they are worth in flops to *flops.
MT_KERNEL_CPU_ONLY(peak_fma, float(int64_t rounds, double* flops))
// The same n floats (a multiple of 128) `repeats` times over.
MT_KERNEL_CPU_ONLY(peak_stream,
                   float(mt::StreamKind kind, const float* x, float* y, int64_t n, int64_t repeats))
