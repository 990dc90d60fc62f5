"""Reads PyTorch's zip files of state dicts, without PyTorch and without running what a pickle asks for.

A pickle is a program; this reader lets it name nothing but the few constructors below, which build
tensors and containers.
"""

from __future__ import annotations

import pickle

import minitorch

from .plain_pickle import PlainUnpickler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_DTYPES = {*_STORAGES.values(), "uint16", "uint32", "uint64"}


def read(file: BinaryIO, name: Any, place: Callable[[minitorch.Tensor, str], Any]) -> Any:
    """Read the object of a file that ``torch.save`` wrote.

    Args:
        file: seekable binary file.
        name: what error texts call the file.
        place: function (tensor on the CPU, saved device) -> tensor.

    Raises:
        RuntimeError: if the file is damaged or holds more than tensors and containers.
    """
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            pickles = [n for n in names if n.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise RuntimeError(f"load: {name} is a zip file, but not one that torch.save wrote")
            root = pickles[0][: -len("data.pkl")]
            if root + "constants.pkl" in names:
                raise RuntimeError(
                    f"load: {name} is a TorchScript program; save the model's state_dict() instead"
                )
            order = archive.read(root + "byteorder") if root + "byteorder" in names else b"little"
            if order.strip() != b"little":
                raise RuntimeError(f"load: {name} was written on a big-endian machine")
            with archive.open(pickles[0]) as data:
                reader = _Reader(data, archive, root, name, place)
                result = reader.load()
                # Builders in the memo refer to the reader; tensors must not wait for the collector.
                reader.memo = {}
                return result
    except RuntimeError:
        raise
    except pickle.UnpicklingError as error:
        raise RuntimeError(f"load: {name}: {error}") from error
    except Exception as error:
        raise RuntimeError(f"load: {name} is damaged or truncated: {error!r}") from error


class _StorageType:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Storage:
    def __init__(self, flat: minitorch.Tensor, location: str) -> None:
        self.flat = flat
        self.location = location


class _Reader(PlainUnpickler):
    def __init__(self, data: Any, archive: Any, root: str, name: Any, place: Any) -> None:
        super().__init__(data, encoding="utf-8")
        self._archive = archive
        self._root = root
        self._name = name
        self._place = place
        self._storages: dict[str, _Storage] = {}
        self._placed: dict[Any, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        # Functions are made anew for each call: a pickle can set attributes of what it is given.
        if module == "torch":
            if name in _STORAGES:
                return _StorageType(_STORAGES[name])
            if name in _DTYPES and hasattr(minitorch, name):
                return getattr(minitorch, name)
            if name == "Size":
                return lambda *args: minitorch.Size(*args)
            if name == "device":
                return lambda *args: minitorch.device(*args)
        if module == "torch.storage" and name == "UntypedStorage":
            return _StorageType("uint8")
        if module == "torch._utils":
            builders = {
                "_rebuild_tensor": self._tensor,
                "_rebuild_tensor_v2": self._tensor,
                "_rebuild_tensor_v3": self._tensor_v3,
                "_rebuild_parameter": self._parameter,
                "_rebuild_parameter_with_state": self._parameter,
            }
            if name in builders:
                build = builders[name]
                return lambda *args: build(*args)
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, location, _ = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise pickle.UnpicklingError(f"unknown persistent id {kind!r}")
        if key not in self._storages:
            raw = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._storages[key] = _Storage(_flat(raw, storage_type.dtype), str(location))
        return self._storages[key]

    def _tensor(
        self,
        storage: _Storage,
        offset: int,
        size: Any,
        stride: Any,
        requires_grad: bool = False,
        *_: Any,
    ) -> minitorch.Tensor:
        size, stride = tuple(size), tuple(stride)
        if offset < 0 or min(size + stride, default=0) < 0 or len(size) != len(stride):
            raise pickle.UnpicklingError(f"tensor of size {size} and stride {stride}")
        count = 1
        for n in size:
            count *= n
        flat = storage.flat
        if count == 0:
            tensor = minitorch.empty(size, dtype=flat.dtype)
        else:
            last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
            if last >= flat.numel():
                raise pickle.UnpicklingError(
                    f"tensor of size {size} and stride {stride} at {offset} exceeds its storage of "
                    f"{flat.numel()} elements"
                )
            if stride == _contiguous(size):
                tensor = flat[offset : offset + count].view(size)
            else:
                tensor = flat.as_strided(size, stride, offset)
        tensor = self._place(tensor, storage.location)
        return tensor.requires_grad_(True) if requires_grad else tensor

    def _tensor_v3(
        self,
        storage: _Storage,
        offset: int,
        size: Any,
        stride: Any,
        requires_grad: bool,
        hooks: Any,
        dtype: minitorch.dtype,
        *_: Any,
    ) -> minitorch.Tensor:
        typed = _Storage(storage.flat.view(dtype), storage.location)
        return self._tensor(typed, offset, size, stride, requires_grad)

    def _parameter(self, data: Any, requires_grad: bool, *_: Any) -> Any:
        return minitorch.nn.Parameter(data.detach(), requires_grad=requires_grad)


def _flat(raw: bytearray, dtype: str) -> minitorch.Tensor:
    import numpy as np

    if not hasattr(minitorch, dtype):
        raise pickle.UnpicklingError(f"tensors of dtype {dtype} are not supported")
    if not raw:
        return minitorch.empty(0, dtype=getattr(minitorch, dtype))
    stored = "int16" if dtype == "bfloat16" else dtype
    tensor = minitorch.from_numpy(np.frombuffer(raw, stored))
    return tensor.view(minitorch.bfloat16) if dtype == "bfloat16" else tensor


def _contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for n in reversed(size):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))
