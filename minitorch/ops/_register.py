"""How a function becomes part of the public surface.

An op module defines functions and marks them; minitorch/__init__.py puts them into the namespace and
on Tensor, so adding an op edits no list:

    @op                        minitorch.f and Tensor.f
    @function                  minitorch.f only
    @method                    Tensor.f only
    @functional                minitorch.nn.functional.f only
    inplace(f, kernel)         Tensor.f_, from minitorch/autograd/inplace.py
    alias("g", f)              another name for f (function and method)

`out=` is added by @op(out=True): the result is copied into the given tensor.
"""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ..autograd.node import Node, record

FUNCTIONS: dict = {}
METHODS: dict = {}
FUNCTIONAL: dict = {}


def write_out(out, value, name):
    """Copies an op's result into its out= tensor and returns that."""
    if isinstance(value, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(value):
            raise TypeError(f"{name}(): out must be a tuple of {len(value)} Tensors")
        done = [write_out(o, v, name) for o, v in zip(out, value)]
        return type(value)(*done) if hasattr(value, "_fields") else tuple(done)
    if not isinstance(out, _C.TensorBase):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if _C.is_grad_enabled() and (out.requires_grad or value.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if value.dtype != out.dtype and not can_cast(value.dtype, out.dtype):
        raise RuntimeError(
            f"{name}(): result type {value.dtype} can't be cast to the desired output type {out.dtype}"
        )
    if out.shape != value.shape:
        _C.resize_(out, value.shape)
    _C.copy_(out, value)
    return out


def can_cast(from_, to):
    """Whether a result of one dtype may be stored in another: bool < integers < floats."""
    rank = lambda d: 2 if d.is_floating_point else 0 if d is _C.bool else 1  # noqa: E731
    return rank(from_) <= rank(to)


def with_out(f):
    """Adds the keyword out= to f."""
    import functools

    name = f.__name__

    @functools.wraps(f)
    def g(*args, out=None, **kwargs):
        if out is None:
            return f(*args, **kwargs)
        if _C.is_grad_enabled() and any(
            isinstance(a, _C.TensorBase) and a.requires_grad for a in (*args, *kwargs.values())
        ):
            raise RuntimeError(
                f"{name}(): functions with out=... arguments don't support automatic "
                "differentiation, but one of the arguments requires grad."
            )
        return write_out(out, f(*args, **kwargs), name)

    return g


def _registering(*tables):
    def decorate(f=None, *, out=False, name=None):
        if f is None:
            return lambda g: decorate(g, out=out, name=name)
        key = name or f.__name__
        public = with_out(f) if out else f
        for table in tables:
            table[key] = public
        return public

    return decorate


op = _registering(FUNCTIONS, METHODS)
function = _registering(FUNCTIONS)
method = _registering(METHODS)
functional = _registering(FUNCTIONAL)


def alias(name, f):
    """Another public name for f wherever f is public."""
    for table in (FUNCTIONS, METHODS, FUNCTIONAL):
        if table.get(f.__name__) is f:
            table[name] = f
    return f


def inplace(f, kernel=None, name=None, function=False):
    """Makes and registers the method f_ (and minitorch.f_ where `function`)."""
    g = _inplace.make(f, kernel, name)
    METHODS[g.__name__] = g
    if function:
        FUNCTIONS[g.__name__] = g
    return g


__all__ = [
    "Node",
    "alias",
    "function",
    "functional",
    "inplace",
    "method",
    "op",
    "record",
    "with_out",
    "write_out",
]
