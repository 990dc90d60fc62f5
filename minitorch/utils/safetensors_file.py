"""The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes.

Reference: the description of the format in the safetensors project.
"""

from __future__ import annotations

import json

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

_MAX_HEADER = 100_000_000
_CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
    "complex64": "C64",
    "complex128": "C128",
}
_NAMES = {code: name for name, code in _CODES.items()}
_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1}
_SIZES |= {"U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "C64": 8, "C128": 16}


def byte_view(tensor: minitorch.Tensor) -> memoryview:
    """The bytes of a contiguous CPU tensor, shared with it."""
    if tensor.numel() == 0:
        return memoryview(b"")
    flat = tensor.reshape(-1)
    if tensor.dtype == minitorch.bfloat16:
        flat = flat.view(minitorch.int16)
    return memoryview(flat.numpy().view("uint8"))


def serialize(
    tensors: dict[str, minitorch.Tensor], metadata: dict[str, str]
) -> Iterator[bytes | memoryview]:
    """The file's parts, in order.

    Args:
        tensors: tensors by name, on any device and of any strides.
        metadata: strings by name.
    """
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    sizes: dict[str, int] = {}
    for name, tensor in tensors.items():
        code = _CODES.get(str(tensor.dtype).rpartition(".")[2])
        if code is None:
            raise TypeError(
                f"save: tensor {name!r} has dtype {tensor.dtype}, which has no code here"
            )
        sizes[name] = tensor.numel() * _SIZES[code]
        header[name] = {"dtype": code, "shape": list(tensor.shape), "data_offsets": [0, 0]}
    # Wide types first, so that each tensor is aligned to its element size.
    order = sorted(tensors, key=lambda name: -_SIZES[header[name]["dtype"]])
    offset = 0
    for name in order:
        header[name]["data_offsets"] = [offset, offset + sizes[name]]
        offset += sizes[name]
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _MAX_HEADER:
        raise ValueError(f"save: {len(text)} bytes of structure exceed the format's {_MAX_HEADER}")
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        if sizes[name]:
            yield byte_view(tensors[name].detach().cpu().contiguous())


def recognises(start: bytes) -> bool:
    """Whether a file that begins with these bytes can be a safetensors file."""
    return len(start) >= 9 and start[8:9] == b"{"


def read(file: BinaryIO, name: Any) -> tuple[dict[str, minitorch.Tensor], dict[str, str]]:
    """Read all tensors and the metadata.

    Args:
        file: seekable binary file.
        name: what error texts call the file.

    Raises:
        RuntimeError: if the file is damaged or truncated.
    """
    file.seek(0, 2)
    total = file.tell()
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= _MAX_HEADER:
        raise RuntimeError(f"load: {name} is damaged: its header claims {length} bytes")
    if 8 + length > total:
        raise RuntimeError(f"load: {name} is truncated inside its header ({total} bytes in all)")
    try:
        header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", None) or {}
        entries = []
        for key, info in header.items():
            begin, end = (int(n) for n in info["data_offsets"])
            entries.append((key, str(info["dtype"]), [int(n) for n in info["shape"]], begin, end))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeError(f"load: {name} has a damaged header: {error!r}") from error
    expected = 0
    for key, code, shape, begin, end in sorted(entries, key=lambda entry: (entry[3], entry[4])):
        count = 1
        for n in shape:
            count *= n
        if code not in _NAMES or not hasattr(minitorch, _NAMES[code]):
            raise RuntimeError(f"load: {name}: tensor {key!r} has dtype {code}, not supported here")
        if begin != expected or end - begin != count * _SIZES[code] or min(shape, default=0) < 0:
            raise RuntimeError(
                f"load: {name} has a damaged header: tensor {key!r} of shape {shape} and dtype {code} "
                f"at bytes {begin} to {end}"
            )
        expected = end
    if 8 + length + expected != total:
        kind = "truncated" if 8 + length + expected > total else "longer than its header says"
        raise RuntimeError(
            f"load: {name} is {kind}: {total} bytes instead of {8 + length + expected}"
        )
    tensors = {}
    for key, code, shape, begin, _ in entries:
        tensors[key] = tensor = minitorch.empty(shape, dtype=getattr(minitorch, _NAMES[code]))
        if tensor.numel():
            file.seek(8 + length + begin)
            _read_into(file, byte_view(tensor), name)
    return tensors, metadata


def _read_into(file: BinaryIO, target: memoryview, name: Any) -> None:
    done = 0
    while done < target.nbytes:
        count = file.readinto(target[done:])  # type: ignore[attr-defined]
        if not count:
            raise RuntimeError(f"load: {name} ended while it was being read")
        done += count
