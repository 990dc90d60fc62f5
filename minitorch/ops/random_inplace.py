"""Sampling from distributions into a tensor, and from tensors of parameters."""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ._register import Node, method, op, record
from .random import _check_range, _fits, _generator, _reserve, _reserve_integers

_Tensor = _C.TensorBase


class Sampled(Node):
    """New content: what was there before, or gave the probabilities, has no gradient"""

    __slots__ = ()

    def backward(self, dy):
        return _C.full(dy.shape, 0, dy.dtype, dy.device)


def _draw(self, name, kernel, *arguments):
    """Runs an in-place kernel, under autograd as well."""
    if _inplace.tracked(self):
        _inplace.check(self, name)
        fresh = _C.empty(self.shape, self.dtype, self.device)
        kernel(fresh, *arguments)
        return _inplace.assign(self, fresh, name)
    if self._inference:
        _inplace.check(self, name)
    kernel(self, *arguments)
    return self


@method
def uniform_(self, from_=0.0, to=1.0, *, generator=None, **kwargs):
    """Overwrites the tensor with uniform numbers in [from, to)."""
    low = kwargs.pop("from", from_)
    if kwargs:
        raise TypeError(f"uniform_() got an unexpected keyword argument {next(iter(kwargs))!r}")
    if low > to:
        raise RuntimeError(
            f"uniform_(): expects to return a [from, to) range, but found from={low} > to={to}"
        )
    return _draw(self, "uniform_", _C.uniform_, low, to, *_reserve(self, generator))


@method
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Overwrites the tensor with normal numbers."""
    if std < 0:
        raise RuntimeError(f"normal_(): expects std >= 0.0, but found std {std}")
    return _draw(self, "normal_", _C.normal_, mean, std, *_reserve(self, generator))


@method
def exponential_(self, lambd=1.0, *, generator=None):
    """Overwrites the tensor with exponential numbers of rate lambd."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_(): expects lambda > 0.0, but found lambda={lambd}")
    return _draw(self, "exponential_", _C.exponential_, lambd, 0.0, *_reserve(self, generator))


@method
def geometric_(self, p, *, generator=None):
    """Overwrites the tensor with numbers of trials up to the first success, of probability p."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_(): expects p to be in (0, 1), but got p={p}")
    # Integers are drawn as float64, which takes two words.
    wide = not self.dtype.is_floating_point or self.dtype.itemsize == 8
    place = _generator(generator, self).reserve(self.numel() * (2 if wide else 1))
    return _draw(self, "geometric_", _C.geometric_, p, 0.0, *place)


@method
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Overwrites the tensor with Cauchy numbers."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_(): expects sigma > 0.0, but found sigma={sigma}")
    return _draw(self, "cauchy_", _C.cauchy_, median, sigma, *_reserve(self, generator))


@method
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Overwrites the tensor with exponentials of normal numbers."""
    if std <= 0:
        raise RuntimeError(f"log_normal_(): expects std > 0.0, but found std={std}")
    return _draw(self, "log_normal_", _C.log_normal_, mean, std, *_reserve(self, generator))


@method
def random_(self, from_=None, to=None, *, generator=None, **kwargs):
    """Overwrites the tensor with integers: random_() over the dtype's range, random_(to), random_(from, to)."""
    low = kwargs.pop("from", from_)
    if kwargs:
        raise TypeError(f"random_() got an unexpected keyword argument {next(iter(kwargs))!r}")
    if low is None and to is None:
        low, high = _default_range(self.dtype)
    else:
        low, high = (0, low) if to is None else (0 if low is None else low, to)
        _check_range("random_", low, high)
        _fits("random_", low, high, self.dtype)
    place = _reserve_integers(self, low, high, generator)
    return _draw(self, "random_", _C.random_, low, high, *place)


def _default_range(dtype):
    """[0, largest], the largest up to which the dtype holds every integer."""
    if dtype is _C.bool:
        return 0, 2
    if dtype.is_floating_point:
        digits = 53 if dtype.itemsize == 8 else 24 if dtype.itemsize == 4 else 11
        return 0, (1 << (8 if dtype is _C.bfloat16 else digits)) + 1
    bits = 8 * dtype.itemsize - (1 if dtype.is_signed else 0)
    return 0, (1 << 63) - 1 if bits == 63 else 1 << bits


@method
def bernoulli_(self, p=0.5, *, generator=None):
    """Overwrites the tensor with 1 with probability p, else 0.

    Args:
        p: a number, or a tensor that broadcasts to this one.
    """
    place = _generator(generator, self).reserve(self.numel())
    return _draw(self, "bernoulli_", _C.bernoulli_, p, *place)


@op(out=True)
def bernoulli(input, p=None, *, generator=None):
    """1 with the probability that input holds (or p), else 0, in input's shape and dtype."""
    y = _C.empty(input.shape, input.dtype, input.device)
    _C.bernoulli_(y, input if p is None else p, *_generator(generator, y).reserve(y.numel()))
    if input.requires_grad and _C.is_grad_enabled():
        y.requires_grad = True
        record(Sampled, y, (input,))
    return y


@op
def poisson(input, generator=None):
    """Poisson counts whose rates input holds."""
    # Every element has a counter of its own.
    return _C.poisson(input, *_generator(generator, input).reserve(4 * input.numel()))


@op(out=True)
def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Indices drawn with the probabilities that each row's weights give.

    Args:
        input: weights, [n] or [rows, n], not negative; they need not sum to 1.
        num_samples: draws per row.
        replacement: whether an index may be drawn again.

    Returns:
        int64, [num_samples] or [rows, num_samples].
    """
    rows = input.shape[0] if input.dim() == 2 else 1
    count = num_samples if replacement else input.shape[-1] if input.dim() else 1
    place = _generator(generator, input).reserve(4 * rows * count)
    return _C.multinomial(input.detach(), num_samples, replacement, *place)
