"""Names for annotations."""

from __future__ import annotations

from .dtypes import Size, device, dtype

Number = int | float | bool
Device = device | str | int | None
_device = device
_dtype = dtype
_size = Size | list | tuple
