"""scatter, scatter_add, scatter_reduce."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def ints(values):
    return lambda m: m.tensor(np.array(values, dtype=np.int64))


DISTINCT = ints([[0, 2, 1], [1, 0, 2]])
AGAIN = ints([[0, 0, 2], [1, 1, 1]])
PAIRS = [[(3, 3), (2, 3)], [(4, 3), (2, 3)]]
LARGER = [[(3, 4), (3, 4)]]  # than the index


def reduce(how, include_self, dim=0):
    return lambda m, x, v: m.scatter_reduce(x, dim, AGAIN(m), v, how, include_self=include_self)


CASES = [
    Case("scatter", lambda m, x, v: m.scatter(x, 1, DISTINCT(m), v), shapes=[[(2, 3), (2, 3)], [(2, 4), (2, 3)]]),
    Case("scatter_0", lambda m, x, v: (x * 1).scatter_(0, DISTINCT(m), v), shapes=[[(3, 3), (2, 3)]]),
    Case("scatter_number", lambda m, x: m.scatter(x, 1, AGAIN(m), 0.5), shapes=[[(2, 3)], [(4, 3)]]),
    Case("scatter_reduce_add", lambda m, x, v: x.scatter(1, AGAIN(m), v, reduce="add"), shapes=[[(2, 3), (2, 3)]], grad=False),
    Case("scatter_reduce_multiply", lambda m, x: x.scatter(1, AGAIN(m), 3.0, reduce="multiply"), shapes=[[(2, 3)]], grad=False),
    Case("scatter_add", lambda m, x, v: m.scatter_add(x, 0, AGAIN(m), v), shapes=PAIRS),
    Case("scatter_add_1", lambda m, x, v: (x * 1).scatter_add_(1, AGAIN(m), v), shapes=[[(2, 3), (2, 3)], [(2, 5), (2, 3)]]),
    Case("sum", reduce("sum", True), shapes=PAIRS),
    Case("sum_alone", reduce("sum", False), shapes=PAIRS),
    Case("mean", reduce("mean", True), shapes=PAIRS),
    Case("mean_alone", reduce("mean", False), shapes=PAIRS),
    Case("prod", reduce("prod", True), shapes=PAIRS),
    Case("prod_alone", reduce("prod", False), shapes=PAIRS),
    Case("prod_1", reduce("prod", True, 1), shapes=[[(2, 3), (2, 3)]]),
    Case("amax", reduce("amax", True), shapes=PAIRS),
    Case("amax_alone", reduce("amax", False), shapes=PAIRS),
    Case("amin", reduce("amin", True), shapes=PAIRS),
    Case("amin_alone", reduce("amin", False), shapes=PAIRS),
    # PyTorch has no gradient here.
    *(Case(f"larger_{how}", reduce(how, True), shapes=LARGER, grad=False) for how in ("sum", "prod", "mean", "amax")),
    Case("larger_scatter", lambda m, x, v: m.scatter(x, 1, DISTINCT(m), v), shapes=[[(2, 4), (3, 5)]], grad=False),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize("how", ["sum", "prod", "mean", "amax", "amin"])
def test_gradient_of_a_larger_source(how):
    rng = np.random.default_rng(5)
    x, v = (minitorch.tensor(rng.uniform(1, 2, s)).requires_grad_() for s in ((3, 4), (3, 5)))
    i = AGAIN(minitorch)
    assert minitorch.autograd.gradcheck(lambda x, v: x.scatter_reduce(0, i, v, how), (x, v))
    assert minitorch.autograd.gradcheck(lambda x, v: x.scatter(0, DISTINCT(minitorch), v), (x, v))


def test_ties_among_sources_share_the_whole_gradient():
    x = minitorch.tensor([0.0, 9.0], requires_grad=True)
    v = minitorch.tensor([0.0, 0.0, -1.0], requires_grad=True)
    y = x.scatter_reduce(0, minitorch.tensor([0, 0, 0]), v, "amax", include_self=False)
    y.backward(minitorch.tensor([3.0, 1.0]))
    assert v.grad.tolist() == [1.5, 1.5, 0]
    assert x.grad.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("how", "include_self"),
    [(h, True) for h in ("prod", "amax", "amin", "mean", "sum")] + [(h, False) for h in ("prod", "mean", "sum")],
)  # fmt: skip
def test_gradient_with_zeros_and_ties(how, include_self):
    torch = pytest.importorskip("torch")

    def run(m):
        x = m.tensor([2.0, 0.0, 0.0, 3.0]).double().requires_grad_()
        v = m.tensor([2.0, 1.0, 0.0, 5.0, 0.0, 0.0]).double().requires_grad_()
        y = x.scatter_reduce(0, m.tensor([0, 0, 1, 1, 2, 2]), v, how, include_self=include_self)
        (y * m.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
        return y.tolist(), x.grad.tolist(), v.grad.tolist()

    for a, b in zip(run(minitorch), run(torch), strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int16", "float16", "bfloat16"])
@pytest.mark.parametrize("how", ["sum", "prod", "amax", "amin", "mean"])
def test_dtypes(dtype, how):
    torch = pytest.importorskip("torch")

    def run(m):
        x = m.tensor([3, 7, 2]).to(getattr(m, dtype))
        v = m.tensor([1, 2, 5, 4]).to(getattr(m, dtype))
        i = m.tensor([0, 0, 2, 0])
        return [x.scatter_reduce(0, i, v, how, include_self=s).tolist() for s in (True, False)]

    assert run(minitorch) == run(torch)


def test_nan_wins_in_extremes():
    nan = float("nan")
    x = minitorch.tensor([nan, 1.0])
    i, v = minitorch.tensor([0, 1]), minitorch.tensor([2.0, nan])
    for how in ("amax", "amin"):
        assert x.scatter_reduce(0, i, v, how).isnan().tolist() == [True, True]


def test_large_sum_and_last_writer():
    rng = np.random.default_rng(2)
    index, v = rng.integers(0, 50, (600, 300)), rng.standard_normal((600, 300)).astype(np.float32)
    for dim in (0, 1):
        shape = (50, 300) if dim == 0 else (600, 50)
        want, last = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        where = np.indices(index.shape)
        places = (index, where[1]) if dim == 0 else (where[0], index)
        np.add.at(want, places, v)
        last[places] = v
        i, t = minitorch.tensor(index), minitorch.tensor(v)
        np.testing.assert_array_equal(minitorch.zeros(shape).scatter_add_(dim, i, t).numpy(), want)
        np.testing.assert_array_equal(minitorch.zeros(shape).scatter_(dim, i, t).numpy(), last)


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda x, i: x.scatter_(1, i + 2, 1.0), IndexError, r"scatter_\(\): index 2.*dimension 1 with size 2"),
        (lambda x, i: x.scatter_add_(1, i - 2, x), IndexError, "scatter_add_.*index -2"),
        (lambda x, i: x.scatter_(0, i, x[:1]), RuntimeError, "src"),
        (lambda x, i: x.scatter_(0, i, x.double()), RuntimeError, "same dtype"),
        (lambda x, i: x.scatter_(0, i, 1.0, reduce="max"), RuntimeError, "reduce argument"),
        (lambda x, i: x.scatter_reduce(0, i, x, "max"), RuntimeError, "reduce argument"),
        (lambda x, i: x.scatter_(0, i.expand(2, 2, 2), 1.0), RuntimeError, "number of dimensions"),
    ],
)  # fmt: skip
def test_errors(f, error, text):
    x = minitorch.ones(3, 2)
    with pytest.raises(error, match=text):
        f(x, minitorch.tensor([[0, 1], [1, 0]]))
    assert x.tolist() == [[1, 1]] * 3
