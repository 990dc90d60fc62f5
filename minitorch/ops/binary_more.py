"""The other functions of two tensors: extrema, remainders, angles, bits; formulas in csrc/ops/binary.h."""

from __future__ import annotations

from .._load import _C
from . import binary as _binary
from ._register import FUNCTIONS, METHODS, Node, alias, function, inplace, op, record, write_out

_Tensor = _C.TensorBase
Constant2, two_tensors = _binary.Constant2, _binary.two_tensors


class Fmax(Node):
    """z = max(x, y), a number over NaN; ties go to x"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        left = self.takes_x(x, y).to(dz.dtype)
        return dz * left, dz * (1 - left)

    @staticmethod
    def takes_x(x, y):
        """Where z is x."""
        return (x >= y) | y.isnan()


class Fmin(Fmax):
    """z = min(x, y), a number over NaN; ties go to x"""

    __slots__ = ()

    @staticmethod
    def takes_x(x, y):
        return (x <= y) | y.isnan()


class Remainder(Node):
    """z = x - y * floor(x / y)"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        return dz, (-dz * self.quotient(x, y) if self.needs(1) else None)

    @staticmethod
    def quotient(x, y):
        """-dz/dy"""
        return _binary.div(x, y, rounding_mode="floor")


class Fmod(Remainder):
    """z = x - y * trunc(x / y)"""

    __slots__ = ()

    @staticmethod
    def quotient(x, y):
        return _binary.div(x, y, rounding_mode="trunc")


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
        x, y = self.saved
        z = hypot(x, y)
        return dz * (x / z), dz * (y / z)


class Copysign(Node):
    """z = |x| with the sign of y"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        ratio = FUNCTIONS["where"](x == 0, 0, copysign(x, y) / x)
        return dz * ratio, dz * 0


class Logaddexp(Node):
    """z = log(exp(x) + exp(y))"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        return dz * self.share(x, y), dz * self.share(y, x)

    @staticmethod
    def share(x, y):
        """exp(x) / (exp(x) + exp(y))"""
        same = x == y  # also where both are the same infinity
        return FUNCTIONS["where"](same, 0.5, (x - y).sigmoid())


class Logaddexp2(Logaddexp):
    """z = log2(2^x + 2^y)"""

    __slots__ = ()

    @staticmethod
    def share(x, y):
        same = x == y
        return FUNCTIONS["where"](same, 0.5, ((x - y) * 0.6931471805599453).sigmoid())


class Xlogy(Node):
    """z = x * log(y)"""

    __slots__ = ()

    def backward(self, dz):
        x, y = self.saved
        dx = None
        if self.needs(0):
            log = (
                y.log()
                if isinstance(y, _Tensor)
                else _C.full((), float(y), dz.dtype, dz.device).log()
            )
            dx = FUNCTIONS["where"]((x == 0) & (y <= 0), 0, dz * log)
        return dx, (dz * (x / y) if self.needs(1) else None)


class First(Node):
    """z moves with x; y only says where to"""

    __slots__ = ()

    def backward(self, dz):
        return dz, dz * 0


fmax = two_tensors("fmax", Fmax, "The larger of each pair, ignoring NaN.")
fmin = two_tensors("fmin", Fmin, "The smaller of each pair, ignoring NaN.")
for _name in ("fmax_", "fmin_"):
    del METHODS[_name]  # torch has no such methods
remainder = two_tensors("remainder", Remainder, "Python's modulus: the sign of the divisor.")
fmod = two_tensors("fmod", Fmod, "C's modulus: the sign of the dividend.")
atan2 = two_tensors("atan2", Atan2, "Angle of the point (other, input), in radians.")
hypot = two_tensors("hypot", Hypot, "sqrt(input^2 + other^2) without overflow.")
copysign = two_tensors("copysign", Copysign, "The magnitude of input with the sign of other.")
logaddexp = two_tensors("logaddexp", Logaddexp, "log(exp(input) + exp(other)).")
logaddexp2 = two_tensors("logaddexp2", Logaddexp2, "log2(2^input + 2^other).")
xlogy = two_tensors("xlogy", Xlogy, "input * log(other), 0 where input is 0.")
nextafter = two_tensors(
    "nextafter", First, "The next floating point number towards other.", saved=False
)


@op
def heaviside(input, values, *, out=None):
    """0, values or 1 for a negative, zero or positive input."""
    z = _C.heaviside(input, values)
    if z.requires_grad:
        record(Constant2, z, (input, values))
    return z if out is None else write_out(out, z, "heaviside")


inplace(heaviside, _C.heaviside_)

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
    two_tensors(_name, Constant2, _doc, saved=False)

for _new, _old in {
    "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge",
    "arctan2": "atan2",
}.items():  # fmt: skip
    alias(_new, FUNCTIONS[_old])
    METHODS[_new + "_"] = METHODS[_old + "_"]

for _name in (
    "and", "or", "xor", "lshift", "rshift",
):  # fmt: skip
    _full = {"lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift"}.get(
        _name, "bitwise_" + _name
    )
    FUNCTIONS[f"__{_name}__"] = FUNCTIONS[_full]


@op
def ldexp(input, other, *, out=None):
    """input * 2 ** other."""
    z = _binary.mul(input, _binary.pow(2.0, other))
    return z if out is None else write_out(out, z, "ldexp")


inplace(ldexp)


@op
def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    if not isinstance(input, _Tensor):
        raise TypeError(f"rsub(): argument 'input' must be Tensor, not {type(input).__name__}")
    return _binary.sub(other, input, alpha=alpha)


@op
def float_power(input, exponent, *, out=None):
    """input ** exponent in float64."""
    if not isinstance(input, _Tensor) and not isinstance(exponent, _Tensor):
        raise TypeError("float_power(): expected at least one Tensor")
    input, exponent = (
        v.to(_C.float64) if isinstance(v, _Tensor) else float(v) for v in (input, exponent)
    )
    return _binary.pow(input, exponent, out=out)


inplace(float_power)


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
