"""New random tensors; which number an element gets is written in csrc/ops/random.h."""

from __future__ import annotations

from .. import dtypes
from .. import random as _random
from .._load import _C
from ._register import FUNCTIONS, function
from .create import finish, sizes_of

_Tensor = _C.TensorBase
_default = _random.default_generator

FUNCTIONS.update(
    Generator=_random.Generator, default_generator=_default, manual_seed=_random.manual_seed,
    seed=_random.seed, initial_seed=_random.initial_seed, get_rng_state=_random.get_rng_state,
    set_rng_state=_random.set_rng_state,
)  # fmt: skip


def _generator(generator, beside=None):
    """The generator given, or else the default one of the device that a tensor lies on."""
    if generator is None:
        return _random.generator_of(beside) if beside is not None and beside.is_cuda else _default
    if not isinstance(generator, _random.Generator):
        raise TypeError(f"generator must be a minitorch.Generator, not {type(generator).__name__}")
    if beside is not None and generator.device.type != beside.device.type:
        raise RuntimeError(
            f"Expected a '{beside.device.type}' device type for generator but found "
            f"'{generator.device.type}'"
        )
    return generator


def _reserve(t, generator):
    """(key, offset) for as many words as t's elements take."""
    words = t.numel() * (2 if t.dtype.itemsize == 8 else 1)
    return _generator(generator, t).reserve(words)


# --- new tensors


def _sampled(name, fill, doc):
    def f(*size, generator=None, names=None, out=None, dtype=None, layout=None, device=None,
          requires_grad=False, pin_memory=False, **kwargs):  # fmt: skip
        size = kwargs.pop("size", size)
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(kwargs))!r}")
        if dtype is None:
            dtype = out.dtype if out is not None else dtypes._default_dtype
        t = _C.empty(sizes_of(size) if isinstance(size, tuple) else tuple(size), dtype, device)
        fill(t, 0.0, 1.0, *_reserve(t, generator))
        return finish(t, requires_grad, out, name)

    def like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False,
             memory_format=None):  # fmt: skip
        t = FUNCTIONS["empty_like"](input, dtype=dtype, device=device)
        fill(t, 0.0, 1.0, *_reserve(t, generator))
        return finish(t, requires_grad)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        doc
        + "\n\n    Args:\n        size: sizes, as arguments or a sequence.\n        generator: where the numbers come from."
    )
    like.__name__ = like.__qualname__ = name + "_like"
    like.__doc__ = doc + "\n\n    Args:\n        input: gives shape, dtype and device."
    function(like)
    return function(f)


rand = _sampled("rand", _C.uniform_, "Uniform numbers in [0, 1).")
randn = _sampled("randn", _C.normal_, "Normal numbers of mean 0 and deviation 1.")


def _check_range(name, low, high):
    if low >= high:
        raise RuntimeError(f"{name}(): 'from' must be less than 'to', got from={low} and to={high}")


def _fits(name, low, high, dtype):
    """The range of integers that the dtype holds exactly must contain [low, high)."""
    if dtype is _C.int64:  # the default, without the cost of an iinfo
        smallest, largest = -(1 << 63), (1 << 63) - 1
    elif dtype is _C.bool:
        smallest, largest = 0, 1
    elif dtype.is_floating_point:
        largest = 1 << {2: 11 if dtype is _C.float16 else 8, 4: 24, 8: 53}[dtype.itemsize]
        smallest = -largest
    else:
        info = dtypes.iinfo(dtype)
        smallest, largest = info.min, info.max
    if low < smallest or high - 1 > largest:
        raise RuntimeError(f"{name}(): [{low}, {high}) is out of bounds for {dtype}")


def _reserve_integers(t, low, high, generator):
    words = t.numel() * (2 if high - low > 1 << 32 or high == low else 1)
    return _generator(generator, t).reserve(words)


@function
def randint(
    low=None, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None,
    requires_grad=False, pin_memory=False,
):  # fmt: skip
    """Integers from low (default 0) up to, not including, high.

    Args:
        low, high: randint(high, size) or randint(low, high, size).
        size: a sequence of ints.
        dtype: int64 by default.
    """
    if size is None and isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    elif low is None:
        low = 0
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint() missing required argument: 'size'")
    low, high = int(low), int(high)
    dtype = dtype or (out.dtype if out is not None else _C.int64)
    _check_range("random_", low, high)
    _fits("random_", low, high, dtype)
    t = _C.empty(tuple(size), dtype, device)
    _C.random_(t, low, high, *_reserve_integers(t, low, high, generator))
    return finish(t, requires_grad, out, "randint")


@function
def randint_like(
    input, low=0, high=None, *, dtype=None, device=None, requires_grad=False, **unused
):
    """Integers from low up to, not including, high, in input's shape and dtype."""
    if high is None:
        low, high = 0, low
    if isinstance(high, _Tensor):
        high = int(high.item())
    _check_range("random_", low, high)
    t = FUNCTIONS["empty_like"](input, dtype=dtype, device=device)
    _fits("random_", low, high, t.dtype)
    _C.random_(t, low, high, *_reserve_integers(t, low, high, None))
    return finish(t, requires_grad)


@function
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
             pin_memory=False):  # fmt: skip
    """A random permutation of 0 .. n - 1, [n], int64 by default."""
    home = None  # the CPU
    if device is not None or generator is None or generator.device.type != "cpu":
        home = _C.empty((0,), _C.int64, device)
    t = _C.randperm(n, *_generator(generator, home).reserve(2 * n))
    if home is not None:
        t = t.to(home.device)
    dtype = dtype or (out.dtype if out is not None else _C.int64)
    if dtype is not _C.int64:
        if not dtype.is_floating_point and n - 1 > dtypes.iinfo(dtype).max:
            raise RuntimeError(f"randperm(): n={n} is too large for {dtype}")
        t = t.to(dtype)
    return finish(t, requires_grad, out, "randperm")


@function
def normal(mean, std=1.0, size=None, *, generator=None, out=None, dtype=None, device=None,
           requires_grad=False, **unused):  # fmt: skip
    """Normal numbers of the given means and deviations.

    Args:
        mean, std: tensors that broadcast, or numbers (with size, both numbers).
        size: a sequence of ints.
    """
    if size is not None:
        t = _C.empty(tuple(size), dtype or dtypes._default_dtype, device)
        _check_std(std)
        _C.normal_(t, mean, std, *_reserve(t, generator))
        return finish(t, requires_grad, out, "normal")
    tensors = [v for v in (mean, std) if isinstance(v, _Tensor)]
    if not tensors:
        raise TypeError("normal(): expected a tensor of means or deviations, or size=")
    if isinstance(std, _Tensor):
        # The check is the host's: in a captured graph it is left out.
        if not _random.recordings and bool((std < 0).any()):
            raise RuntimeError("normal(): expects all elements of std >= 0.0")
        _check_std(0.0)
    else:
        _check_std(std)
    shape = _C.add(mean, std).shape if len(tensors) == 2 else tensors[0].shape
    z = _C.empty(shape, tensors[0].dtype, tensors[0].device)
    _C.normal_(z, 0.0, 1.0, *_reserve(z, generator))
    return finish(z * std + mean, False, out, "normal")


def _check_std(std):
    if std < 0:
        raise RuntimeError(f"normal(): expects std >= 0.0, but found std {std}")
