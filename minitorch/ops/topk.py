"""Selection by rank: the k largest, the k-th smallest, medians, the most frequent value, quantiles."""

from __future__ import annotations

from .._load import _C
from ._register import op, record, write_out
from ._results import result_type
from .extremum import Amax, MaxAlong
from .sort import record_taken, sort

_Tensor = _C.TensorBase
Topk = result_type("topk", "values", "indices")
Kthvalue = result_type("kthvalue", "values", "indices")
Median = result_type("median", "values", "indices")
Nanmedian = result_type("nanmedian", "values", "indices")
Mode = result_type("mode", "values", "indices")


@op
def topk(input, k, dim=-1, largest=True, sorted=True, *, out=None):
    """The k largest (or smallest) elements along dim, best first, as (values, indices).

    Args:
        k: how many, at most the size of the dim.
        dim: an int.
        largest: the smallest ones where False.
        sorted: accepted; the result is always in order.

    Raises:
        RuntimeError: k is out of range.
    """
    y = Topk(_C.topk(input, k, dim, largest))
    if y[0].requires_grad:
        record_taken(y, input, dim)
    return y if out is None else write_out(out, y, "topk")


def _along(y, input, dim):
    if y[0].requires_grad:
        node = record(MaxAlong, y, (input,))
        node.dim, node.indices, node.shape = dim, y[1], input.shape
    return y


@op
def kthvalue(input, k, dim=-1, keepdim=False, *, out=None):
    """The k-th smallest element along dim (k from 1), as (values, indices)."""
    y = _along(Kthvalue(_C.kthvalue(input, k, dim, keepdim)), input, dim)
    return y if out is None else write_out(out, y, "kthvalue")


def _median(name, kernel, result, doc):
    def f(input, dim=None, keepdim=False, *, out=None):
        if dim is not None:
            y = _along(result(kernel(input, dim, keepdim)), input, dim)
            return y if out is None else write_out(out, y, name)
        if input.numel() == 0:
            if not input.dtype.is_floating_point:
                return input.new_full((), -(2**63) if input.dtype is _C.int64 else 0)
            return input.new_full((), float("nan"))
        flat = input.detach().reshape(-1)
        y = kernel(flat, 0, False)[0]
        if input.requires_grad and _C.is_grad_enabled():
            y.requires_grad = True
            record(Amax, y, (input,), (input, y)).dims = None
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{doc}, of all elements, or along a dim as (values, indices).

    Args:
        dim: an int, or None for the median of all elements.
        keepdim: keep the reduced dim with size 1.
    """
    return op(f)


median = _median("median", _C.median, Median, "The lower median, NaN where there is one")
nanmedian = _median("nanmedian", _C.nanmedian, Nanmedian, "The lower median of what is not NaN")


@op
def mode(input, dim=-1, keepdim=False, *, out=None):
    """The most frequent value along dim, the smallest of several, as (values, indices)."""
    y = _along(Mode(_C.mode(input, dim, keepdim)), input, dim)
    return y if out is None else write_out(out, y, "mode")


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name, input, q, dim, keepdim, interpolation, ignore_nan, out):
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if input.dtype not in (_C.float32, _C.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not isinstance(q, _Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = input.new_full((), q)
    elif q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    elif q.numel() and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if q.dim() > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    ndim = input.dim()
    x = input.reshape(-1) if dim is None or ndim == 0 else input.movedim(dim, -1)
    values = sort(x, -1)[0]
    n = values.shape[-1]
    invalid = (x != x).sum(-1, keepdim=True)
    count = n - invalid if ignore_nan else invalid * 0 + n
    # Ranks (..., Q) of the quantiles among the count numbers of each row.
    rank = q.reshape(-1) * (count - 1).to(input.dtype)
    rank = rank.masked_fill(rank < 0, 0)
    low = rank.floor()
    if interpolation == "higher":
        y = values.gather(-1, rank.ceil().long())
    elif interpolation == "lower":
        y = values.gather(-1, low.long())
    elif interpolation == "nearest":
        y = values.gather(-1, rank.round().long())
    else:
        below, above = values.gather(-1, low.long()), values.gather(-1, rank.ceil().long())
        weight = (rank - low) if interpolation == "linear" else 0.5
        # Equal ends stay what they are, infinities included.
        y = below + ((above - below) * weight).masked_fill(above == below, 0)
    unknown = invalid == n if ignore_nan else invalid > 0
    y = y.masked_fill(unknown, float("nan"))
    y = y.movedim(-1, 0)
    if keepdim and ndim > 0:
        y = y.unsqueeze(dim % ndim + 1) if dim is not None else y.reshape((-1,) + (1,) * ndim)
    if q.dim() == 0:
        y = y.squeeze(0)
    return y if out is None else write_out(out, y, name)


@op
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """The q-quantiles of all elements, or along a dim; NaN where there is a NaN.

    Args:
        q: a number or a 1-D tensor of numbers in [0, 1]; a tensor adds a first dim to the result.
        dim: an int, or None for all elements.
        keepdim: keep the reduced dim with size 1.
        interpolation: linear, lower, higher, midpoint or nearest, between two elements.
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False, out)


@op
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """quantile of the elements that are not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True, out)
