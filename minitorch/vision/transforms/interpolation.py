"""How images are sampled between pixels."""

from __future__ import annotations

from enum import Enum
from typing import Any


class InterpolationMode(Enum):
    """Interpolation of resizing, rotation and affine maps; BOX, HAMMING and LANCZOS are for PIL images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_PIL_NUMBERS = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}


def as_mode(interpolation: Any) -> InterpolationMode:
    """The mode of a mode, its name, or Pillow's number."""
    if isinstance(interpolation, int):
        for mode, number in _PIL_NUMBERS.items():
            if number == interpolation:
                return mode
    return InterpolationMode(interpolation)


def pil_number(mode: InterpolationMode) -> int:
    """Pillow's number of a mode."""
    return _PIL_NUMBERS[mode]
