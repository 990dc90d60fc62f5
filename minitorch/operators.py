"""Python's operators on tensors."""

from __future__ import annotations

from ._load import _C
from .ops import METHODS, binary

_NUMBERS = (int, float, bool)


def _comparable(other):
    return isinstance(other, (_C.TensorBase, *_NUMBERS)) or (
        hasattr(other, "__float__") and not isinstance(other, str)
    )


def _like(number, tensor):
    return _C.full((), number, tensor.dtype, tensor.device)


class Operators:
    """What +, <, & ... do."""

    __slots__ = ()
    __hash__ = object.__hash__

    __add__ = binary.add
    __sub__ = binary.sub
    __mul__ = binary.mul
    __truediv__ = binary.div

    def __radd__(self, other):
        return binary.add(self, other)

    def __rmul__(self, other):
        return binary.mul(self, other)

    def __rsub__(self, other):
        return binary.sub(other, self)

    def __rtruediv__(self, other):
        return binary.div(other, self)

    def __floordiv__(self, other):
        return binary.floor_divide(self, other)

    def __rfloordiv__(self, other):
        return binary.floor_divide(other, self)

    def __mod__(self, other):
        return binary.remainder(self, other)

    def __rmod__(self, other):
        return binary.remainder(other, self)

    def __divmod__(self, other):
        return self // other, self % other

    def __pow__(self, other, modulo=None):
        return METHODS["pow"](self, other)

    def __rpow__(self, other):
        return METHODS["pow"](other, self)

    def __matmul__(self, other):
        return METHODS["matmul"](self, other)

    def __rmatmul__(self, other):
        return METHODS["matmul"](other, self)

    def __neg__(self):
        return METHODS["neg"](self)

    def __pos__(self):
        return self

    def __abs__(self):
        return METHODS["abs"](self)

    def __invert__(self):
        return _C.bitwise_not(self)

    def __and__(self, other):
        return binary.bitwise_and(self, other)

    def __or__(self, other):
        return binary.bitwise_or(self, other)

    def __xor__(self, other):
        return binary.bitwise_xor(self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __lshift__(self, other):
        return METHODS["bitwise_left_shift"](self, other)

    def __rshift__(self, other):
        return METHODS["bitwise_right_shift"](self, other)

    def __rlshift__(self, other):
        return METHODS["bitwise_left_shift"](_like(other, self), self)

    def __rrshift__(self, other):
        return METHODS["bitwise_right_shift"](_like(other, self), self)

    def __eq__(self, other):
        return _C.eq(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other):
        return _C.ne(self, other) if _comparable(other) else NotImplemented

    def __lt__(self, other):
        return _C.lt(self, other)

    def __le__(self, other):
        return _C.le(self, other)

    def __gt__(self, other):
        return _C.gt(self, other)

    def __ge__(self, other):
        return _C.ge(self, other)

    def __iadd__(self, other):
        return METHODS["add_"](self, other)

    def __isub__(self, other):
        return METHODS["sub_"](self, other)

    def __imul__(self, other):
        return METHODS["mul_"](self, other)

    def __itruediv__(self, other):
        return METHODS["div_"](self, other)

    def __ifloordiv__(self, other):
        return METHODS["floor_divide_"](self, other)

    def __imod__(self, other):
        return METHODS["remainder_"](self, other)

    def __ipow__(self, other):
        return METHODS["pow_"](self, other)

    def __iand__(self, other):
        return METHODS["bitwise_and_"](self, other)

    def __ior__(self, other):
        return METHODS["bitwise_or_"](self, other)

    def __ixor__(self, other):
        return METHODS["bitwise_xor_"](self, other)

    def __ilshift__(self, other):
        return METHODS["bitwise_left_shift_"](self, other)

    def __irshift__(self, other):
        return METHODS["bitwise_right_shift_"](self, other)
