"""Elementwise functions of three tensors or numbers; formulas in csrc/ops/ternary.h."""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ._register import (
    FUNCTIONS,
    METHODS,
    Node,
    alias,
    function,
    inplace,
    method,
    op,
    record,
    write_out,
)

_Tensor = _C.TensorBase


class Where(Node):
    """z = c ? x : y"""

    __slots__ = ()

    def backward(self, dz):
        (c,) = self.saved
        return (
            where(c, dz, 0) if self.needs(0) else None,
            where(c, 0, dz) if self.needs(1) else None,
        )


@function
def where(condition, input=None, other=None, *, out=None):
    """input where condition holds, other elsewhere.

    Args:
        condition: a bool tensor.
        input, other: tensors or numbers; without both, the indices of the true elements are returned as
            nonzero(condition, as_tuple=True) does.
    """
    if input is None and other is None:
        return FUNCTIONS["nonzero"](condition, as_tuple=True)
    z = _C.where(condition, input, other)
    if z.requires_grad:
        record(Where, z, (input, other), (condition,))
    return z if out is None else write_out(out, z, "where")


@method(name="where")
def _where_method(self, condition, other):
    """self where condition holds, other elsewhere."""
    return where(condition, self, other)


class Clamp(Node):
    """z = min(max(x, lo), hi) with numbers: the gradient passes inside of the limits"""

    __slots__ = ("limits",)

    def backward(self, dz):
        (x,) = self.saved
        lo, hi = self.limits
        if lo is None:
            inside = x <= hi
        elif hi is None:
            inside = x >= lo
        else:
            inside = (x >= lo) & (x <= hi)
        return where(inside, dz, 0)


class ClampTensors(Node):
    """z = min(max(x, lo), hi): the gradient goes to the operand that the result is"""

    __slots__ = ()

    def backward(self, dz):
        x, lo, hi = self.saved
        return (
            where((x >= lo) & (x <= hi), dz, 0) if self.needs(0) else None,
            where((lo < hi) & (x < lo), dz, 0) if self.needs(1) else None,
            where((x > hi) | (hi < lo), dz, 0) if self.needs(2) else None,
        )


class ClampOneTensor(Node):
    """z = max(x, bound) or min(x, bound)"""

    __slots__ = ("upper",)

    def backward(self, dz):
        x, bound = self.saved
        keeps = x <= bound if self.upper else x >= bound
        return where(keeps, dz, 0), (where(keeps, 0, dz) if self.needs(1) else None)


def _one_bound(input, bound, upper):
    z = (_C.clamp_max if upper else _C.clamp_min)(input, bound)
    if z.requires_grad:
        if isinstance(bound, _Tensor):
            record(ClampOneTensor, z, (input, bound), (input, bound)).upper = upper
        else:
            record(Clamp, z, (input,), (input,)).limits = (None, bound) if upper else (bound, None)
    return z


def _clamp(input, lo, hi):
    if hi is None:
        if lo is None:
            raise RuntimeError("clamp(): At least one of 'min' or 'max' must not be None")
        return _one_bound(input, lo, False)
    if lo is None:
        return _one_bound(input, hi, True)
    z = _C.clamp(input, lo, hi, 1)
    if z.requires_grad:
        if isinstance(lo, _Tensor) or isinstance(hi, _Tensor):
            record(ClampTensors, z, (input, lo, hi), (input, lo, hi))
        else:
            record(Clamp, z, (input,), (input,)).limits = (lo, hi)
    return z


@op
def clamp(input, min=None, max=None, *, out=None):
    """Each element limited to [min, max].

    Args:
        min, max: numbers, tensors or None; where min > max the result is max.
    """
    z = _clamp(input, min, max)
    return z if out is None else write_out(out, z, "clamp")


@op(out=True)
def clamp_min(input, min):
    """Each element, at least min."""
    return _one_bound(input, min, False)


@op(out=True)
def clamp_max(input, max):
    """Each element, at most max."""
    return _one_bound(input, max, True)


@method
def clamp_(self, min=None, max=None):
    """In-place form of clamp."""
    if _inplace.tracked(self, (min, max)):
        _inplace.check(self, "clamp_")
        return _inplace.assign(self, _clamp(self.clone(), min, max), "clamp_")
    if self._inference:
        _inplace.check(self, "clamp_")
    if min is None and max is None:
        raise RuntimeError("clamp_(): At least one of 'min' or 'max' must not be None")
    if max is None:
        _C.maximum_(self, min)
    elif min is None:
        _C.minimum_(self, max)
    else:
        _C.clamp_(self, min, max, 1)
    return self


@method
def clamp_min_(self, min):
    """In-place form of clamp_min."""
    return clamp_(self, min)


@method
def clamp_max_(self, max):
    """In-place form of clamp_max."""
    return clamp_(self, None, max)


alias("clip", clamp)
METHODS["clip_"] = FUNCTIONS["clip_"] = FUNCTIONS["clamp_"] = clamp_
FUNCTIONS.update(clamp_min_=clamp_min_, clamp_max_=clamp_max_)


class Addcmul(Node):
    """z = x + value * y * w"""

    __slots__ = ("value",)

    def backward(self, dz):
        y, w = self.saved
        return (
            dz,
            dz * (w * self.value) if self.needs(1) else None,
            dz * (y * self.value) if self.needs(2) else None,
        )


class Addcdiv(Node):
    """z = x + value * y / w"""

    __slots__ = ("value",)

    def backward(self, dz):
        y, w = self.saved
        dy = dz * (self.value / w)
        return dz, dy, (-dy * (y / w) if self.needs(2) else None)


def _fused(name, node, doc):
    kernel, overwrite = getattr(_C, name), getattr(_C, name + "_")

    def f(input, tensor1, tensor2, *, value=1, out=None):
        z = kernel(input, tensor1, tensor2, value)
        if z.requires_grad:
            record(node, z, (input, tensor1, tensor2), (tensor1, tensor2)).value = value
        return z if out is None else write_out(out, z, name)

    def f_(self, tensor1, tensor2, *, value=1):
        if _inplace.tracked(self, (tensor1, tensor2)):
            _inplace.check(self, name + "_")
            return _inplace.assign(self, f(self.clone(), tensor1, tensor2, value=value), name + "_")
        if self._inference:
            _inplace.check(self, name + "_")
        overwrite(self, tensor1, tensor2, value)
        return self

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{doc}\n\n    Args:\n        input, tensor1, tensor2: tensors that broadcast.\n        value: a number."
    f_.__name__ = f_.__qualname__ = name + "_"
    f_.__doc__ = f"In-place form of {name}."
    METHODS[name + "_"] = f_
    return op(f)


addcmul = _fused("addcmul", Addcmul, "input + value * tensor1 * tensor2.")
addcdiv = _fused("addcdiv", Addcdiv, "input + value * tensor1 / tensor2.")


class Lerp(Node):
    """z = x + w * (y - x)"""

    __slots__ = ()

    def backward(self, dz):
        x, y, w = self.saved
        return (
            dz * (1 - w) if self.needs(0) else None,
            dz * w if self.needs(1) else None,
            dz * (y - x) if self.needs(2) else None,
        )


@op(out=True)
def lerp(input, end, weight):
    """input + weight * (end - input).

    Args:
        input, end: tensors that broadcast.
        weight: a number or a tensor.
    """
    z = _C.lerp(input, end, weight, 1)
    if z.requires_grad:
        record(Lerp, z, (input, end, weight), (input, end, weight))
    return z


def _lerp_kernel(self, end, weight):
    _C.lerp_(self, end, weight, 1)


inplace(lerp, _lerp_kernel)
