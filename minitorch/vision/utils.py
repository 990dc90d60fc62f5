"""Grids of images and image files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch


def make_grid(
    tensor: minitorch.Tensor | Sequence[minitorch.Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> minitorch.Tensor:
    """Put images side by side into one.

    Args:
        tensor: shape (B, C, H, W), (C, H, W) or (H, W), or a list of images of the same shape.
        nrow: images per row of the grid.
        padding: pixels around each image.
        normalize: whether to shift and scale values to 0..1.
        value_range: the (low, high) that becomes 0..1; by default the smallest and largest value.
        scale_each: whether each image is normalized by itself.
        pad_value: value of the space between images.

    Returns:
        Tensor (3, rows, columns); a single image without padding.
    """
    images = (
        minitorch.stack(list(tensor), 0) if not isinstance(tensor, minitorch.Tensor) else tensor
    )
    if not 2 <= images.dim() <= 4:
        raise ValueError(f"make_grid: needs 2 to 4 dimensions, got shape {tuple(images.shape)}")
    while images.dim() < 4:
        images = (
            images.unsqueeze(0)
            if images.dim() < 3 or images.shape[0] in (1, 3)
            else images[:, None]
        )
    if images.shape[1] == 1:
        images = minitorch.cat([images, images, images], 1)
    if normalize:
        if scale_each:
            parts = [_to_unit_range(image, value_range) for image in images]
            images = minitorch.stack(parts, 0)
        else:
            images = _to_unit_range(images, value_range)
    count, channels, height, width = images.shape
    if count == 1:
        return images[0]
    columns = min(nrow, count)
    rows = -(-count // columns)
    step_y, step_x = height + padding, width + padding
    shape = (channels, rows * step_y + padding, columns * step_x + padding)
    grid = minitorch.full(shape, pad_value, dtype=images.dtype, device=images.device)
    for i in range(count):
        top, left = i // columns * step_y + padding, i % columns * step_x + padding
        grid[:, top : top + height, left : left + width] = images[i]
    return grid


def _to_unit_range(
    image: minitorch.Tensor, value_range: tuple[float, float] | None
) -> minitorch.Tensor:
    if value_range is None:
        low, high = image.min().item(), image.max().item()
    else:
        low, high = value_range
    return (image.clamp(low, high) - low) / max(high - low, 1e-5)


def save_image(
    tensor: minitorch.Tensor | Sequence[minitorch.Tensor],
    fp: Any,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Save an image, or a grid of a batch of them, with values from 0 to 1.

    Args:
        tensor: what :func:`make_grid` takes.
        fp: path or file object.
        format: Pillow's name of the file format; by default by the path's ending.
        kwargs: arguments of :func:`make_grid`.
    """
    import numpy as np
    from PIL import Image

    grid = make_grid(tensor, **kwargs)
    values = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", minitorch.uint8)
    Image.fromarray(np.ascontiguousarray(values.numpy())).save(fp, format=format)
