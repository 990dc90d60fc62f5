"""Copies and fills of a GPU: rows in wide units, conversions in vectors, odd layouts."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m

pytestmark = pytest.mark.skipif(not m.cuda.is_available(), reason="no GPU, real or emulated")


def values(shape, dtype):
    t = m.tensor(np.random.default_rng(0).integers(0, 100, shape))
    return t.to(getattr(m, dtype))


def same(on_gpu, on_cpu):
    assert on_gpu.dtype is on_cpu.dtype
    np.testing.assert_array_equal(on_gpu.cpu().double().numpy(), on_cpu.double().numpy())


LAYOUTS = {
    "outer dims swapped": lambda x: x.permute(0, 2, 1, 3),
    "inner dims swapped": lambda x: x.transpose(2, 3),
    "reversed": lambda x: x.permute(3, 2, 1, 0),
    "a slice of rows": lambda x: x[..., 1:],
    "an aligned slice of rows": lambda x: x[:, :, :, : x.shape[3] // 2 * 2],
    "every second": lambda x: x[..., ::2],
    "expanded": lambda x: x[:, :1].expand(-1, 4, -1, -1),
    "one number": lambda x: x[0, 0, 0, 0].expand(3, 5),
}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("inner", [1, 3, 4, 8, 12, 33])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(dtype, inner, layout):
    x = values((2, 3, 5, inner), dtype)
    view = LAYOUTS[layout]
    same(view(x.cuda()).contiguous(), view(x).contiguous())
    same(view(x.cuda()).clone(), view(x).clone())
    same(view(x.cuda()).flip(-1), view(x).flip(-1))


@pytest.mark.parametrize("to", ["float16", "bfloat16", "float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int64", "bool"])
@pytest.mark.parametrize("layout", ["outer dims swapped", "every second", "a slice of rows"])
def test_conversions(dtype, to, layout):
    x, view = values((2, 3, 5, 8), dtype), LAYOUTS[layout]
    same(view(x.cuda()).to(getattr(m, to)), view(x).to(getattr(m, to)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("inner", [1, 3, 4, 8, 12, 33])
@pytest.mark.parametrize(
    "layout", [name for name in LAYOUTS if name not in ("expanded", "one number")]
)
def test_writes_stay_inside_of_a_view(dtype, inner, layout):
    view = LAYOUTS[layout]
    a, b = values((2, 3, 5, inner), dtype).cuda(), values((2, 3, 5, inner), dtype)
    view(a).fill_(1)
    view(b).fill_(1)
    same(a, b)
    source = values(tuple(view(b).shape), dtype)
    view(a).copy_(source.cuda())
    view(b).copy_(source)
    same(a, b)


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16", "float32", "int64"])
@pytest.mark.parametrize("shape", [(2, 3, 4, 8), (2, 3, 4, 7), (1, 1, 64, 64)])
@pytest.mark.parametrize("mask_shape", [(1, 1, -1, -1), (-1, -1, -1, -1), (-1, 1, -1, 1)])
def test_masked_fill(dtype, shape, mask_shape):
    x = values(shape, dtype)
    sizes = tuple(s if k < 0 else k for s, k in zip(shape, mask_shape))
    mask = m.tensor(np.random.default_rng(1).random(sizes) < 0.5)
    five = m.tensor(5).to(x.dtype)
    same(x.cuda().masked_fill(mask.cuda(), 3), x.masked_fill(mask, 3))
    same(x.cuda().masked_fill(mask.cuda(), five.cuda()), x.masked_fill(mask, five))
    y = x.cuda()
    y.masked_fill_(mask.cuda(), 7)
    same(y, x.masked_fill(mask, 7))
