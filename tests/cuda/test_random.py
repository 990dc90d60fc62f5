"""Random numbers of a GPU: the CPU's, for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m

pytestmark = pytest.mark.skipif(not m.cuda.is_available(), reason="no GPU, real or emulated")

SIZES = [1, 63, 64, 65, 1000, 4099]


def both(draw, seed=3):
    """What draw(device) gives on the CPU and on the GPU from one seed, as NumPy."""
    results = []
    for device in "cpu", "cuda":
        m.manual_seed(seed)
        y = draw(device)
        assert y.device.type == device
        y = y.cpu()
        results.append((y.float() if y.dtype in (m.bfloat16, m.float16) else y).numpy())
    return results


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_uniform_has_the_same_bits(n, dtype):
    dtype = getattr(m, dtype)
    a, b = both(lambda d: m.empty(n, dtype=dtype, device=d).uniform_(-3, 5))
    np.testing.assert_array_equal(a, b)
    a, b = both(lambda d: m.rand(n, dtype=dtype, device=d))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8", "bool", "float32", "float16"])
def test_integers_have_the_same_bits(n, dtype):
    dtype = getattr(m, dtype)
    high = 2 if dtype is m.bool else 100
    a, b = both(lambda d: m.empty(n, dtype=dtype, device=d).random_(0, high))
    np.testing.assert_array_equal(a, b)
    a, b = both(lambda d: m.empty(n, dtype=dtype, device=d).random_())
    np.testing.assert_array_equal(a, b)


def test_wide_integers_have_the_same_bits():
    a, b = both(lambda d: m.randint(-(1 << 60), 1 << 60, (777,), device=d))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(
    ("law", "arguments"),
    [
        ("normal_", (1.0, 2.0)),
        ("exponential_", (2.0,)),
        ("log_normal_", (0.0, 0.5)),
        ("cauchy_", (0.0, 1.0)),
        ("geometric_", (0.3,)),
    ],
)
def test_laws_agree(n, dtype, law, arguments):
    dtype = getattr(m, dtype)
    a, b = both(lambda d: getattr(m.empty(n, dtype=dtype, device=d), law)(*arguments))
    rtol = {m.float64: 1e-9, m.float32: 1e-4, m.bfloat16: 2e-2}[dtype]
    if law == "geometric_":  # a whole number may change where the logarithms round apart
        assert (a != b).mean() <= 0.01
    else:
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16"])
def test_coins_are_the_same(dtype):
    dtype = getattr(m, dtype)
    a, b = both(lambda d: m.empty(1001, dtype=dtype, device=d).bernoulli_(0.3))
    np.testing.assert_array_equal(a, b)
    p = m.linspace(0, 1, 1001)
    a, b = both(lambda d: m.bernoulli(p.to(d)))
    np.testing.assert_array_equal(a, b)


def test_probabilities_are_checked():
    p = m.tensor([0.0, 0.5, 1.0, 1.5], device="cuda")
    with pytest.raises(RuntimeError, match="probabilities"):
        m.empty(4, device="cuda").bernoulli_(p)
        m.cuda.synchronize()  # at the latest


@pytest.mark.parametrize("rate", [0.0, 0.5, 5.0, 12.0, 300.0])
def test_poisson_agrees(rate):
    a, b = both(lambda d: m.poisson(m.full((500,), rate, device=d)))
    assert (a != b).mean() <= 0.01


def test_permutation_is_the_same():
    for n in 0, 1, 2, 1000:
        a, b = both(lambda d, n=n: m.randperm(n, device=d))
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rows", [None, 1, 5])
@pytest.mark.parametrize(("n", "draws"), [(1, 1), (7, 3), (300, 5), (300, 200), (1024, 1024)])
@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_is_the_same(rows, n, draws, replacement):
    shape = (n,) if rows is None else (rows, n)
    w = m.tensor(np.random.default_rng(n).uniform(0.1, 1, shape))
    a, b = both(lambda d: m.multinomial(w.to(d), draws, replacement))
    np.testing.assert_array_equal(a, b)


def test_multinomial_never_draws_what_has_no_weight():
    w = m.zeros(3, 500, device="cuda")
    w[:, 100:140] = 1.0
    for replacement in False, True:
        y = m.multinomial(w, 40, replacement).cpu().numpy()
        assert y.min() >= 100 and y.max() < 140
        if not replacement:
            assert all(len(set(row)) == 40 for row in y.tolist())


@pytest.mark.parametrize(
    ("weights", "draws", "text"),
    [
        ([0.0, 0.0], 1, "sum of probabilities"),
        ([1.0, -1.0], 1, "element < 0"),
        ([1.0, float("nan")], 1, "`nan`"),
        ([1.0, 0.0, 0.0], 2, "not enough"),
    ],
)
def test_multinomial_checks_its_weights(weights, draws, text):
    with pytest.raises(RuntimeError, match=text):
        m.multinomial(m.tensor(weights, device="cuda"), draws)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_dropout_is_the_same(n, dtype):
    dtype = getattr(m, dtype)
    a, b = both(lambda d: m.nn.functional.dropout(m.ones(n, dtype=dtype, device=d), 0.4))
    np.testing.assert_array_equal(a, b)


def test_dropout_gradient_has_the_same_mask():
    x = m.ones(1000, device="cuda", requires_grad=True)
    y = m.nn.functional.dropout(x, 0.5)
    y.sum().backward()
    assert bool((x.grad == y).all())


def test_the_gpus_generator_is_its_own():
    m.manual_seed(0)
    first = m.rand(5, device="cuda").cpu()
    m.manual_seed(0)
    m.rand(100)
    assert bool((m.rand(5, device="cuda").cpu() == first).all())


def test_layouts():
    a, b = both(lambda d: m.empty(40, 30, device=d).t().uniform_())
    np.testing.assert_array_equal(a, b)
