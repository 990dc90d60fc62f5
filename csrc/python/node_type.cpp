// The node of the autograd graph: what an op keeps for its backward. The Python subclasses
// (minitorch/ops) add `backward`; this base holds edges, saved tensors and output shapes compactly,
// because one is made for every recorded op.
#include "python/node_type.h"

#include <cstring>

namespace mt {

PyTypeObject NodeBaseType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

uint64_t next_sequence_nr = 1;
PyObject* grad_reducer = nullptr;  // minitorch.autograd's: (grad, shape, dtype) -> grad

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
  PyErr_SetString(PyExc_RuntimeError,
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
        concat("one of the variables needed for gradient computation has been modified by an inplace "
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

const OutputMeta* meta_of(NodeObject* n, uint32_t nr) {
  return nr == 0 ? &n->output : nr < n->output_count ? &n->more_outputs[nr - 1] : nullptr;
}

PyObject* node_output_meta(PyObject* self, PyObject* index) {
  const OutputMeta* meta = meta_of(as_node(self), uint32_t(PyLong_AsUnsignedLong(index)));
  if (PyErr_Occurred()) return nullptr;
  if (!meta) return PyErr_Format(PyExc_IndexError, "node has %u outputs", as_node(self)->output_count);
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

void fill_meta(OutputMeta* meta, const Tensor& t) {
  meta->dtype = t.dtype();
  meta->ndim = uint8_t(t.dim());
  for (int i = 0; i < t.dim(); i++) meta->sizes[i] = t->sizes[i];
}

// The node that a gradient of `o` flows to, the leaf itself, or None. New reference.
PyObject* edge_of(PyObject* o, uint32_t* nr) {
  *nr = 0;
  if (!is_tensor(o)) return Py_NewRef(Py_None);
  auto* t = as_object(o);
  if (MT_UNLIKELY(is_stale_view(t))) refresh_view(t);
  if (t->grad_fn) {
    *nr = t->output_nr;
    return Py_NewRef(t->grad_fn);
  }
  return Py_NewRef(t->tensor.requires_grad() ? o : Py_None);
}

void attach(PyObject* out, PyObject* node, uint32_t nr) {
  auto* t = as_object(out);
  Py_XSETREF(t->grad_fn, Py_NewRef(node));
  t->output_nr = nr;
  t->tensor->requires_grad = true;
  t->view_version = t->tensor->storage->version;
}

// record(cls, out, inputs, saved=()): makes the node of an op. `out` is a tensor or a tuple of
// tensors, `inputs` a tuple in the order in which backward returns gradients.
PyObject* record_impl(PyObject* const* args, Py_ssize_t count) {
  if (count < 3 || count > 4 || !PyType_Check(args[0]) || !PyTuple_Check(args[2]) ||
      (count == 4 && !PyTuple_Check(args[3])))
    fail(ErrorKind::Type, "record(cls, out, inputs, saved=()): inputs and saved must be tuples");
  auto* cls = reinterpret_cast<PyTypeObject*>(args[0]);
  PyObject *out = args[1], *inputs = args[2];
  PyObject* node = cls->tp_alloc(cls, 0);
  if (!node) throw py::error_already_set();
  py::object guard = py::reinterpret_steal<py::object>(node);
  auto* n = as_node(node);
  n->sequence_nr = next_sequence_nr++;

  Py_ssize_t input_count = PyTuple_GET_SIZE(inputs);
  n->edges = PyTuple_New(input_count);
  n->input_count = input_count;
  uint32_t* nrs = n->input_nrs.few;
  if (input_count > kInlineInputs) nrs = n->input_nrs.many = new uint32_t[size_t(input_count)]();
  n->simple_edges = true;
  for (Py_ssize_t i = 0; i < input_count; i++) {
    PyTuple_SET_ITEM(n->edges, i, edge_of(PyTuple_GET_ITEM(inputs, i), &nrs[i]));
    n->simple_edges = n->simple_edges && nrs[i] == 0;
  }

  if (count == 4 && PyTuple_GET_SIZE(args[3])) {
    PyObject* saved = args[3];
    Py_ssize_t saved_count = PyTuple_GET_SIZE(saved);
    uint32_t* versions = n->versions.few;
    if (saved_count > kInlineSaved) versions = n->versions.many = new uint32_t[size_t(saved_count)];
    n->saved_count = saved_count;
    bool tuple_out = PyTuple_Check(out);
    PyObject* copy = nullptr;  // made once an output is among the saved tensors
    for (Py_ssize_t i = 0; i < saved_count; i++) {
      PyObject* item = PyTuple_GET_ITEM(saved, i);
      if (!is_tensor(item)) continue;
      versions[i] = as_object(item)->tensor->storage->version;
      int64_t output = item == out ? 0 : -1;
      if (tuple_out)
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(out); k++)
          if (item == PyTuple_GET_ITEM(out, k)) output = k;
      if (output < 0) continue;
      if (!copy) {
        copy = PyTuple_New(saved_count);
        for (Py_ssize_t k = 0; k < saved_count; k++)
          PyTuple_SET_ITEM(copy, k, Py_NewRef(PyTuple_GET_ITEM(saved, k)));
      }
      PyObject* plain = wrap(alias(as_object(item)->tensor));
      as_object(plain)->output_nr = uint32_t(output);
      n->saved_outputs |= uint32_t(is_floating(as_object(item)->tensor.dtype())) << (i & 31);
      PyTuple_SetItem(copy, i, plain);
    }
    n->saved = copy ? copy : Py_NewRef(saved);
  }

  if (MT_LIKELY(is_tensor(out))) {
    n->output_count = 1;
    fill_meta(&n->output, as_object(out)->tensor);
    attach(out, node, 0);
  } else {
    if (!PyTuple_Check(out)) fail(ErrorKind::Type, "record(): out must be a Tensor or a tuple");
    Py_ssize_t outputs = PyTuple_GET_SIZE(out);
    n->output_count = uint32_t(outputs);
    if (outputs > 1) n->more_outputs = new OutputMeta[size_t(outputs - 1)];
    for (Py_ssize_t k = 0; k < outputs; k++) {
      PyObject* item = PyTuple_GET_ITEM(out, k);
      if (!is_tensor(item)) fail(ErrorKind::Type, "record(): out must hold Tensors");
      const Tensor& t = as_object(item)->tensor;
      fill_meta(k ? &n->more_outputs[k - 1] : &n->output, t);
      if (is_floating(t.dtype())) attach(item, node, uint32_t(k));
    }
  }
  return guard.release().ptr();
}

PyObject* record(PyObject*, PyObject* const* args, Py_ssize_t count) {
  try {
    return record_impl(args, count);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// fit_grad(grad, target, nr): the gradient in the shape and dtype of the target (a node's output nr,
// or a leaf). Ops may return gradients of the broadcast shape; they are summed here.
PyObject* fit_grad(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3 || !is_tensor(args[0])) {
    PyErr_Format(PyExc_TypeError, "a backward must return Tensors or None, got %s",
                 count ? Py_TYPE(args[0])->tp_name : "nothing");
    return nullptr;
  }
  const Tensor& g = as_object(args[0])->tensor;
  DType dtype;
  int ndim;
  const int64_t* sizes;
  if (is_tensor(args[1])) {
    const Tensor& leaf = as_object(args[1])->tensor;
    dtype = leaf.dtype(), ndim = leaf.dim(), sizes = leaf->sizes;
  } else {
    uint32_t nr = uint32_t(PyLong_AsUnsignedLong(args[2]));
    const OutputMeta* meta = meta_of(as_node(args[1]), nr);
    if (!meta) return PyErr_Format(PyExc_IndexError, "fit_grad(): no output %u", nr);
    dtype = meta->dtype, ndim = meta->ndim, sizes = meta->sizes;
  }
  bool same = g.dtype() == dtype && g.dim() == ndim &&
              std::memcmp(g->sizes, sizes, size_t(ndim) * sizeof(int64_t)) == 0;
  if (MT_LIKELY(same)) return Py_NewRef(args[0]);
  PyObject* shape = make_size(sizes, ndim);
  PyObject* result =
      PyObject_CallFunctionObjArgs(grad_reducer, args[0], shape, dtype_object(dtype), nullptr);
  Py_DECREF(shape);
  return result;
}

// owns_memory(tensor, references): true where the caller, who holds that many references, is the
// only one who can see the tensor's memory, so that it may be taken over or changed in place.
PyObject* owns_memory(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 2 || !is_tensor(args[0])) return Py_NewRef(Py_False);
  const Tensor& t = as_object(args[0])->tensor;
  bool alone = Py_REFCNT(args[0]) <= PyLong_AsLong(args[1]) && t->refs.load() == 1 &&
               t->storage->refs.load() == 1 && !t->storage->deleter && t.is_contiguous() &&
               Py_TYPE(args[0]) == tensor_class && !as_object(args[0])->grad_fn;
  return PyBool_FromLong(alone);
}

PyObject* references(PyObject*, PyObject* o) { return PyLong_FromSsize_t(Py_REFCNT(o)); }

// set_history(tensor, node, nr): the tensor was changed in place; node made what it now holds.
PyObject* set_history(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 3 || !is_tensor(args[0])) {
    PyErr_SetString(PyExc_TypeError, "set_history(tensor, node, nr)");
    return nullptr;
  }
  attach(args[0], args[1], uint32_t(PyLong_AsUnsignedLong(args[2])));
  Py_RETURN_NONE;
}

PyObject* edge(PyObject*, PyObject* tensor) {
  try {
    uint32_t nr;
    PyObject* e = edge_of(tensor, &nr);
    PyObject* number = PyLong_FromUnsignedLong(nr);
    PyObject* pair = PyTuple_Pack(2, e, number);
    Py_DECREF(e);
    Py_DECREF(number);
    return pair;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyMethodDef functions[] = {
    {"record", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(record)), METH_FASTCALL, nullptr},
    {"fit_grad", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(fit_grad)), METH_FASTCALL,
     nullptr},
    {"owns_memory", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(owns_memory)),
     METH_FASTCALL, nullptr},
    {"set_history", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(set_history)),
     METH_FASTCALL, nullptr},
    {"references", references, METH_O, nullptr},
    {"edge", edge, METH_O, nullptr},
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
  PyModule_AddFunctions(m.ptr(), functions);
  m.def("register_grad_reducer", [](py::object f) { grad_reducer = f.release().ptr(); });
}

}  // namespace mt
