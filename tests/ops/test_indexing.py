"""Index expressions drawn at random, reading and writing, against NumPy; gradients against a gather of places."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch


@st.composite
def slices(draw, n):
    bound = st.one_of(st.none(), st.integers(-n - 2, n + 2))
    return slice(draw(bound), draw(bound), draw(st.one_of(st.none(), st.integers(1, 3))))


@st.composite
def cases(draw):
    """A shape and an index that NumPy and PyTorch read alike.

    An int beside arrays counts as an array in NumPy and as a select in PyTorch, so ints appear in
    purely basic indices only; every array has the shape `common` or broadcasts to it.
    """
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    advanced = draw(st.booleans())
    common = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    items, dim, masked, ellipsis = [], 0, False, False
    while dim < len(shape):
        n = shape[dim]
        kinds = ["slice", "all"]
        if advanced:
            kinds += ["array", "array", "list"] + ([] if masked else ["mask"])
        else:
            kinds += ["int", "int", "none"] + ([] if ellipsis else ["ellipsis"])
        kind = draw(st.sampled_from(kinds))
        if kind == "slice":
            items.append(draw(slices(n)))
        elif kind == "all":
            items.append(slice(None))
        elif kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "none":
            items.append(None)
            dim -= 1
        elif kind == "ellipsis":
            ellipsis = True
            items.append(Ellipsis)
            dim += draw(st.integers(0, len(shape) - dim)) - 1
        elif kind == "mask":
            # As many true elements as broadcast with the arrays: one, or any number alone.
            masked = True
            m = np.zeros(n, bool)
            m[draw(st.integers(0, n - 1))] = True
            items.append(m)
        else:
            size = tuple(draw(st.sampled_from([k, 1])) for k in common)
            size = size[draw(st.integers(0, len(size))) :]
            count = int(np.prod(size, dtype=int))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            array = np.array(values, dtype=np.int64).reshape(size)
            if array.ndim == 0:  # PyTorch selects with a 0-dim array
                array = array.reshape(1)
            items.append(array.tolist() if kind == "list" else array)
        dim += 1
    if not ellipsis and draw(st.booleans()):
        while items and isinstance(items[-1], slice) and items[-1] == slice(None):
            items.pop()
    index = tuple(items)
    if len(index) == 1 and not isinstance(index[0], list) and draw(st.booleans()):
        index = index[0]
    return shape, index


def ours(index):
    """The index with its arrays as tensors."""
    if isinstance(index, tuple):
        return tuple(ours(i) for i in index)
    return minitorch.tensor(index) if isinstance(index, np.ndarray) else index


def filled(shape):
    return np.arange(1, np.prod(shape, dtype=int) + 1, dtype=np.float64).reshape(shape)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_get(case):
    shape, index = case
    x = filled(shape)
    want = x[index]
    for form in (index, ours(index)):
        got = minitorch.tensor(x)[form]
        assert tuple(got.shape) == want.shape
        np.testing.assert_array_equal(got.numpy(), want)
    # Through strides.
    turned = minitorch.tensor(np.ascontiguousarray(x.T)).permute(*range(x.ndim - 1, -1, -1))
    np.testing.assert_array_equal(turned[ours(index)].numpy(), want)


@settings(max_examples=300, deadline=None)
@given(cases(), st.data())
def test_set(case, data):
    shape, index = case
    x = filled(shape)
    part = x[index].shape
    value_shape = tuple(data.draw(st.sampled_from([n, 1])) for n in part)
    value_shape = value_shape[data.draw(st.integers(0, len(value_shape))) :]
    value = -filled(value_shape) if value_shape else np.float64(-7)
    got = minitorch.tensor(x)
    before = got._version
    got[ours(index)] = float(value) if not value_shape else minitorch.tensor(value)
    # Where a place is named more than once, the last one wins in both.
    x[index] = value
    np.testing.assert_array_equal(got.numpy(), x)
    assert got._version > before or x[index].size == 0


@settings(max_examples=150, deadline=None)
@given(cases())
def test_gradient_of_get(case):
    shape, index = case
    x = minitorch.tensor(filled(shape)).requires_grad_()
    y = x[ours(index)]
    weights = np.cos(np.arange(y.numel(), dtype=np.float64)).reshape(tuple(y.shape))
    y.backward(minitorch.tensor(weights))
    want = np.zeros(shape)
    places = np.arange(want.size).reshape(shape)[index]
    np.add.at(want.reshape(-1), places.reshape(-1), weights.reshape(-1))
    np.testing.assert_allclose(x.grad.numpy(), want)


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from(["plain", "view"]))
def test_gradient_of_set(case, how):
    shape, index = case
    x = minitorch.tensor(filled(shape)).requires_grad_()
    y = x * 2
    target = y if how == "plain" else y.transpose(0, -1).transpose(0, -1)
    part = np.arange(int(np.prod(shape))).reshape(shape)[index]
    v = minitorch.tensor(filled(part.shape)).requires_grad_()
    target[ours(index)] = v * 3
    weights = np.cos(np.arange(y.numel(), dtype=np.float64)).reshape(shape)
    y.backward(minitorch.tensor(weights))
    want_x = 2 * weights
    want_x.reshape(-1)[part.reshape(-1)] = 0
    np.testing.assert_allclose(x.grad.numpy(), want_x)
    if len(np.unique(part)) == part.size:  # the gradient of a place written twice is open
        np.testing.assert_allclose(v.grad.numpy(), 3 * weights.reshape(-1)[part])


def test_second_derivative_through_set():
    def f(x, v):
        y = x * x
        y[1:, 0] = v * v
        y[[0, 1], [1, 2]] = v[:2] * x[0, 0]
        y[y > 100] = 0
        return y * y

    x = minitorch.tensor(filled((3, 3)) / 10).requires_grad_()
    v = minitorch.tensor([0.5, -1.5]).double().requires_grad_()
    assert minitorch.autograd.gradcheck(f, (x, v))
    assert minitorch.autograd.gradgradcheck(f, (x, v), atol=1e-4)


def test_views_share_memory():
    x = minitorch.zeros(3, 4)
    for index in (0, slice(1, 3), (slice(None), 1), (Ellipsis, None), (1, slice(0, 4, 2))):
        x[index].fill_(5)
        assert float(x[index].sum()) == 5 * x[index].numel()
        x.zero_()
    x[[0, 1]].fill_(5)
    assert float(x.sum()) == 0


def test_add_in_place_to_a_part():
    x = minitorch.tensor(filled((3, 4))).requires_grad_()
    y = x * 1
    y[1:3] += 2
    y[:, [0, 2]] *= 3
    y[y > 30] -= 1
    y.sum().backward()
    want = np.ones((3, 4))
    want[:, [0, 2]] = 3
    np.testing.assert_array_equal(x.grad.numpy(), want)


def test_a_changed_index_tensor_is_noticed():
    x = minitorch.ones(3, requires_grad=True)
    i = minitorch.tensor([0, 1])
    y = x[i]
    i[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_writing_to_a_leaf_raises():
    x = minitorch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x[0] = 1
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x[minitorch.tensor([True, False, True])] = 1
    with minitorch.no_grad():
        x[0] = 5
    assert float(x[0]) == 5


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        (3, IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ([0, 3], IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((slice(None), [-5]), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2"),
        ((Ellipsis, Ellipsis), IndexError, "single ellipsis"),
        ([True, False], IndexError, "shape of the mask"),
        (([0, 1], [0, 1, 2]), IndexError, "could not be broadcast"),
        ("a", IndexError, "valid indices"),
        (1.0, IndexError, "valid indices"),
        ([1.0], IndexError, "must be long, int, byte or bool"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (slice(None, None, 0), ValueError, "step must be greater than zero"),
    ],
)
def test_errors(index, error, text):
    x = minitorch.tensor(filled((3, 4)))
    with pytest.raises(error, match=text):
        x[index]
    with pytest.raises(error, match=text):
        x[index] = 0
    np.testing.assert_array_equal(x.numpy(), filled((3, 4)))


def test_integers_never_require_grad():
    x = minitorch.zeros(3).long()
    x[0] = minitorch.tensor(2.0, requires_grad=True) * 2
    assert x.tolist() == [4, 0, 0]
    assert not x.requires_grad


def test_value_of_a_wrong_shape():
    x = minitorch.zeros(3, 4)
    with pytest.raises(RuntimeError, match="shape"):
        x[0] = minitorch.zeros(3)
    with pytest.raises(RuntimeError, match="cannot be broadcast to indexing result"):
        x[[0, 1]] = minitorch.zeros(3, 4)


def test_overlapping_source():
    x = minitorch.arange(6)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3, 4]
    x[[0, 1, 2]] = x[[3, 4, 5]]
    assert x.tolist() == [2, 3, 4, 2, 3, 4]


def test_index_kinds():
    x = minitorch.arange(12).reshape(3, 4)
    assert x[minitorch.tensor(1)].tolist() == [4, 5, 6, 7]
    assert x[np.int64(2), minitorch.tensor(3)].item() == 11
    assert x[
        minitorch.tensor([0, 2]).int(), minitorch.tensor([1, 1], dtype=minitorch.uint8).long()
    ].tolist() == [1, 9]
    assert x[True].shape == (1, 3, 4)
    assert x[False].shape == (0, 3, 4)
    assert x[minitorch.tensor(True), 0].shape == (1, 4)
    assert x[[]].shape == (0, 4)
    assert x[range(2)].shape == (2, 4)
    assert x[:, [True, False, False, True]].tolist() == [[0, 3], [4, 7], [8, 11]]
    assert x[x > 8].tolist() == [9, 10, 11]
    assert minitorch.zeros(0, 3)[:, 1].shape == (0,)
    assert minitorch.tensor(5)[None, ...].shape == (1,)
    assert x[x > 100].shape == (0,)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_duplicates_in_order_for_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    index = rng.integers(0, 1000, 200_000)
    values = rng.standard_normal(200_000).astype(np.float32)
    want = np.zeros(1000, np.float32)
    np.add.at(want, index, values)
    before = minitorch.get_num_threads()
    minitorch.set_num_threads(threads)
    try:
        i, v = minitorch.tensor(index), minitorch.tensor(values)
        added = minitorch.zeros(1000).index_put_((i,), v, accumulate=True)
        last = minitorch.zeros(1000)
        last[i] = v
        rows = minitorch.zeros(50, 64).index_add_(
            0, i[:20_000] % 50, v[:20_000, None] * minitorch.ones(64)
        )
    finally:
        minitorch.set_num_threads(before)
    np.testing.assert_array_equal(added.numpy(), want)
    plain = np.zeros(1000, np.float32)
    plain[index] = values
    np.testing.assert_array_equal(last.numpy(), plain)
    sums = np.zeros((50, 64), np.float32)
    np.add.at(sums, index[:20_000] % 50, np.repeat(values[:20_000, None], 64, 1))
    np.testing.assert_array_equal(rows.numpy(), sums)
