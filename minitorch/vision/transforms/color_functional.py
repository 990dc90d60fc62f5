"""Colour operations on PIL images and tensors (..., C, H, W)."""

from __future__ import annotations

from typing import Any

import minitorch

from .convert_functional import get_dimensions
from .tensor_ops import like

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601-2, as Pillow's conversion to L has it


def _top(img: minitorch.Tensor) -> float:
    return 1.0 if img.is_floating_point() else float(minitorch.iinfo(img.dtype).max)


def _floats(img: minitorch.Tensor) -> minitorch.Tensor:
    return img if img.is_floating_point() else img.to(minitorch.float32)


def _finish(values: Any, img: minitorch.Tensor) -> minitorch.Tensor:
    values = values.clamp(0, _top(img))
    # Integers are cut, not rounded, as Pillow does.
    return values if img.is_floating_point() else values.to(img.dtype)


def _blend(img: minitorch.Tensor, other: Any, factor: float) -> minitorch.Tensor:
    return _finish(_floats(img) * factor + other * (1.0 - factor), img)


def _check(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name}: factor must not be negative, got {factor}")


def _gray(img: minitorch.Tensor) -> minitorch.Tensor:
    r, g, b = (img[..., i : i + 1, :, :] for i in range(3))
    values: Any = _LUMA[0] * _floats(r) + _LUMA[1] * _floats(g) + _LUMA[2] * _floats(b)
    return values if img.is_floating_point() else values.to(img.dtype)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Grey image of an RGB image, with 1 channel or the same value in 3."""
    if num_output_channels not in (1, 3):
        raise ValueError(
            f"rgb_to_grayscale: num_output_channels is 1 or 3, got {num_output_channels}"
        )
    if not isinstance(img, minitorch.Tensor):
        gray = img.convert("L")
        if num_output_channels == 1:
            return gray
        from PIL import Image

        return Image.merge("RGB", (gray, gray, gray))
    channels = get_dimensions(img)[0]
    if channels not in (1, 3):
        raise TypeError(f"rgb_to_grayscale: needs 1 or 3 channels, got {channels}")
    gray = _gray(img) if channels == 3 else img
    if num_output_channels == 3:
        return gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:]).clone()
    return gray


to_grayscale = rgb_to_grayscale


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Multiply by a factor: 0 is black, 1 the image."""
    _check("adjust_brightness", brightness_factor)
    if not isinstance(img, minitorch.Tensor):
        from PIL import ImageEnhance

        return ImageEnhance.Brightness(img).enhance(brightness_factor)
    return _finish(_floats(img) * brightness_factor, img)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Stretch values away from the mean grey: 0 is grey, 1 the image."""
    _check("adjust_contrast", contrast_factor)
    if not isinstance(img, minitorch.Tensor):
        from PIL import ImageEnhance

        return ImageEnhance.Contrast(img).enhance(contrast_factor)
    gray = _gray(img) if get_dimensions(img)[0] == 3 else img
    mean = _floats(gray).mean((-3, -2, -1), True)
    return _blend(img, mean, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Blend with the grey image: 0 is grey, 1 the image."""
    _check("adjust_saturation", saturation_factor)
    if not isinstance(img, minitorch.Tensor):
        from PIL import ImageEnhance

        return ImageEnhance.Color(img).enhance(saturation_factor)
    if get_dimensions(img)[0] == 1:
        return img
    return _blend(img, _floats(_gray(img)), saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the hue by a part, -0.5 to 0.5, of the colour circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue: hue_factor must lie in [-0.5, 0.5], got {hue_factor}")
    if not isinstance(img, minitorch.Tensor):
        return _pil_hue(img, hue_factor)
    if get_dimensions(img)[0] == 1:
        return img
    top = _top(img)
    h, s, v = _rgb_to_hsv(_floats(img) / top)
    rgb = _hsv_to_rgb((h + hue_factor) % 1.0, s, v) * top
    return like(rgb.clamp(0, top), img)


def _pil_hue(img: Any, factor: float) -> Any:
    if img.mode in ("L", "1", "I", "F"):
        return img
    import numpy as np
    from PIL import Image

    h, s, v = img.convert("HSV").split()
    turned = (np.asarray(h, np.int32) + int(factor * 255)) % 256
    h = Image.fromarray(turned.astype(np.uint8))
    return Image.merge("HSV", (h, s, v)).convert(img.mode)


def _rgb_to_hsv(rgb: minitorch.Tensor) -> Any:
    r, g, b = (rgb[..., i : i + 1, :, :] for i in range(3))
    high = minitorch.maximum(minitorch.maximum(r, g), b)
    low = minitorch.minimum(minitorch.minimum(r, g), b)
    span = high - low
    safe = minitorch.where(span == 0, minitorch.ones_like(span), span)
    red = (g - b) / safe
    green = (b - r) / safe + 2
    blue = (r - g) / safe + 4
    sector = minitorch.where(high == r, red, minitorch.where(high == g, green, blue))
    sector = minitorch.where(span == 0, minitorch.zeros_like(span), sector)
    saturation = span / minitorch.where(high == 0, minitorch.ones_like(high), high)
    return (sector / 6) % 1.0, saturation, high


def _hsv_to_rgb(h: minitorch.Tensor, s: minitorch.Tensor, v: minitorch.Tensor) -> minitorch.Tensor:
    # Channel n is v - v s max(0, min(k, 4 - k, 1)) with k = (n + 6 h) mod 6 and n = 5, 3, 1.
    channels = []
    for n in (5, 3, 1):
        k = (h * 6 + n) % 6.0
        channels.append(v - v * s * minitorch.minimum(k, 4 - k).clamp(0, 1))
    return minitorch.cat(channels, dim=-3)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain * value^gamma, on values from 0 to 1."""
    _check("adjust_gamma", gamma)
    if not isinstance(img, minitorch.Tensor):
        mode = img.mode
        bands = len(img.getbands())
        table = [int((255 + 1 - 1e-3) * gain * (i / 255.0) ** gamma) for i in range(256)]
        return img.point([min(n, 255) for n in table] * bands).convert(mode)
    top = _top(img)
    return like(((_floats(img) / top) ** gamma * gain).clamp(0, 1) * top, img)


def invert(img: Any) -> Any:
    """The negative of an image."""
    if not isinstance(img, minitorch.Tensor):
        from PIL import ImageOps

        return ImageOps.invert(img)
    return (1.0 - img) if img.is_floating_point() else minitorch.iinfo(img.dtype).max - img
