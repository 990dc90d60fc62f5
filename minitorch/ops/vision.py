"""Rearranging pixels and channels, and sampling images on a grid."""

from __future__ import annotations

from .._load import _C
from ._register import FUNCTIONAL, FUNCTIONS, Node, function, functional, record

_GRID_MODES = {"bilinear": 0, "nearest": 1, "bicubic": 2}
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


def _both(f):
    """Public in minitorch and in minitorch.nn.functional."""
    FUNCTIONS[f.__name__] = FUNCTIONAL[f.__name__] = f
    return f


@_both
def pixel_shuffle(input, upscale_factor):
    """Channels to pixels: [..., c*r*r, h, w] becomes [..., c, h*r, w*r].

    Raises:
        RuntimeError: the channels are not divisible by upscale_factor squared.
    """
    r = upscale_factor
    shape = input.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    c, h, w = shape[-3:]
    if c % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    lead = tuple(shape[:-3])
    n = len(lead)
    x = input.reshape((*lead, c // (r * r), r, r, h, w))
    x = x.permute((*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return x.reshape((*lead, c // (r * r), h * r, w * r))


@_both
def pixel_unshuffle(input, downscale_factor):
    """Pixels to channels: [..., c, h*r, w*r] becomes [..., c*r*r, h, w].

    Raises:
        RuntimeError: height or width are not divisible by downscale_factor.
    """
    r = downscale_factor
    shape = input.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    c, h, w = shape[-3:]
    for name, size in (("height", h), ("width", w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but {name}={size} is "
                f"not divisible by {r}"
            )
    lead = tuple(shape[:-3])
    n = len(lead)
    x = input.reshape((*lead, c, h // r, r, w // r, r))
    x = x.permute((*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return x.reshape((*lead, c * r * r, h // r, w // r))


@_both
def channel_shuffle(input, groups):
    """Channels of `groups` parts dealt out in turn: [n, groups*k, ...] as [n, k*groups, ...].

    Raises:
        RuntimeError: the channels are not divisible by groups.
    """
    shape = input.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups."
        )
    x = input.reshape((shape[0], groups, shape[1] // groups, *shape[2:]))
    return x.transpose(1, 2).reshape(tuple(shape))


class GridSample(Node):
    """y = x at the places of the grid"""

    __slots__ = ("spec",)

    def backward(self, dy):
        x, grid = self.saved
        return _C.grid_sample_backward(dy, x, grid, self.needs(0), self.needs(1), *self.spec)


@functional
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The image at the places of a grid.

    Args:
        input: [n, c, h, w] or [n, c, d, h, w].
        grid: [n, out_h, out_w, 2] or [n, out_d, out_h, out_w, 3]; the last dim is (x, y(, z)), from -1
            to 1 over the image.
        mode: bilinear, nearest or bicubic (4D only).
        padding_mode: what lies outside: zeros, border or reflection.
        align_corners: whether -1 and 1 are the centers of the corner pixels, else their outer edges.

    Returns:
        [n, c, out sizes]. Its second derivative is not implemented.

    Raises:
        ValueError: an unknown mode. RuntimeError: the shapes do not fit.
    """
    if mode not in _GRID_MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    return _sample(input, grid, (_GRID_MODES[mode], _PADDINGS[padding_mode], bool(align_corners)))


def _sample(input, grid, spec):
    y = _C.grid_sample(input, grid, *spec)
    if y.requires_grad:
        record(GridSample, y, (input, grid), (input, grid)).spec = spec
    return y


@function
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """grid_sample with its modes as numbers, in the order of its docstring."""
    return _sample(input, grid, (int(interpolation_mode), int(padding_mode), bool(align_corners)))


FUNCTIONS["grid_sampler_2d"] = FUNCTIONS["grid_sampler_3d"] = grid_sampler


@functional
def affine_grid(theta, size, align_corners=None):
    """The grid for grid_sample that applies an affine map to an image.

    Args:
        theta: [n, 2, 3] or [n, 3, 4], maps output places to input places.
        size: the output's size, (n, c, h, w) or (n, c, d, h, w).
        align_corners: as of grid_sample.

    Returns:
        [n, h, w, 2] or [n, d, h, w, 3].

    Raises:
        ValueError: theta and size do not fit.
    """
    nd = len(size) - 2
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if nd not in (2, 3) or tuple(theta.shape[1:]) != (nd, nd + 1) or theta.dim() != 3:
        raise ValueError(
            f"affine_grid(): expected a batch of {nd}D affine matrices of shape Nx{nd}x{nd + 1} for size "
            f"{tuple(size)}. Got {tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    shape = tuple(size[2:])
    base = theta.new_ones((*shape, nd + 1))
    for i, n in enumerate(shape):
        line = (
            FUNCTIONS["linspace"](-1, 1, n, dtype=theta.dtype) if n > 1 else theta.new_zeros((1,))
        )
        if not align_corners:
            line = line * ((n - 1) / n)
        base[..., nd - 1 - i] = line.reshape(tuple(n if j == i else 1 for j in range(nd)))
    grid = FUNCTIONS["matmul"](base.reshape((-1, nd + 1)), theta.transpose(1, 2))
    return grid.reshape((theta.shape[0], *shape, nd))
