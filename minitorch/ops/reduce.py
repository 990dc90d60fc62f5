"""Sums, means, products, variances, norms and logical reductions over any set of dims.

Every function takes dim=None (all dims), an int or a tuple of ints, and keepdim.
"""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._register import FUNCTIONS, Node, method, op, record, write_out
from ._results import result_type
from .extremum import kept

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
    if _amp.enabled:
        dtype = _amp.dtype_of("sum", input, dtype)
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
    if size and tuple(size) == tuple(self.shape):
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


class Prod(Node):
    """y = product of x over dims: dx = dy * (product of the others)"""

    __slots__ = ("dims",)

    def backward(self, dy):
        x, y = self.saved
        if not bool((x == 0).any()):
            return kept(dy, self.dims, x.dim()) * kept(y, self.dims, x.dim()) / x
        if isinstance(self.dims, int):
            return kept(dy, self.dims, x.dim()) * _product_of_others(x, self.dims)
        others = _product_of_others(x.reshape(-1), 0)
        return kept(dy, self.dims, x.dim()) * others.reshape(x.shape)


def _product_of_others(x, dim):
    """Per element the product of all others along dim, without a division."""
    if x.dim() == 0:
        return x * 0 + 1
    n = x.shape[dim]
    one = (x.narrow(dim, 0, 1) * 0).detach() + 1
    before = concatenate((one, x.narrow(dim, 0, n - 1)), dim).cumprod(dim)
    after = concatenate((one, x.narrow(dim, 1, n - 1).flip(dim)), dim).cumprod(dim).flip(dim)
    return before * after


def concatenate(tensors, dim):
    """cat, looked up when it runs since its module is imported later."""
    return FUNCTIONS["cat"](tensors, dim)


@op
def prod(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Product over a dim, or of all elements; integers and bools are multiplied as int64.

    Args:
        dim: an int, or None for all dims.
        keepdim: keep the reduced dim with size 1.
        dtype: converts the input first.
    """
    y = _C.prod(input, dim, keepdim, dtype)
    if y.requires_grad:
        x = input if dtype is None or dtype is input.dtype else input.to(dtype)
        record(Prod, y, (x,), (x, y)).dims = dim
    return y if out is None else write_out(out, y, "prod")


class Nansum(Node):
    """y = sum of x over dims without NaN: dx = dy where x is a number, else 0"""

    __slots__ = ("dims",)

    def backward(self, dy):
        (x,) = self.saved
        return kept(dy, self.dims, x.dim()) * (x == x).to(dy.dtype)


@op
def nansum(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Sum over dims with NaN as zero; arguments as in sum."""
    y = _C.nansum(input, dim, keepdim, dtype)
    if y.requires_grad:
        record(Nansum, y, (input,), (input,)).dims = dim
    return y if out is None else write_out(out, y, "nansum")


@op
def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """Mean over dims of the elements that are not NaN; arguments as in mean."""
    if not (dtype or input.dtype).is_floating_point:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point dtype but got {dtype or input.dtype}"
        )
    count = (input == input).sum(dim, keepdim)
    y = nansum(input, dim, keepdim, dtype=dtype) / count
    return y if out is None else write_out(out, y, "nanmean")


def _logical(name, kernel, doc):
    def f(input, dim=None, keepdim=False, *, out=None):
        y = kernel(input, dim, keepdim)
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{doc}, over all dims or the given ones.

    Args:
        dim: an int, a tuple of ints, or None for all dims.
        keepdim: keep the reduced dims with size 1.
    """
    return op(f)


any = _logical("any", _C.any, "Whether an element is nonzero")
all = _logical("all", _C.all, "Whether every element is nonzero")


@op
def count_nonzero(input, dim=None):
    """Number of nonzero elements, over all dims or the given ones."""
    return _C.count_nonzero(input, dim, False)
