"""Pixel and channel shuffles, grid sampling, against torch."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def call(name, *args):
    return lambda m, *xs: getattr(m.nn.functional, name)(*xs, *args)


def image_and_grid(rng, shapes):
    """Grid values that reach outside, away from the pixels' centers where gradients jump."""
    image, grid = shapes
    g = rng.uniform(-1.3, 1.3, grid)
    return [rng.uniform(-1, 1, image), g]


PLANE = [[(1, 2, 3, 4), (1, 2, 3, 2)], [(2, 3, 7, 9), (2, 5, 20, 2)]]
VOLUME = [[(1, 2, 3, 4, 2), (1, 2, 2, 3, 3)]]
CASES = [
    Case("pixel_shuffle", call("pixel_shuffle", 2), shapes=[[(1, 4, 2, 3)], [(2, 3, 8, 4, 5)]]),
    Case("pixel_unshuffle", call("pixel_unshuffle", 2), shapes=[[(1, 1, 4, 6)], [(3, 2, 2)]]),
    Case("channel_shuffle", call("channel_shuffle", 3), shapes=[[(1, 6, 2, 2)], [(2, 9, 4)]]),
    Case("affine_grid", call("affine_grid", (2, 1, 3, 4), False), shapes=[[(2, 2, 3)]]),
    Case(
        "affine_grid_corners",
        call("affine_grid", (2, 1, 2, 3, 1), True),
        shapes=[[(2, 3, 4)]],
        dtypes=("float32", "float64"),
    ),
]
for _mode in ("bilinear", "nearest", "bicubic"):
    for _padding in ("zeros", "border", "reflection"):
        for _align in (False, True):
            CASES.append(
                Case(
                    f"grid_sample_{_mode}_{_padding}_{_align}",
                    call("grid_sample", _mode, _padding, _align),
                    shapes=PLANE if _mode == "bicubic" else PLANE + VOLUME,
                    make=image_and_grid,
                    dtypes=("float32", "float64"),
                    gradgrad=False,
                )
            )
globals().update(make_tests(CASES))


def test_second_derivative_of_grid_sample_raises():
    x = minitorch.ones(1, 1, 3, 3, requires_grad=True)
    y = minitorch.nn.functional.grid_sample(x, minitorch.zeros(1, 1, 1, 2), align_corners=False)
    with pytest.raises(RuntimeError):
        minitorch.autograd.grad(y.sum(), x, create_graph=True)


def test_shuffles_undo_each_other():
    x = minitorch.arange(2 * 8 * 3 * 3).reshape(2, 8, 3, 3)
    y = minitorch.pixel_unshuffle(minitorch.pixel_shuffle(x, 2), 2)
    np.testing.assert_array_equal(y.numpy(), x.numpy())


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (
            lambda f, x: f.pixel_shuffle(x, 2),
            RuntimeError,
            "divisible by the square of upscale_factor",
        ),
        (lambda f, x: f.pixel_unshuffle(x, 2), RuntimeError, "expects height to be divisible"),
        (
            lambda f, x: f.channel_shuffle(x, 2),
            RuntimeError,
            "Number of channels must be divisible",
        ),
        (lambda f, x: f.grid_sample(x, x[..., :2], mode="cubic"), ValueError, "expected mode"),
        (lambda f, x: f.grid_sample(x, x), RuntimeError, "expected grid to have size 2"),
        (lambda f, x: f.affine_grid(x[0], (1, 1, 2, 2)), ValueError, "affine matrices"),
    ],
)
def test_errors_say_what_is_wrong(f, error, text):
    with pytest.raises(error, match=text):
        f(minitorch.nn.functional, minitorch.ones(1, 3, 5, 5))
