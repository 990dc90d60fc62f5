#pragma once
#include <cstddef>

#include "python/tensor_type.h"

namespace mt {

constexpr int kInlineInputs = 6;
constexpr int kInlineSaved = 6;

// What a gradient for an output must look like.
struct OutputMeta {
  DType dtype;
  uint8_t ndim;
  int64_t sizes[kMaxDims];
};

struct NodeObject {
  PyObject_HEAD PyObject* edges;  // tuple, per input: Node, leaf Tensor or None
  PyObject* saved;                // tuple or null
  PyObject* hooks;                // see minitorch/autograd/hooks.py
  PyObject* context;              // anomaly mode: the forward call's traceback
  PyObject* weakrefs;
  uint64_t sequence_nr;
  Py_ssize_t input_count, saved_count;
  union {
    uint32_t few[kInlineInputs];
    uint32_t* many;
  } input_nrs;
  union {
    uint32_t few[kInlineSaved];
    uint32_t* many;
  } versions;
  uint32_t saved_outputs;  // bit i: saved[i] is an output of this node
  uint32_t output_count;
  bool released, simple_edges;
  OutputMeta* more_outputs;  // of outputs 1, 2 ...
  OutputMeta output;
};

extern PyTypeObject NodeBaseType;
void init_record(py::module_& m);

inline const OutputMeta* output_meta(NodeObject* n, uint32_t nr) {
  return nr == 0 ? &n->output : nr < n->output_count ? &n->more_outputs[nr - 1] : nullptr;
}
inline NodeObject* as_node(PyObject* o) { return reinterpret_cast<NodeObject*>(o); }

}  // namespace mt
