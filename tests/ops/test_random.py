"""Random numbers: distributions, generators, reproducibility."""

import numpy as np
import pytest

import minitorch as mt


@pytest.fixture(autouse=True)
def seeded():
    mt.manual_seed(1234)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_normal_and_uniform_moments(dtype):
    d = getattr(mt, dtype)
    z = mt.randn(200_001, dtype=d).double().numpy()
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02
    assert abs((z**3).mean()) < 0.06 and abs((z**4).mean() - 3) < 0.15
    u = mt.rand(200_001, dtype=d).double().numpy()
    assert u.min() >= 0 and abs(u.mean() - 0.5) < 0.01 and abs(u.std() - 12**-0.5) < 0.01
    if dtype in ("float32", "float64"):
        assert u.max() < 1


def test_other_distributions():
    n = 100_000
    x = mt.empty(n)
    assert abs(x.exponential_(2.0).mean().item() - 0.5) < 0.02
    assert abs(x.bernoulli_(0.3).mean().item() - 0.3) < 0.01
    assert abs(x.normal_(3.0, 2.0).mean().item() - 3) < 0.05
    assert abs(x.uniform_(-1, 3).mean().item() - 1) < 0.05
    assert abs(x.geometric_(0.25).mean().item() - 4) < 0.1 and x.min().item() == 1
    assert abs(x.cauchy_(1.0, 2.0).median().item() - 1) < 0.1
    assert abs(x.log_normal_(0.0, 0.5).log().mean().item()) < 0.02
    assert abs(mt.poisson(mt.full((n,), 3.5)).mean().item() - 3.5) < 0.05
    assert abs(mt.normal(mt.zeros(n), 2.0).std().item() - 2) < 0.05


def test_integers():
    counts = np.bincount(mt.randint(-3, 7, (100_000,)).numpy() + 3)
    assert len(counts) == 10 and counts.min() > 9_500 and counts.max() < 10_500
    assert mt.randint(5, (3, 2)).dtype is mt.int64
    assert mt.randint(0, 2, (5,), dtype=mt.uint8).dtype is mt.uint8
    assert mt.randint_like(mt.zeros(4), 3).shape == (4,)
    with pytest.raises(RuntimeError, match="from=5 >= to=5"):
        mt.randint(5, 5, (2,))


def test_permutation():
    assert sorted(mt.randperm(1001).tolist()) == list(range(1001))
    firsts = np.bincount([mt.randperm(5)[0].item() for _ in range(2000)], minlength=5)
    assert firsts.min() > 300
    assert mt.randperm(0).shape == (0,)


def test_multinomial():
    p = mt.tensor([0.0, 1.0, 3.0, 0.0])
    counts = np.bincount(mt.multinomial(p, 40_000, replacement=True).numpy(), minlength=4)
    assert counts[0] == counts[3] == 0 and abs(counts[2] / 40_000 - 0.75) < 0.02
    rows = mt.multinomial(mt.ones(50, 8), 8)
    assert all(sorted(r) == list(range(8)) for r in rows.tolist())
    with pytest.raises(RuntimeError, match="without replacement"):
        mt.multinomial(mt.ones(3), 4)
    with pytest.raises(RuntimeError, match="< 0|nan"):
        mt.multinomial(mt.tensor([1.0, -1.0]), 1)


def test_same_seed_same_numbers_and_a_moving_stream():
    a, b = mt.randn(1000), mt.randn(1000)
    assert not a.equal(b)
    mt.manual_seed(1234)
    assert mt.randn(1000).equal(a) and mt.randn(1000).equal(b)
    mt.manual_seed(1235)
    assert not mt.randn(1000).equal(a)


def test_state():
    mt.randn(10)
    state = mt.get_rng_state()
    assert state.dtype is mt.uint8
    a = mt.rand(5)
    mt.set_rng_state(state)
    assert mt.rand(5).equal(a)
    with mt.random.fork_rng():
        mt.rand(100)
    assert not mt.rand(5).equal(a)
    with pytest.raises(RuntimeError):
        mt.set_rng_state(mt.zeros(3, dtype=mt.uint8))


def test_generators_are_independent():
    g = mt.Generator().manual_seed(7)
    a = mt.randn(5, generator=g)
    mt.randn(100)
    assert mt.randn(5, generator=mt.Generator().manual_seed(7)).equal(a)
    assert g.initial_seed() == 7


def test_fill_under_autograd_cuts_the_gradient():
    x = mt.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.normal_()
    y = (x * 2).uniform_()
    y.sum().backward()
    assert x.grad.tolist() == [0.0] * 3


def test_bad_parameters():
    x = mt.empty(3)
    for call in (
        lambda: x.normal_(0, -1),
        lambda: x.exponential_(-1),
        lambda: x.bernoulli_(1.5),
        lambda: mt.bernoulli(mt.tensor([2.0])),
        lambda: x.uniform_(1, 0),
        lambda: mt.empty(3, dtype=mt.int64).normal_(),
    ):
        with pytest.raises(RuntimeError):
            call()
