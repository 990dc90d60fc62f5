"""DLPack under PyTorch's names."""

from __future__ import annotations

from .._load import _C
from ..ops.from_data import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor):
    """A DLPack capsule over the tensor's memory, for one consumer."""
    return _C.to_dlpack(tensor)
