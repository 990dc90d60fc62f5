// A result that only a backward reads (statistics of a normalisation, log-sums, counts): it never
// requires grad, whatever the arguments do.
#pragma once
#include "core/tensor.h"
#include "python/convert.h"

namespace mt {

template <class T>
struct Hidden {
  T value;
};
template <class T>
PyObject* to_python(const Hidden<T>& h) {
  return to_python(T(h.value));
}
template <class T>
void mark(const Hidden<T>&) {}

}  // namespace mt
