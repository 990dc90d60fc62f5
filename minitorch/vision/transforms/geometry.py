"""Transforms of size, place and shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minitorch

from . import functional as F
from .compose import Transform, uniform
from .interpolation import InterpolationMode


def _integer(low: int, high: int) -> int:
    """One integer from the global generator, low <= n <= high."""
    return int(minitorch.randint(low, high + 1, (1,)).item())


class Resize(Transform):
    """Resize to (height, width), or the shorter edge to one number."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of an image."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = F.size_pair(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(Transform):
    """Pad the edges; see :func:`functional.pad`."""

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform):
    """A rectangle at a random place.

    Args:
        size: (height, width) or one number.
        padding: pixels to pad first; see :func:`functional.pad`.
        pad_if_needed: whether to pad an image that is smaller than size.
        fill: colour of the padding.
        padding_mode: constant, edge, reflect or symmetric.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = F.size_pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random crop."""
        _, h, w = F.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(f"RandomCrop: size {output_size} exceeds the image's {(h, w)}")
        if (h, w) == (height, width):
            return 0, 0, h, w
        return _integer(0, h - height), _integer(0, w - width), height, width

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, h, w = F.get_dimensions(img)
            extra = max(self.size[1] - w, 0), max(self.size[0] - h, 0)
            if any(extra):
                img = F.pad(img, extra, self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomHorizontalFlip(Transform):
    """Mirror left and right with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if uniform(0, 1) < self.p else img


class RandomVerticalFlip(Transform):
    """Mirror top and bottom with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if uniform(0, 1) < self.p else img


class RandomResizedCrop(Transform):
    """A random part of the image, of random size and aspect ratio, resized.

    Args:
        size: (height, width) or one number.
        scale: range of the part's area, relative to the image's.
        ratio: range of the part's width / height.
        interpolation: how to resize.
        antialias: see :func:`functional.resize`.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = F.size_pair(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """(top, left, height, width) of a random part; the largest central one after ten misses."""
        _, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * uniform(scale[0], scale[1])
            aspect = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return _integer(0, height - h), _integer(0, width - w), h, w
        aspect = min(max(width / height, ratio[0]), ratio[1])
        w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, antialias=self.antialias)


class RandomRotation(Transform):
    """Rotate by a random angle.

    Args:
        degrees: x draws from [-x, x]; a pair is the range itself.
        interpolation: nearest or bilinear.
        expand: whether the result grows to hold the whole rotated image.
        center: (x, y) of the rotation; the image's centre by default.
        fill: colour of the area outside the image.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _symmetric("degrees", degrees)
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = fill

    def forward(self, img: Any) -> Any:
        angle = uniform(*self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Rotate, move, scale and shear at random about the image's centre.

    Args:
        degrees: range of the rotation; x is [-x, x].
        translate: largest moves as parts of (width, height).
        scale: range of the factor.
        shear: range of the shear along x in degrees; four numbers are the ranges along x and y.
        interpolation: nearest or bilinear.
        fill: colour of the area outside the image.
        center: (x, y) of the map; the image's centre by default.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _symmetric("degrees", degrees)
        if translate is not None and not all(0 <= t <= 1 for t in translate):
            raise ValueError(f"RandomAffine: translate must lie in [0, 1], got {translate}")
        if scale is not None and not all(s > 0 for s in scale):
            raise ValueError(f"RandomAffine: scale must be positive, got {scale}")
        self.translate = translate
        self.scale = scale
        self.shear: tuple[float, ...] | None = None
        if shear is not None:
            four = not isinstance(shear, (int, float)) and len(shear) == 4
            self.shear = tuple(shear) if four else _symmetric("shear", shear)  # type: ignore[arg-type]
        self.interpolation = interpolation
        self.fill = fill
        self.center = center

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        angle = uniform(*self.degrees)
        dx = dy = 0
        if self.translate is not None:
            x, y = self.translate[0] * width, self.translate[1] * height
            dx, dy = round(uniform(-x, x)), round(uniform(-y, y))
        scale = uniform(*self.scale) if self.scale is not None else 1.0
        shear = [0.0, 0.0]
        if self.shear is not None:
            shear[0] = uniform(self.shear[0], self.shear[1])
            if len(self.shear) == 4:
                shear[1] = uniform(self.shear[2], self.shear[3])
        return F.affine(
            img, angle, (dx, dy), scale, shear, self.interpolation, self.fill, self.center
        )


class RandomErasing(Transform):
    """Overwrite a random rectangle of a tensor image with probability p.

    Args:
        p: probability.
        scale: range of the rectangle's area, relative to the image's.
        ratio: range of the rectangle's height / width.
        value: number, one number per channel, or "random" for normal noise.
        inplace: whether to change the image itself.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | str | Sequence[float] = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value must be a number or 'random', got {value!r}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    def forward(self, img: minitorch.Tensor) -> minitorch.Tensor:
        if uniform(0, 1) >= self.p:
            return img
        channels, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * uniform(*self.scale)
            aspect = math.exp(uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < h < height and 0 < w < width:
                top, left = _integer(0, height - h), _integer(0, width - w)
                value = self._fill(channels, h, w, img)
                return F.erase(img, top, left, h, w, value, self.inplace)
        return img

    def _fill(self, channels: int, h: int, w: int, img: minitorch.Tensor) -> Any:
        if isinstance(self.value, str):
            return minitorch.randn(channels, h, w).to(img.device, img.dtype)
        if isinstance(self.value, (int, float)):
            return self.value
        values = minitorch.tensor([float(v) for v in self.value])
        return values.to(img.device, img.dtype).reshape(-1, 1, 1)


def _symmetric(name: str, value: Any) -> tuple[float, float]:
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"{name}: one number must not be negative, got {value}")
        return (-float(value), float(value))
    if len(value) != 2:
        raise ValueError(f"{name}: give one number or two, got {value!r}")
    return (float(value[0]), float(value[1]))
