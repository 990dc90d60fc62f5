"""Elementwise kernels on broadcast, sliced and transposed operands, exactly as NumPy computes them."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as mt

OPS = {
    "add": lambda m, x, y: x + y,
    "sub": lambda m, x, y: x - y,
    "mul": lambda m, x, y: x * y,
    "div": lambda m, x, y: x / y,
    "maximum": lambda m, x, y: m.maximum(x, y),
    "less": lambda m, x, y: x < y,
}

# Views of a [rows, columns, depth] array that all have its shape after broadcasting.
VIEWS = {
    "whole": lambda a: a,
    "column": lambda a: a[:, :, :1],
    "row": lambda a: a[:1, :1, :],
    "plane": lambda a: a[:1, :, :1],
    "one": lambda a: a[:1, :1, :1],
    "first": lambda a: a[0],
}
# Arrangements in memory of the same values.
LAYOUTS = {
    "contiguous": lambda a: a,
    "turned": lambda a: a.swapaxes(1, 2).copy().swapaxes(1, 2),
    "outside in": lambda a: a.transpose(2, 1, 0).copy().transpose(2, 1, 0),
    "apart": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    "padded": lambda a: np.concatenate([a, a], axis=2)[:, :, : a.shape[2]],
}


def values(dtype, shape, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 40, shape).astype(dtype)


def tensor(array):
    """The same memory with the same strides."""
    return mt.from_numpy(array)


@pytest.mark.parametrize("shape", [(3, 17, 33), (2, 40, 5), (1, 70, 129), (5, 3, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_every_pair_of_views_and_layouts(shape, dtype):
    a, b = values(dtype, shape, 1), values(dtype, shape, 2)
    for layout_a, arrange_a in LAYOUTS.items():
        for layout_b, arrange_b in LAYOUTS.items():
            for name, view in VIEWS.items():
                x, y = arrange_a(a), view(arrange_b(b))
                for op, f in OPS.items():
                    if op == "div" and not dtype.startswith("float"):
                        continue
                    for left, right in ((x, y), (y, x)):
                        got = f(mt, tensor(left), tensor(right)).numpy()
                        want = f(np, left, right)
                        where = f"{op}, {layout_a} with {name} of {layout_b}"
                        np.testing.assert_array_equal(got, want, err_msg=where)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_place_writes_the_view_and_nothing_else(layout):
    shape = (3, 20, 35)
    whole = values("float32", (3, 20, 70), 3)
    before = whole.copy()
    target = tensor(whole)[:, :, 1:71:2]
    other = LAYOUTS[layout](values("float32", shape, 4))
    target += tensor(other)
    np.testing.assert_array_equal(whole[:, :, 1::2], before[:, :, 1::2] + other)
    np.testing.assert_array_equal(whole[:, :, ::2], before[:, :, ::2])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sixteen_bits_agree_with_contiguous_operands(layout, dtype):
    a, b = values("float32", (3, 40, 37), 5) / 7, values("float32", (3, 40, 37), 6) / 3
    x, y = tensor(a).to(getattr(mt, dtype)), tensor(b).to(getattr(mt, dtype))
    want = (x * y).float().numpy()
    y_turned = y.swapaxes(1, 2).contiguous().swapaxes(1, 2)
    np.testing.assert_array_equal((x * y_turned).float().numpy(), want)
    x_arranged = tensor(LAYOUTS[layout](a)).to(getattr(mt, dtype))
    np.testing.assert_array_equal((x_arranged * y_turned).float().numpy(), want)


@pytest.mark.parametrize("width", [1, 3, 15, 16, 17, 31, 64, 100, 129, 1023, 1025])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "int32", "float64"])
def test_copies_of_rows_that_lie_apart(width, dtype):
    values = np.random.default_rng(width).integers(0, 99, (3, 5, 4, width + 3)).astype(dtype)
    rows = values[..., 2 : width + 2]
    want = np.ascontiguousarray(rows.transpose(0, 2, 1, 3))
    x = tensor(values)[..., 2 : width + 2]
    np.testing.assert_array_equal(x.permute(0, 2, 1, 3).contiguous().numpy(), want)
    np.testing.assert_array_equal(x[0].repeat(2, 1, 3).numpy(), np.tile(rows[0], (2, 1, 3)))
    y = mt.full((3, 4, 5, width + 2), 7, dtype=x.dtype)
    y[..., 1:-1] = x.permute(0, 2, 1, 3)
    np.testing.assert_array_equal(y[..., 1:-1].numpy(), want)
    edge = y.numpy()[..., [0, -1]]
    np.testing.assert_array_equal(edge, np.full_like(edge, 7))
