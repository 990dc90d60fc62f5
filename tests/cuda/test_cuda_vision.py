"""grid_sample and interpolate on a GPU, the same as on the CPU, with gradients."""

from __future__ import annotations

import pytest

import minitorch

from .cuda_helpers import compare, needs_gpu, random

pytestmark = needs_gpu
F = minitorch.nn.functional
CLOSE = (1e-4, 1e-4)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample(mode, padding):
    x, grid = random(2, 5, 7, 6), random(2, 9, 11, 2, low=-1.3, high=1.3)
    compare(lambda x, g: F.grid_sample(x, g, mode, padding, align_corners=False), x, grid,
            grad=mode != "nearest", tolerance=CLOSE)  # fmt: skip
    compare(lambda x: F.grid_sample(x, grid.to(x.device), mode, padding, align_corners=True), x,
            grad=True, tolerance=CLOSE)  # fmt: skip


def test_volumes():
    x, grid = random(2, 3, 3, 4, 5), random(2, 4, 5, 6, 3, low=-1.2, high=1.2)
    compare(lambda x, g: F.grid_sample(x, g, align_corners=False), x, grid, grad=True,
            tolerance=CLOSE)  # fmt: skip


@pytest.mark.parametrize("channels", [16, 70])
def test_many_channels(channels):
    """Several threads share an output's channels."""
    x, grid = random(2, channels, 5, 4), random(2, 7, 6, 2, low=-1.2, high=1.2)
    for mode in ("bilinear", "bicubic"):
        compare(lambda x, g, m=mode: F.grid_sample(x, g, m, align_corners=False), x, grid,
                grad=True, tolerance=(1e-4, 1e-3))  # fmt: skip


def test_all_outputs_from_one_place():
    """Many contributions to four cells, over several blocks of entries; and none at all."""
    x, grid = random(1, 6, 8, 8), minitorch.full((1, 20, 20, 2), 0.1)
    compare(lambda x, g: F.grid_sample(x, g, align_corners=False), x, grid, grad=True,
            tolerance=(1e-4, 1e-3))  # fmt: skip
    compare(lambda x, g: F.grid_sample(x, g + 5, align_corners=False), x, grid, grad=True)
    compare(lambda x, g: F.grid_sample(x, g + 5, padding_mode="border", align_corners=False), x,
            grid, grad=True, tolerance=CLOSE)  # fmt: skip


def test_bfloat16():
    x, grid = random(1, 2, 5, 5, dtype="bfloat16"), random(1, 6, 6, 2, dtype="bfloat16")
    compare(lambda x, g: F.grid_sample(x, g, align_corners=False), x, grid, grad=True,
            tolerance=(3e-2, 3e-2))  # fmt: skip


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_interpolate(mode):
    for size in ((9, 5), (3, 20)):
        compare(lambda x, s=size: F.interpolate(x, s, mode=mode), random(2, 3, 6, 8), grad=True,
                tolerance=CLOSE)  # fmt: skip
