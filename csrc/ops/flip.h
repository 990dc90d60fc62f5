// Copies that run backwards through the source.
#pragma once
#include "core/isa.h"
#include "core/iter.h"

// operands {y, x} of one dtype; strides may be negative
MT_KERNEL(flip, void(int64_t itemsize, const ElementIter& it))
