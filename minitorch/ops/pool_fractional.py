"""Fractional max pooling: windows at pseudo-random places, so that the output has any smaller size."""

from __future__ import annotations

from .._load import _C
from ._register import FUNCTIONS, functional
from .pool import _each


@functional
def fractional_max_pool2d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """Max pooling over windows at pseudo-random places, so that the output has any smaller size."""
    return _fractional(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples, 2
    )


@functional
def fractional_max_pool3d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """Max pooling over windows at pseudo-random places, so that the output has any smaller size."""
    return _fractional(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples, 3
    )


def _fractional(input, kernel_size, output_size, output_ratio, return_indices, samples, nd):
    name = f"fractional_max_pool{nd}d"
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    shape = tuple(input.shape)
    kernel = _each(kernel_size, nd)
    if output_size is None:
        ratio = (output_ratio,) * nd if isinstance(output_ratio, float) else tuple(output_ratio)
        output_size = [int(n * r) for n, r in zip(shape[-nd:], ratio)]
    out = _each(output_size, nd)
    batched = len(shape) == nd + 2
    batch, channels = (shape[0], shape[1]) if batched else (1, shape[0])
    if samples is None:
        samples = FUNCTIONS["rand"](batch, channels, nd, dtype=input.dtype, device=input.device)
    for n, o, k in zip(shape[-nd:], out, kernel):
        if o + k - 1 > n:
            raise RuntimeError(f"{name}(): pool size {k} too large relative to input size {n}")
    values, places = _fractional_windows(
        input.reshape((batch, channels, *shape[-nd:])), samples, kernel, out
    )
    shape = (*shape[:-nd], *out)
    values, places = values.reshape(shape), places.reshape(shape)
    return (values, places) if return_indices else values


def _fractional_windows(x, samples, kernel, out):
    """Values and places of the maxima: a gather of all window elements, then their maximum."""
    arange = FUNCTIONS["arange"]
    nd, sizes = len(out), tuple(x.shape[2:])
    places = None
    for d in range(nd):
        n, o, k = sizes[d], out[d], kernel[d]
        # Window i of a dim starts at floor((i + u) * alpha) - floor(u * alpha), the last at the end.
        # Planes take their samples as (x, y), volumes as (depth, height, width).
        u = samples[:, :, nd - 1 - d if nd == 2 else d].unsqueeze(-1)
        alpha = (n - k) / (o - 1) if o > 1 else 0.0
        start = ((arange(o, device=x.device) + u) * alpha).floor() - (u * alpha).floor()
        start = start.to(_C.int64)
        start[..., o - 1] = n - k
        inside = start.unsqueeze(-1) + arange(k, device=x.device)
        ones = [1] * nd
        grid = (*ones[:d], o, *ones[d + 1 :], *ones[:d], k, *ones[d + 1 :])
        inside = inside.reshape((*x.shape[:2], *grid))
        places = inside if places is None else places * n + inside
    count = 1
    for o in out:
        count *= o
    width = 1
    for k in kernel:
        width *= k
    places = places.reshape((*x.shape[:2], count, width))
    values = x.flatten(2).gather(2, places.flatten(2)).reshape((*x.shape[:2], count, width))
    best, which = values.max(-1)
    return best, places.gather(-1, which.unsqueeze(-1)).squeeze(-1)
