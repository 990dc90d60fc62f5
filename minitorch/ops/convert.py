"""Conversion between dtypes, devices and layouts; copies, fills and changes of a tensor itself."""

from __future__ import annotations

from .. import dtypes
from .._load import _C
from ..autograd import inplace as _inplace
from ._register import METHODS, Node, function, method, op, record
from .create import full, sizes_of
from .from_data import tensor

_Tensor = _C.TensorBase


class Cast(Node):
    """y = x in another dtype"""

    __slots__ = ("dtype",)

    def backward(self, dy):
        return cast(dy, self.dtype)


def cast(x, dtype):
    """x in another dtype, always a copy."""
    y = _C.cast(x, dtype)
    if y.requires_grad:
        record(Cast, y, (x,)).dtype = x.dtype
    return y


class Move(Node):
    """y = x on another device"""

    __slots__ = ("device",)

    def backward(self, dy):
        return move(dy, self.device)


def move(x, device, non_blocking=False):
    """x on another device, a copy unless it lies there already."""
    y = _C.to_device(x, device, non_blocking)
    if y.requires_grad:
        record(Move, y, (x,)).device = x.device
    return y


class Clone(Node):
    """y = a copy of x"""

    __slots__ = ()

    def backward(self, dy):
        return dy


@op
def clone(input, *, memory_format=None):
    """A copy with memory of its own; the gradient flows through."""
    y = _C.clone(input, memory_format is None or memory_format is dtypes.preserve_format)
    if y.requires_grad:
        record(Clone, y, (input,))
    return y


@method
def contiguous(self, memory_format=dtypes.contiguous_format):
    """The tensor itself where its memory is in row-major order, else a copy that is."""
    if memory_format is dtypes.channels_last or memory_format is dtypes.channels_last_3d:
        return _channels_last(self)
    if _C.is_contiguous(self):
        return self
    y = _C.contiguous(self)
    if y.requires_grad:
        record(Clone, y, (self,))
    return y


def _channels_last(x):
    """The same values with the channel dim innermost in memory."""
    last = tuple(_C.strides(x.permute(0, *_range(2, x.dim()), 1)))
    if last == tuple(
        _C.strides(_C.empty(tuple(x.permute(0, *_range(2, x.dim()), 1).shape), _C.bool, None))
    ):
        return x
    y = x.permute(0, *_range(2, x.dim()), 1).contiguous()
    return y.permute(0, y.dim() - 1, *_range(1, y.dim() - 1))


_range = __builtins__["range"] if isinstance(__builtins__, dict) else __builtins__.range


@method
def is_contiguous(self, memory_format=dtypes.contiguous_format):
    """Whether the memory is in row-major order (or channels_last)."""
    if memory_format is dtypes.channels_last and self.dim() == 4:
        return _C.is_contiguous(_C.permute(self, (0, 2, 3, 1)))
    return _C.is_contiguous(self)


@method
def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The tensor with another dtype or device; itself where nothing changes.

    Args:
        args: a dtype, a device, a device and a dtype, or a tensor to be like.
        non_blocking: do not wait for a copy to or from page-locked memory (pin_memory()).
        copy: a copy in any case.
    """
    for a in args:
        if isinstance(a, _C.dtype):
            dtype = a
        elif isinstance(a, _Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, (str, dtypes.device)) or (device is None and type(a) is int):
            device = a
        elif a in (float, int, bool):
            dtype = {float: _C.float32, int: _C.int64, bool: _C.bool}[a]
    result = self
    if device is not None:
        target = _C.resolve_device(device)
        if target is not self.device:
            # The smaller dtype travels.
            if dtype is not None and dtype.itemsize < self.dtype.itemsize:
                result = cast(result, dtype)
            result = move(result, target, non_blocking)
    if dtype is not None and dtype is not result.dtype:
        result = cast(result, dtype)
    elif copy and result is self:
        result = clone(self)
    if memory_format is dtypes.channels_last:
        result = _channels_last(result)
    return result


for _name, _dtype in {
    "float": _C.float32, "double": _C.float64, "half": _C.float16, "bfloat16": _C.bfloat16, "long": _C.int64,
    "int": _C.int32, "short": _C.int16, "char": _C.int8, "byte": _C.uint8, "bool": _C.bool,
}.items():  # fmt: skip

    def _convert(self, memory_format=None, _dtype=_dtype):
        return self if self.dtype is _dtype else cast(self, _dtype)

    _convert.__name__ = _name
    _convert.__doc__ = f"The tensor as {_dtype.__reduce__()}."
    METHODS[_name] = _convert


@method
def copy_(self, src, non_blocking=False):
    """Overwrites the tensor with src, broadcast and converted."""
    if not isinstance(src, _Tensor):
        src = tensor(src)
    if _inplace.tracked(self, (src,)):
        value = src.to(self.dtype) if src.dtype is not self.dtype else src
        return _inplace.assign(
            self, value.expand(self.shape) if value.shape != self.shape else value, "copy_"
        )
    if self._inference:
        _inplace.check(self, "copy_")
    _C.copy_(self, src)
    return self


@method
def fill_(self, value):
    """Overwrites every element with value."""
    if _inplace.tracked(self, (value,)):
        source = (
            value
            if isinstance(value, _Tensor)
            else full((), value, dtype=self.dtype, device=self.device)
        )
        return copy_(self, source)
    if self._inference:
        _inplace.check(self, "fill_")
    if isinstance(value, _Tensor):
        if value.dim() != 0:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.dim()} dimensions."
            )
        _C.copy_(self, value)
    else:
        _C.fill_(self, value)
    return self


@function
def fill(input, value):
    """A tensor of input's shape filled with value; no gradient flows to input."""
    return fill_(clone(input), value)


method(fill)


@op
def zero_(input):
    """Overwrites every element with 0."""
    return fill_(input, 0)


@op
def detach(input):
    """The same memory without history."""
    return _C.detach(input)


@method
def detach_(self):
    """Cuts the tensor from its history."""
    self.grad_fn = None
    self.requires_grad = False
    return self


@method
def requires_grad_(self, requires_grad=True):
    """Sets requires_grad; returns the tensor."""
    self.requires_grad = requires_grad
    return self


@method
def resize_(self, *size, memory_format=None):
    """Changes the shape in place; grown content is unspecified."""
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    _C.resize_(self, sizes_of(size))
    return self


@method
def resize_as_(self, other, memory_format=None):
    """Changes the shape in place to that of other."""
    return resize_(self, *other.shape)
