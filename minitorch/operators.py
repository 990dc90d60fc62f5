"""Python's operators on tensors.

They are the functions of minitorch/ops, except that a class they do not know gets its own turn
(NotImplemented), and that NumPy arrays become tensors.
"""

from __future__ import annotations

from ._load import _C
from .ops import FUNCTIONS, METHODS, binary

_NUMBERS = (int, float, bool)


def _forward(name, kernel=None):
    """self <op> other"""
    f = kernel or METHODS[name]

    def run(self, other):
        try:
            return f(self, other)
        except TypeError:
            return binary.foreign(f, self, other)

    return run


def _reversed(name):
    """other <op> self"""
    f = FUNCTIONS[name]

    def run(self, other):
        try:
            return f(other, self)
        except TypeError:
            return binary.foreign(f, other, self)

    return run


def _comparison(kernel):
    def run(self, other):
        try:
            return kernel(self, other)
        except TypeError:
            if other is None or isinstance(other, (str, bytes, list, tuple, dict)):
                return NotImplemented
            return binary.foreign(kernel, self, other)

    return run


def _overwriting(name):
    def run(self, other):
        return METHODS[name](self, other)

    return run


class Operators:
    """What +, <, & ... do."""

    __slots__ = ()
    __hash__ = object.__hash__

    __add__ = __radd__ = binary.operator_add
    __sub__ = binary.operator_sub
    __mul__ = __rmul__ = binary.operator_mul
    __truediv__ = binary.operator_div
    __rsub__ = _reversed("sub")
    __rtruediv__ = __rdiv__ = _reversed("div")
    __floordiv__ = _forward("floor_divide")
    __rfloordiv__ = _reversed("floor_divide")
    __mod__ = _forward("remainder")
    __rmod__ = _reversed("remainder")
    __rpow__ = _reversed("pow")
    __matmul__ = _forward("matmul")
    __rmatmul__ = _reversed("matmul")
    __and__ = __rand__ = _forward("bitwise_and")
    __or__ = __ror__ = _forward("bitwise_or")
    __xor__ = __rxor__ = _forward("bitwise_xor")
    __lshift__ = _forward("bitwise_left_shift")
    __rshift__ = _forward("bitwise_right_shift")
    __rlshift__ = _reversed("bitwise_left_shift")
    __rrshift__ = _reversed("bitwise_right_shift")

    __eq__ = _comparison(_C.eq)
    __ne__ = _comparison(_C.ne)
    __lt__ = _comparison(_C.lt)
    __le__ = _comparison(_C.le)
    __gt__ = _comparison(_C.gt)
    __ge__ = _comparison(_C.ge)

    __iadd__ = _overwriting("add_")
    __isub__ = _overwriting("sub_")
    __imul__ = _overwriting("mul_")
    __itruediv__ = __idiv__ = _overwriting("div_")
    __ifloordiv__ = _overwriting("floor_divide_")
    __imod__ = _overwriting("remainder_")
    __ipow__ = _overwriting("pow_")
    __iand__ = _overwriting("bitwise_and_")
    __ior__ = _overwriting("bitwise_or_")
    __ixor__ = _overwriting("bitwise_xor_")
    __ilshift__ = _overwriting("bitwise_left_shift_")
    __irshift__ = _overwriting("bitwise_right_shift_")

    def __pow__(self, other, modulo=None):
        try:
            return binary.pow(self, other)
        except TypeError:
            return binary.foreign(binary.pow, self, other)

    def __divmod__(self, other):
        return self // other, self % other

    def __neg__(self):
        return METHODS["neg"](self)

    def __pos__(self):
        return METHODS["positive"](self)

    def __abs__(self):
        return METHODS["abs"](self)

    def __invert__(self):
        return _C.bitwise_not(self)
