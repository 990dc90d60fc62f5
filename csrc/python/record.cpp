// What ops and the engine do with nodes: record a call, fit a gradient to where it flows.
#include <cstring>

#include "ops/layout.h"
#include "python/node_type.h"

namespace mt {
namespace {

uint64_t next_sequence_nr = 1;
PyObject* grad_reducer = nullptr;  // minitorch.autograd's: (grad, shape, dtype) -> grad

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

// fit_grad(grad, target, nr): the gradient in the shape and dtype of the target (a node's output
// nr, or a leaf). Ops may return gradients of the broadcast shape; they are summed here.
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
    const OutputMeta* meta = output_meta(as_node(args[1]), nr);
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
               t->storage->refs.load() == 1 && !t->storage->deleter && is_dense(t) &&
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
    {"record", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(record)), METH_FASTCALL,
     nullptr},
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

void init_record(py::module_& m) {
  PyModule_AddFunctions(m.ptr(), functions);
  m.def("register_grad_reducer", [](py::object f) { grad_reducer = f.release().ptr(); });
}

}  // namespace mt
