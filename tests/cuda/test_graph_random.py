"""Random numbers in captured graphs: replay k gives what the k-th eager run would have given."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch as m
from tests.cuda.cuda_helpers import flat, needs_gpu, numbers

pytestmark = needs_gpu

N = 333


def gpu(*sizes, **options):
    return m.empty(*sizes, device="cuda", **options)


X, P = (m.linspace(0, 1, N) for _ in range(2))
DRAWS = {
    "rand": lambda x: m.rand(N, device="cuda"),
    "rand_half": lambda x: m.rand(N, device="cuda", dtype=m.float16),
    "randn": lambda x: m.randn(7, 11, device="cuda"),
    "randn_double": lambda x: m.randn(N, device="cuda", dtype=m.float64),
    "rand_like": lambda x: m.rand_like(x),
    "randn_like": lambda x: m.randn_like(x),
    "randint": lambda x: m.randint(0, 1000, (N,), device="cuda"),
    "randint_wide": lambda x: m.randint(-(1 << 60), 1 << 60, (N,), device="cuda"),
    "randint_like": lambda x: m.randint_like(x, 50),
    "uniform_": lambda x: gpu(N).uniform_(-1, 3),
    "normal_": lambda x: gpu(N).normal_(1, 2),
    "exponential_": lambda x: gpu(N).exponential_(2.0),
    "geometric_": lambda x: gpu(N, dtype=m.int64).geometric_(0.3),
    "cauchy_": lambda x: gpu(N).cauchy_(),
    "log_normal_": lambda x: gpu(N).log_normal_(),
    "random_": lambda x: gpu(N, dtype=m.int32).random_(),
    "bernoulli_": lambda x: gpu(N).bernoulli_(0.3),
    "bernoulli": lambda x: m.bernoulli(x),
    "poisson": lambda x: m.poisson(x * 20),
    "normal": lambda x: m.normal(x, x + 1),
    "dropout": lambda x: m.nn.functional.dropout(x, 0.4),
    "dropout_": lambda x: m.nn.functional.dropout(x.clone(), 0.4, inplace=True),
    "alpha_dropout": lambda x: m.nn.functional.alpha_dropout(x, 0.4, training=True),
    "dropout2d": lambda x: m.nn.functional.dropout2d(x.reshape(3, 3, 37, 1), 0.4),
    "rrelu": lambda x: m.nn.functional.rrelu(x - 0.5, training=True),
    "gumbel_softmax": lambda x: m.nn.functional.gumbel_softmax(x.reshape(9, 37), hard=True),
    "strided": lambda x: gpu(13, 9).t().uniform_(),
    "attention": lambda x: m.nn.functional.scaled_dot_product_attention(
        *(x[: 4 * 8 * 9].reshape(1, 4, 9, 8) for _ in range(3)), dropout_p=0.3
    ),
}  # fmt: skip


def recorded(f, *arguments):
    """A graph of f and what it returns in every replay."""
    graph = m.cuda.CUDAGraph()
    with m.cuda.graph(graph):
        out = f(*arguments)
    return graph, flat(out)


def values(tensors):
    return [numbers(t) for t in flat(tensors)]


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a, b))


@pytest.mark.parametrize("name", DRAWS)
def test_replays_continue_as_eager_runs_do(name):
    draw, x = DRAWS[name], X.cuda()
    m.manual_seed(5)
    m.rand(100, device="cuda")
    want = [values(draw(x)) for _ in range(3)]
    after = m.cuda.get_rng_state()
    graph, out = recorded(draw, x)
    assert bool((m.cuda.get_rng_state() == after).all()), "a capture must not move the generator"
    m.manual_seed(5)
    m.rand(100, device="cuda")
    for k in range(3):
        graph.replay()
        assert same(values(out), want[k]), f"replay {k}"
    assert bool((m.cuda.get_rng_state() == after).all())
    assert not same(want[0], want[1])


def test_two_draws_of_a_graph_differ_and_eager_draws_may_come_between():
    m.manual_seed(1)
    want = [values([m.rand(70, device="cuda"), m.rand(5, device="cuda")]) for _ in range(1)]
    between = values(m.randn(9, device="cuda"))
    want += [values([m.rand(70, device="cuda"), m.rand(5, device="cuda")])]
    graph, out = recorded(lambda: (m.rand(70, device="cuda"), m.rand(5, device="cuda")))
    m.manual_seed(1)
    graph.replay()
    assert same(values(out), want[0])
    assert same(values(m.randn(9, device="cuda")), between)
    graph.replay()
    assert same(values(out), want[1])


def test_seeds_and_states_between_replays():
    graph, out = recorded(lambda: m.rand(N, device="cuda"))
    m.manual_seed(3)
    want = values(m.rand(N, device="cuda"))
    state = m.cuda.get_rng_state()
    after = values(m.rand(N, device="cuda"))
    for seed in (m.manual_seed, m.cuda.manual_seed, m.cuda.manual_seed_all):
        seed(3)
        graph.replay()
        assert same(values(out), want)
    graph.replay()
    assert same(values(out), after)
    m.cuda.set_rng_state(state)
    graph.replay()
    assert same(values(out), after)


def test_several_graphs_share_a_generator():
    def draw():
        return m.rand(N, device="cuda")

    first, a = recorded(draw)
    second, b = recorded(lambda: (draw(), draw()))
    m.manual_seed(0)
    want = [values(draw()) for _ in range(4)]
    m.manual_seed(0)
    first.replay(), second.replay()
    assert same(values(a + b), [w[0] for w in want[:3]])
    first.replay()
    assert same(values(a), want[3])
    first.reset()
    second.replay()  # its memory is its own
    assert not same(values(b), values(a + a))


def test_generators_beside_the_default_one():
    mine = m.Generator(device="cuda").manual_seed(11)
    graph = m.cuda.CUDAGraph()
    graph.register_generator_state(mine)
    with m.cuda.graph(graph):
        a = m.rand(N, device="cuda", generator=mine)
        b = m.rand(N, device="cuda")
    m.manual_seed(4)
    twin = m.Generator(device="cuda").manual_seed(11)
    want = [values([m.rand(N, device="cuda", generator=twin), m.rand(N, device="cuda")])
            for _ in range(2)]  # fmt: skip
    m.manual_seed(4)
    for w in want:
        graph.replay()
        assert same(values([a, b]), w)
    assert bool((mine.get_state() == twin.get_state()).all())


def test_a_generator_that_was_not_registered():
    mine = m.Generator(device="cuda")
    with pytest.raises(RuntimeError, match="register_generator_state"):
        recorded(lambda: m.rand(3, device="cuda", generator=mine))
    assert m.rand(3, device="cuda", generator=mine).shape == (3,)
    with pytest.raises(RuntimeError, match="cuda device"):
        m.cuda.CUDAGraph().register_generator_state(m.Generator())


def test_generators_of_another_device_are_refused():
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        m.rand(3, device="cuda", generator=m.Generator())
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator"):
        m.rand(3, generator=m.Generator(device="cuda"))


def test_the_state_is_not_for_reading_while_it_is_recorded():
    for call in (
        m.cuda.get_rng_state,
        lambda: m.cuda.manual_seed(987654321),
        lambda: m.cuda.set_rng_state(m.get_rng_state()),
    ):
        with pytest.raises(RuntimeError, match="not while a CUDA graph"):
            recorded(call)
    m.cuda.get_rng_state()


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("randperm", lambda: m.randperm(10, device="cuda")),
        ("multinomial", lambda: m.multinomial(m.ones(5, device="cuda"), 2)),
        ("nonzero", lambda: m.ones(5, device="cuda").nonzero()),
        ("item", lambda: m.full((1,), m.ones((), device="cuda").item(), device="cuda")),
    ],
)
def test_what_cannot_be_captured_says_so(name, draw):
    with pytest.raises(RuntimeError, match=rf"{name}\(\): cannot be captured"):
        recorded(draw)
    assert draw().is_cuda


def test_dropout_backward_uses_the_numbers_of_its_forward():
    x = m.ones(1000, device="cuda", requires_grad=True)

    def step():
        y = m.nn.functional.dropout(x, 0.5)
        (dx,) = m.autograd.grad(y.sum(), x)
        return y, dx

    graph, (y, dx) = recorded(step)
    seen = []
    for _ in range(2):
        graph.replay()
        seen.append(numbers(y))
        np.testing.assert_array_equal(numbers(y), numbers(dx))
    assert not np.array_equal(*seen)


def test_fork_rng_covers_the_gpus():
    m.manual_seed(2)
    with m.random.fork_rng():
        inside = values(m.rand(5, device="cuda"))
    assert same(values(m.rand(5, device="cuda")), inside)
    state = m.cuda.get_rng_state()
    with m.random.fork_rng(devices=[0]):
        m.rand(5, device="cuda"), m.rand(5)
    assert bool((m.cuda.get_rng_state() == state).all())
    with m.random.fork_rng(devices=[]):
        m.rand(5, device="cuda")
    assert not bool((m.cuda.get_rng_state() == state).all())
