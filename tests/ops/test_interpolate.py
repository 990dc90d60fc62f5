"""Interpolation against torch."""

from __future__ import annotations

import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def resize(**kwargs):
    return lambda m, x: m.nn.functional.interpolate(x, **kwargs)


LINE, IMAGE, WIDE, VOLUME = [(1, 2, 5)], [(1, 2, 3, 4)], [(2, 3, 13, 37)], [(1, 2, 2, 3, 3)]
CASES = [
    Case("nearest1d", resize(size=9), shapes=[LINE]),
    Case("nearest2d", resize(scale_factor=2), shapes=[IMAGE, WIDE, [(0, 3, 4, 4)]]),
    Case("nearest2d_shrink", resize(scale_factor=(0.7, 0.5)), shapes=[IMAGE, WIDE]),
    Case("nearest3d", resize(size=(3, 5, 4)), shapes=[VOLUME]),
    Case("nearest_exact", resize(size=(5, 7), mode="nearest-exact"), shapes=[IMAGE, WIDE]),
    Case("linear", resize(scale_factor=1.7, mode="linear"), shapes=[LINE]),
    Case("linear_corners", resize(size=8, mode="linear", align_corners=True), shapes=[LINE]),
    Case("bilinear", resize(scale_factor=2.0, mode="bilinear"), shapes=[IMAGE, WIDE]),
    Case("bilinear_shrink", resize(size=(2, 2), mode="bilinear"), shapes=[IMAGE, WIDE]),
    Case(
        "bilinear_corners",
        resize(size=(7, 9), mode="bilinear", align_corners=True),
        shapes=[IMAGE, WIDE],
    ),
    Case(
        "bilinear_antialias",
        resize(size=(5, 11), mode="bilinear", antialias=True),
        shapes=[WIDE],
        dtypes=("float32", "float64"),
    ),
    Case("bicubic", resize(size=(6, 5), mode="bicubic"), shapes=[IMAGE, WIDE]),
    Case(
        "bicubic_corners",
        resize(size=(6, 5), mode="bicubic", align_corners=True),
        shapes=[IMAGE, WIDE],
    ),
    Case(
        "bicubic_antialias",
        resize(size=(5, 50), mode="bicubic", antialias=True),
        shapes=[WIDE],
        dtypes=("float32", "float64"),
    ),
    Case("trilinear", resize(scale_factor=1.5, mode="trilinear"), shapes=[VOLUME]),
    Case("area", resize(size=(2, 3), mode="area"), shapes=[IMAGE, WIDE]),
    Case("same_size", resize(size=(3, 4), mode="bilinear"), shapes=[IMAGE]),
    Case(
        "recomputed",
        resize(scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
        shapes=[IMAGE, WIDE],
    ),
]
globals().update(make_tests(CASES))


def test_the_result_of_an_unchanged_size_is_a_copy():
    x = minitorch.ones(1, 1, 2, 2)
    y = minitorch.nn.functional.interpolate(x, size=(2, 2), mode="bilinear")
    y.zero_()
    assert x.sum().item() == 4


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"size": 3, "scale_factor": 2}, ValueError, "only one of size or scale_factor"),
        ({}, ValueError, "either size or scale_factor"),
        ({"size": (3, 3, 3)}, ValueError, "same number of spatial dimensions"),
        (
            {"size": 3, "mode": "nearest", "align_corners": True},
            ValueError,
            "align_corners option can only",
        ),
        ({"size": 3, "mode": "trilinear"}, NotImplementedError, "Got 4D input"),
        ({"size": 3, "mode": "cubic"}, NotImplementedError, "'cubic'"),
        ({"size": 0}, RuntimeError, "greater than 0"),
        ({"size": 3, "antialias": True}, ValueError, "Anti-alias option"),
    ],
)
def test_errors_say_what_is_wrong(kwargs, error, text):
    with pytest.raises(error, match=text):
        minitorch.nn.functional.interpolate(minitorch.ones(1, 1, 4, 4), **kwargs)
