"""Random colour transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch

from . import functional as F
from .compose import Transform, uniform


class Grayscale(Transform):
    """Grey image with 1 channel, or 3 equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(Transform):
    """Grey image with probability p; the number of channels stays."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        if uniform(0, 1) >= self.p:
            return img
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0])


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue at random, in random order.

    Args:
        brightness: x draws the factor from [max(0, 1 - x), 1 + x]; a pair is the range itself.
        contrast: likewise.
        saturation: likewise.
        hue: x draws the turn from [-x, x], x up to 0.5; a pair is the range itself.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = _range("brightness", brightness, 1.0, (0.0, float("inf")))
        self.contrast = _range("contrast", contrast, 1.0, (0.0, float("inf")))
        self.saturation = _range("saturation", saturation, 1.0, (0.0, float("inf")))
        self.hue = _range("hue", hue, 0.0, (-0.5, 0.5))

    def forward(self, img: Any) -> Any:
        steps = [
            (F.adjust_brightness, self.brightness),
            (F.adjust_contrast, self.contrast),
            (F.adjust_saturation, self.saturation),
            (F.adjust_hue, self.hue),
        ]
        for i in minitorch.randperm(4).tolist():
            adjust, limits = steps[i]
            if limits is not None:
                img = adjust(img, uniform(*limits))
        return img


def _range(
    name: str, value: float | Sequence[float], centre: float, bounds: tuple[float, float]
) -> tuple[float, float] | None:
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"ColorJitter: {name} must not be negative, got {value}")
        low, high = centre - value, centre + value
        if centre == 1.0:
            low = max(low, 0.0)
    else:
        low, high = value
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(f"ColorJitter: {name} must lie within {bounds}, got {value}")
    return None if low == high == centre else (low, high)
