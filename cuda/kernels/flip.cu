// y = x through strides of either sign: a copy between strided memories. One read and one write per
// element.
#include "ops/flip.h"

#include "core/dtype.h"
#include "ops/copy.h"

namespace mt::cuda {

void flip(int64_t itemsize, const ElementIter& it) {
  const DType bits = itemsize == 1   ? DType::UInt8
                     : itemsize == 2 ? DType::Int16
                     : itemsize == 4 ? DType::Int32
                                     : DType::Int64;
  copy(bits, bits, it);
}

}  // namespace mt::cuda
