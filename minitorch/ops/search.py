"""Binary search in sorted tensors, and counts of values."""

from __future__ import annotations

from .._load import _C
from ._register import function, op, write_out

_Tensor = _C.TensorBase


@function
def searchsorted(
    sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None, out=None
):
    """Where each value belongs in the sorted last dim of sorted_sequence.

    Args:
        sorted_sequence: boundaries, 1-D or with the leading dims of input.
        input: values, a tensor or a number.
        out_int32: the result as int32 instead of int64.
        right: after boundaries that are equal, instead of before them.
        side: "left" or "right", another way to say it.
        sorter: indices that sort sorted_sequence.
    """
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(f"searchsorted(): side can only be 'left' or 'right' but got {side}")
        if right and side == "left":
            raise RuntimeError(
                "searchsorted(): side and right can't be set to opposites, got side of left while right was True"
            )
        right = side == "right"
    if not isinstance(input, _Tensor):
        if sorted_sequence.dim() != 1:
            raise RuntimeError(
                "searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but "
                f"we got boundaries tensor dim({sorted_sequence.dim()})"
            )
        input = _C.full((), input, sorted_sequence.dtype, sorted_sequence.device)
    y = _C.searchsorted(sorted_sequence.detach(), input.detach(), right, out_int32, sorter)
    return y if out is None else write_out(out, y, "searchsorted")


@function
def bucketize(input, boundaries, *, out_int32=False, right=False, out=None):
    """The bucket of each value between 1-D boundaries: searchsorted(boundaries, input)."""
    if boundaries.dim() != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.dim()})"
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@op
def bincount(input, weights=None, minlength=0):
    """How often each value occurs in a 1-D tensor of non-negative integers.

    Args:
        weights: sums of these instead of counts.
        minlength: the least number of bins.
    """
    return _C.bincount(input, weights if weights is None else weights.detach(), minlength)


@op
def histc(input, bins=100, min=0, max=0, *, out=None):
    """Number of elements in each of `bins` equal parts of [min, max].

    Args:
        min, max: the range; that of the elements where both are equal.
    """
    y = _C.histc(input.detach(), bins, float(min), float(max))
    return y if out is None else write_out(out, y, "histc")
