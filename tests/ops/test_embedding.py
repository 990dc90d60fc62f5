"""embedding, embedding_bag, one_hot."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

INDEX = [[0, 2, 2], [1, 0, 2]]
FLAT, OFFSETS = [1, 2, 0, 2, 2, 3], [0, 2, 2, 5]


def embedding(index=INDEX, **kwargs):
    return lambda m, w: m.nn.functional.embedding(m.tensor(index), w, **kwargs)


def bag(index=FLAT, offsets=OFFSETS, **kwargs):
    def f(m, w):
        start = None if offsets is None else m.tensor(offsets)
        return m.nn.functional.embedding_bag(m.tensor(index), w, start, **kwargs)

    return f


TABLE = [[(3, 4)], [(5, 3)]]
BAGS = [[(4, 3)]]

CASES = [
    Case("embedding", embedding(), shapes=[*TABLE, [(3, 40)], [(3, 0)]]),
    Case("embedding_scalar", embedding(2), shapes=TABLE),
    Case("embedding_padding", embedding(padding_idx=2), shapes=TABLE, grad=False),
    Case("embedding_padding_negative", embedding(padding_idx=-1), shapes=[[(3, 4)]], grad=False),
    Case("embedding_by_frequency", embedding(scale_grad_by_freq=True), shapes=TABLE, grad=False),
    Case("bag_mean", bag(), shapes=BAGS),
    Case("bag_sum", bag(mode="sum"), shapes=BAGS),
    Case("bag_max", bag(mode="max"), shapes=BAGS, dtypes=("float32", "float64")),
    Case("bag_matrix", bag(INDEX, None, mode="sum"), shapes=TABLE),
    Case("bag_last_offset", bag(offsets=[0, 1, 4, 6], include_last_offset=True), shapes=BAGS),
    Case("bag_padding", bag(padding_idx=2), shapes=BAGS),
    Case("bag_padding_max", bag(padding_idx=2, mode="max"), shapes=BAGS, dtypes=("float32", "float64")),
    Case(
        "bag_weights",
        lambda m, w, s: m.nn.functional.embedding_bag(m.tensor(FLAT), w, m.tensor(OFFSETS), mode="sum", per_sample_weights=s),
        shapes=[[(4, 3), (6,)]],
    ),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize(
    "options", [{"padding_idx": 2}, {"padding_idx": -3}, {"scale_grad_by_freq": True}], ids=str
)
def test_gradients_that_are_no_derivatives(options):
    torch = pytest.importorskip("torch")

    def run(m, create_graph):
        w = (m.arange(8).reshape(4, 2) * 0.5 - 1).double().requires_grad_()
        y = m.nn.functional.embedding(m.tensor([[1, 2], [1, 3]]), w, **options)
        (g,) = m.autograd.grad((y * y * y).sum(), w, create_graph=create_graph)
        if not create_graph:
            return g.tolist()
        return m.autograd.grad((g * g).sum(), w)[0].tolist()

    assert run(minitorch, False) == run(torch, False)
    if "padding_idx" in options:  # PyTorch has no second derivative with frequencies
        assert run(minitorch, True) == run(torch, True)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("width", [1, 5, 64])
def test_large_gradient_in_order(threads, width):
    rng = np.random.default_rng(width)
    index = rng.integers(0, 100, 4000)
    dy = rng.standard_normal((4000, width)).astype(np.float32)
    w = minitorch.zeros(100, width, requires_grad=True)
    before = minitorch.get_num_threads()
    minitorch.set_num_threads(threads)
    try:
        minitorch.nn.functional.embedding(minitorch.tensor(index), w).backward(minitorch.tensor(dy))
    finally:
        minitorch.set_num_threads(before)
    want = np.zeros((100, width), np.float32)
    np.add.at(want, index, dy)
    np.testing.assert_array_equal(w.grad.numpy(), want)


def test_max_norm_changes_rows_in_use_only():
    torch = pytest.importorskip("torch")

    def run(m):
        w = m.tensor([[3.0, 4.0], [6.0, 8.0], [0.3, 0.4]])
        y = m.nn.functional.embedding(m.tensor([1, 2]), w, max_norm=1.0)
        return [y.tolist(), w.tolist()]

    for a, b in zip(run(minitorch), run(torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_int32_index():
    w = minitorch.arange(6).float().reshape(3, 2)
    assert minitorch.nn.functional.embedding(minitorch.tensor([2, 0]).int(), w).tolist() == [
        [4, 5],
        [0, 1],
    ]


def test_one_hot():
    x = minitorch.tensor([[0, 2], [1, 0]])
    one_hot = minitorch.nn.functional.one_hot
    assert one_hot(x).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0]]]
    assert one_hot(x, 5).shape == (2, 2, 5)
    assert one_hot(minitorch.zeros(0).long(), 3).shape == (0, 3)
    with pytest.raises(RuntimeError, match="smaller than num_classes"):
        one_hot(x, 2)
    with pytest.raises(RuntimeError, match="non-negative"):
        one_hot(x - 1)
    with pytest.raises(RuntimeError, match="LongTensor"):
        one_hot(x.float())


def test_errors():
    f, w = minitorch.nn.functional, minitorch.ones(3, 2)
    with pytest.raises(
        IndexError, match="embedding.*index 3 is out of bounds for dimension 0 with size 3"
    ):
        f.embedding(minitorch.tensor([0, 3]), w)
    with pytest.raises(IndexError, match="index -1"):
        f.embedding(minitorch.tensor([-1]), w)
    with pytest.raises(RuntimeError, match="2-D"):
        f.embedding(minitorch.tensor([0]), w[0])
    with pytest.raises(RuntimeError, match="Long, Int"):
        f.embedding(minitorch.tensor([0.0]), w)
    with pytest.raises(AssertionError, match="padding_idx"):
        f.embedding(minitorch.tensor([0]), w, padding_idx=3)
    with pytest.raises(ValueError, match="offsets"):
        f.embedding_bag(minitorch.tensor([0, 1]), w)
    with pytest.raises(ValueError, match="mode"):
        f.embedding_bag(minitorch.tensor([[0, 1]]), w, mode="min")
