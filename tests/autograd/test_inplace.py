"""In-place ops: version counters, rebased histories, views of changed bases."""

import pytest

import minitorch as mt


def test_changed_saved_tensor_raises_at_backward():
    x = mt.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*shape \[3\]"):
        z.backward(mt.ones(3))


def test_change_through_a_view_is_seen():
    x = mt.ones(3, requires_grad=True)
    y = x * 2
    z = y.exp()
    z.detach()[0:1].zero_() if hasattr(z, "__getitem__") else z.detach().zero_()
    with pytest.raises(RuntimeError, match="inplace"):
        z.backward(mt.ones(3))


def test_data_is_not_tracked():
    x = mt.ones(3, requires_grad=True)
    y = (x * 2).exp()
    y.data.mul_(1)
    y.backward(mt.ones(3))


def test_unsaved_tensor_may_change():
    x = mt.ones(3, requires_grad=True)
    y = x + 1
    y.add_(1)
    y.mul_(3)
    y.backward(mt.ones(3))
    assert x.grad.tolist() == [3.0] * 3


def test_leaf_that_requires_grad_is_protected():
    x = mt.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="view of a leaf"):
        x.view(3).add_(1)
    with mt.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0] * 3


@pytest.mark.parametrize(
    "name", ["exp_", "sigmoid_", "tanh_", "relu_", "sin_", "square_", "neg_", "abs_"]
)
def test_unary_in_place_gradient(name):
    torch = pytest.importorskip("torch")
    grads = []
    for m in (mt, torch):
        x = m.tensor([0.5, -1.5, 2.0], requires_grad=True)
        y = x * 1.5
        getattr(y, name)()
        (y * m.tensor([1.0, 2.0, 3.0])).sum().backward()
        grads.append(x.grad.tolist())
    assert grads[0] == pytest.approx(grads[1], rel=1e-5)


def test_in_place_with_a_tracked_operand_makes_the_target_tracked():
    w = mt.tensor([2.0], requires_grad=True)
    y = mt.ones(3)
    y.mul_(w)
    assert y.requires_grad and not y.is_leaf
    y.backward(mt.ones(3))
    assert w.grad.tolist() == [3.0]


def test_writing_to_a_view_updates_the_base_history():
    x = mt.ones(4, requires_grad=True)
    y = x * 2
    v = y.narrow(0, 1, 2)
    v.mul_(5)
    y.backward(mt.tensor([1.0, 1.0, 1.0, 1.0]))
    assert x.grad.tolist() == [2.0, 10.0, 10.0, 2.0]


def test_writing_to_the_base_updates_the_view_history():
    x = mt.ones(4, requires_grad=True)
    y = x * 2
    v = y.narrow(0, 1, 2)
    y.mul_(3)
    v.backward(mt.ones(2))
    assert x.grad.tolist() == [0.0, 6.0, 6.0, 0.0]


def test_view_of_a_base_that_becomes_tracked():
    w = mt.tensor(3.0, requires_grad=True)
    base = mt.ones(2, 2)
    v = base.view(4)
    base.mul_(w)
    assert v.requires_grad
    (v * 2).backward(mt.ones(4))
    assert w.grad.item() == 8.0


def test_copy_into_a_transposed_view():
    x = mt.ones(2, 3, requires_grad=True)
    y = x * 1
    w = mt.full((3, 2), 4.0, requires_grad=True)
    y.t().copy_(w * w)
    y.backward(mt.ones(2, 3))
    assert x.grad.tolist() == [[0.0] * 3] * 2
    assert w.grad.tolist() == [[8.0] * 2] * 3


def test_wrong_shapes_and_dtypes():
    with pytest.raises(RuntimeError, match=r"add.*\[3\].*doesn't match the broadcast shape"):
        mt.ones(3).add_(mt.ones(2, 3))
    with pytest.raises(RuntimeError, match="can't be cast"):
        mt.ones(3, dtype=mt.int64).add_(1.5)
    with pytest.raises(RuntimeError, match="single memory location"):
        mt.ones(1).expand(3).add_(1)
    x = mt.arange(4).float()
    x.narrow(0, 0, 3).copy_(x.narrow(0, 1, 3))
    assert x.tolist() == [1.0, 2.0, 3.0, 3.0]


def test_second_derivative_through_a_written_view():
    def f(x, v):
        y = x * x
        y.t()[0] = v * v
        y[:, 1].mul_(v)
        return y * y

    x = mt.rand(2, 3, dtype=mt.float64, requires_grad=True)
    v = mt.rand(2, dtype=mt.float64, requires_grad=True)
    assert mt.autograd.gradcheck(f, (x, v))
    assert mt.autograd.gradgradcheck(f, (x, v))


@pytest.mark.parametrize(
    "change",
    [
        lambda m, y: y.zero_(),
        lambda m, y: y.fill_(3),
        lambda m, y: y.copy_(m.ones(3)),
        lambda m, y: y.sign_(),
        lambda m, y: y.normal_(),
        lambda m, y: y.__setitem__(slice(None), 2.0),
        lambda m, y: y.__setitem__(slice(1, None), 2.0),
        lambda m, y: y.__setitem__(m.tensor([True, False, True]), 2.0),
        lambda m, y: y.__setitem__(m.tensor([0, 1]), m.zeros(2)),
        lambda m, y: y.masked_fill_(m.tensor([True, False, True]), 2.0),
        lambda m, y: y.index_fill_(0, m.tensor([1]), 2.0),
        lambda m, y: y[1:].zero_(),
        lambda m, y: y.view(3, 1).zero_(),
        lambda m, y: y.bernoulli_(0.5),
        lambda m, y: y.requires_grad_().mul_(0),
    ],
)
def test_overwritten_content_has_no_gradient(change):
    torch = pytest.importorskip("torch")
    grads = []
    for m in (mt, torch):
        x = m.tensor([1.0, -2.0, 3.0], requires_grad=True)
        y = x * 2
        change(m, y)
        assert y.requires_grad
        (y * m.tensor([1.0, 2.0, 3.0])).sum().backward()
        grads.append(x.grad.tolist())
    assert grads[0] == grads[1]
