// The node of the autograd graph: what an op keeps for its backward. The Python subclasses
// (minitorch/ops) add `backward`; this base holds edges, saved tensors and output shapes compactly,
// because one is made for every recorded op.
#include "python/node_type.h"

#include <cstring>

namespace mt {

PyTypeObject NodeBaseType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  auto* n = as_node(self);
  Py_VISIT(n->edges);
  Py_VISIT(n->saved);
  Py_VISIT(n->hooks);
  Py_VISIT(n->context);
  return 0;
}

int node_clear(PyObject* self) {
  auto* n = as_node(self);
  Py_CLEAR(n->edges);
  Py_CLEAR(n->saved);
  Py_CLEAR(n->hooks);
  Py_CLEAR(n->context);
  return 0;
}

void node_dealloc(PyObject* self) {
  auto* n = as_node(self);
  PyObject_GC_UnTrack(self);
  if (n->weakrefs) PyObject_ClearWeakRefs(self);
  node_clear(self);
  if (n->more_outputs) delete[] n->more_outputs;
  if (n->input_count > kInlineInputs) delete[] n->input_nrs.many;
  if (n->saved_count > kInlineSaved) delete[] n->versions.many;
  Py_TYPE(self)->tp_free(self);
}

PyObject* node_compare(PyObject* a, PyObject* b, int op) {
  bool nodes = PyObject_TypeCheck(a, &NodeBaseType) && PyObject_TypeCheck(b, &NodeBaseType);
  if (!nodes || (op != Py_LT && op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
  // Later nodes first: a heap of nodes pops them in an order in which every node comes after all
  // that used its output.
  if (op == Py_LT) return PyBool_FromLong(as_node(a)->sequence_nr > as_node(b)->sequence_nr);
  return PyBool_FromLong((a == b) == (op == Py_EQ));
}

bool raise_freed() {
  PyErr_SetString(
      PyExc_RuntimeError,
      "Trying to backward through the graph a second time (or directly access saved tensors "
      "after they have already been freed). Saved intermediate values of the graph are freed "
      "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
      "backward through the graph a second time or if you need to access saved tensors after "
      "calling backward.");
  return false;
}

bool check_saved(NodeObject* n) {
  if (n->released) return raise_freed();
  const uint32_t* versions = n->saved_count > kInlineSaved ? n->versions.many : n->versions.few;
  for (Py_ssize_t i = 0; i < n->saved_count; i++) {
    PyObject* item = PyTuple_GET_ITEM(n->saved, i);
    if (!is_tensor(item)) continue;
    uint32_t now = as_object(item)->tensor->storage->version;
    if (MT_LIKELY(now == versions[i])) continue;
    const Tensor& t = as_object(item)->tensor;
    PyErr_SetString(
        PyExc_RuntimeError,
        concat(
            "one of the variables needed for gradient computation has been modified by an inplace "
            "operation: [",
            dtype_name(t.dtype()), " tensor of shape ", t.sizes(), "], saved by ",
            Py_TYPE(n)->tp_name, ", is at version ", now, "; expected version ", versions[i],
            " instead. Hint: enable anomaly detection to find the operation that failed to compute "
            "its gradient, with minitorch.autograd.set_detect_anomaly(True).")
            .c_str());
    return false;
  }
  return true;
}

// A saved output is kept as an alias without history (its grad_fn is the node itself, which would
// be a cycle); under create_graph it gets that history back here.
PyObject* with_history(NodeObject* n) {
  PyObject* tuple = PyTuple_New(n->saved_count);
  for (Py_ssize_t i = 0; i < n->saved_count; i++) {
    PyObject* item = PyTuple_GET_ITEM(n->saved, i);
    if (i < 32 && (n->saved_outputs >> i & 1)) {
      Tensor t = alias(as_object(item)->tensor);
      t->requires_grad = true;
      item = wrap(std::move(t));
      as_object(item)->grad_fn = Py_NewRef(reinterpret_cast<PyObject*>(n));
      as_object(item)->output_nr = as_object(PyTuple_GET_ITEM(n->saved, i))->output_nr;
    } else {
      Py_INCREF(item);
    }
    PyTuple_SET_ITEM(tuple, i, item);
  }
  return tuple;
}

PyObject* get_saved(PyObject* self, void*) {
  auto* n = as_node(self);
  if (!check_saved(n)) return nullptr;
  if (n->saved_outputs && grad_mode.enabled) return with_history(n);
  return n->saved ? Py_NewRef(n->saved) : PyTuple_New(0);
}
PyObject* get_edges(PyObject* self, void*) {
  auto* n = as_node(self);
  return n->edges ? Py_NewRef(n->edges) : PyTuple_New(0);
}
PyObject* get_needs(PyObject* self, void*) {
  auto* n = as_node(self);
  PyObject* tuple = PyTuple_New(n->input_count);
  for (Py_ssize_t i = 0; i < n->input_count; i++)
    PyTuple_SET_ITEM(tuple, i, PyBool_FromLong(PyTuple_GET_ITEM(n->edges, i) != Py_None));
  return tuple;
}
PyObject* get_input_nrs(PyObject* self, void*) {
  auto* n = as_node(self);
  const uint32_t* nrs = n->input_count > kInlineInputs ? n->input_nrs.many : n->input_nrs.few;
  PyObject* tuple = PyTuple_New(n->input_count);
  for (Py_ssize_t i = 0; i < n->input_count; i++)
    PyTuple_SET_ITEM(tuple, i, PyLong_FromUnsignedLong(nrs[i]));
  return tuple;
}
PyObject* get_simple(PyObject* self, void*) {
  auto* n = as_node(self);
  return PyBool_FromLong(n->simple_edges && n->output_count == 1 && !n->hooks);
}
PyObject* get_output_count(PyObject* self, void*) {
  return PyLong_FromUnsignedLong(as_node(self)->output_count);
}
PyObject* get_sequence_nr(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(as_node(self)->sequence_nr);
}
PyObject* get_released(PyObject* self, void*) { return PyBool_FromLong(as_node(self)->released); }
PyObject* get_hooks(PyObject* self, void*) {
  auto* n = as_node(self);
  return Py_NewRef(n->hooks ? n->hooks : Py_None);
}
int set_hooks(PyObject* self, PyObject* value, void*) {
  Py_XSETREF(as_node(self)->hooks, value && value != Py_None ? Py_NewRef(value) : nullptr);
  return 0;
}
PyObject* get_context(PyObject* self, void*) {
  auto* n = as_node(self);
  return Py_NewRef(n->context ? n->context : Py_None);
}
int set_context(PyObject* self, PyObject* value, void*) {
  Py_XSETREF(as_node(self)->context, value && value != Py_None ? Py_NewRef(value) : nullptr);
  return 0;
}

PyGetSetDef getset[] = {
    {"saved", get_saved, nullptr, "The saved tensors, checked against in-place changes.", nullptr},
    {"edges", get_edges, nullptr, "Per input: its node, the leaf tensor itself, or None.", nullptr},
    {"input_nrs", get_input_nrs, nullptr, "Per input: which output of its node it is.", nullptr},
    {"needs_input_grad", get_needs, nullptr, "Per input: whether its gradient is wanted.", nullptr},
    {"simple", get_simple, nullptr, nullptr, nullptr},
    {"output_count", get_output_count, nullptr, nullptr, nullptr},
    {"sequence_nr", get_sequence_nr, nullptr, nullptr, nullptr},
    {"released", get_released, nullptr, nullptr, nullptr},
    {"hooks", get_hooks, set_hooks, nullptr, nullptr},
    {"context", get_context, set_context, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyObject* node_release(PyObject* self, PyObject*) {
  auto* n = as_node(self);
  n->released = true;
  Py_CLEAR(n->saved);
  Py_RETURN_NONE;
}

PyObject* node_output_meta(PyObject* self, PyObject* index) {
  const OutputMeta* meta = output_meta(as_node(self), uint32_t(PyLong_AsUnsignedLong(index)));
  if (PyErr_Occurred()) return nullptr;
  if (!meta)
    return PyErr_Format(PyExc_IndexError, "node has %u outputs", as_node(self)->output_count);
  PyObject* shape = make_size(meta->sizes, meta->ndim);
  PyObject* pair = PyTuple_Pack(2, shape, dtype_object(meta->dtype));
  Py_DECREF(shape);
  return pair;
}

PyObject* node_needs(PyObject* self, PyObject* index) {
  Py_ssize_t i = PyLong_AsSsize_t(index);
  auto* n = as_node(self);
  if (i < 0 || i >= n->input_count) return PyErr_Format(PyExc_IndexError, "no input %zd", i);
  return PyBool_FromLong(PyTuple_GET_ITEM(n->edges, i) != Py_None);
}

PyMethodDef methods[] = {
    {"release", node_release, METH_NOARGS, "Frees the saved tensors."},
    {"output_meta", node_output_meta, METH_O, "(shape, dtype) of an output."},
    {"needs", node_needs, METH_O, "Whether the gradient of input i is wanted."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void init_node_type(py::module_& m) {
  PyTypeObject& type = NodeBaseType;
  type.tp_name = "minitorch._C.NodeBase";
  type.tp_basicsize = sizeof(NodeObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  type.tp_dealloc = node_dealloc;
  type.tp_traverse = node_traverse;
  type.tp_clear = node_clear;
  type.tp_richcompare = node_compare;
  type.tp_hash = [](PyObject* self) -> Py_hash_t { return Py_hash_t(uintptr_t(self) >> 4); };
  type.tp_getset = getset;
  type.tp_methods = methods;
  type.tp_weaklistoffset = offsetof(NodeObject, weakrefs);
  if (PyType_Ready(&type) < 0) throw py::error_already_set();
  m.add_object("NodeBase", reinterpret_cast<PyObject*>(&type));
  init_record(m);
}

}  // namespace mt
