// What stands between the brackets of x[...], taken apart.
#pragma once
#include "python/convert.h"

namespace mt {

struct ParsedIndex {
  // The basic part (ints, slices, None, Ellipsis) as geometry over x's memory.
  Dims sizes, strides;
  int64_t offset = 0;
  // The advanced part: per dim of that view an int64 index, or nothing.
  bool advanced = false;
  Tensor index[kMaxDims + 1];
  // Whether the basic part is x itself.
  bool whole = true;

  Tensor view(const Tensor& x) const { return as_strided(x, sizes, strides, offset); }
};

void parse_index(const Tensor& x, PyObject* index, ParsedIndex& out);

// The basic part again as an index that later calls may apply: ints, slices and None only; what is
// advanced has become a full slice.
py::object basic_part(const Tensor& x, PyObject* index);

// One bool mask of x's own shape: the commonest advanced index.
const Tensor* full_mask(const Tensor& x, PyObject* index);

// A number, nested list, array or tensor as a tensor (through minitorch.as_tensor).
Tensor tensor_from_object(PyObject* o);

}  // namespace mt
