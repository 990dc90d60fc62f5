"""Sums, means, products and logical reductions."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests, torch_or_none

SHAPES = [[(3, 5)], [(2, 3, 4)], [(4, 1, 7)]]
ALL = ("float32", "float64", "bfloat16", "float16")


def _with_zeros(rng, shapes):
    x = rng.uniform(0.5, 2, shapes[0])
    x.reshape(-1)[::4] = 0
    return [x]


CASES = [
    Case("sum", lambda m, x: m.sum(x), [*SHAPES, [()], [(0, 3)]], dtypes=ALL),
    Case("sum_dim", lambda m, x: m.sum(x, 0), [*SHAPES, [(130, 70)], [(0, 3)]], dtypes=ALL),
    Case("sum_dims", lambda m, x: x.sum((0, -1), keepdim=True), SHAPES, dtypes=ALL),
    Case("sum_dtype", lambda m, x: x.sum(-1, dtype=m.float64), SHAPES, gradgrad=False),
    Case("mean", lambda m, x: m.mean(x), SHAPES, dtypes=ALL),
    Case("mean_dim", lambda m, x: x.mean(-1, keepdim=True), [*SHAPES, [(3, 0)]], dtypes=ALL),
    Case("mean_dims", lambda m, x: x.mean(dim=(0, 1)), SHAPES),
    Case("prod", lambda m, x: m.prod(x), SHAPES, low=0.5, high=1.5),
    Case("prod_dim", lambda m, x: x.prod(1, keepdim=True), SHAPES, low=0.5, high=1.5),
    Case("prod_zeros", lambda m, x: x.prod(-1), [[(2, 3)], [(2, 5)]], make=_with_zeros),
    Case("nansum", lambda m, x: x.nansum(0), SHAPES),
    Case("nanmean", lambda m, x: x.nanmean(-1), SHAPES),
    Case("sum_to_size", lambda m, x: x.sum_to_size(3, 1), [[(3, 5)], [(2, 3, 5)]]),
    Case("any", lambda m, x: m.any(x > 1, -1), SHAPES, grad=False),
    Case("all", lambda m, x: m.all(x > -1.9, 0, keepdim=True), SHAPES, grad=False),
    Case("count_nonzero", lambda m, x: m.count_nonzero(x > 0, dim=0), SHAPES, grad=False),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("n", [1, 15, 16, 17, 63, 64, 65, 127, 129, 2047, 2049, 5000])
def test_sum_around_vector_and_block_edges(n):
    x = np.random.default_rng(n).standard_normal((3, n)).astype(np.float32)
    t = minitorch.tensor(x)
    np.testing.assert_allclose(t.sum(1).numpy(), x.astype(np.float64).sum(1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(t.sum(0).numpy(), x.astype(np.float64).sum(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(t.t().sum(0).numpy(), t.sum(1).numpy())


@pytest.mark.parametrize(
    "shape", [(300_000,), (150_000, 2), (2, 150_000), (50_000, 3, 2), (600, 700)]
)
def test_large_sums_are_accurate_and_the_same_for_any_number_of_threads(shape):
    x = np.random.default_rng(0).uniform(0.9, 1.1, shape).astype(np.float32)
    t = minitorch.tensor(x)
    threads = minitorch.get_num_threads()
    for dim in [None, *range(len(shape))]:
        want = x.astype(np.float64).sum(dim)
        results = []
        for k in (1, 2, 3):
            minitorch.set_num_threads(k)
            results.append(t.sum(dim).numpy())
        minitorch.set_num_threads(threads)
        np.testing.assert_allclose(results[0], want, rtol=5e-7)
        assert all((r == results[0]).all() for r in results)


def test_sum_of_ten_million_is_exact_to_one_part_in_a_million():
    x = np.full(10_000_000, 0.1, np.float32)
    want = float(np.float32(0.1)) * 10_000_000
    assert abs(minitorch.tensor(x).sum().item() - want) < 1e-6 * want


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("dim", [None, 0, 1, (0, 2)])
def test_integers_are_summed_as_int64(dtype, dim):
    x = (
        np.random.default_rng(1)
        .integers(0, 2 if dtype == "bool" else 120, (6, 90, 5))
        .astype(dtype)
    )
    t = minitorch.tensor(x)
    assert t.sum(dim).dtype is minitorch.int64
    np.testing.assert_array_equal(t.sum(dim).numpy(), x.sum(dim, dtype=np.int64))
    if not isinstance(dim, tuple):
        np.testing.assert_array_equal(
            (t % 3 + 1).prod(dim).numpy() if dim is not None else 0,
            (x % 3 + 1).prod(dim, dtype=np.int64) if dim is not None else 0,
        )
    np.testing.assert_array_equal(t.any(dim).numpy(), x.any(dim))
    np.testing.assert_array_equal(t.all(dim).numpy(), x.all(dim))
    np.testing.assert_array_equal(t.count_nonzero(dim).numpy(), np.count_nonzero(x, dim))


def test_logical_reductions_of_floats_know_nan_and_the_sign_of_zero():
    x = minitorch.tensor([[0.0, -0.0, 0.0], [0.0, float("nan"), -1.0]])
    assert x.any(1).tolist() == [False, True]
    assert x.all(1).tolist() == [False, False]
    assert x.count_nonzero(1).tolist() == [0, 2]
    assert x.double().count_nonzero().item() == 2
    assert x.half().count_nonzero().item() == 2
    assert minitorch.tensor([1], dtype=minitorch.uint8).any().dtype is minitorch.uint8


def test_nan_is_left_out():
    x = minitorch.tensor([[1.0, float("nan"), 3.0], [float("nan")] * 3], requires_grad=True)
    assert x.nansum(1).tolist() == [4.0, 0.0]
    assert x.nanmean(1)[0].item() == 2.0
    assert x.nanmean(1)[1].isnan().item()
    x.nansum().backward()
    assert x.grad.tolist() == [[1, 0, 1], [0, 0, 0]]


def test_empty_reductions():
    x = minitorch.zeros(2, 0, 3)
    assert x.sum().item() == 0 and x.sum(1).tolist() == [[0] * 3] * 2
    assert x.mean().isnan().item() and x.prod().item() == 1
    assert x.sum(0).shape == (0, 3)
    assert not x.any().item() and x.all().item()


def test_out_and_dtype():
    x = minitorch.tensor([[1, 2], [3, 4]])
    out = minitorch.empty(2)
    assert minitorch.sum(x, 0, out=out) is out and out.tolist() == [4, 6]
    assert x.sum(dtype=minitorch.float32).dtype is minitorch.float32
    assert x.mean(dtype=minitorch.float64).item() == 2.5
    assert x.sum(axis=0).tolist() == [4, 6]


def test_wrong_arguments():
    x = minitorch.zeros(2, 3)
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.sum(2)
    with pytest.raises(RuntimeError, match="appears multiple times"):
        x.sum((0, -2))
    with pytest.raises(RuntimeError, match=r"mean\(\).*Long"):
        x.long().mean()
    with pytest.raises(RuntimeError, match="expandable"):
        x.sum_to_size(2, 2)


def test_every_layout_against_torch():
    torch = torch_or_none()
    if torch is None:
        pytest.skip("torch is the reference")
    x = np.random.default_rng(5).standard_normal((3, 4, 5, 6))
    ours, theirs = minitorch.tensor(x), torch.tensor(x)
    for order in [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (0, 2, 3, 1)]:
        a, b = ours.permute(order), theirs.permute(order)
        for dim in [0, 1, 2, 3, (0, 1), (1, 3), (0, 2, 3), (1, 2)]:
            np.testing.assert_allclose(a.sum(dim).numpy(), b.sum(dim).numpy(), atol=1e-12)
            np.testing.assert_allclose(a[:, ::2].amax(dim).numpy(), b[:, ::2].amax(dim).numpy())
