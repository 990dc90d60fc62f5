// Operands of the tensor-core convolutions brought into the layout that their loads want.
#pragma once
#include "cuda/kernels/conv_mma.h"

namespace mt::cuda {

// Images [batch, groups * cg, positions] or (last) [batch, positions, groups * cg] of elements of
// `size` bytes, as [batch, positions, groups, padded] with zeros behind the channels of a group.
void conv_pack_images(int64_t size, const void* src, bool last, int64_t batch, int64_t groups,
                      int64_t cg, int64_t positions, int64_t padded, void* dst);

// Weights [classes, groups, m, row] in the order of K (tap, channel padded to `padded`), the table
// of taps, one per 16 bytes of K, and how much of K each class uses. `pixel`: elements from one
// gathered position to the next.
void conv_pack_weights(int64_t size, const ClassRule& rule, const void* w, int padded, int row,
                       int taps_row, int pixel, void* weights, Tap* taps, int* depth);

// The taps of x that the columns (tap, channel) of the weight's gradient gather.
void conv_pack_taps(int64_t size, const ClassRule& rule, int padded, int pixel, Tap* taps);

// dw[o][c][t] from the parts of p, added in order; cg channels of x per group, of p.n / taps.
template <class T>
void conv_finish_weight(const ConvWeightParams& p, int64_t cg, int64_t taps, T* dw);

}  // namespace mt::cuda
