"""In-place ops under autograd: the checks, and the new history of what was changed."""

from __future__ import annotations

from .._load import _C
from . import views
from .node import Node, record

_is_tensor = _C.TensorBase


class Overwritten(Node):
    """New content without a history: what was there before has the gradient zero."""

    __slots__ = ()

    def backward(self, dy):
        return _C.full(dy.shape, 0, dy.dtype, dy.device)


def check(tensor, op="in-place operation"):
    """Raises where autograd forbids changing the tensor in place.

    Raises:
        RuntimeError: a leaf that requires grad, a view of one, or an inference tensor outside of
            inference_mode.
    """
    if tensor._inference and not _C.is_inference_mode_enabled():
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed. You can make "
            "a clone to get a normal tensor before doing inplace update."
        )
    if not _C.is_grad_enabled():
        return
    if tensor.requires_grad and tensor.grad_fn is None:
        raise RuntimeError(
            f"{op}: a leaf Variable that requires grad is being used in an in-place operation."
        )
    base = tensor._base
    if base is not None and base.requires_grad and base.grad_fn is None:
        raise RuntimeError(
            f"{op}: a view of a leaf Variable that requires grad is being used in an in-place "
            "operation."
        )


def tracked(tensor, args=()):
    """Whether an in-place op on `tensor` with these arguments has to be recorded."""
    if not _C.is_grad_enabled():
        return False
    if tensor.requires_grad:
        return True
    for a in args:
        if isinstance(a, _is_tensor) and a.requires_grad:
            return True
    base = tensor._base
    return base is not None and base.requires_grad


def rebase(tensor, value):
    """`tensor` was overwritten with what `value` holds: it takes over value's history."""
    if not value.requires_grad and not tensor.requires_grad:
        return
    base = tensor._base
    if base is not None:
        views.overwrite(base, tensor, value)
        views.refresh(tensor)
        return
    if not value.requires_grad:
        record(Overwritten, tensor, (tensor,))
        return
    if value.grad_fn is None:
        value = value.view_as(value)  # a leaf: its history starts with a node
    _C.set_history(tensor, value.grad_fn, value.output_nr)


def assign(tensor, value, op="in-place operation"):
    """Writes `value` into `tensor` with autograd; returns the tensor."""
    check(tensor, op)
    if value.shape != tensor.shape:
        raise RuntimeError(
            f"{op}: output with shape {tuple(tensor.shape)} doesn't match the broadcast shape "
            f"{tuple(value.shape)}"
        )
    if value.dtype != tensor.dtype:
        if value.dtype.is_floating_point and not tensor.dtype.is_floating_point:
            raise RuntimeError(
                f"{op}: result type {value.dtype} can't be cast to the desired output type "
                f"{tensor.dtype}"
            )
        value = value.to(tensor.dtype)
    _C.copy_(tensor, value)
    rebase(tensor, value)
    return tensor


def make(op, kernel=None, name=None):
    """The in-place form of `op`.

    Args:
        op: the recorded out-of-place function, self first.
        kernel: writes into its first argument; without one the result of `op` is copied.
        name: name of the function; op's name with "_" by default.
    """
    name = name or op.__name__ + "_"

    def inplace(self, *args, **kwargs):
        if tracked(self, args) or (kwargs and tracked(self, kwargs.values())):
            check(self, name)
            # The op may save its input, which is about to be overwritten.
            return assign(self, op(self.clone(), *args, **kwargs), name)
        if self._inference:
            check(self, name)
        if kernel is None or kwargs:
            return assign(self, op(self, *args, **kwargs), name)
        kernel(self, *args)
        return self

    inplace.__name__ = inplace.__qualname__ = name
    inplace.__doc__ = f"In-place form of {op.__name__}."
    return inplace
