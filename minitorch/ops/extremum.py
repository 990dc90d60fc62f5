"""Largest and smallest elements, and their places.

Over several dims (amax, max of everything) ties share the gradient; along one dim (max with a dim) it
goes to the element at the returned index.
"""

from __future__ import annotations

from .._load import _C
from . import binary
from ._register import Node, op, record, write_out
from ._results import result_type

_Tensor = _C.TensorBase
Max = result_type("max", "values", "indices")
Min = result_type("min", "values", "indices")
Aminmax = result_type("aminmax", "min", "max")


def kept(t, dims, ndim):
    """t, which lost `dims` in a reduction of a tensor of ndim dims, with dims of size 1 there.

    Args:
        dims: an int, a sequence of ints, or None for all dims.
    """
    if t.dim() == ndim:
        return t
    if dims is None or dims == () or dims == []:
        return t.reshape((1,) * ndim)
    dims = (dims,) if isinstance(dims, int) else dims
    for d in sorted(d % ndim for d in dims):
        t = t.unsqueeze(d)
    return t


class Amax(Node):
    """y = the extremum of x over dims: dx = dy / ties where x == y"""

    __slots__ = ("dims",)

    def backward(self, dy):
        x, y = self.saved
        n = x.dim()
        y, dy = kept(y, self.dims, n), kept(dy, self.dims, n)
        mask = ((x == y) | ((x != x) & (y != y))).to(dy.dtype)
        dims = tuple(d for d in range(n) if y.shape[d] != x.shape[d])
        return mask * (dy / mask.sum(dims, True) if dims else dy)


class MaxAlong(Node):
    """y = x at one index along a dim"""

    __slots__ = ("dim", "indices", "shape")

    def backward(self, dy, _=None):
        return put_along(dy, self.indices, self.dim, self.shape)


def put_along(dy, indices, dim, shape):
    """Zeros of the shape with dy at the indices along dim; both may lack that dim."""
    if len(shape) == 0:
        return dy
    if dy.dim() < len(shape):
        dy, indices = dy.unsqueeze(dim), indices.unsqueeze(dim)
    return dy.new_zeros(shape).scatter(dim, indices, dy)


def _over_dims(name, kernel, doc):
    def f(input, dim=(), keepdim=False, *, out=None):
        y = kernel(input, dim, keepdim)
        if y.requires_grad:
            record(Amax, y, (input,), (input, y)).dims = dim
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{doc}; ties share the gradient.

    Args:
        dim: an int or a tuple of ints; all dims where empty.
        keepdim: keep the reduced dims with size 1.
    """
    return op(f)


amax = _over_dims("amax", _C.amax, "The largest element over dims")
amin = _over_dims("amin", _C.amin, "The smallest element over dims")


def _extremum(name, everything, along, elementwise, result, doc):
    def f(input, dim=None, keepdim=False, *, other=None, out=None, axis=None):
        if axis is not None:
            dim = axis
        if dim is None and other is None:
            y = everything(input)
            if y.requires_grad:
                record(Amax, y, (input,), (input, y)).dims = None
            return y if out is None else write_out(out, y, name)
        if other is not None or isinstance(dim, _Tensor):
            return elementwise(input, dim if other is None else other, out=out)
        y = result(along(input, dim, keepdim))
        if y[0].requires_grad:
            node = record(MaxAlong, y, (input,))
            node.dim, node.indices, node.shape = dim, y[1], input.shape
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""The {doc} element: of all, or along a dim with its index; or of each pair with a tensor.

    Args:
        dim: an int, or a tensor to compare with elementwise; None for the {doc} of all elements.
        keepdim: keep the reduced dim with size 1.

    Returns:
        A tensor, or (values, indices) where dim is an int.
    """
    return op(f)


max = _extremum("max", _C.max_all, _C.max_dim, binary.maximum, Max, "largest")
min = _extremum("min", _C.min_all, _C.min_dim, binary.minimum, Min, "smallest")


def _place(name, kernel, doc):
    def f(input, dim=None, keepdim=False, *, out=None, axis=None):
        y = kernel(input, dim if axis is None else axis, keepdim)
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""Index of the {doc} element along a dim, or in the flattened tensor where dim is None.

    Args:
        dim: an int or None.
        keepdim: keep the reduced dims with size 1.
    """
    return op(f)


argmax = _place("argmax", _C.argmax, "largest")
argmin = _place("argmin", _C.argmin, "smallest")


@op
def aminmax(input, *, dim=None, keepdim=False, out=None):
    """The smallest and the largest element, of all or along a dim, as (min, max)."""
    if input.numel() == 0 and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    dims = () if dim is None else dim
    y = Aminmax((amin(input, dims, keepdim), amax(input, dims, keepdim)))
    return y if out is None else write_out(out, y, "aminmax")
