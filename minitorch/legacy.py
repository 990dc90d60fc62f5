"""The typed names of PyTorch's past (FloatTensor ...) and the storage behind a tensor."""

from __future__ import annotations

from . import dtypes
from ._load import _C


class UntypedStorage:
    """A look at the memory behind a tensor: address and size."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor):
        self._tensor = tensor

    def data_ptr(self):
        """Address of the first byte."""
        return _C.storage_data_ptr(self._tensor)

    def nbytes(self):
        """Size in bytes."""
        return _C.storage_nbytes(self._tensor)

    size = __len__ = nbytes

    @property
    def _cdata(self):
        return self.data_ptr()


TYPE_NAMES = {
    dtypes.float32: "FloatTensor", dtypes.float64: "DoubleTensor", dtypes.float16: "HalfTensor",
    dtypes.bfloat16: "BFloat16Tensor", dtypes.int64: "LongTensor", dtypes.int32: "IntTensor",
    dtypes.int16: "ShortTensor", dtypes.int8: "CharTensor", dtypes.uint8: "ByteTensor", dtypes.bool: "BoolTensor",
}  # fmt: skip


class _LegacyMeta(type):
    def __instancecheck__(cls, x):
        return isinstance(x, _C.TensorBase) and x.dtype is cls.legacy_dtype


def _legacy(name, dtype):
    def new(cls, *args, device=None):
        from .tensor import Tensor

        return Tensor(*args, dtype=dtype)

    return _LegacyMeta(
        name, (), {"__new__": new, "legacy_dtype": dtype, "__doc__": f"Tensors of {dtype}."}
    )


LEGACY_TYPES = {name: _legacy(name, dtype) for dtype, name in TYPE_NAMES.items()}
