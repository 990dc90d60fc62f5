"""Transforms between PIL images, arrays and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch

from . import functional as F
from .compose import Transform


class ToTensor:
    """PIL image or array (H, W[, C]) to tensor (C, H, W); bytes become floats from 0 to 1."""

    def __call__(self, pic: Any) -> minitorch.Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """PIL image to tensor (C, H, W) with the same values."""

    def __call__(self, pic: Any) -> minitorch.Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """Tensor (C, H, W) or array (H, W[, C]) to PIL image; floats are scaled from 0..1."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage(mode={self.mode})"


class Normalize(Transform):
    """(tensor - mean) / std per channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: minitorch.Tensor) -> minitorch.Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class ConvertImageDtype(Transform):
    """Change the number type and scale values to it."""

    def __init__(self, dtype: minitorch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: minitorch.Tensor) -> minitorch.Tensor:
        return F.convert_image_dtype(image, self.dtype)
