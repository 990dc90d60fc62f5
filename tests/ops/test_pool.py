"""Pooling against torch."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def pool(name, *args, **kwargs):
    return lambda m, x: getattr(m.nn.functional, name)(x, *args, **kwargs)


def distinct(rng, shapes):
    """Values so far apart that finite differences do not change which is the maximum."""
    return [rng.permutation(int(np.prod(s))).reshape(s) / 7.0 - 3 for s in shapes]


def ties(rng, shapes):
    return [rng.integers(0, 3, s).astype(float) for s in shapes]


SMALL, ODD, LARGE = [(1, 2, 4, 4)], [(2, 3, 9, 11)], [(2, 3, 34, 140)]
CASES = [
    Case(
        "max_pool1d", pool("max_pool1d", 3, 2, 1), shapes=[[(2, 2, 7)], [(3, 130)]], make=distinct
    ),
    Case(
        "max_pool2d_2x2",
        pool("max_pool2d", 2),
        shapes=[SMALL, ODD, LARGE, [(0, 3, 4, 4)]],
        make=distinct,
    ),
    Case("max_pool2d_ties", pool("max_pool2d", 2), shapes=[ODD, LARGE], make=ties, gradgrad=False),
    Case("max_pool2d_3x3", pool("max_pool2d", 3, 2, 1), shapes=[SMALL, ODD, LARGE], make=distinct),
    Case(
        "max_pool2d_ceil",
        pool("max_pool2d", (2, 3), (2, 2), ceil_mode=True),
        shapes=[ODD, LARGE],
        make=distinct,
    ),
    Case("max_pool2d_dilated", pool("max_pool2d", 2, 1, 0, 2), shapes=[SMALL, ODD], make=distinct),
    Case("max_pool2d_overlap", pool("max_pool2d", 5, 1, 2), shapes=[ODD], make=distinct),
    Case("max_pool2d_wide", pool("max_pool2d", 17, 3, 8), shapes=[LARGE], make=distinct),
    Case(
        "max_pool2d_indices",
        pool("max_pool2d", 2, return_indices=True),
        shapes=[SMALL, ODD],
        make=distinct,
    ),
    Case(
        "max_pool3d",
        pool("max_pool3d", (1, 2, 3), 2, (0, 1, 1)),
        shapes=[[(1, 2, 3, 4, 7)]],
        make=distinct,
    ),
    Case("avg_pool1d", pool("avg_pool1d", 3, 2, 1), shapes=[[(2, 2, 7)], [(3, 130)]]),
    Case("avg_pool2d", pool("avg_pool2d", 3, 2, 1), shapes=[SMALL, ODD, LARGE, [(0, 3, 4, 4)]]),
    Case(
        "avg_pool2d_inner", pool("avg_pool2d", (2, 3), 1, (1, 1), True, False), shapes=[SMALL, ODD]
    ),
    Case("avg_pool2d_ceil", pool("avg_pool2d", 3, 2, 1, True), shapes=[SMALL, ODD]),
    Case("avg_pool2d_divisor", pool("avg_pool2d", 2, divisor_override=3), shapes=[SMALL, ODD]),
    Case(
        "avg_pool3d",
        pool("avg_pool3d", (1, 2, 2), (1, 1, 2)),
        shapes=[[(1, 2, 3, 3, 4)]],
        dtypes=("float32", "float64"),
    ),
    Case("adaptive_avg_pool1d", pool("adaptive_avg_pool1d", 3), shapes=[[(2, 2, 7)], [(2, 6)]]),
    Case("adaptive_avg_pool2d_one", pool("adaptive_avg_pool2d", 1), shapes=[SMALL, ODD, LARGE]),
    Case("adaptive_avg_pool2d", pool("adaptive_avg_pool2d", (3, None)), shapes=[SMALL, ODD]),
    Case("adaptive_avg_pool2d_even", pool("adaptive_avg_pool2d", (2, 2)), shapes=[SMALL]),
    Case("adaptive_avg_pool3d", pool("adaptive_avg_pool3d", (2, 1, 3)), shapes=[[(1, 2, 3, 3, 3)]]),
    Case(
        "adaptive_max_pool1d", pool("adaptive_max_pool1d", 3), shapes=[[(2, 2, 7)]], make=distinct
    ),
    Case(
        "adaptive_max_pool2d",
        pool("adaptive_max_pool2d", (3, 2), True),
        shapes=[SMALL, ODD],
        make=distinct,
    ),
    Case(
        "adaptive_max_pool3d",
        pool("adaptive_max_pool3d", 2),
        shapes=[[(1, 2, 3, 3, 3)]],
        make=distinct,
    ),
    Case("lp_pool1d", pool("lp_pool1d", 3.0, 2), shapes=[[(2, 2, 6)]], low=0.5),
    Case("lp_pool2d", pool("lp_pool2d", 2.0, (2, 3), 2), shapes=[SMALL, ODD], low=0.5),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("width", [2, 15, 16, 17, 63, 64, 65, 130])
def test_nan_and_infinities_win_as_in_torch(width):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(width)
    x = rng.standard_normal((2, 6, width)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = np.inf
    x[rng.random(x.shape) < 0.3] = -np.inf
    for args in ((2,), ((3, 2), 1, 1)):
        ours = minitorch.nn.functional.max_pool2d(minitorch.tensor(x), *args, return_indices=True)
        theirs = torch.nn.functional.max_pool2d(torch.tensor(x), *args, return_indices=True)
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        plain = minitorch.nn.functional.max_pool2d(minitorch.tensor(x), *args)
        np.testing.assert_array_equal(plain.numpy(), theirs[0].numpy())


POOLS = [
    ("max_pool2d", (3, 2, 1)),
    ("max_pool2d", (2,)),
    ("max_pool2d", ((2, 3), 1, 1, (1, 2))),
    ("avg_pool2d", (3, 2, 1)),
    ("avg_pool2d", (2, 2, 1, True, False)),
    ("adaptive_avg_pool2d", (1,)),
    ("adaptive_avg_pool2d", ((3, 5),)),
    ("adaptive_max_pool2d", (1,)),
    ("adaptive_max_pool2d", ((3, 5),)),
]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(2, 8, 9, 11), (3, 100, 7, 5), (1, 21, 70, 66), (2, 70, 40, 37)])
@pytest.mark.parametrize(("name", "args"), POOLS)
def test_many_planes_and_channels_last_match_torch(name, args, shape, last):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    data = rng.integers(-9, 9, shape).astype(np.float32)
    if "max" in name:
        data[rng.random(shape) < 0.05] = np.nan
    results = []
    for m in (minitorch, torch):
        x = m.tensor(data)
        x = x.contiguous(memory_format=m.channels_last) if last else x
        x.requires_grad_()
        y = getattr(m.nn.functional, name)(x, *args)
        g = m.tensor(np.random.default_rng(2).integers(-4, 4, tuple(y.shape)).astype(np.float32))
        y.backward(g.contiguous(memory_format=m.channels_last) if last else g)
        places = []
        if "max" in name:
            places = [getattr(m.nn.functional, name)(x.detach(), *args, return_indices=True)[1]]
        results.append([y.detach(), x.grad, *places])
        assert y.is_contiguous(memory_format=m.channels_last if last else m.contiguous_format)
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)


def test_gradient_in_another_order_than_the_input():
    x = minitorch.tensor(np.random.default_rng(0).standard_normal((2, 20, 6, 8)).astype(np.float32))
    g = minitorch.tensor(np.random.default_rng(1).standard_normal((2, 20, 3, 4)).astype(np.float32))
    for pool in (minitorch.nn.functional.max_pool2d, minitorch.nn.functional.avg_pool2d):
        grads = []
        for x_last, g_last in ((False, False), (True, False), (False, True)):
            leaf = x.contiguous(memory_format=minitorch.channels_last) if x_last else x.clone()
            leaf.requires_grad_()
            dy = g.contiguous(memory_format=minitorch.channels_last) if g_last else g
            pool(leaf, 2).backward(dy)
            grads.append(leaf.grad.numpy())
        np.testing.assert_array_equal(grads[0], grads[1])
        np.testing.assert_array_equal(grads[0], grads[2])


@pytest.mark.parametrize("nd", [1, 2, 3])
def test_max_unpool_inverts_max_pool(nd):
    f = minitorch.nn.functional
    x = minitorch.tensor(np.random.default_rng(nd).standard_normal((2, 3) + (6,) * nd))
    pool, unpool = getattr(f, f"max_pool{nd}d"), getattr(f, f"max_unpool{nd}d")
    y, index = pool(x, 2, return_indices=True)
    back = unpool(y.requires_grad_(), index, 2)
    assert back.shape == x.shape
    again, _ = pool(minitorch.where(back == 0, back - 100, back), 2, return_indices=True)
    np.testing.assert_array_equal(again.detach().numpy(), y.detach().numpy())
    back.sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), np.ones(y.shape))
    with pytest.raises(RuntimeError, match="invalid max index"):
        unpool(y, index + 1000, 2)


def test_fractional_max_pool_matches_torch_for_given_samples():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for nd, size in ((2, (9, 11)), (3, (6, 7, 8))):
        x, u = rng.standard_normal((2, 3, *size)), rng.random((2, 3, nd))
        name = f"fractional_max_pool{nd}d"
        args = {"kernel_size": 2, "output_size": (4, 5, 3)[:nd], "return_indices": True}
        ours = getattr(minitorch.nn.functional, name)(
            minitorch.tensor(x), _random_samples=minitorch.tensor(u), **args
        )
        theirs = getattr(torch.nn.functional, name)(
            torch.tensor(x), _random_samples=torch.tensor(u), **args
        )
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f, x: f.max_pool2d(x, 9), "Output size is too small"),
        (lambda f, x: f.max_pool2d(x, 2, padding=2), "pad should be at most half"),
        (lambda f, x: f.max_pool2d(x, 0), "kernel_size should be greater than zero"),
        (lambda f, x: f.max_pool2d(x, (2, 2, 2)), "kernel_size must either be a single int"),
        (lambda f, x: f.avg_pool2d(x, 2, divisor_override=0), "divisor_override must not be zero"),
        (lambda f, x: f.avg_pool2d(x[0, 0], 2), "Expected 3D or 4D"),
        (lambda f, x: f.adaptive_avg_pool2d(x, (-1, 2)), "greater than or equal to 0"),
    ],
)
def test_errors_say_what_is_wrong(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(minitorch.nn.functional, minitorch.ones(1, 2, 6, 6))


@pytest.mark.parametrize("channels", [1, 20])
def test_windows_without_any_element(channels):
    x = minitorch.ones(1, channels, 1, requires_grad=True)
    f = minitorch.nn.functional.max_pool1d
    y, index = f(x, 2, 1, 1, 2, return_indices=True)
    np.testing.assert_array_equal(y.detach().numpy(), np.full((1, channels, 1), -np.inf))
    np.testing.assert_array_equal(index.numpy(), np.zeros((1, channels, 1)))
    f(x, 2, 1, 1, 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((1, channels, 1)))
