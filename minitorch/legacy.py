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
        return (
            isinstance(x, _C.TensorBase)
            and x.dtype is cls.legacy_dtype
            and x.device.type == cls.legacy_device
        )


def _legacy(name, dtype, device_type):
    def new(cls, *args, device=None):
        from .tensor import Tensor

        t = Tensor(*args, dtype=dtype)
        return t if device_type == "cpu" else t.to(device_type)

    return _LegacyMeta(
        name,
        (),
        {
            "__new__": new,
            "legacy_dtype": dtype,
            "legacy_device": device_type,
            "__doc__": f"Tensors of {dtype} on a {device_type} device.",
        },
    )


def legacy_types(device_type):
    """The typed names for one type of device."""
    return {name: _legacy(name, dtype, device_type) for dtype, name in TYPE_NAMES.items()}


LEGACY_TYPES = legacy_types("cpu")
