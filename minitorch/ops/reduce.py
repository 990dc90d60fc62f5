"""Sums, means, products, variances, norms and logical reductions over any set of dims.

Every function takes dim=None (all dims), an int or a tuple of ints, and keepdim.
"""

from __future__ import annotations

from .._load import _C
from ._register import METHODS, Node, alias, function, method, op, record, write_out
from ._results import result_type
from .extremum import amax, amin, kept

_Tensor = _C.TensorBase
_c_sum, _c_mean = _C.sum, _C.mean
VarMean = result_type("var_mean", "var", "mean")
StdMean = result_type("std_mean", "std", "mean")


class Sum(Node):
    """y = sum of x over dims: dx = dy everywhere"""

    __slots__ = ("dims", "shape")

    def backward(self, dy):
        return kept(dy, self.dims, len(self.shape)).expand(self.shape)


class Mean(Node):
    """y = mean of x over dims: dx = dy / count everywhere"""

    __slots__ = ("dims", "shape")

    def backward(self, dy):
        count = _count(self.shape, self.dims)
        return (
            kept(dy, self.dims, len(self.shape)) * (1 / count if count else float("nan"))
        ).expand(self.shape)


def _count(shape, dims):
    """Number of elements behind one result."""
    n = 1
    if dims is None or dims == () or dims == []:
        for s in shape:
            n *= s
        return n
    for d in (dims,) if isinstance(dims, int) else dims:
        n *= shape[d] if shape else 1
    return n


@op
def sum(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None):
    """Sum over dims; integers and bools are summed as int64.

    Args:
        dim: an int, a tuple of ints, or None for all dims.
        keepdim: keep the reduced dims with size 1.
        dtype: converts the input first.
    """
    if axis is not None:
        dim = axis
    y = _c_sum(input, dim, keepdim, dtype)
    if y.requires_grad:
        node = record(Sum, y, (input,))
        node.dims, node.shape = dim, input.shape
    return y if out is None else write_out(out, y, "sum")


@op
def mean(input, dim=None, keepdim=False, *, dtype=None, out=None, axis=None):
    """Mean over dims; floating point only.

    Args:
        dim: an int, a tuple of ints, or None for all dims.
        keepdim: keep the reduced dims with size 1.
        dtype: converts the input first.
    """
    if axis is not None:
        dim = axis
    y = _c_mean(input, dim, keepdim, dtype)
    if y.requires_grad:
        node = record(Mean, y, (input,))
        node.dims, node.shape = dim, input.shape
    return y if out is None else write_out(out, y, "mean")


@method
def sum_to_size(self, *size):
    """Sums dims so that the result has the given size, which must broadcast to the tensor's."""
    size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    if tuple(size) == tuple(self.shape):
        return self
    y = _C.sum_to_size(self, size)
    if y.requires_grad:
        record(SumToSize, y, (self,)).shape = self.shape
    return y


class SumToSize(Node):
    """y = x summed over broadcast dims"""

    __slots__ = ("shape",)

    def backward(self, dy):
        return dy.expand(self.shape)
