"""Convolutions of channels_last batches: values, gradients and format."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch


def last(a, dtype=None):
    """The array as a channels_last tensor."""
    t = minitorch.tensor(np.ascontiguousarray(a.transpose(0, 2, 3, 1)))
    return t.to(dtype or t.dtype).permute(0, 3, 1, 2)


DEPTHWISE = [
    # batch, channels, height, width, kernel, stride, padding
    (2, 5, 9, 8, 3, 1, 1),
    (3, 40, 12, 23, 3, 1, 0),
    (2, 33, 11, 14, 3, 2, 1),
    (1, 16, 12, 9, 3, 2, 2),
    (2, 24, 7, 15, 5, 1, 2),
    (2, 19, 13, 16, 5, 2, 2),
    (1, 3, 14, 9, 5, 2, 1),
    (2, 21, 9, 16, 7, 1, 3),
    (40, 64, 7, 7, 3, 1, 1),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("n", "c", "h", "w", "k", "stride", "padding"), DEPTHWISE)
def test_depthwise(n, c, h, w, k, stride, padding, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(k)
    arrays = [rng.standard_normal(s) for s in ((n, c, h, w), (c, 1, k, k), (c,))]
    cast = [torch.tensor(a).to(getattr(torch, dtype)) for a in arrays]
    exact = [t.double().requires_grad_() for t in cast]
    options = {"stride": stride, "padding": padding, "groups": c}
    y = torch.nn.functional.conv2d(*exact, **options)
    dy = torch.randn(y.shape, dtype=torch.float64).to(getattr(torch, dtype)).double()
    y.backward(dy)
    kind = getattr(minitorch, dtype)
    mine = [last(arrays[0], kind), *(minitorch.tensor(a).to(kind) for a in arrays[1:])]
    mine = [t.detach().requires_grad_() for t in mine]
    assert mine[0].is_contiguous(memory_format=minitorch.channels_last)
    got = minitorch.conv2d(*mine, **options)
    assert got.is_contiguous(memory_format=minitorch.channels_last)
    got.backward(last(dy.numpy(), kind))
    scale = {"float32": 4e-7, "float64": 1e-15, "bfloat16": 8e-3}[dtype]
    for a, b in zip((got, *(t.grad for t in mine)), (y, *(t.grad for t in exact))):
        want = b.detach().numpy()
        error = np.abs(a.detach().double().numpy() - want).max()
        assert error < 4 * scale * np.abs(want).max()


def test_gradient_of_any_layout_is_taken():
    def run(x, dy):
        leaves = [t.detach().requires_grad_() for t in (x, minitorch.ones(6, 1, 3, 3))]
        y = minitorch.conv2d(*leaves, padding=1, groups=6)
        y.backward(dy)
        return [t.grad.numpy() for t in leaves]

    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 2, 6, 9, 8)).astype(np.float32)
    wanted = run(minitorch.tensor(x), minitorch.tensor(dy))
    for a, b in zip(run(last(x), minitorch.tensor(dy)), wanted):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_double_backward_of_depthwise():
    rng = np.random.default_rng(0)
    x = last(rng.standard_normal((2, 3, 5, 6))).requires_grad_()
    w = minitorch.tensor(rng.standard_normal((3, 1, 3, 3))).requires_grad_()

    def f(x, w):
        return minitorch.conv2d(x, w, padding=1, groups=3)

    assert minitorch.autograd.gradcheck(f, (x, w))
    assert minitorch.autograd.gradgradcheck(f, (x, w))


def test_threads_do_not_change_bits():
    rng = np.random.default_rng(0)
    arrays = [
        rng.standard_normal(s).astype(np.float32) for s in ((4, 48, 30, 30), (48, 1, 3, 3), (48,))
    ]
    dy = last(rng.standard_normal((4, 48, 30, 30)).astype(np.float32))
    results = []
    before = minitorch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            minitorch.set_num_threads(threads)
            leaves = [last(arrays[0]), *(minitorch.tensor(a) for a in arrays[1:])]
            leaves = [t.detach().requires_grad_() for t in leaves]
            y = minitorch.conv2d(*leaves, padding=1, groups=48)
            y.backward(dy)
            results.append([y.detach().numpy(), *(t.grad.numpy() for t in leaves)])
    finally:
        minitorch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)
