"""Geometry of image tensors of shape (..., H, W)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import minitorch

from .interpolation import InterpolationMode


def resize(
    image: minitorch.Tensor, height: int, width: int, mode: InterpolationMode, antialias: bool
) -> minitorch.Tensor:
    """Resize by two matrix products, one per axis, with the rows of weights of the filter."""
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        shift = 0.5 if mode is InterpolationMode.NEAREST_EXACT else 0.0
        for dim, size in ((-2, height), (-1, width)):
            old = image.shape[dim]
            picks = [min(int((i + shift) * old / size), old - 1) for i in range(size)]
            image = take(image, picks, dim)
        return image
    if mode not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        raise ValueError(f"resize: tensors cannot be resized with interpolation {mode.value!r}")
    cubic = mode is InterpolationMode.BICUBIC
    values = image if image.is_floating_point() else image.to(minitorch.float32)
    rows = _weights(image.shape[-2], height, cubic, antialias).to(values.device, values.dtype)
    columns = _weights(image.shape[-1], width, cubic, antialias).to(values.device, values.dtype)
    values = minitorch.matmul(minitorch.matmul(rows, values), columns.t())
    return like(values, image)


def like(values: minitorch.Tensor, image: minitorch.Tensor) -> minitorch.Tensor:
    """Values in the dtype of an image: integers rounded and clamped to the type's range."""
    if values.dtype == image.dtype:
        return values
    if not image.is_floating_point() and values.is_floating_point():
        limits = minitorch.iinfo(image.dtype)
        values = values.round().clamp(limits.min, limits.max)
    return values.to(image.dtype)


def _weights(old: int, new: int, cubic: bool, antialias: bool) -> minitorch.Tensor:
    """Matrix (new, old) that resamples one axis."""
    import numpy as np

    scale = old / new
    stretch = max(scale, 1.0) if antialias else 1.0
    support = (2.0 if cubic else 1.0) * stretch
    # Keys' cubic: -0.5 where the filter is stretched, as Pillow has it, and -0.75 as OpenCV has it.
    sharpness = -0.5 if antialias else -0.75
    weights = np.zeros((new, old))
    for i in range(new):
        centre = (i + 0.5) * scale - 0.5
        first, last = ceil(centre - support), floor(centre + support)
        positions = np.arange(first, last + 1)
        distance = np.abs(positions - centre) / stretch
        row = _cubic(distance, sharpness) if cubic else np.maximum(1 - distance, 0)
        if antialias:
            inside = (positions >= 0) & (positions < old)
            positions, row = positions[inside], row[inside]
        np.add.at(weights[i], positions.clip(0, old - 1), row / row.sum())
    return minitorch.from_numpy(weights.astype("float32"))


def _cubic(d: Any, a: float) -> Any:
    import numpy as np

    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def take(image: minitorch.Tensor, picks: Sequence[int], dim: int) -> minitorch.Tensor:
    """Rows (dim -2) or columns (dim -1) of an image by number."""
    index = minitorch.tensor(list(picks), dtype=minitorch.int64, device=image.device)
    return minitorch.index_select(image, image.dim() + dim, index)


def pad(
    image: minitorch.Tensor, edges: tuple[int, int, int, int], fill: Any, mode: str
) -> minitorch.Tensor:
    """Pad by (left, top, right, bottom) pixels; negative numbers crop."""
    left, top, right, bottom = edges
    height, width = image.shape[-2:]
    rows, columns = range(-top, height + bottom), range(-left, width + right)
    if mode != "constant":
        image = take(image, [_source(i, height, mode) for i in rows], -2)
        return take(image, [_source(j, width, mode) for j in columns], -1)
    shape = (*image.shape[:-2], max(len(rows), 0), max(len(columns), 0))
    out = filled(shape, fill, image)
    y0, y1 = max(0, -top), min(height, height + bottom)
    x0, x1 = max(0, -left), min(width, width + right)
    if y1 > y0 and x1 > x0:
        out[..., y0 + top : y1 + top, x0 + left : x1 + left] = image[..., y0:y1, x0:x1]
    return out


def _source(i: int, size: int, mode: str) -> int:
    if mode == "edge":
        return min(max(i, 0), size - 1)
    if mode == "reflect":
        if size == 1:
            return 0
        i = abs(i) % (2 * size - 2)
        return i if i < size else 2 * size - 2 - i
    if mode == "symmetric":
        i %= 2 * size
        return i if i < size else 2 * size - 1 - i
    raise ValueError(
        f"pad: padding_mode must be constant, edge, reflect or symmetric, got {mode!r}"
    )


def filled(shape: Sequence[int], fill: Any, image: minitorch.Tensor) -> minitorch.Tensor:
    """An image of one colour: a number, or one number per channel."""
    if isinstance(fill, (int, float)):
        return minitorch.full(tuple(shape), fill, dtype=image.dtype, device=image.device)
    values = minitorch.tensor([float(v) for v in fill], device=image.device).to(image.dtype)
    return values.reshape(-1, 1, 1).expand(tuple(shape)).clone()


def affine(
    image: minitorch.Tensor,
    matrix: Sequence[float],
    height: int,
    width: int,
    mode: InterpolationMode,
    fill: Any,
) -> minitorch.Tensor:
    """Sample the image where an inverse affine map sends each output pixel.

    Args:
        image: shape (..., H, W).
        matrix: (a, b, c, d, e, f): output (x, y) comes from (a x + b y + c, d x + e y + f); coordinates are in
            pixels from the image's top left corner, pixel centres at halves.
        height: rows of the result.
        width: columns of the result.
        mode: NEAREST or BILINEAR.
        fill: colour outside the image; None is 0.
    """
    import numpy as np

    a, b, c, d, e, f = matrix
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    source_x = a * x + b * y + c - 0.5
    source_y = d * x + e * y + f - 0.5
    background = fill if fill is not None else 0
    shape = (*image.shape[:-2], height, width)
    if mode is InterpolationMode.NEAREST:
        # Rounding twice takes the noise of sine and cosine off the half-way cases.
        columns = np.rint(np.round(source_x, 6)).astype(np.int64)
        rows = np.rint(np.round(source_y, 6)).astype(np.int64)
        values, inside = _gather(image, rows, columns)
        return minitorch.where(inside, values, filled(shape, background, image))
    if mode is not InterpolationMode.BILINEAR:
        raise ValueError(
            f"affine: tensors need nearest or bilinear interpolation, not {mode.value!r}"
        )
    x0, y0 = np.floor(source_x).astype(np.int64), np.floor(source_y).astype(np.int64)
    outside = filled(shape, background, image).to(minitorch.float32)
    total: Any = None
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dx - (source_x - x0)) * np.abs(1 - dy - (source_y - y0))
            values, inside = _gather(image, y0 + dy, x0 + dx)
            values = minitorch.where(inside, values.to(minitorch.float32), outside)
            part = values * minitorch.from_numpy(weight.astype("float32")).to(image.device)
            total = part if total is None else total + part
    return like(total, image)


def _gather(image: minitorch.Tensor, rows: Any, columns: Any) -> Any:
    height, width = image.shape[-2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows.clip(0, height - 1) * width + columns.clip(0, width - 1)
    index = minitorch.from_numpy(flat.reshape(-1)).to(image.device)
    pixels = image.reshape(*image.shape[:-2], height * width)
    values = minitorch.index_select(pixels, pixels.dim() - 1, index)
    return (
        values.reshape(*image.shape[:-2], *rows.shape),
        minitorch.from_numpy(inside).to(image.device),
    )
