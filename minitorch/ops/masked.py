"""Elements that a bool mask chooses; nonzero."""

from __future__ import annotations

from .._load import _C
from ._register import Node, inplace, op, record

_Tensor = _C.TensorBase


class MaskedFill(Node):
    """y = value where mask, else x"""

    __slots__ = ()

    def backward(self, dy):
        (mask,) = self.saved
        dx = masked_fill(dy, mask, 0) if self.needs(0) else None
        if not self.needs(1):
            return dx, None
        return dx, (dy * mask.to(dy.dtype)).sum()


class MaskedSelect(Node):
    """y = x[mask]"""

    __slots__ = ("shape",)

    def backward(self, dy):
        (mask,) = self.saved
        return masked_scatter(_C.full(self.shape, 0, dy.dtype, dy.device), mask, dy)


class MaskedScatter(Node):
    """y = x; y[mask] = the first elements of source"""

    __slots__ = ("source_shape",)

    def backward(self, dy):
        (mask,) = self.saved
        dx = masked_fill(dy, mask, 0) if self.needs(0) else None
        if not self.needs(1):
            return dx, None
        taken = masked_select(dy, mask)
        n = 1
        for s in self.source_shape:
            n *= s
        if taken.shape[0] < n:
            from .slice import slice_embed

            taken = slice_embed(taken, (n,), 0, 0, taken.shape[0], 1)
        return dx, taken.reshape(self.source_shape)


@op(out=True)
def masked_fill(input, mask, value):
    """input with value where mask is true; input and mask broadcast.

    Args:
        value: a number or a 0-dim tensor.
    """
    y = _C.masked_fill(input, mask, value)
    if y.requires_grad:
        record(MaskedFill, y, (input, value), (mask,))
    return y


inplace(masked_fill, _C.masked_fill_)


@op(out=True)
def masked_select(input, mask):
    """The elements where mask is true, in one dim; input and mask broadcast."""
    y = _C.masked_select(input, mask)
    if y.requires_grad:
        from .view import broadcast_shapes

        record(MaskedSelect, y, (input,), (mask,)).shape = broadcast_shapes(input.shape, mask.shape)
    return y


@op
def masked_scatter(input, mask, source):
    """input with the elements of source, one after the other, where mask is true.

    Raises:
        RuntimeError: source has fewer elements than the mask has true ones.
    """
    if mask.shape != input.shape:
        from .view import broadcast_shapes

        shape = broadcast_shapes(input.shape, mask.shape)
        input = input.expand(shape) if input.shape != shape else input
    y = _C.clone(input.detach(), False)
    _C.masked_scatter_(y, mask, source.detach())
    if _C.is_grad_enabled() and (input.requires_grad or source.requires_grad):
        record(MaskedScatter, y, (input, source), (mask,)).source_shape = source.shape
    return y


inplace(masked_scatter, _C.masked_scatter_)


@op
def nonzero(input, *, out=None, as_tuple=False):
    """The places of the elements that are not zero, in row-major order.

    Args:
        as_tuple: one index tensor per dim instead.

    Returns:
        int64 of shape (count, dims), or a tuple of `dims` tensors of shape (count,).
    """
    if as_tuple:
        return _C.nonzero_columns(input)
    y = _C.nonzero(input)
    if out is not None:
        from ._register import write_out

        return write_out(out, y, "nonzero")
    return y


@op(out=True)
def nonzero_static(input, *, size, fill_value=-1):
    """nonzero with exactly `size` rows: the first ones, or filled up with fill_value."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    y = _C.nonzero(input)
    missing = size - y.shape[0]
    if missing <= 0:
        return _C.contiguous(y.narrow(0, 0, size))
    return _C.cat((y, _C.full((missing, y.shape[1]), fill_value, y.dtype, y.device)), 0)


@op
def argwhere(input):
    """nonzero(input)"""
    return _C.nonzero(input)
