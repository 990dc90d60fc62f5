"""Interpolation: an image sampled at other places, dim by dim.

All modes are linear in the image, so backward is the transposed sampling and its gradient the
sampling again.
"""

from __future__ import annotations

import math

from .._load import _C
from ._register import FUNCTIONAL, Node, functional, record

# Name -> (spatial dims or 0 for any, mode of the kernel)
_MODES = {
    "nearest": (0, 0),
    "nearest-exact": (0, 1),
    "linear": (1, 2),
    "bilinear": (2, 2),
    "trilinear": (3, 2),
    "bicubic": (2, 3),
    "area": (0, -1),
}


class Resample(Node):
    """y = S x"""

    __slots__ = ("shape", "spec")

    def backward(self, dy):
        dx = _C.resample_backward(dy, self.shape, *self.spec)
        if dx.requires_grad:
            record(ResampleBackward, dx, (dy,)).spec = (dy.shape[2:], *self.spec)
        return dx


class ResampleBackward(Node):
    """dx = S^T dy"""

    __slots__ = ("spec",)

    def backward(self, g):
        return _resample(g, *self.spec)


def _resample(input, out, mode, align, antialias, scales):
    y = _C.resample(input, out, mode, align, antialias, scales)
    if y.requires_grad:
        node = record(Resample, y, (input,))
        node.shape, node.spec = input.shape, (mode, align, antialias, scales)
    return y


@functional
def interpolate(
    input, size=None, scale_factor=None, mode="nearest", align_corners=None,
    recompute_scale_factor=None, antialias=False,
):  # fmt: skip
    """input resized to a size or by a factor.

    Args:
        input: [batch, channels, 1 to 3 spatial sizes].
        size: the output's spatial size, an int or one per dim.
        scale_factor: instead of size, a factor or one per dim.
        mode: nearest, nearest-exact, linear (3D input), bilinear, bicubic (4D), trilinear (5D), area.
        align_corners: whether the centers of the corner elements stay in place (linear and cubic modes).
        recompute_scale_factor: use the factor that the rounded size implies.
        antialias: bilinear and bicubic average when they shrink.

    Returns:
        [batch, channels, new sizes].

    Raises:
        ValueError: size and scale_factor both or neither given, or of the wrong length.
        NotImplementedError: the mode does not go with the input's dims.
    """
    nd = input.dim() - 2
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate(): mode {mode!r} is not one of {list(_MODES)}")
    need, kind = _MODES[mode]
    if kind < 2 and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear"
        )
    if not 1 <= nd <= 3 or (need and nd != need):
        raise NotImplementedError(
            f"interpolate(): Got {input.dim()}D input, but mode {mode!r} needs "
            f"{f'{need + 2}D' if need else '3D, 4D or 5D'} input"
        )
    if antialias and not (mode in ("bilinear", "bicubic") and nd == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    spatial = input.shape[2:]
    scales = ()
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "only one of size or scale_factor should be defined" if size is not None
            else "either size or scale_factor should be defined"
        )  # fmt: skip
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        out = (size,) * nd if isinstance(size, int) else tuple(size)
        if len(out) != nd:
            raise ValueError(
                f"Input and output must have the same number of spatial dimensions, but got input with "
                f"spatial dimensions of {list(spatial)} and output size of {size}."
            )
    else:
        scales = (
            (float(scale_factor),) * nd
            if not isinstance(scale_factor, (tuple, list))
            else tuple(scale_factor)
        )
        if len(scales) != nd:
            raise ValueError(
                f"Input and scale_factor must have the same number of spatial dimensions, but got input "
                f"with spatial dimensions of {list(spatial)} and scale_factor of shape {scale_factor}."
            )
        out = tuple(math.floor(float(n) * float(s)) for n, s in zip(spatial, scales))
        scales = () if recompute_scale_factor else tuple(float(s) for s in scales)
    if kind < 0:
        return FUNCTIONAL[f"adaptive_avg_pool{nd}d"](input, out)
    return _resample(input, out, kind, bool(align_corners), bool(antialias), scales)


@functional
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """interpolate() under its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


@functional
def upsample_nearest(input, size=None, scale_factor=None):
    """interpolate(mode="nearest")."""
    return interpolate(input, size, scale_factor, "nearest")


@functional
def upsample_bilinear(input, size=None, scale_factor=None):
    """interpolate(mode="bilinear", align_corners=True)."""
    return interpolate(input, size, scale_factor, "bilinear", True)
