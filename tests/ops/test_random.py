"""Random numbers: distributions, reproducibility, generators."""

import math
import pickle

import numpy as np
import pytest

import minitorch

N = 200_000


def moments(t):
    x = t.double().numpy()
    return x.mean(), x.std()


def assert_mean(x, mean, deviation):
    """The sample mean is within 5 standard errors."""
    x = np.asarray(x, np.float64)
    assert abs(x.mean() - mean) < 5 * deviation / math.sqrt(x.size)


@pytest.fixture(autouse=True)
def seeded():
    state = minitorch.get_rng_state()
    minitorch.manual_seed(1234)
    yield
    minitorch.set_rng_state(state)


def chi_square(counts, expected):
    """Far beyond the 1 - 1e-6 quantile means that the counts do not fit."""
    statistic = ((counts - expected) ** 2 / expected).sum()
    k = counts.size - 1
    assert statistic < k + 5 * math.sqrt(2 * k) + 20


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_uniform_and_normal(dtype):
    kind = getattr(minitorch, dtype)
    u = minitorch.rand(N, dtype=kind).double().numpy()
    assert u.min() >= 0 and u.max() < 1
    assert_mean(u, 0.5, 12**-0.5) if "b" not in dtype else None
    chi_square(np.histogram(u, 64, (0, 1))[0], N / 64)
    z = minitorch.randn(N, dtype=kind).double().numpy()
    assert_mean(z, 0, 1)
    assert_mean(z**2, 1, 2**0.5) if dtype != "bfloat16" else None
    if "32" in dtype or "64" in dtype:
        cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in np.linspace(-3, 3, 25)])
        inner = np.histogram(z, np.linspace(-3, 3, 25))[0]
        chi_square(inner, N * np.diff(cdf))
        # Neighbours, and numbers that share a Philox counter, are not correlated.
        for lag in (1, 16, 32, 48, 64):
            assert abs((z[lag:] * z[:-lag]).mean()) < 5 / math.sqrt(N)


def test_other_distributions():
    e = minitorch.empty(N).exponential_(2.0).numpy()
    assert e.min() > 0
    assert_mean(e, 0.5, 0.5)
    assert_mean(e**2, 0.5, 1.2)
    g = minitorch.empty(N).geometric_(0.3).numpy()
    assert g.min() == 1 and (g == np.floor(g)).all()
    assert_mean(g, 1 / 0.3, math.sqrt(0.7) / 0.3)
    assert minitorch.empty(9, dtype=minitorch.int64).geometric_(0.5).min() >= 1
    c = minitorch.empty(N).cauchy_(1.0, 2.0).numpy()
    assert_mean(c < 1, 0.5, 0.5)
    assert_mean(np.abs(c - 1) < 2, 0.5, 0.5)
    n = np.log(minitorch.empty(N).log_normal_(0.5, 0.25).numpy())
    assert_mean(n, 0.5, 0.25)
    assert abs(n.std() - 0.25) < 0.005
    b = minitorch.empty(N).bernoulli_(0.3).numpy()
    assert set(np.unique(b)) == {0, 1}
    assert_mean(b, 0.3, 0.46)
    d = minitorch.empty(N, dtype=minitorch.float64).exponential_(1.0).numpy()
    assert_mean(d, 1, 1)


@pytest.mark.parametrize("rate", [0.0, 0.5, 4.0, 30.0, 1000.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_poisson(rate, dtype):
    rates = minitorch.full((N // 4,), rate, dtype=getattr(minitorch, dtype))
    x = minitorch.poisson(rates).numpy()
    assert (x == np.floor(x)).all() and x.min() >= 0
    assert_mean(x, rate, math.sqrt(rate) + 1e-9)
    assert_mean((x - rate) ** 2, rate, math.sqrt(2 * rate**2 + rate) + 1e-9)


def test_bernoulli_of_a_tensor():
    p = minitorch.tensor([0.0, 0.25, 1.0]).expand(N // 8, 3)
    x = minitorch.bernoulli(p).numpy()
    assert not x[:, 0].any() and x[:, 2].all()
    assert_mean(x[:, 1], 0.25, 0.44)
    y = minitorch.zeros(4, 3, dtype=minitorch.bool).bernoulli_(minitorch.tensor([0.0, 1.0, 1.0]))
    assert y.tolist() == [[False, True, True]] * 4
    with pytest.raises(RuntimeError):
        minitorch.bernoulli(minitorch.tensor([1.5]))
    with pytest.raises(RuntimeError):
        minitorch.empty(2).bernoulli_(-0.1)


def test_integers():
    x = minitorch.randint(3, 13, (N,))
    assert x.dtype is minitorch.int64
    counts = np.bincount(x.numpy(), minlength=13)
    assert not counts[:3].any()
    chi_square(counts[3:], N / 10)
    assert minitorch.randint(5, (2, 3)).shape == (2, 3)
    assert minitorch.randint(0, 2, (50,), dtype=minitorch.uint8).max() <= 1
    wide = minitorch.randint(-(1 << 40), 1 << 40, (N,)).numpy()
    assert_mean(wide / (1 << 40), 0, 3**-0.5)
    assert minitorch.empty(1000, dtype=minitorch.int8).random_().min() >= 0
    assert minitorch.empty(1000).random_(5).max() == 4
    assert minitorch.empty(1000, dtype=minitorch.int64).random_(-3, 0).max() == -1
    like = minitorch.randint_like(minitorch.zeros(3, 4), 7)
    assert like.shape == (3, 4) and like.dtype is minitorch.float32
    for bad in (
        lambda: minitorch.randint(3, 3, (2,)),
        lambda: minitorch.randint(0, 300, (2,), dtype=minitorch.uint8),
        lambda: minitorch.empty(2, dtype=minitorch.int8).random_(0, 200),
    ):
        with pytest.raises(RuntimeError):
            bad()


def test_permutations():
    p = minitorch.randperm(1000)
    assert sorted(p.tolist()) == list(range(1000)) and p.tolist() != list(range(1000))
    firsts = np.array([minitorch.randperm(5).numpy() for _ in range(2000)])
    for column in firsts.T:
        chi_square(np.bincount(column, minlength=5), 400)
    assert minitorch.randperm(0).tolist() == []
    assert minitorch.randperm(4, dtype=minitorch.int32).dtype is minitorch.int32
    with pytest.raises(RuntimeError):
        minitorch.randperm(-1)


def test_multinomial():
    weights = minitorch.tensor([0.0, 1.0, 2.0, 3.0])
    drawn = minitorch.multinomial(weights, N // 4, replacement=True).numpy()
    counts = np.bincount(drawn, minlength=4)
    assert counts[0] == 0
    chi_square(counts[1:], N / 4 * np.array([1, 2, 3]) / 6)
    pairs = minitorch.multinomial(weights.expand(N // 8, 4), 2).numpy()
    assert (pairs[:, 0] != pairs[:, 1]).all() and pairs.min() > 0
    chi_square(np.bincount(pairs[:, 0])[1:], N / 8 * np.array([1, 2, 3]) / 6)
    # The second draw is one of the rest: P(second = 1) = 2/6 * 1/4 + 3/6 * 1/3.
    assert_mean(pairs[:, 1] == 1, 1 / 12 + 1 / 6, 0.44)
    assert sorted(minitorch.multinomial(weights, 3).tolist()) == [1, 2, 3]
    for bad in (
        lambda: minitorch.multinomial(weights, 4),
        lambda: minitorch.multinomial(weights, 5),
        lambda: minitorch.multinomial(weights, 0),
        lambda: minitorch.multinomial(-weights, 1),
        lambda: minitorch.multinomial(weights * float("nan"), 1),
        lambda: minitorch.multinomial(weights * 0, 1, replacement=True),
        lambda: minitorch.multinomial(weights.long(), 1),
    ):
        with pytest.raises(RuntimeError):
            bad()


def test_normal_with_parameters():
    x = minitorch.normal(minitorch.full((N,), 3.0), 0.5)
    assert moments(x) == pytest.approx((3, 0.5), abs=0.01)
    x = minitorch.normal(1.0, minitorch.full((N,), 2.0))
    assert moments(x) == pytest.approx((1, 2), abs=0.03)
    assert minitorch.normal(0.0, 1.0, (2, 3)).shape == (2, 3)
    with pytest.raises(RuntimeError):
        minitorch.normal(0.0, -1.0, (2,))
    with pytest.raises(RuntimeError):
        minitorch.empty(2).normal_(0, -1)


DRAWS = {
    "rand": lambda: minitorch.rand(100_003),
    "randn": lambda: minitorch.randn(100_003),
    "randn64": lambda: minitorch.randn(50_001, dtype=minitorch.float64),
    "bfloat16": lambda: minitorch.randn(100_003, dtype=minitorch.bfloat16).float(),
    "randint": lambda: minitorch.randint(0, 1000, (100_003,)),
    "wide": lambda: minitorch.randint(0, 1 << 50, (100_003,)),
    "bernoulli": lambda: minitorch.empty(100_003).bernoulli_(0.4),
    "exponential": lambda: minitorch.empty(100_003).exponential_(),
    "poisson": lambda: minitorch.poisson(minitorch.full((10_000,), 5.0)),
    "permutation": lambda: minitorch.randperm(50_000),
    "multinomial": lambda: minitorch.multinomial(minitorch.ones(50, 20), 5),
    "dropout": lambda: minitorch.nn.functional.dropout(minitorch.ones(100_003), 0.3),
}


@pytest.mark.parametrize("name", DRAWS)
def test_same_bits_for_any_number_of_threads(name):
    before = minitorch.get_num_threads()
    results = []
    for threads in (1, 2):
        minitorch.set_num_threads(threads)
        minitorch.manual_seed(7)
        results.append(DRAWS[name]().numpy())
        second = DRAWS[name]().numpy()
        assert not np.array_equal(second, results[-1]), "the generator did not move on"
    minitorch.set_num_threads(before)
    np.testing.assert_array_equal(*results)


def test_a_prefix_does_not_depend_on_the_size():
    minitorch.manual_seed(3)
    long = minitorch.randn(5000)
    minitorch.manual_seed(3)
    assert minitorch.randn(77).tolist() == long[:77].tolist()


def test_strided_targets_get_the_numbers_in_order():
    minitorch.manual_seed(5)
    want = minitorch.randn(6, 4)
    minitorch.manual_seed(5)
    x = minitorch.zeros(4, 6)
    assert x.t().normal_().tolist() == want.tolist()
    with pytest.raises(RuntimeError):
        minitorch.zeros(1).expand(4).normal_()


def test_generators():
    g = minitorch.Generator().manual_seed(11)
    a = minitorch.randn(5, generator=g)
    state = g.get_state()
    b = minitorch.randn(5, generator=g)
    assert a.tolist() != b.tolist()
    g.set_state(state)
    assert minitorch.randn(5, generator=g).tolist() == b.tolist()
    h = g.clone_state()
    assert minitorch.rand(3, generator=g).tolist() == minitorch.rand(3, generator=h).tolist()
    copy = pickle.loads(pickle.dumps(g))
    assert minitorch.rand(3, generator=g).tolist() == minitorch.rand(3, generator=copy).tolist()
    assert g.initial_seed() == 11
    assert state.dtype is minitorch.uint8
    big = (1 << 64) - 5
    assert g.manual_seed(big).initial_seed() == big
    assert minitorch.Generator().set_state(g.get_state()).initial_seed() == big
    assert g.manual_seed(-5).initial_seed() == big
    assert g.seed() != minitorch.Generator().seed()
    with pytest.raises(RuntimeError):
        g.set_state(state[:4])
    with pytest.raises(TypeError):
        g.set_state([1])
    with pytest.raises(TypeError):
        minitorch.rand(2, generator=3)
    # A generator of its own leaves the default one alone.
    minitorch.manual_seed(2)
    x = minitorch.rand(3)
    minitorch.manual_seed(2)
    minitorch.rand(9, generator=g)
    assert minitorch.rand(3).tolist() == x.tolist()


def test_fork_rng_and_state():
    minitorch.manual_seed(4)
    with minitorch.random.fork_rng():
        inner = minitorch.rand(3)
    assert minitorch.rand(3).tolist() == inner.tolist()
    state = minitorch.get_rng_state()
    x = minitorch.rand(3)
    minitorch.set_rng_state(state)
    assert minitorch.rand(3).tolist() == x.tolist()
    assert minitorch.initial_seed() == 4


def test_factories():
    x = minitorch.rand((2, 3), dtype=minitorch.float64, requires_grad=True)
    assert x.shape == (2, 3) and x.requires_grad and x.dtype is minitorch.float64
    assert minitorch.randn_like(x).dtype is minitorch.float64
    assert minitorch.rand_like(x, dtype=minitorch.float16).dtype is minitorch.float16
    out = minitorch.empty(4)
    assert minitorch.randn(4, out=out) is out
    assert minitorch.rand(0).shape == (0,)
    with pytest.raises(RuntimeError):
        minitorch.rand(3, dtype=minitorch.int64)
    with pytest.raises(TypeError):
        minitorch.rand(3, wrong=1)


def test_autograd():
    w = minitorch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError):
        w.normal_()
    y = w * 2
    y[1:].uniform_()
    y.sum().backward()
    assert w.grad.tolist() == [2.0, 0.0, 0.0]
    with minitorch.no_grad():
        w.normal_()
    p = minitorch.full((4,), 0.5, requires_grad=True)
    minitorch.bernoulli(p).sum().backward()
    assert p.grad.tolist() == [0.0] * 4
