// Indices repeated.
#pragma once
#include "core/isa.h"

// y[total] = i for the places from starts[i] to starts[i + 1], i < n.
MT_KERNEL(repeat_places, void(const int64_t* starts, int64_t n, int64_t total, int64_t* y))
