"""Image operations on PIL images and on tensors of shape (..., C, H, W), as in torchvision.transforms.functional."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minitorch

from . import tensor_ops
from .color_functional import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    invert,
    rgb_to_grayscale,
    to_grayscale,
)
from .convert_functional import (
    convert_image_dtype,
    get_dimensions,
    get_image_size,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from .interpolation import InterpolationMode, as_mode, pil_number

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "affine",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "erase",
    "get_dimensions",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "pil_to_tensor",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resize an image.

    Args:
        img: PIL image or tensor (..., H, W).
        size: (height, width), or the length of the shorter edge, the aspect ratio being kept.
        interpolation: an InterpolationMode; tensors take nearest, nearest-exact, bilinear and bicubic.
        max_size: limit of the longer edge, if size is one number.
        antialias: whether a tensor is low-pass filtered when it shrinks, as PIL images always are.
    """
    mode = as_mode(interpolation)
    _, height, width = get_dimensions(img)
    new_height, new_width = _output_size(height, width, size, max_size)
    if (new_height, new_width) == (height, width):
        return img
    if isinstance(img, minitorch.Tensor):
        return tensor_ops.resize(img, new_height, new_width, mode, antialias is not False)
    return img.resize((new_width, new_height), pil_number(mode))


def _output_size(height: int, width: int, size: Any, max_size: int | None) -> tuple[int, int]:
    sizes = [size] if isinstance(size, int) else list(size)
    if not sizes or len(sizes) > 2 or any(n <= 0 for n in sizes):
        raise ValueError(f"resize: size must be one or two positive ints, got {size!r}")
    if len(sizes) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size goes with a size of one number only")
        return sizes[0], sizes[1]
    short, long = min(height, width), max(height, width)
    new_short, new_long = sizes[0], int(sizes[0] * long / short)
    if max_size is not None:
        if max_size <= sizes[0]:
            raise ValueError(f"resize: max_size={max_size} must exceed size={sizes[0]}")
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_short, new_long) if height <= width else (new_long, new_short)


def pad(
    img: Any,
    padding: int | Sequence[int],
    fill: Any = 0,
    padding_mode: str = "constant",
) -> Any:
    """Pad an image at its edges.

    Args:
        img: PIL image or tensor (..., H, W).
        padding: pixels: all edges, (left and right, top and bottom), or (left, top, right, bottom).
        fill: number or one number per channel, for the constant mode.
        padding_mode: constant, edge, reflect or symmetric.
    """
    edges = [padding] if isinstance(padding, int) else list(padding)
    if len(edges) not in (1, 2, 4):
        raise ValueError(f"pad: padding must be 1, 2 or 4 numbers, got {padding!r}")
    left, top, right, bottom = (edges * (4 // len(edges)))[:4]
    if isinstance(img, minitorch.Tensor):
        return tensor_ops.pad(img, (left, top, right, bottom), fill, padding_mode)
    if padding_mode == "constant" and min(left, top, right, bottom) >= 0:
        from PIL import ImageOps

        return ImageOps.expand(img, (left, top, right, bottom), _pil_fill(img, fill))
    padded = tensor_ops.pad(pil_to_tensor(img), (left, top, right, bottom), fill, padding_mode)
    out = to_pil_image(padded, img.mode if img.mode != "P" else "L")
    if img.mode == "P":
        out.putpalette(img.getpalette())
    return out


def _pil_fill(img: Any, fill: Any) -> Any:
    bands = len(img.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)):
        return fill if bands == 1 else tuple([int(fill)] * bands)
    values = tuple(int(v) for v in fill)
    if len(values) == 1:
        values *= bands
    if len(values) != bands:
        raise ValueError(f"fill: {len(values)} values for an image of {bands} channels")
    return values if bands > 1 else values[0]


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """The rectangle of an image with the given corner and size; what lies outside is 0."""
    if not isinstance(img, minitorch.Tensor):
        return img.crop((left, top, left + width, top + height))
    _, h, w = get_dimensions(img)
    if top >= 0 and left >= 0 and top + height <= h and left + width <= w:
        return img[..., top : top + height, left : left + width]
    edges = (-left, -top, left + width - w, top + height - h)
    return tensor_ops.pad(img, edges, 0, "constant")


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of an image, which is padded with 0 where it is too small."""
    height, width = size_pair(output_size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        left, top = max(0, (width - w) // 2), max(0, (height - h) // 2)
        right, bottom = max(0, (width - w + 1) // 2), max(0, (height - h + 1) // 2)
        img = pad(img, (left, top, right, bottom))
        _, h, w = get_dimensions(img)
    return crop(img, round((h - height) / 2.0), round((w - width) / 2.0), height, width)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Crop, then resize."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def hflip(img: Any) -> Any:
    """Mirror left and right."""
    if isinstance(img, minitorch.Tensor):
        return minitorch.flip(img, (-1,))
    return img.transpose(0)  # PIL's FLIP_LEFT_RIGHT


def vflip(img: Any) -> Any:
    """Mirror top and bottom."""
    if isinstance(img, minitorch.Tensor):
        return minitorch.flip(img, (-2,))
    return img.transpose(1)  # PIL's FLIP_TOP_BOTTOM


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Rotate counter-clockwise.

    Args:
        img: PIL image or tensor (..., H, W).
        angle: degrees.
        interpolation: nearest or bilinear.
        expand: whether the result grows to hold the whole rotated image.
        center: (x, y) in pixels from the top left corner; the image's centre by default.
        fill: colour of the area outside the image.
    """
    mode = as_mode(interpolation)
    if not isinstance(img, minitorch.Tensor):
        return img.rotate(angle, pil_number(mode), expand, center, fillcolor=_pil_fill(img, fill))
    _, height, width = get_dimensions(img)
    centre = tuple(center) if center is not None else (width / 2, height / 2)
    matrix = _inverse_matrix(centre, -angle, (0, 0), 1.0, (0.0, 0.0))
    new_height, new_width = height, width
    if expand:
        forward = _inverse_matrix((0, 0), angle, (0, 0), 1.0, (0.0, 0.0))
        corners = [(x - width / 2, y - height / 2) for x in (0, width) for y in (0, height)]
        xs = [forward[0] * x + forward[1] * y + width / 2 for x, y in corners]
        ys = [forward[3] * x + forward[4] * y + height / 2 for x, y in corners]
        # Rounding first keeps a quarter turn from growing by a pixel.
        new_width = math.ceil(round(max(xs), 4)) - math.floor(round(min(xs), 4))
        new_height = math.ceil(round(max(ys), 4)) - math.floor(round(min(ys), 4))
        matrix = _inverse_matrix((width / 2, height / 2), -angle, (0, 0), 1.0, (0.0, 0.0))
        dx, dy = (width - new_width) / 2, (height - new_height) / 2
        a, b, c, d, e, f = matrix
        matrix = [a, b, c + a * dx + b * dy, d, e, f + d * dx + e * dy]
    return tensor_ops.affine(img, matrix, new_height, new_width, mode, fill)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Rotate, shear, scale and move an image about its centre.

    Args:
        img: PIL image or tensor (..., H, W).
        angle: clockwise rotation in degrees.
        translate: (right, down) in pixels.
        scale: factor.
        shear: degrees along x, or (x, y).
        interpolation: nearest or bilinear.
        fill: colour of the area outside the image.
        center: (x, y) in pixels from the top left corner; the image's centre by default.
    """
    if scale <= 0:
        raise ValueError(f"affine: scale must be positive, got {scale}")
    shears = [float(shear), 0.0] if isinstance(shear, (int, float)) else [float(s) for s in shear]
    if len(shears) == 1:
        shears.append(0.0)
    _, height, width = get_dimensions(img)
    centre = tuple(center) if center is not None else (width / 2, height / 2)
    matrix = _inverse_matrix(centre, angle, translate, scale, shears)
    mode = as_mode(interpolation)
    if isinstance(img, minitorch.Tensor):
        return tensor_ops.affine(img, matrix, height, width, mode, fill)
    from PIL import Image

    return img.transform(
        (width, height),
        Image.Transform.AFFINE,
        matrix,
        pil_number(mode),
        fillcolor=_pil_fill(img, fill),
    )


def _inverse_matrix(
    centre: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """Inverse of T(centre + translate) R(angle) ShearY ShearX S(scale) T(-centre), as six numbers."""
    r, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(r - sy) / math.cos(sy)
    b = -a * math.tan(sx) - math.sin(r)
    c = math.sin(r - sy) / math.cos(sy)
    d = -c * math.tan(sx) + math.cos(r)
    # The linear part has determinant scale^2, since rotation and shears have 1.
    ia, ib, ic, id_ = d / scale, -b / scale, -c / scale, a / scale
    x, y = centre[0] + translate[0], centre[1] + translate[1]
    return [ia, ib, centre[0] - ia * x - ib * y, ic, id_, centre[1] - ic * x - id_ * y]


def erase(
    img: minitorch.Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False
) -> minitorch.Tensor:
    """Set the rectangle with corner (i, j) and size (h, w) of a tensor image to v."""
    if not isinstance(img, minitorch.Tensor):
        raise TypeError(f"erase: needs a tensor image, got {type(img).__name__}")
    if not inplace:
        img = img.clone()
    img[..., i : i + h, j : j + w] = v
    return img


def size_pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) from one number or two."""
    if isinstance(size, int):
        return size, size
    sizes = list(size)
    if len(sizes) not in (1, 2):
        raise ValueError(f"size must be one or two ints, got {size!r}")
    return sizes[0], sizes[-1]
