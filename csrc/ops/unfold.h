// Sliding blocks of an image as columns, and their sum back.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "ops/conv.h"

// columns[b, (c, t), q] = x[b, c, q*stride + t*dilation - padding], zero outside; of params c,
// batch and the geometry are used. float32, float64.
MT_KERNEL(unfold_forward, void(DType dtype, const ConvParams& params, const void* x, void* columns))
// x[b, c, i] = sum of the columns' elements that lie at i.
MT_KERNEL(fold_forward, void(DType dtype, const ConvParams& params, const void* columns, void* x))
