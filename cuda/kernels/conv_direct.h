// Convolutions of one or two channels per group (conv_is_direct), element by element.
#pragma once
#include "cuda/core/vec.h"
#include "ops/conv.h"

namespace mt::cuda {

// y from x, or (backward) dx from dy; float, double, float16, bfloat16.
template <class T>
void conv_direct(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias, T* y);
template <class T>
void conv_direct_weight(const ConvParams& p, const T* dy, const T* x, T* dw);

// conv_direct for depthwise convolutions with channels innermost, whole chunks of 16 bytes of them;
// false, with nothing done, for others. float, float16, bfloat16.
template <class T>
bool conv_depthwise_last(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias,
                         T* y);

}  // namespace mt::cuda
