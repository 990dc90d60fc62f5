"""x[...], x[...] = value, index_put, take and put.

An index is taken apart in C++ (csrc/ops/index_parse.cpp) into a basic part, which gives a view, and
integer tensors for some dims of that view.
"""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ._register import METHODS, Node, function, method, op, record

_Tensor = _C.TensorBase
_getitem = _C.getitem


class GetItem(Node):
    """y = x[index] for ints, slices and None"""

    __slots__ = ("index", "shape")

    def backward(self, dy):
        return item_embed(dy, self.shape, self.index)


class ItemEmbed(Node):
    """y = zeros, with x at [index]"""

    __slots__ = ("index",)

    def backward(self, dy):
        return getitem(dy, self.index)


class SetItem(Node):
    """x with [index] overwritten by value"""

    __slots__ = ("index",)

    def backward(self, dy):
        d_value = getitem(dy, self.index) if self.needs(1) else None
        if not self.needs(0):
            return None, d_value
        d_old = dy.clone()
        setitem(d_old, self.index, 0)
        return d_old, d_value


class Index(Node):
    """y = x[indices]: one integer tensor or None per dim"""

    __slots__ = ("shape",)

    def backward(self, dy):
        zeros = _C.full(self.shape, 0, dy.dtype, dy.device)
        if not _C.is_grad_enabled():
            _C.index_put_(zeros, self.saved, dy, True)
            return zeros
        return index_put_(zeros, self.saved, dy, True)


class IndexPut(Node):
    """x with [indices] overwritten by values, or values added"""

    __slots__ = ("accumulate",)

    def backward(self, dy):
        indices = self.saved
        d_values = index(dy, indices) if self.needs(1) else None
        if self.accumulate or not self.needs(0):
            return dy, d_values
        return index_put_(dy.clone(), indices, dy.new_zeros(()), False), d_values


class Take(Node):
    """y = x.reshape(-1)[index]"""

    __slots__ = ("shape",)

    def backward(self, dy):
        return put_(_C.full(self.shape, 0, dy.dtype, dy.device), self.saved[0], dy, True)


class Put(Node):
    """x with elements overwritten, or added to, in row-major places"""

    __slots__ = ("accumulate",)

    def backward(self, dy):
        (places,) = self.saved
        d_source = take(dy, places) if self.needs(1) else None
        if self.accumulate or not self.needs(0):
            return dy, d_source
        return put_(dy.clone(), places, _C.full(places.shape, 0, dy.dtype, dy.device)), d_source


def getitem(self, index_):
    """The elements that an index chooses.

    Args:
        index_: ints, slices with a positive step, None, Ellipsis, integer or bool tensors, arrays and
            lists, alone or in a tuple. Without tensors the result is a view.

    Raises:
        IndexError: an index out of range, too many indices, or a mask of another shape.
        ValueError: a slice with a step below 1.
    """
    y = _getitem(self, index_)
    if y.__class__ is not tuple:
        return y
    y, basic, indices = y
    if y is None:
        y = self
    else:
        node = record(GetItem, y, (self,))
        node.index, node.shape = basic, self.shape
    return y if indices is None else index(y, indices)


def setitem(self, index_, value):
    """Overwrites the elements that an index chooses with value, broadcast and converted."""
    if _inplace.tracked(self, (value,)) and self.dtype.is_floating_point:
        _tracked_setitem(self, index_, value)
        return
    if self._inference:
        _inplace.check(self, "__setitem__")
    _C.setitem(self, index_, value)


METHODS["__getitem__"] = getitem
METHODS["__setitem__"] = setitem


def item_embed(input, shape, index_):
    """Zeros of the shape with input at [index_]; the gradient of a basic index."""
    y = _C.full(shape, 0, input.dtype, input.device)
    _C.setitem(y, index_, input.detach() if input.requires_grad else input)
    if input.requires_grad and _C.is_grad_enabled():
        record(ItemEmbed, y, (input,)).index = index_
    return y


def _tracked_setitem(self, index_, value):
    _inplace.check(self, "__setitem__")
    if not isinstance(value, _Tensor):
        value = _as_tensor(value, self)
    basic, indices = _C.parse_index(self, index_)
    if indices is None:
        if _C.is_item(self, basic, value):
            return  # x[i] += y has changed x already
        if self._base is not None:
            view = getitem(self, basic)
            METHODS["copy_"](view, _fit(value, view.dim()))
            return
        plain = value.detach()
        _C.setitem(self, basic, plain)
        if value.dim() > self.dim():
            value = _fit(value, _getitem(self.detach(), basic).dim())
        record(SetItem, self, (self, value)).index = basic
        return
    view = self if basic is None else getitem(self, basic)
    if value.dtype is not self.dtype:
        value = value.to(self.dtype)
    index_put_(view, indices, value)


def _as_tensor(value, like):
    if isinstance(value, (bool, int, float)):
        return _C.full((), value, like.dtype, like.device)
    from .from_data import as_tensor

    return as_tensor(value)


def _fit(value, ndim):
    """value without leading dims of size 1 beyond ndim."""
    while value.dim() > ndim and value.shape[0] == 1:
        value = value.select(0, 0)
    return value


def index(input, indices):
    """input[indices] with one int64 tensor or None per dim."""
    y = _C.index(input, indices)
    if y.requires_grad:
        record(Index, y, (input,), tuple(indices)).shape = input.shape
    return y


@method
def index_put_(self, indices, values, accumulate=False):
    """Writes values, broadcast, to self[indices]; adds them where accumulate.

    Args:
        indices: tuple of integer or bool tensors (or None), one per dim.

    Raises:
        IndexError: an index out of range.
        RuntimeError: values of another dtype, or of a shape that does not broadcast.
    """
    if not isinstance(values, _Tensor):
        values = _C.full((), values, self.dtype, self.device)
    if not _inplace.tracked(self, (values,)) or not self.dtype.is_floating_point:
        if self._inference:
            _inplace.check(self, "index_put_")
        _C.index_put_(self, tuple(indices), values, accumulate)
        return self
    _inplace.check(self, "index_put_")
    indices = tuple(indices)
    if self._base is not None:
        return _inplace.assign(
            self, index_put(self.clone(), indices, values, accumulate), "index_put_"
        )
    _C.index_put_(self, indices, values.detach(), accumulate)
    record(IndexPut, self, (self, values), indices).accumulate = accumulate
    return self


@op
def index_put(input, indices, values, accumulate=False):
    """Out-of-place form of index_put_."""
    return index_put_(input.clone(), indices, values, accumulate)


@op(out=True)
def take(input, index):
    """Elements in row-major places.

    Args:
        index: integer tensor of any shape; negative places count from the end.

    Returns:
        A tensor of the shape of index.
    """
    y = _C.take(input, index)
    if y.requires_grad:
        record(Take, y, (input,), (index,)).shape = input.shape
    return y


@method
def put_(self, index, source, accumulate=False):
    """Writes the elements of source to the row-major places of index; adds them where accumulate."""
    if not _inplace.tracked(self, (source,)) or not self.dtype.is_floating_point:
        if self._inference:
            _inplace.check(self, "put_")
        _C.put_(self, index, source, accumulate)
        return self
    _inplace.check(self, "put_")
    if self._base is not None:
        return _inplace.assign(self, put_(self.clone(), index, source, accumulate), "put_")
    _C.put_(self, index, source.detach(), accumulate)
    if source.shape != index.shape:
        source = source.reshape(index.shape)
    record(Put, self, (self, source), (index,)).accumulate = accumulate
    return self


@op
def put(input, index, source, accumulate=False):
    """Out-of-place form of put_."""
    return put_(input.clone(), index, source, accumulate)


@function
def unravel_index(indices, shape):
    """The coordinates of row-major places in a tensor of the shape.

    Returns:
        A tuple with one tensor per dim.
    """
    if (
        not isinstance(indices, _Tensor)
        or indices.dtype.is_floating_point
        or indices.dtype is _C.bool
    ):
        raise ValueError("unravel_index(): expected 'indices' to be an integer tensor")
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"unravel_index(): 'shape' cannot have negative values, but got {shape}")
    total = 1
    for n in shape:
        total *= n
    coordinates = []
    indices = indices.to(_C.int64)
    rest = indices % total if total else indices
    for n in reversed(shape):
        coordinates.append(rest % n)
        rest = rest // n
    return tuple(reversed(coordinates))
