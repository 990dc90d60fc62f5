"""save and load: one safetensors file per object, written atomically, read without executing code.

The file holds each tensor once, under its path in the object ("model.conv1.weight"). What is not a tensor, and
the nesting, is JSON in the file's metadata under the key "minitorch". A state dict's names are the file's names, so
any safetensors reader can use the file.
"""

from __future__ import annotations

import json
import os

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

_KEY = "minitorch"
_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def save(
    obj: Any,
    f: str | os.PathLike[str] | BinaryIO,
    pickle_module: Any = None,
    pickle_protocol: int | None = None,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Save tensors and nested dicts, lists, tuples and scalars to one safetensors file.

    A file at the path is replaced only once the new one is complete on disk.

    Args:
        obj: what to save. A model or an optimizer is saved as its ``state_dict()``.
        f: path, or a binary file object open for writing.
        pickle_module: accepted for compatibility, as the two that follow; nothing is pickled.

    Raises:
        TypeError: if obj holds something else than data; the text says where.
    """
    from .utils import safetensors_file

    encoder = _Encoder()
    tree = encoder.encode_root(obj)
    metadata = {"format": "pt", _KEY: json.dumps(tree, separators=(",", ":"))}
    parts = safetensors_file.serialize(encoder.tensors, metadata)
    if hasattr(f, "write"):
        for part in parts:
            f.write(part)
        return
    _write_atomically(os.fspath(f), parts)


def load(
    f: str | os.PathLike[str] | BinaryIO,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what :func:`save` wrote, any .safetensors file, or a state dict saved by PyTorch.

    Loading builds tensors and containers only; it never executes code from the file.

    Args:
        f: path, or a binary file object open for reading.
        map_location: device for the tensors: a device, a dict from saved to new device, or a function of
            (tensor, saved device) that returns a tensor; None restores each tensor's own device.
        pickle_module: accepted for compatibility, as are pickle_load_args.
        weights_only: accepted for compatibility; loading behaves as with True.
        mmap: accepted for compatibility.

    Returns:
        The saved object; a dict from names to tensors for a .safetensors file of other origin.

    Raises:
        RuntimeError: if the file is damaged, truncated or of another kind; the text names it.
    """
    if hasattr(f, "read"):
        import io

        return _load(io.BytesIO(f.read()), getattr(f, "name", "<file object>"), map_location)
    path = os.fspath(f)
    with open(path, "rb") as file:
        return _load(file, path, map_location)


def _load(file: BinaryIO, name: Any, map_location: Any) -> Any:
    start = file.read(len(_LEGACY_MAGIC))
    file.seek(0)
    place = _placer(map_location, name)
    if start.startswith(_ZIP_MAGIC):
        from .utils import pt_file

        return pt_file.read(file, name, place)
    if start == _LEGACY_MAGIC:
        raise RuntimeError(
            f"load: {name} is in PyTorch's format from before version 1.6; load it there and save it again"
        )
    from .utils import safetensors_file

    if not safetensors_file.recognises(start):
        raise RuntimeError(
            f"load: {name} is neither a safetensors file nor a PyTorch zip file, or its start is damaged"
        )
    tensors, metadata = safetensors_file.read(file, name)
    if _KEY not in metadata:
        return {key: place(tensor, "cpu") for key, tensor in tensors.items()}
    try:
        tree = json.loads(metadata[_KEY])
        return _Decoder(tensors, place).decode_root(tree)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise RuntimeError(f"load: {name} has a damaged structure: {error!r}") from error


def _write_atomically(path: str, parts: Any) -> None:
    import contextlib

    folder = os.path.dirname(path) or "."
    temporary = os.path.join(
        folder, f".{os.path.basename(path)}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    )
    try:
        with open(temporary, "xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # some file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _placer(map_location: Any, name: Any) -> Any:
    """Function (tensor on the CPU, saved device) -> tensor where it is wanted."""

    def place(tensor: minitorch.Tensor, saved: str) -> minitorch.Tensor:
        target = saved
        if callable(map_location):
            placed = map_location(tensor, saved)
            if placed is not None:
                return placed
        elif isinstance(map_location, dict):
            target = str(map_location.get(saved, saved))
        elif map_location is not None:
            target = str(map_location)
        if target == "cpu":
            return tensor
        if target.startswith("cuda") and not minitorch.cuda.is_available():
            raise RuntimeError(
                f"load: {name} holds tensors for {target}, but no CUDA device is available; "
                "use map_location='cpu'"
            )
        return tensor.to(target)

    return place


class _Encoder:
    """Turns an object into a JSON tree and a flat dict of tensors.

    Scalars stand for themselves; everything else is a list that starts with its kind.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, minitorch.Tensor] = {}
        self._names: dict[Any, str] = {}
        self._open: set[int] = set()

    def encode_root(self, obj: Any) -> Any:
        if isinstance(obj, dict) and "__metadata__" not in obj:
            kind = _dict_kind(obj)
            tree = self.encode(obj, "")
            flat = all(isinstance(key, str) and value == ["tensor", key] for key, value in tree[1])
            return ["flat", kind] if flat else tree
        return self.encode(obj, "")

    def encode(self, obj: Any, path: str) -> Any:
        kind = type(obj)
        if obj is None or kind in (bool, int, str):
            return obj
        if kind is float:
            return obj if obj - obj == 0 else ["float", repr(obj)]
        if isinstance(obj, minitorch.Tensor):
            return self._tensor(obj, path)
        if isinstance(obj, minitorch.Size):
            return ["size", list(obj)]
        if isinstance(obj, minitorch.dtype):
            return ["dtype", str(obj).rpartition(".")[2]]
        if isinstance(obj, minitorch.device):
            return ["device", str(obj)]
        if kind is complex:
            return ["complex", repr(obj)]
        if kind in (bytes, bytearray):
            import base64

            return [kind.__name__, base64.b64encode(obj).decode()]
        if isinstance(obj, dict) or kind in (list, tuple, set, frozenset):
            if id(obj) in self._open:
                raise TypeError(f"save: the object at {path or 'the top'!r} contains itself")
            self._open.add(id(obj))
            tree = self._container(obj, path)
            self._open.discard(id(obj))
            return tree
        if kind.__module__ == "numpy":
            return self._numpy(obj, path)
        if kind.__name__ in _RECORDS and kind is _record_type(kind.__name__):
            return [kind.__name__, self.encode(dict(vars(obj)), path)]
        if hasattr(obj, "__fspath__") and kind.__module__.split(".")[0] == "pathlib":
            return ["Path", str(obj)]
        raise TypeError(_advice(obj, path))

    def _container(self, obj: Any, path: str) -> Any:
        if isinstance(obj, dict):
            items = []
            for key, value in obj.items():
                if not isinstance(key, (str, int, float, bool, tuple, type(None))):
                    raise TypeError(
                        f"save: dict key {key!r} at {path or 'the top'!r} is not a scalar"
                    )
                items.append([self.encode(key, path), self.encode(value, _join(path, key))])
            return [_dict_kind(obj), items]
        values = [self.encode(value, _join(path, i)) for i, value in enumerate(obj)]
        return [type(obj).__name__, values]

    def _tensor(self, tensor: minitorch.Tensor, path: str) -> Any:
        identity: Any = id(tensor)
        if tensor.numel() > 0:
            identity = (
                str(tensor.device),
                tensor.data_ptr(),
                tuple(tensor.shape),
                tensor.stride(),
                str(tensor.dtype),
            )
        name = self._names.get(identity)
        if name is None:
            name = self._names[identity] = self._free_name(path)
            self.tensors[name] = tensor
        options: dict[str, Any] = {}
        if str(tensor.device) != "cpu":
            options["device"] = str(tensor.device)
        if type(tensor) is not minitorch.Tensor and isinstance(tensor, minitorch.nn.Parameter):
            options["parameter"] = True
        if tensor.requires_grad:
            options["requires_grad"] = True
        return ["tensor", name, options] if options else ["tensor", name]

    def _free_name(self, path: str) -> str:
        base = path or "tensor"
        name, count = base, 2
        while name in self.tensors or name == "__metadata__":
            name, count = f"{base}#{count}", count + 1
        return name

    def _numpy(self, obj: Any, path: str) -> Any:
        import numpy as np

        if isinstance(obj, np.generic):
            return self.encode(obj.item(), path)
        if isinstance(obj, np.ndarray) and obj.dtype.kind in "biufc":
            name = self._free_name(path)
            plain = np.array(obj, dtype=obj.dtype.newbyteorder("="), order="C")
            if plain.dtype.name in ("uint16", "uint32", "uint64"):
                width = plain.dtype.name
                self.tensors[name] = minitorch.from_numpy(plain.view(width[1:]))
                return ["ndarray", name, width]
            self.tensors[name] = minitorch.from_numpy(plain)
            return ["ndarray", name]
        raise TypeError(_advice(obj, path))


class _Decoder:
    def __init__(self, tensors: dict[str, minitorch.Tensor], place: Any) -> None:
        self._stored = tensors
        self._placed: dict[Any, minitorch.Tensor] = {}
        self._place = place

    def decode_root(self, tree: Any) -> Any:
        if isinstance(tree, list) and tree[0] == "flat":
            return _DICTS[tree[1]]({key: self._tensor(key) for key in self._stored})
        return self.decode(tree)

    def decode(self, tree: Any) -> Any:
        if not isinstance(tree, list):
            return tree
        kind, value = tree[0], tree[1]
        if kind in _DICTS:
            return _DICTS[kind]([(self.decode(k), self.decode(v)) for k, v in value])
        if kind in _SEQUENCES:
            return _SEQUENCES[kind]([self.decode(v) for v in value])
        if kind == "tensor":
            return self._tensor(value, **(tree[2] if len(tree) > 2 else {}))
        if kind == "ndarray":
            array = self._stored[value].numpy()
            return array.view(tree[2]) if len(tree) > 2 else array
        if kind in ("float", "complex"):
            return {"float": float, "complex": complex}[kind](value)
        if kind in ("bytes", "bytearray"):
            import base64

            raw = base64.b64decode(value, validate=True)
            return raw if kind == "bytes" else bytearray(raw)
        if kind in _RECORDS:
            return _record_type(kind)(**self.decode(value))
        if kind == "Path":
            import pathlib

            return pathlib.Path(value)
        if kind == "size":
            return minitorch.Size(value)
        if kind == "device":
            return minitorch.device(value)
        if kind == "dtype":
            dtype = getattr(minitorch, value)
            if isinstance(dtype, minitorch.dtype):
                return dtype
        raise ValueError(f"unknown kind {kind!r}")

    def _tensor(
        self, name: str, device: str = "cpu", parameter: bool = False, requires_grad: bool = False
    ) -> minitorch.Tensor:
        key = (name, device, parameter, requires_grad)
        if key not in self._placed:
            tensor = self._place(self._stored[name], device)
            if parameter:
                tensor = minitorch.nn.Parameter(tensor, requires_grad=requires_grad)
            elif requires_grad:
                tensor = tensor.detach().requires_grad_(True)
            self._placed[key] = tensor
        return self._placed[key]


def _ordered(items: Any) -> Any:
    from collections import OrderedDict

    return OrderedDict(items)


_DICTS: dict[str, Any] = {"dict": dict, "OrderedDict": _ordered}
_RECORDS = ("Namespace", "SimpleNamespace")
_SEQUENCES: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def _record_type(name: str) -> Any:
    """argparse's or types' class of plain named values."""
    import argparse
    import types

    return argparse.Namespace if name == "Namespace" else types.SimpleNamespace


def _dict_kind(obj: dict[Any, Any]) -> str:
    from collections import OrderedDict

    return "OrderedDict" if isinstance(obj, OrderedDict) else "dict"


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _advice(obj: Any, path: str) -> str:
    where = f"at {path!r}" if path else "at the top"
    text = f"save: cannot save a {type(obj).__module__}.{type(obj).__qualname__} ({where}): "
    if hasattr(obj, "state_dict"):
        return text + "save its state_dict() and load that into a new object"
    if hasattr(obj, "__dict__") and not callable(obj):
        return text + "files hold data only; save vars() of it, or the values you need"
    return text + "files hold tensors, dicts, lists, tuples, sets, numbers, strings and bytes"
