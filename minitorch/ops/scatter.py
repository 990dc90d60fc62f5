"""Writing through an index along one dim: scatter, scatter_add, scatter_reduce."""

from __future__ import annotations

from .._load import _C
from ._register import Node, op, record
from .gather import _in_place, _needs, gather

_Tensor = _C.TensorBase


class Scatter(Node):
    """y = x; y[index[i][j]][j] = src[i][j]"""

    __slots__ = ("dim", "src_shape")

    def backward(self, dy):
        (index,) = self.saved
        dx = scatter(dy, self.dim, index, 0) if self.needs(0) else None
        return dx, _to_source(dy, self) if self.needs(1) else None


class ScatterAdd(Node):
    """y = x; y[index[i][j]][j] += src[i][j]"""

    __slots__ = ("dim", "src_shape")

    def backward(self, dy):
        return dy, _to_source(dy, self) if self.needs(1) else None


class ScatterMean(Node):
    """y = the mean of x and of all src that go to a place"""

    __slots__ = ("dim", "include_self", "src_shape")

    def backward(self, dy):
        index, counts = self.saved
        g = dy / counts
        dx = g if self.include_self else scatter(dy, self.dim, index, 0)
        return dx, _to_source(g, self) if self.needs(1) else None


class ScatterExtreme(Node):
    """y = the largest or smallest of x and of all src that go to a place; ties share the gradient"""

    __slots__ = ("dim", "include_self", "src_shape")

    def backward(self, dy):
        x, index, src, y = self.saved
        y = y.detach()
        is_x = (x.detach() == y).to(dy.dtype)
        if not self.include_self:
            is_x = scatter(is_x, self.dim, index, 0)
        is_src = (_used(src, index).detach() == gather(y, self.dim, index)).to(dy.dtype)
        g = dy / scatter_add(is_x, self.dim, index, is_src)
        d_src = _to_source(g, self, is_src) if self.needs(1) else None
        return g * is_x, d_src


class ScatterProduct(Node):
    """y = the product of x and of all src that go to a place"""

    __slots__ = ("dim", "include_self", "src_shape")

    def backward(self, dy):
        x, index, src = self.saved
        dim, used = self.dim, _used(src, index)
        # The product of all factors of a place but one: divide where no factor is zero; where one
        # is, only its own derivative is not zero, and it is the product of the others.
        zero = (used == 0).detach()
        own = x if self.include_self else scatter(x, dim, index, 1)
        own_zero = (own == 0).detach()
        zeros = scatter_add(own_zero.to(_C.int64), dim, index, zero.to(_C.int64))
        others = _multiply(own.masked_fill(own_zero, 1), dim, index, used.masked_fill(zero, 1))
        dx = d_src = None
        if self.needs(0):
            alone = (zeros == own_zero.to(_C.int64)).to(dy.dtype)  # no other factor is zero
            dx = dy * alone * others / own.masked_fill(own_zero, 1)
            if not self.include_self:
                dx = scatter(dx, dim, index, 0)
        if self.needs(1):
            alone = (gather(zeros, dim, index) == zero.to(_C.int64)).to(dy.dtype)
            g = gather(dy * others, dim, index) * alone / used.masked_fill(zero, 1)
            d_src = _embed(g, self.src_shape)
        return dx, d_src


def _used(src, index):
    """The part of src that index covers."""
    for d, n in enumerate(index.shape):
        if src.shape[d] != n:
            src = src.narrow(d, 0, n)
    return src


def _embed(g, shape):
    """A gradient of the used part of src as one of all of src."""
    from .slice import slice_embed

    for d in range(g.dim()):
        if g.shape[d] != shape[d]:
            wider = list(g.shape)
            wider[d] = shape[d]
            g = slice_embed(g, tuple(wider), d, 0, g.shape[d], 1)
    return g


def _to_source(g, node, mask=None):
    g = gather(g, node.dim, node.saved[0] if mask is None else node.saved[1])
    return _embed(g if mask is None else g * mask, node.src_shape)


def _multiply(input, dim, index, src):
    return scatter_reduce(input, dim, index, src, "prod")


def _written(input, dim, index, src, mode, name):
    y = _C.clone(input.detach(), False)
    _C.scatter_(y, dim, index, src.detach() if isinstance(src, _Tensor) else src, mode, name)
    return y


def _record(cls, y, input, dim, index, src, saved):
    node = record(cls, y, (input, src), saved)
    node.dim = dim
    node.src_shape = src.shape if isinstance(src, _Tensor) else None
    return node


@op(out=True)
def scatter(input, dim, index, src=None, *, reduce=None, value=None):
    """input with the elements of src written to the places of `dim` that index names.

    Args:
        index: integer tensor with as many dims as input, no larger apart from `dim`.
        src: tensor at least as large as index, or a number.
        reduce: None, "add" or "multiply".

    Raises:
        IndexError: an index outside of [0, size).
    """
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(
            f"scatter(): reduce argument must be either add or multiply, got {reduce}."
        )
    if reduce is not None and _needs(input, src):
        if not isinstance(src, _Tensor):
            src = _C.full(index.shape, src, input.dtype, input.device)
        return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")
    y = _written(input, dim, index, src, reduce or "set", "scatter")
    if _needs(input, src):
        _record(Scatter, y, input, dim, index, src, (index,))
    return y


@op(out=True)
def scatter_add(input, dim, index, src):
    """input with the elements of src added to the places of `dim` that index names, in order.

    Args:
        index: integer tensor with as many dims as input, no larger apart from `dim`.
        src: tensor at least as large as index.
    """
    y = _written(input, dim, index, src, "add", "scatter_add")
    if _needs(input, src):
        _record(ScatterAdd, y, input, dim, index, src, (index,))
    return y


def _neutral(reduce, dtype):
    """The value that does not change a reduction."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    sign = 1 if reduce == "amin" else -1
    if dtype.is_floating_point:
        return sign * float("inf")
    if dtype is _C.bool:
        return sign > 0
    from ..dtypes import iinfo

    return iinfo(dtype).max if sign > 0 else iinfo(dtype).min


@op(out=True)
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """input with the elements of src combined into the places of `dim` that index names.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the old values of those places take part.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "scatter_reduce(): reduce argument must be one of sum, prod, mean, amax, amin, got "
            + str(reduce)
        )
    y = _C.clone(input.detach(), False)
    if not include_self:
        _C.scatter_(y, dim, index, _neutral(reduce, input.dtype), "set", "scatter_reduce")
    _C.scatter_(y, dim, index, src.detach(), reduce, "scatter_reduce")
    counts = None
    if reduce == "mean":
        counts = _C.full(input.shape, 1, input.dtype, input.device)
        if not include_self:
            _C.scatter_(counts, dim, index, 0, "set", "scatter_reduce")
        _C.scatter_(counts, dim, index, 1, "add", "scatter_reduce")
        if not include_self:
            counts.masked_fill_(counts == 0, 1)
        y = y / counts if y.dtype.is_floating_point else y // counts
    if _needs(input, src):
        if reduce == "sum":
            if include_self:
                _record(ScatterAdd, y, input, dim, index, src, (index,))
            else:
                return scatter_add(scatter(input, dim, index, 0), dim, index, src)
        elif reduce == "mean":
            _record(
                ScatterMean, y, input, dim, index, src, (index, counts)
            ).include_self = include_self
        elif reduce == "prod":
            _record(
                ScatterProduct, y, input, dim, index, src, (input, index, src)
            ).include_self = include_self
        else:
            node = _record(ScatterExtreme, y, input, dim, index, src, (input, index, src, y))
            node.include_self = include_self
    return y


def _scatter_kernel(self, dim, index, src=None, *, reduce=None, value=None):
    if reduce not in (None, "add", "multiply"):
        return False
    _C.scatter_(self, dim, index, value if src is None else src, reduce or "set", "scatter_")
    return True


def _scatter_add_kernel(self, dim, index, src):
    _C.scatter_(self, dim, index, src, "add", "scatter_add_")
    return True


_in_place("scatter_", scatter, _scatter_kernel)
_in_place("scatter_add_", scatter_add, _scatter_add_kernel)
_in_place("scatter_reduce_", scatter_reduce, None)
