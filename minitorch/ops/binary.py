"""Sums, products, quotients and powers; formulas in csrc/ops/binary.h.

Gradients come back in the broadcast shape; the engine sums them to each operand's shape.
"""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ..autograd import inplace as _inplace
from ._register import FUNCTIONS, METHODS, Node, alias, inplace, op, record, write_out

_c_add, _c_sub, _c_mul, _c_div, _c_pow = _C.add, _C.sub, _C.mul, _C.div, _C.pow
_Tensor = _C.TensorBase


class Add(Node):
    """z = x + y"""

    __slots__ = ()

    def backward(self, dz):
        return dz, dz


class Sub(Node):
    """z = x - y"""

    __slots__ = ()

    def backward(self, dz):
        return dz, (-dz if self.needs(1) else None)


class AddScaled(Node):
    """z = x + alpha * y"""

    __slots__ = ("alpha",)

    def backward(self, dz):
        return dz, (dz * self.alpha if self.needs(1) else None)


class Mul(Node):
    """z = x * y"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        return (
            dz * y if self.needs(0) else None,
            dz * x if self.needs(1) else None,
        )


class MulNumber(Node):
    """z = x * number"""

    __slots__ = ()

    def backward(self, dz):
        return dz * self.saved[0]


class Div(Node):
    """z = x / y"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        dx = dz / y
        return dx, (-dx * (x / y) if self.needs(1) else None)


class Constant2(Node):
    """Piecewise constant in both operands."""

    __slots__ = ()

    def backward(self, dz):
        zero = _C.full(dz.shape, 0, dz.dtype, dz.device)
        return zero, zero.clone()


class Pow(Node):
    """z = x ** y"""

    __slots__ = ()

    def backward(self, dz):
        x, y, z = self.saved
        where = FUNCTIONS["where"]
        dx = dy = None
        if self.needs(0):
            # Where y is 0 the slope is 0, whatever x ** -1 is.
            dx = where(y == 0, 0, dz * (y * pow(x, y - 1)))
        if self.needs(1):
            base = x if isinstance(x, _Tensor) else _C.full((), float(x), dz.dtype, dz.device)
            dy = where((base == 0) & (y >= 0), 0, dz * (z * base.log()))
        return dx, dy


class PowNumber(Node):
    """z = x ** number"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        if y == 0:
            return dz * 0
        return dz * (x * 2 if y == 2 else pow(x, y - 1) * y)


class Maximum(Node):
    """z = max(x, y); ties share the gradient"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        left = self.better(x, y).to(dz.dtype) + (x == y).to(dz.dtype) * 0.5
        return dz * left, dz * (1 - left)

    @staticmethod
    def better(x, y):
        """Where the gradient is all x's."""
        return x > y


class Minimum(Maximum):
    """z = min(x, y); ties share the gradient"""

    __slots__ = ()

    @staticmethod
    def better(x, y):
        return x < y


def _written(kernel, out, input, other):
    """Whether the kernel has written straight into out=; else the result is made and copied."""
    if not isinstance(out, _Tensor):
        return False
    if _C.is_grad_enabled():
        for t in (out, input, other):
            if isinstance(t, _Tensor) and t.requires_grad:
                return False
    return kernel(out, input, other)


def add(input, other, *, alpha=1, out=None):
    """input + alpha * other, with broadcasting and type promotion.

    Args:
        input, other: tensors or numbers.
        alpha: scale of `other`.
        out: tensor to write to.
    """
    if out is not None and alpha == 1 and _written(_C.add_out, out, input, other):
        return out
    if alpha == 1:
        z = _c_add(input, other)
        if z.requires_grad:
            record(Add, z, (input, other))
    else:
        z = _C.add_scaled(input, other, alpha)
        if z.requires_grad:
            record(AddScaled, z, (input, other)).alpha = alpha
    return z if out is None else write_out(out, z, "add")


def sub(input, other, *, alpha=1, out=None):
    """input - alpha * other, with broadcasting and type promotion."""
    if out is not None and alpha == 1 and _written(_C.sub_out, out, input, other):
        return out
    if alpha == 1:
        z = _c_sub(input, other)
        if z.requires_grad:
            record(Sub, z, (input, other))
    else:
        z = _C.add_scaled(input, other, -alpha)
        if z.requires_grad:
            record(AddScaled, z, (input, other)).alpha = -alpha
    return z if out is None else write_out(out, z, "sub")


def mul(input, other, *, out=None):
    """input * other, with broadcasting and type promotion."""
    if out is not None and _written(_C.mul_out, out, input, other):
        return out
    z = _c_mul(input, other)
    if z.requires_grad:
        if isinstance(other, _Tensor):
            record(Mul, z, (input, other), (input, other))
        else:
            record(MulNumber, z, (input,), (other,))
    return z if out is None else write_out(out, z, "mul")


def div(input, other, *, rounding_mode=None, out=None):
    """input / other: true division, or rounded.

    Args:
        rounding_mode: None, "trunc" (towards zero) or "floor" (towards minus infinity).
    """
    if rounding_mode is None:
        if out is not None and _written(_C.div_out, out, input, other):
            return out
        z = _c_div(input, other)
        if z.requires_grad:
            record(Div, z, (input, other), (input, other))
    elif rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    elif rounding_mode == "trunc":
        z = _C.trunc_divide(input, other)
        if z.requires_grad:
            record(Constant2, z, (input, other))
    else:
        raise RuntimeError(
            f"div(): expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    return z if out is None else write_out(out, z, "div")


def pow(input, exponent, *, out=None):
    """input raised to the power of exponent.

    Args:
        input, exponent: tensors or numbers, not both numbers.

    Raises:
        RuntimeError: an integer tensor and a negative number.
    """
    if _amp.enabled:
        input, exponent = _amp.float32("pow", input, exponent)
    z = _c_pow(input, exponent)
    if z.requires_grad:
        if isinstance(exponent, _Tensor):
            record(Pow, z, (input, exponent), (input, exponent, z))
        else:
            record(PowNumber, z, (input,), (input, exponent))
    return z if out is None else write_out(out, z, "pow")


def floor_divide(input, other, *, out=None):
    """Division rounded towards minus infinity."""
    z = _C.floor_divide(input, other)
    if z.requires_grad:
        record(Constant2, z, (input, other))
    return z if out is None else write_out(out, z, "floor_divide")


for _f in (add, sub, mul, div, pow, floor_divide):
    op(_f)
for _new, _old in {
    "subtract": sub, "multiply": mul, "divide": div, "true_divide": div,
}.items():  # fmt: skip
    alias(_new, _old)


# --- operators: as the functions, but NotImplemented for foreign classes


def foreign(f, input, other):
    """An operand that the kernel refused: an array becomes a tensor, an unknown class has its turn."""
    for value in (other, input):
        if isinstance(value, (_Tensor, bool, int, float)) or value is None:
            continue
        if isinstance(value, (str, bytes, list, tuple, dict, complex)):
            break
        if hasattr(value, "__array_interface__") or hasattr(value, "__array__"):
            tensor = FUNCTIONS["as_tensor"]
            return f(input, tensor(other)) if value is other else f(tensor(input), other)
        return NotImplemented
    return f(input, other)  # raises again


def operator_add(self, other):
    """self + other"""
    try:
        z = _c_add(self, other)
    except TypeError:
        return foreign(add, self, other)
    if z.requires_grad:
        record(Add, z, (self, other))
    return z


def operator_sub(self, other):
    """self - other"""
    try:
        z = _c_sub(self, other)
    except TypeError:
        return foreign(sub, self, other)
    if z.requires_grad:
        record(Sub, z, (self, other))
    return z


def operator_mul(self, other):
    """self * other"""
    try:
        z = _c_mul(self, other)
    except TypeError:
        return foreign(mul, self, other)
    if z.requires_grad:
        if isinstance(other, _Tensor):
            record(Mul, z, (self, other), (self, other))
        else:
            record(MulNumber, z, (self,), (other,))
    return z


def operator_div(self, other):
    """self / other"""
    try:
        z = _c_div(self, other)
    except TypeError:
        return foreign(div, self, other)
    if z.requires_grad:
        record(Div, z, (self, other), (self, other))
    return z


# --- in place


def _scaled(name, kernel, sign, node):
    f = FUNCTIONS[name]

    def f_(self, other, *, alpha=1):
        if _inplace.tracked(self, (other,)):
            _inplace.check(self, name + "_")
            if self._base is None:
                # Linear: nothing is saved, so the sum can be formed in place.
                if alpha == 1:
                    kernel(self, other)
                    record(node, self, (self, other))
                else:
                    _C.add_scaled_(self, other, sign * alpha)
                    record(AddScaled, self, (self, other)).alpha = sign * alpha
                return self
            value = f(self.clone(), other, alpha=alpha)
            return _inplace.assign(self, value, name + "_")
        if self._inference:
            _inplace.check(self, name + "_")
        if alpha == 1:
            kernel(self, other)
        else:
            _C.add_scaled_(self, other, sign * alpha)
        return self

    f_.__name__ = f_.__qualname__ = name + "_"
    f_.__doc__ = f"In-place form of {name}."
    METHODS[name + "_"] = f_
    return f_


add_ = _scaled("add", _C.add_, 1, Add)
sub_ = _scaled("sub", _C.sub_, -1, Sub)
mul_ = inplace(mul, _C.mul_)
div_ = inplace(div, _C.div_)
pow_ = inplace(pow, _C.pow_)
floor_divide_ = inplace(floor_divide, _C.floor_divide_)
METHODS.update(subtract_=sub_, multiply_=mul_, divide_=div_, true_divide_=div_)


# --- the rest of the family, minitorch/ops/binary_more.py, is made by this


def two_tensors(name, node, doc, saved=True):
    """Defines minitorch.<name>, Tensor.<name> and Tensor.<name>_."""
    kernel = getattr(_C, name)

    def f(input, other, *, out=None):
        z = kernel(input, other)
        if z.requires_grad:
            record(node, z, (input, other), (input, other) if saved else ())
        return z if out is None else write_out(out, z, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    op(f)
    inplace(f, getattr(_C, name + "_"))
    return f


maximum = two_tensors("maximum", Maximum, "The larger of each pair; NaN where either is.")
minimum = two_tensors("minimum", Minimum, "The smaller of each pair; NaN where either is.")
del METHODS["maximum_"], METHODS["minimum_"]  # torch has no such methods
