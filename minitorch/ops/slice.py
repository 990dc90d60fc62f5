"""Views of a part: select, slice, narrow, diagonal, strided windows. The gradient is zeros around it."""

from __future__ import annotations

from .._load import _C
from ._register import Node, method, op, record
from .view import wrap_dim

_Tensor = _C.TensorBase


class Slice(Node):
    """y = x[start:end:step] along a dim"""

    __slots__ = ("range", "shape")

    def backward(self, dy):
        return slice_embed(dy, self.shape, *self.range)


class SliceEmbed(Node):
    """y = zeros, with x at start:end:step along a dim"""

    __slots__ = ("range",)

    def backward(self, dy):
        return slice(dy, *self.range)


class Select(Node):
    """y = x[..., index, ...]"""

    __slots__ = ("place", "shape")

    def backward(self, dy):
        return select_embed(dy, self.shape, *self.place)


class SelectEmbed(Node):
    """y = zeros, with x at one index of a dim"""

    __slots__ = ("place",)

    def backward(self, dy):
        return select(dy, *self.place)


class Diagonal(Node):
    """y = a diagonal of x"""

    __slots__ = ("place", "shape")

    def backward(self, dy):
        return diagonal_embed(dy, self.shape, *self.place)


class DiagonalEmbed(Node):
    """y = zeros, with x on a diagonal"""

    __slots__ = ("place",)

    def backward(self, dy):
        return diagonal(dy, *self.place)


class AsStrided(Node):
    """y = x's memory with any sizes and strides; elements that y repeats add up in the gradient"""

    __slots__ = ("base", "geometry")

    def backward(self, dy):
        sizes, strides, offset = self.base
        extent = 1 + sum((n - 1) * s for n, s in zip(sizes, strides)) if 0 not in sizes else 0
        size, stride, start = self.geometry
        reach = max(extent, 1 + start - offset + sum((n - 1) * s for n, s in zip(size, stride)))
        places = _C.arange(0, reach, 1, _C.int64, dy.device)
        where = _C.as_strided(places, size, stride, start - offset).reshape(-1)
        flat = dy.new_zeros(reach).index_add(0, where, dy.reshape(-1))
        own = _C.as_strided(places, sizes, strides, 0).reshape(-1)
        return flat.index_select(0, own).reshape(sizes)


@op
def select(input, dim, index):
    """The slice at one index of a dim, which disappears."""
    y = _C.select(input, dim, index)
    if y.requires_grad:
        n = record(Select, y, (input,))
        n.place, n.shape = (dim, index), input.shape
    return y


def select_embed(input, shape, dim, index):
    """Zeros of the shape with input at one index of a dim; the gradient of select."""
    y = _C.full(shape, 0, input.dtype, input.device)
    _C.copy_(_C.select(y, dim, index), input.detach())
    if input.requires_grad and _C.is_grad_enabled():
        record(SelectEmbed, y, (input,)).place = (dim, index)
    return y


def slice(input, dim, start, end, step=1):
    """input[start:end:step] along a dim; step > 0."""
    y = _C.slice(input, dim, start, end, step)
    if y.requires_grad:
        n = record(Slice, y, (input,))
        n.range, n.shape = (dim, start, end, step), input.shape
    return y


def slice_embed(input, shape, dim, start, end, step):
    """Zeros of the shape with input at start:end:step along a dim; the gradient of slice."""
    y = _C.full(shape, 0, input.dtype, input.device)
    _C.copy_(_C.slice(y, dim, start, end, step), input.detach())
    if input.requires_grad and _C.is_grad_enabled():
        record(SliceEmbed, y, (input,)).range = (dim, start, end, step)
    return y


@op
def narrow(input, dim, start, length):
    """`length` elements from `start` along a dim."""
    if isinstance(start, _Tensor):
        if start.dim() or start.dtype.is_floating_point or start.dtype is _C.bool:
            raise RuntimeError("narrow(): start must be an 0-dim integral Tensor.")
        start = start.item()
    d = wrap_dim(dim, input.dim())
    n = input.shape[d] if input.dim() else 0
    if input.dim() == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(
            f"start out of range (expected to be in range of [{-n}, {n}], but got {start})"
        )
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return slice(input, d, start, start + length)


@op(out=True)
def narrow_copy(input, dim, start, length):
    """A copy of narrow()."""
    return narrow(input, dim, start, length).clone()


@op
def diagonal(input, offset=0, dim1=0, dim2=1):
    """A diagonal of two dims, as the last dim of the result."""
    y = _C.diagonal(input, offset, dim1, dim2)
    if y.requires_grad:
        n = record(Diagonal, y, (input,))
        n.place, n.shape = (offset, dim1, dim2), input.shape
    return y


def diagonal_embed(input, shape, offset, dim1, dim2):
    """Zeros of the shape with input on a diagonal; the gradient of diagonal."""
    y = _C.full(shape, 0, input.dtype, input.device)
    _C.copy_(_C.diagonal(y, offset, dim1, dim2), input.detach())
    if input.requires_grad and _C.is_grad_enabled():
        record(DiagonalEmbed, y, (input,)).place = (offset, dim1, dim2)
    return y


@op
def as_strided(input, size, stride, storage_offset=None):
    """Any sizes and strides (in elements) over the input's memory.

    Raises:
        RuntimeError: the view would reach outside of the memory.
    """
    start = input.storage_offset() if storage_offset is None else storage_offset
    y = _C.as_strided(input, size, stride, start)
    if y.requires_grad:
        n = record(AsStrided, y, (input,))
        n.base = (input.shape, input.stride(), input.storage_offset())
        n.geometry = (tuple(size), tuple(stride), start)
    return y


@method
def unfold(self, dimension, size, step):
    """Windows of `size` elements along a dim, `step` apart, in a new last dim."""
    y = _C.unfold(self, dimension, size, step)
    if y.requires_grad:
        n = record(AsStrided, y, (self,))
        n.base = (self.shape, self.stride(), self.storage_offset())
        n.geometry = (y.shape, y.stride(), y.storage_offset())
    return y
