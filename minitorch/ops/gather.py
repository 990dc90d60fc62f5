"""Indices along one dim: whole slices (index_select, index_add ...) or per element (gather ...)."""

from __future__ import annotations

from .._load import _C
from ._register import METHODS, Node, op, record

_Tensor = _C.TensorBase


class IndexSelect(Node):
    """y = x[:, index]"""

    __slots__ = ("dim", "shape")

    def backward(self, dy):
        zeros = _C.full(self.shape, 0, dy.dtype, dy.device)
        (index,) = self.saved
        if not _C.is_grad_enabled():
            _C.index_write_(zeros, self.dim, index, dy, "add", "index_add")
            return zeros
        return index_add(zeros, self.dim, index, dy)


class IndexAdd(Node):
    """y = x; y[:, index] += source"""

    __slots__ = ("dim", "shape")

    def backward(self, dy):
        if not self.needs(1):
            return dy, None
        return dy, index_select(dy, self.dim, self.saved[0]).reshape(self.shape)


class IndexCopy(Node):
    """y = x; y[:, index] = source"""

    __slots__ = ("dim", "shape")

    def backward(self, dy):
        (index,) = self.saved
        dx = index_fill(dy, self.dim, index, 0) if self.needs(0) else None
        if not self.needs(1):
            return dx, None
        return dx, index_select(dy, self.dim, index).reshape(self.shape)


class IndexFill(Node):
    """y = x; y[:, index] = value"""

    __slots__ = ("dim",)

    def backward(self, dy):
        (index,) = self.saved
        dx = index_fill(dy, self.dim, index, 0) if self.needs(0) else None
        if not self.needs(1):
            return dx, None
        # Each chosen slice counts once, however often its index occurs.
        chosen = index_fill(_C.full(dy.shape, 0, dy.dtype, dy.device), self.dim, index, 1)
        return dx, (dy * chosen).sum()


class Gather(Node):
    """y[i][j] = x[index[i][j]][j]"""

    __slots__ = ("dim", "shape")

    def backward(self, dy):
        (index,) = self.saved
        if not _C.is_grad_enabled():
            return _C.gather_backward(dy, self.shape, self.dim, index)
        from .scatter import scatter_add

        return scatter_add(_C.full(self.shape, 0, dy.dtype, dy.device), self.dim, index, dy)


@op(out=True)
def index_select(input, dim, index):
    """The slices of a dim that the vector `index` names, in its order.

    Raises:
        IndexError: an index outside of [0, size).
    """
    y = _C.index_select(input, dim, index)
    if y.requires_grad:
        node = record(IndexSelect, y, (input,), (index,))
        node.dim, node.shape = dim, input.shape
    return y


def _written(input, dim, index, source, mode, name):
    y = _C.clone(input.detach(), False)
    _C.index_write_(y, dim, index, source.detach(), mode, name)
    return y


def _needs(*tensors):
    return _C.is_grad_enabled() and any(t.requires_grad for t in tensors if isinstance(t, _Tensor))


@op(out=True)
def index_add(input, dim, index, source, *, alpha=1):
    """input with alpha * source added to the slices that the vector `index` names."""
    if alpha != 1:
        source = (source * alpha).to(source.dtype)
    y = _written(input, dim, index, source, "add", "index_add")
    if _needs(input, source):
        node = record(IndexAdd, y, (input, source), (index,))
        node.dim, node.shape = dim, source.shape
    return y


@op(out=True)
def index_copy(input, dim, index, source):
    """input with the slices that the vector `index` names replaced by those of source."""
    y = _written(input, dim, index, source, "set", "index_copy")
    if _needs(input, source):
        node = record(IndexCopy, y, (input, source), (index,))
        node.dim, node.shape = dim, source.shape
    return y


@op
def index_fill(input, dim, index, value):
    """input with the slices that the vector `index` names set to a number or a 0-dim tensor."""
    y = _C.clone(input.detach(), False)
    _C.index_fill_(y, dim, index, value)
    if _needs(input, value):
        record(IndexFill, y, (input, value), (index,)).dim = dim
    return y


@op(out=True)
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """input with source combined into the slices that the vector `index` names.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the old values of those slices take part.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    from .scatter import scatter_reduce

    d = dim % (input.dim() or 1)
    shape = [1] * max(source.dim(), 1)
    shape[d] = -1
    index = index.reshape(shape).expand(source.shape) if source.dim() else index.reshape(())
    return scatter_reduce(input, dim, index, source, reduce, include_self=include_self)


@op(out=True)
def gather(input, dim, index, *, sparse_grad=False):
    """Per element of index, the element of input at that place of `dim`.

    Args:
        index: integer tensor with as many dims as input, no larger apart from `dim`.

    Returns:
        A tensor of the shape of index.

    Raises:
        IndexError: an index outside of [0, size).
    """
    y = _C.gather(input, dim, index)
    if y.requires_grad:
        node = record(Gather, y, (input,), (index,))
        node.dim, node.shape = dim, input.shape
    return y


@op(out=True)
def take_along_dim(input, indices, dim=None):
    """gather with broadcasting and negative places; without dim, of the flattened input."""
    if dim is None:
        input, indices, dim = input.reshape(-1), indices.reshape(-1), 0
    if indices.dtype is not _C.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}"
        )
    if input.dim() != indices.dim():
        raise RuntimeError(
            f"take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.dim()} dimensions for input, and {indices.dim()} dimensions for indices"
        )
    from .view import broadcast_shapes, wrap_dim

    d = wrap_dim(dim, input.dim())
    a, b = list(input.shape), list(indices.shape)
    if a:
        a[d] = b[d] = 1
    common = list(broadcast_shapes(tuple(a), tuple(b)))
    if a:
        a, b = common.copy(), common.copy()
        a[d], b[d] = input.shape[d], indices.shape[d]
        input, indices = input.expand(a), indices.expand(b)
    n = input.shape[d] if a else 1
    return gather(input, d, indices + (indices < 0).to(_C.int64) * n)


def _in_place(name, out_of_place, kernel):
    """self.name(dim, index, ...), with the kernel on self where nothing has to be recorded."""
    from ..autograd import inplace as rules

    def f(self, dim, index, *args, **kwargs):
        tracked = rules.tracked(self, (*args, *kwargs.values()))
        if tracked or self._inference:
            rules.check(self, name)
        if not tracked and kernel is not None and kernel(self, dim, index, *args, **kwargs):
            return self
        return rules.assign(self, out_of_place(self, dim, index, *args, **kwargs), name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"In-place form of {name[:-1]}."
    METHODS[name] = f


def _index_add_kernel(self, dim, index, source, alpha=1):
    if alpha != 1:
        return False
    _C.index_write_(self, dim, index, source, "add", "index_add_")
    return True


def _index_copy_kernel(self, dim, index, source):
    _C.index_write_(self, dim, index, source, "set", "index_copy_")
    return True


def _index_fill_kernel(self, dim, index, value):
    _C.index_fill_(self, dim, index, value)
    return True


_in_place("index_add_", index_add, _index_add_kernel)
_in_place("index_copy_", index_copy, _index_copy_kernel)
_in_place("index_fill_", index_fill, _index_fill_kernel)
_in_place("index_reduce_", index_reduce, None)
