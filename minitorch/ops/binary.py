"""Elementwise arithmetic and comparison; formulas in csrc/ops/binary.h.

Gradients come back in the broadcast shape; the engine sums them to each operand's shape.
"""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ._register import FUNCTIONS, METHODS, Node, alias, function, inplace, op, record, write_out

_c_add, _c_sub, _c_mul, _c_div = _C.add, _C.sub, _C.mul, _C.div
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


def add(input, other, *, alpha=1, out=None):
    """input + alpha * other, with broadcasting and type promotion.

    Args:
        input, other: tensors or numbers.
        alpha: scale of `other`.
        out: tensor to write to.
    """
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


class Constant2(Node):
    """Piecewise constant in both operands."""

    __slots__ = ()

    def backward(self, dz):
        zero = _C.full(dz.shape, 0, dz.dtype, dz.device)
        return zero, zero.clone()


class Remainder(Node):
    """z = x - y * floor(x / y), or trunc for fmod"""

    __slots__ = ("quotient",)

    def backward(self, dz):
        x, y = self.saved
        return dz, (-dz * self.quotient(x, y) if self.needs(1) else None)


class Pow(Node):
    """z = x ** y"""

    __slots__ = ()

    def backward(self, dz):
        x, y, z = self.saved
        dx = dy = None
        if self.needs(0):
            if isinstance(y, _Tensor):
                dx = dz * (y * x ** (y - 1)).masked_fill(y == 0, 0)
            else:
                dx = dz * (x ** (y - 1) * y) if y != 0 else dz * 0
        if self.needs(1):
            base_zero = x == 0
            if isinstance(x, _Tensor):
                dy = dz * (z * x.log()).masked_fill(base_zero & (y >= 0), 0)
            else:
                log = _C.log(_C.full((), float(x), dz.dtype, dz.device))
                dy = dz * (z * log) if not base_zero else dz * (z * log).masked_fill(y >= 0, 0)
        return dx, dy


class Extremum(Node):
    """z = max(x, y) or min(x, y); ties share the gradient"""

    __slots__ = ("better",)

    def backward(self, dz):
        x, y = self.saved
        tie = (x == y).to(dz.dtype) * 0.5
        left = self.better(x, y).to(dz.dtype) + tie
        return dz * left, dz * (1 - left)


class Atan2(Node):
    """z = atan2(x, y)"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        scaled = dz / (x * x + y * y)
        return scaled * y, -scaled * x


class Hypot(Node):
    """z = sqrt(x^2 + y^2)"""

    __slots__ = ()

    def backward(self, dz):
        x, y, z = self.saved
        return dz * (x / z), dz * (y / z)


class Copysign(Node):
    """z = |x| with the sign of y"""

    __slots__ = ()

    def backward(self, dz):
        x, z = self.saved
        ratio = (z / x).masked_fill(x == 0, 0)
        return dz * ratio, dz * 0


class Logaddexp(Node):
    """z = log(exp(x) + exp(y)), or to base 2"""

    __slots__ = ("power",)

    def backward(self, dz):
        x, y, z = self.saved
        return dz * self.power(x - z), dz * self.power(y - z)


class Xlogy(Node):
    """z = x * log(y)"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        dx = dz * y.log().masked_fill((x == 0) & (y <= 0), 0) if self.needs(0) else None
        return dx, (dz * x / y if self.needs(1) else None)


def _binary(name, node, doc, *, saves="xy", set_up=None, floating=False):
    """Defines minitorch.<name> and Tensor.<name>."""
    kernel = getattr(_C, name)

    def f(input, other, *, out=None):
        z = kernel(input, other)
        if z.requires_grad:
            saved = (input, other) if saves == "xy" else (input, other, z)
            if node is Copysign:
                saved = (input, z)
            n = record(node, z, (input, other), saved)
            if set_up:
                set_up(n)
        return z if out is None else write_out(out, z, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


def _set_floor(n):
    n.quotient = lambda x, y: (x / y).floor()


def _set_trunc(n):
    n.quotient = lambda x, y: (x / y).trunc()


def _set_greater(n):
    n.better = lambda x, y: x > y


def _set_less(n):
    n.better = lambda x, y: x < y


def _set_exp(n):
    n.power = lambda d: d.exp()


def _set_exp2(n):
    n.power = lambda d: d.exp2()


pow = _binary("pow", Pow, "input raised to the power of other.", saves="xyz")
maximum = _binary(
    "maximum", Extremum, "The larger of each pair; NaN where either is.", set_up=_set_greater
)
minimum = _binary(
    "minimum", Extremum, "The smaller of each pair; NaN where either is.", set_up=_set_less
)
fmax = _binary("fmax", Extremum, "The larger of each pair, ignoring NaN.", set_up=_set_greater)
fmin = _binary("fmin", Extremum, "The smaller of each pair, ignoring NaN.", set_up=_set_less)
remainder = _binary(
    "remainder", Remainder, "Python's modulus: the sign of the divisor.", set_up=_set_floor
)
fmod = _binary("fmod", Remainder, "C's modulus: the sign of the dividend.", set_up=_set_trunc)
floor_divide = _binary("floor_divide", Constant2, "Division rounded towards minus infinity.")
heaviside = _binary("heaviside", Constant2, "0, other or 1 for a negative, zero or positive input.")
nextafter = _binary("nextafter", Constant2, "The next floating point number towards other.")
atan2 = _binary("atan2", Atan2, "Angle of the point (other, input), in radians.")
hypot = _binary("hypot", Hypot, "sqrt(input^2 + other^2) without overflow.", saves="xyz")
copysign = _binary("copysign", Copysign, "The magnitude of input with the sign of other.")
logaddexp = _binary(
    "logaddexp", Logaddexp, "log(exp(input) + exp(other)).", saves="xyz", set_up=_set_exp
)
logaddexp2 = _binary(
    "logaddexp2", Logaddexp, "log2(2^input + 2^other).", saves="xyz", set_up=_set_exp2
)
xlogy = _binary("xlogy", Xlogy, "input * log(other), 0 where input is 0.")

for _f in (add, sub, mul, div, pow, maximum, minimum, fmax, fmin, remainder, fmod, floor_divide, heaviside,
           nextafter, atan2, hypot, copysign, logaddexp, logaddexp2, xlogy):  # fmt: skip
    op(_f)

for _name, _doc in {
    "bitwise_and": "Bitwise and of integers or bools.",
    "bitwise_or": "Bitwise or of integers or bools.",
    "bitwise_xor": "Bitwise exclusive or of integers or bools.",
    "bitwise_left_shift": "input << other.",
    "bitwise_right_shift": "input >> other.",
    "gcd": "Greatest common divisor.",
    "lcm": "Least common multiple.",
    "eq": "input == other, elementwise.",
    "ne": "input != other, elementwise.",
    "lt": "input < other, elementwise.",
    "le": "input <= other, elementwise.",
    "gt": "input > other, elementwise.",
    "ge": "input >= other, elementwise.",
    "logical_and": "Whether both are nonzero.",
    "logical_or": "Whether either is nonzero.",
    "logical_xor": "Whether exactly one is nonzero.",
}.items():
    op(_binary(_name, Constant2, _doc))

eq, ne, lt, le, gt, ge = (FUNCTIONS[n] for n in ("eq", "ne", "lt", "le", "gt", "ge"))
bitwise_and, bitwise_or, bitwise_xor = (FUNCTIONS["bitwise_" + n] for n in ("and", "or", "xor"))
for _new, _old in {
    "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "not_equal": "ne",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "arctan2": "atan2",
}.items():  # fmt: skip
    alias(_new, FUNCTIONS[_old])

# In-place forms with kernels of their own.
for _name in (
    "mul", "div", "pow", "remainder", "fmod", "floor_divide", "atan2", "hypot", "copysign", "xlogy",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm",
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "heaviside", "nextafter",
):  # fmt: skip
    inplace(FUNCTIONS[_name], getattr(_C, _name + "_"))


def _scaled(name, kernel, sign, record_):
    def f_(self, other, *, alpha=1):
        if _inplace.tracked(self, (other,)):
            _inplace.check(self, name + "_")
            if self._base is None:
                # Linear: nothing is saved, so the sum can be formed in place.
                if alpha == 1:
                    kernel(self, other)
                    record(record_, self, (self, other))
                else:
                    _C.add_scaled_(self, other, sign * alpha)
                    record(AddScaled, self, (self, other)).alpha = sign * alpha
                return self
            value = FUNCTIONS[name](self.clone(), other, alpha=alpha)
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
METHODS.update(
    subtract_=sub_, multiply_=METHODS["mul_"], divide_=METHODS["div_"], true_divide_=METHODS["div_"],
    not_equal_=METHODS["ne_"], less_=METHODS["lt_"], less_equal_=METHODS["le_"], greater_=METHODS["gt_"],
    greater_equal_=METHODS["ge_"], arctan2_=METHODS["atan2_"],
)  # fmt: skip


@op
def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    return sub(other, input, alpha=alpha)


@function
def float_power(input, exponent, *, out=None):
    """input ** exponent in float64."""
    wide = lambda v: v.to(_C.float64) if isinstance(v, _Tensor) else float(v)  # noqa: E731
    return pow(wide(input), wide(exponent), out=out)


@function
def result_type(tensor1, tensor2):
    """The dtype that an operation on the two would have."""
    return _C.result_type(tensor1, tensor2)


@function
def promote_types(type1, type2):
    """The smallest dtype to which both can be converted."""
    return _C.promote_types(type1, type2)


@function
def can_cast(from_, to):
    """Whether type promotion allows converting one dtype to the other."""
    from ._register import can_cast as check

    return check(from_, to)
