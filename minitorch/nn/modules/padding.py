"""Padding layers."""

from __future__ import annotations

from .. import functional as F
from .module import Module
from .utils import _ntuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Adds elements around the last `_dims` dimensions.

    Args:
        padding: One amount for every side, or (before, after) pairs, the last dimension first.
    """

    _dims = 0
    _mode = ""

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._dims, "padding")(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    """Adds elements of one value."""

    _mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Pads the last dimension with `value`."""

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Pads the last two dimensions with `value`."""

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Pads the last three dimensions with `value`."""

    _dims = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd):
    """Pads the last dimension with zeros."""

    _dims = 1


class ZeroPad2d(_ZeroPadNd):
    """Pads the last two dimensions with zeros."""

    _dims = 2


class ZeroPad3d(_ZeroPadNd):
    """Pads the last three dimensions with zeros."""

    _dims = 3


class ReflectionPad1d(_PadNd):
    """Pads the last dimension with its mirror image, without the border element."""

    _dims = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Pads the last two dimensions with their mirror image, without the border elements."""

    _dims = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Pads the last three dimensions with their mirror image, without the border elements."""

    _dims = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Pads the last dimension with its border element."""

    _dims = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Pads the last two dimensions with their border elements."""

    _dims = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Pads the last three dimensions with their border elements."""

    _dims = 3
    _mode = "replicate"


class CircularPad1d(_PadNd):
    """Pads the last dimension with the elements of its other end."""

    _dims = 1
    _mode = "circular"


class CircularPad2d(_PadNd):
    """Pads the last two dimensions with the elements of their other end."""

    _dims = 2
    _mode = "circular"


class CircularPad3d(_PadNd):
    """Pads the last three dimensions with the elements of their other end."""

    _dims = 3
    _mode = "circular"
