"""Sorting along a dim. Every sort is stable; NaN is larger than everything."""

from __future__ import annotations

from .._load import _C
from ._register import Node, op, record, write_out
from ._results import result_type

Sort = result_type("sort", "values", "indices")


class Taken(Node):
    """y = x at indices along a dim, as many per row as y has: dx holds dy there"""

    __slots__ = ("dim", "indices", "shape")

    def backward(self, dy, _=None):
        if not self.shape:
            return dy.reshape(())
        return dy.new_zeros(self.shape).scatter(self.dim, self.indices, dy)


def record_taken(y, input, dim):
    """Records that y = (values, indices) was taken from input along dim."""
    node = record(Taken, y, (input,))
    node.dim, node.indices, node.shape = dim, y[1], input.shape


@op
def sort(input, dim=-1, descending=False, stable=None, *, out=None):
    """The elements along dim in order, as (values, indices).

    Args:
        dim: an int.
        descending: largest first.
        stable: accepted; equal elements always keep their order.
    """
    y = Sort(_C.sort(input, dim, descending))
    if y[0].requires_grad:
        record_taken(y, input, dim)
    return y if out is None else write_out(out, y, "sort")


@op
def argsort(input, dim=-1, descending=False, stable=None):
    """The indices that sort the tensor along dim; arguments as in sort."""
    return _C.argsort(input, dim, descending)


@op
def msort(input, *, out=None):
    """The elements in ascending order along the first dim."""
    y = sort(input, 0)[0]
    return y if out is None else write_out(out, y, "msort")
