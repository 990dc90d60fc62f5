"""Convolutions on tensor cores: values and gradients against float64, layouts, the same bits twice."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import minitorch
from tests.ops.harness import numbers

pytestmark = pytest.mark.skipif(
    not minitorch.cuda.is_available(), reason="no GPU, real or emulated"
)
F = minitorch.nn.functional
EMULATED = minitorch.cuda.get_device_name() if minitorch.cuda.is_available() else ""
# Errors relative to the largest value: half a unit of the last place, and some for cancellation.
TOLERANCE = {"bfloat16": 6e-3, "float16": 8e-4, "float32": 1.5e-3, "float64": 1e-12}


@pytest.fixture(autouse=True)
def tf32():
    before = minitorch.backends.cudnn.allow_tf32
    minitorch.backends.cudnn.allow_tf32 = True
    yield
    minitorch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def path(request):
    """The kernel of all convolutions: 0 chooses, 1 mma.sync, 2 wgmma (where the GPU has it)."""
    minitorch._C.conv_set_path(request.param)
    yield
    minitorch._C.conv_set_path(0)


both = pytest.mark.parametrize("path", [1, 2], indirect=True, ids=["mma", "wgmma"])


def uniform(*shape, dtype, seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, shape)
    return minitorch.tensor(x).to(getattr(minitorch, dtype))


def last(x):
    """The tensor with its channels innermost."""
    dims = (0, *range(2, x.dim()), 1)
    back = (0, x.dim() - 1, *range(1, x.dim() - 1))
    return x.permute(dims).contiguous().permute(back)


def is_last(x):
    return x.permute(0, *range(2, x.dim()), 1).is_contiguous()


def results(f, tensors, dy, layout):
    """f's result and its gradients for dy in a layout."""
    leaves = [t.detach().requires_grad_() for t in tensors]
    y = f(*leaves)
    y.backward(layout(dy.to(y.dtype).to(y.device)))
    return [y.detach(), *(t.grad for t in leaves)]


def as_it_is(x):
    return x


def check(f, tensors, channels_last=False):
    dtype = str(tensors[0].dtype).split(".")[-1]
    dy = uniform(*f(*tensors).shape, dtype=dtype, seed=9)
    want = results(f, [t.double() for t in tensors], dy, as_it_is)
    moved = [t.cuda() for t in tensors]
    if channels_last:
        moved[0] = last(moved[0])
    layout = last if channels_last else as_it_is
    got, again = (results(f, moved, dy, layout) for _ in range(2))
    for a, b, c in zip(want, got, again):
        assert b.dtype is tensors[0].dtype
        assert tuple(a.shape) == tuple(b.shape)
        assert np.array_equal(numbers(b), numbers(c)), "two runs differ"
        scale = max(1e-3, np.abs(numbers(a)).max(initial=0))
        np.testing.assert_allclose(numbers(b), numbers(a), rtol=0, atol=TOLERANCE[dtype] * scale)
    if channels_last:
        assert is_last(got[0])
        assert is_last(got[1])
    else:
        assert got[0].is_contiguous()
        assert got[1].is_contiguous()


# Input, weight, options.
SHAPES = {
    "3x3, 64 x 64 tiles": ((2, 16, 9, 11), (24, 16, 3, 3), {"padding": 1}),
    "parts of K": ((1, 72, 6, 6), (66, 72, 3, 3), {"padding": 1}),
    "128 x 64 tiles": ((2, 8, 20, 21), (50, 8, 2, 2), {}),
    "128 x 128 tiles": ((2, 8, 12, 14), (136, 8, 3, 1), {"padding": (1, 0)}),
    "parts of positions": ((2, 8, 25, 26), (72, 8, 2, 3), {}),
    "ragged channels": ((2, 3, 12, 11), (21, 3, 5, 5), {"padding": 2, "stride": 2}),
    "dilated and strided": ((1, 9, 12, 13), (10, 9, 3, 3), {"dilation": 2, "stride": (4, 3)}),
    "stride beyond the kernel": ((1, 8, 11, 10), (8, 8, 2, 2), {"stride": 3}),
    "groups": ((2, 12, 7, 7), (24, 4, 3, 3), {"groups": 3, "padding": 1}),
    "groups of 16 bytes": ((2, 32, 6, 5), (16, 16, 3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((2, 40, 8, 9), (40, 1, 3, 3), {"groups": 40, "padding": 1, "stride": 2}),
    "two filters a channel": ((2, 6, 8, 9), (12, 1, 3, 2), {"groups": 6, "dilation": 2}),
    "one tap": ((2, 16, 5, 5), (24, 16, 1, 1), {}),
    "one tap, a product": ((1, 16, 16, 8), (24, 16, 1, 1), {}),
    "one tap, strided": ((1, 16, 7, 8), (24, 16, 1, 1), {"stride": 2}),
    "1d": ((2, 24, 40), (16, 24, 4), {"stride": 2, "padding": 3}),
    "3d": ((1, 8, 4, 5, 6), (16, 8, 2, 3, 2), {"padding": 1, "stride": (1, 2, 1)}),
}


def convolution(name, dtype, channels_last=False):
    x, w, options = SHAPES[name]
    f = getattr(F, f"conv{len(x) - 2}d")
    tensors = uniform(*x, dtype=dtype), uniform(*w, dtype=dtype, seed=1), uniform(w[0], dtype=dtype)
    check(lambda x, w, b: f(x, w, b, **options), tensors, channels_last)


@both
@pytest.mark.parametrize("name", SHAPES)
def test_bfloat16(name, path):
    convolution(name, "bfloat16")


@pytest.mark.parametrize("name", ["parts of K", "128 x 128 tiles", "groups", "3d"])
@both
def test_float16(name, path):
    convolution(name, "float16")


@pytest.mark.parametrize("name", ["parts of K", "128 x 64 tiles", "128 x 128 tiles", "one tap"])
def test_tf32(name):
    convolution(name, "float32")


@pytest.mark.parametrize("name", [n for n in SHAPES if n != "1d"])
def test_channels_last(name):
    convolution(name, "bfloat16", channels_last=True)


@pytest.mark.parametrize(("name", "dtype"), [("one tap", "float32"), ("one tap", "float64"),
                                             ("depthwise", "float64"),
                                             ("128 x 64 tiles", "float32")])  # fmt: skip
def test_wide_channels_last(name, dtype):
    convolution(name, dtype, channels_last=True)


@pytest.mark.parametrize("options", [{"stride": 2, "output_padding": 1}, {"groups": 2},
                                     {"stride": 3, "padding": 2, "dilation": 2}])  # fmt: skip
@pytest.mark.parametrize("channels_last", [False, True])
def test_transposed(options, channels_last):
    groups = options.get("groups", 1)
    tensors = (uniform(2, 16, 5, 7, dtype="bfloat16"), uniform(8, dtype="bfloat16", seed=2),
               uniform(16, 8 // groups, 3, 3, dtype="bfloat16", seed=1))  # fmt: skip
    check(lambda x, b, w: F.conv_transpose2d(x, w, b, **options), tensors, channels_last)


def test_gradient_of_another_layout():
    x, w = last(uniform(2, 16, 6, 7, dtype="float16").cuda()), uniform(8, 16, 3, 3, dtype="float16")

    def f(x, w):
        return F.conv2d(x, w, padding=1)

    dy = uniform(2, 8, 6, 7, dtype="float16", seed=2)
    for a, b in zip(*(results(f, [x, w.cuda()], dy, layout) for layout in (as_it_is, last))):
        assert np.array_equal(numbers(a), numbers(b))


def test_tf32_is_a_switch():
    x, w = uniform(1, 32, 8, 8, dtype="float32"), uniform(64, 32, 3, 3, dtype="float32", seed=1)
    want = numbers(F.conv2d(x.double(), w.double()))

    def error():
        got = numbers(F.conv2d(x.cuda(), w.cuda()))
        return np.abs(got - want).max() / np.abs(want).max()

    assert 1e-5 < error() < 1.5e-3
    minitorch.backends.cudnn.allow_tf32 = False
    assert error() < 2e-6


def test_second_gradient():
    x, w = uniform(1, 8, 5, 5, dtype="float32"), uniform(16, 8, 3, 3, dtype="float32", seed=1)

    def run(device):
        leaves = [t.to(device).requires_grad_() for t in (x, w)]
        y = F.conv2d(*leaves, padding=1)
        (g,) = minitorch.autograd.grad((y * y).sum(), leaves[:1], create_graph=True)
        (g * g).sum().backward()
        return [numbers(t.grad) for t in leaves]

    for a, b in zip(run("cuda"), run("cpu")):
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-3 * np.abs(b).max())


@pytest.mark.skipif("Emulated" not in EMULATED, reason="orders of events are the emulator's")
@pytest.mark.parametrize(("copies", "schedule"), [("early", "reverse"), ("late", "random:1")])
def test_other_orders_of_events(copies, schedule):
    environment = dict(
        os.environ, MINITORCH_EMULATOR_ASYNC=copies, MINITORCH_EMULATOR_SCHEDULE=schedule
    )
    names = "test_bfloat16 and (parts or 128 or ragged or dilated) or test_tf32 and parts"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-k", names],
        env=environment, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
