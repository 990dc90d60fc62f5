"""Between PIL images, arrays and tensors, and between number types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch


def get_dimensions(img: Any) -> tuple[int, int, int]:
    """(channels, height, width) of a PIL image or a tensor."""
    if isinstance(img, minitorch.Tensor):
        if img.dim() < 2:
            raise TypeError(
                f"image tensors have at least 2 dimensions, got shape {tuple(img.shape)}"
            )
        channels = img.shape[-3] if img.dim() > 2 else 1
        return channels, img.shape[-2], img.shape[-1]
    if not hasattr(img, "getbands"):
        raise TypeError(f"image must be a tensor or a PIL image, got {type(img).__name__}")
    return len(img.getbands()), img.height, img.width


def get_image_size(img: Any) -> list[int]:
    """[width, height] of an image."""
    _, height, width = get_dimensions(img)
    return [width, height]


def pil_to_tensor(pic: Any) -> minitorch.Tensor:
    """Tensor (C, H, W) with the values and the number type of a PIL image."""
    import numpy as np

    if not hasattr(pic, "getbands"):
        raise TypeError(f"pil_to_tensor: needs a PIL image, got {type(pic).__name__}")
    array = np.array(pic, copy=True)
    if pic.mode == "1":
        array = array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        array = array.astype(np.int32)
    array = array.reshape(pic.height, pic.width, len(pic.getbands()))
    return minitorch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


def to_tensor(pic: Any) -> minitorch.Tensor:
    """Tensor (C, H, W) of a PIL image or an array (H, W[, C]); bytes become floats from 0 to 1."""
    if type(pic).__module__ == "numpy":
        import numpy as np

        if pic.ndim not in (2, 3):
            raise ValueError(f"to_tensor: arrays have 2 or 3 dimensions, got shape {pic.shape}")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        tensor = minitorch.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))
    elif hasattr(pic, "getbands"):
        tensor = pil_to_tensor(pic)
    else:
        raise TypeError(f"to_tensor: needs a PIL image or an array, got {type(pic).__name__}")
    if tensor.dtype == minitorch.uint8:
        return tensor.to(minitorch.get_default_dtype()).div(255)
    return tensor


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """PIL image of a tensor (C, H, W) or (H, W), or an array (H, W[, C]); floats are scaled from 0..1.

    Args:
        pic: tensor or array.
        mode: PIL's name of the colour space; by default L, LA, RGB or RGBA by the number of channels.
    """
    import numpy as np
    from PIL import Image

    if isinstance(pic, minitorch.Tensor):
        if pic.dim() not in (2, 3):
            raise ValueError(f"to_pil_image: needs 2 or 3 dimensions, got shape {tuple(pic.shape)}")
        if pic.dtype == minitorch.bfloat16:
            pic = pic.to(minitorch.float32)
        array = pic.detach().cpu().numpy()
        array = array[:, :, None] if array.ndim == 2 else array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        array = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise TypeError(f"to_pil_image: needs a tensor or an array, got {type(pic).__name__}")
    if array.dtype.kind == "f" and mode != "F":
        array = (array * 255).astype(np.uint8)
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise ValueError(
            f"to_pil_image: needs 1 to 4 channels, got an image of shape {array.shape}"
        )
    natural = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[array.shape[2]]
    if array.shape[2] == 1:
        array = array[:, :, 0]
        natural = {"i2": "I;16", "u2": "I;16", "i4": "I", "f4": "F"}.get(array.dtype.str[1:], "L")
        if natural == "I;16":
            array = array.astype(np.uint16)
    elif array.dtype != np.uint8:
        raise TypeError(f"to_pil_image: colour images hold bytes, got {array.dtype}")
    if natural == "L" and array.dtype != np.uint8:
        raise TypeError(f"to_pil_image: cannot make an image of {array.dtype}")
    image = Image.fromarray(np.ascontiguousarray(array))
    if mode is None or mode == image.mode:
        return image
    alike = {"L": ("L", "P", "1"), "RGB": ("RGB", "YCbCr", "HSV"), "RGBA": ("RGBA", "CMYK", "RGBX")}
    if mode in alike.get(image.mode, ()) and mode != "1":
        return Image.frombytes(mode, image.size, image.tobytes())
    if mode == "1" and image.mode == "L":
        return image.convert("1")
    raise ValueError(f"to_pil_image: mode {mode!r} does not fit an image of mode {image.mode!r}")


def normalize(
    tensor: minitorch.Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> minitorch.Tensor:
    """(tensor - mean) / std per channel of an image (..., C, H, W)."""
    if not isinstance(tensor, minitorch.Tensor):
        raise TypeError(f"normalize: needs a tensor, got {type(tensor).__name__}")
    if not tensor.is_floating_point():
        raise TypeError(f"normalize: needs floating point values, got {tensor.dtype}")
    if tensor.dim() < 3:
        raise ValueError(f"normalize: needs an image (..., C, H, W), got {tuple(tensor.shape)}")
    if any(float(s) == 0 for s in std):
        raise ValueError(f"normalize: std must not be 0, got {std}")
    means = minitorch.as_tensor(mean, dtype=tensor.dtype, device=tensor.device).reshape(-1, 1, 1)
    stds = minitorch.as_tensor(std, dtype=tensor.dtype, device=tensor.device).reshape(-1, 1, 1)
    if inplace:
        return tensor.sub_(means).div_(stds)
    return tensor.sub(means).div_(stds)


def convert_image_dtype(
    image: minitorch.Tensor, dtype: minitorch.dtype | None = None
) -> minitorch.Tensor:
    """Change the number type and scale: floats span 0..1, integers 0..their largest value."""
    dtype = dtype if dtype is not None else minitorch.float32
    if image.dtype == dtype:
        return image
    to_float = dtype.is_floating_point
    if image.is_floating_point():
        if to_float:
            return image.to(dtype)
        top = minitorch.iinfo(dtype).max
        # The largest float32 below top + 1 keeps 1.0 within range.
        return image.mul(top + 1.0 - 1e-3).to(dtype)
    old_top = minitorch.iinfo(image.dtype).max
    if to_float:
        return image.to(dtype) / old_top
    new_top = minitorch.iinfo(dtype).max
    if old_top > new_top:
        ratio = (old_top + 1) // (new_top + 1)
        return minitorch.div(image, ratio, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new_top + 1) // (old_top + 1))
