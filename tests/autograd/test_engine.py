"""The backward pass: order, accumulation, retained and freed graphs, depth."""

import gc
import weakref

import pytest

import minitorch as mt


def leaf(*values):
    return mt.tensor(values, requires_grad=True)


def test_gradients_of_a_diamond_add_up():
    x = leaf(2.0, 3.0)
    y = x * x
    (y * 3 + y * x).backward(mt.ones(2))
    assert x.grad.tolist() == [6 * 2 + 3 * 4, 6 * 3 + 3 * 9]


def test_backward_accumulates_and_keeps_the_same_grad_tensor():
    x = leaf(1.0)
    (x * 2).backward()
    grad = x.grad
    (x * 3).backward()
    assert x.grad is grad
    assert grad.tolist() == [5.0]


def test_two_leaves_never_share_gradient_memory():
    x, y = leaf(1.0), leaf(1.0)
    (x + y).backward()
    x.grad.add_(5)
    assert y.grad.tolist() == [1.0]


def test_given_gradient_is_not_taken_over():
    x = leaf(1.0, 2.0)
    g = mt.tensor([1.0, 1.0])
    (x + 0).backward(g)
    x.grad.add_(1)
    assert g.tolist() == [1.0, 1.0]


def test_freed_graph_raises_and_retain_graph_keeps_it():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_saved_tensors_are_freed_during_backward():
    x = leaf(1.0)
    middle = x * 2
    y = middle * middle
    watch = weakref.ref(middle)
    del middle
    assert watch() is not None
    y.backward()
    assert watch() is None


def test_graph_without_cycles_dies_by_reference_count():
    gc.disable()
    try:
        x = leaf(1.0)
        y = (x.exp() * x.sigmoid()).tanh()
        watch = weakref.ref(y.grad_fn)
        del y
        assert watch() is None
    finally:
        gc.enable()


def test_create_graph_gives_second_derivative():
    x = leaf(2.0)
    (g,) = mt.autograd.grad(x * x * x, x, create_graph=True)
    (gg,) = mt.autograd.grad(g, x, create_graph=True)
    (ggg,) = mt.autograd.grad(gg, x)
    assert (g.item(), gg.item(), ggg.item()) == (12.0, 12.0, 6.0)


def test_second_derivative_through_saved_outputs():
    x = mt.tensor([0.3, -1.2], dtype=mt.float64, requires_grad=True)
    assert mt.autograd.gradgradcheck(lambda t: t.exp() * t.sigmoid() + t.tanh(), (x,))


def test_chain_of_100000_ops_does_not_overflow():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y


def test_long_chain_that_is_dropped_without_backward():
    y = leaf(1.0)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_grad_of_unused_input():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="not have been used"):
        mt.autograd.grad(x * 2, [x, y])
    gx, gy = mt.autograd.grad(x * 2, [x, y], allow_unused=True)
    assert gx.tolist() == [2.0] and gy is None
    _, gy = mt.autograd.grad(x * 2, [x, y], materialize_grads=True)
    assert gy.tolist() == [0.0]


def test_grad_of_an_intermediate_tensor_stops_there():
    x = leaf(2.0)
    y = x * 3
    (g,) = mt.autograd.grad(y * y, y)
    assert g.tolist() == [12.0] and x.grad is None


def test_backward_with_inputs_touches_only_those():
    x, y = leaf(2.0), leaf(5.0)
    (x * y).backward(inputs=[x])
    assert x.grad.tolist() == [5.0] and y.grad is None


def test_broadcast_gradients_are_summed():
    x, b = mt.ones(4, 3, requires_grad=True), mt.ones(3, requires_grad=True)
    (x * b).backward(mt.ones(4, 3))
    assert x.grad.shape == (4, 3) and b.grad.tolist() == [4.0] * 3


def test_promotion_brings_gradients_back_to_the_leaf_dtype():
    x = mt.ones(2, dtype=mt.float32, requires_grad=True)
    (x * mt.ones(2, dtype=mt.float64)).backward(mt.ones(2, dtype=mt.float64))
    assert x.grad.dtype is mt.float32


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: (x * 2).backward(), "implicitly created only for scalar"),
        (lambda x: x.detach().backward(mt.ones(2)), "does not require grad"),
        (lambda x: (x * 2).backward(mt.ones(3)), "Mismatch in shape"),
    ],
)
def test_wrong_calls(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(leaf(1.0, 2.0))


def test_grad_mode_switches():
    x = leaf(1.0)
    with mt.no_grad():
        assert not (x * 2).requires_grad
        with mt.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad

    @mt.no_grad()
    def decorated():
        return x * 2

    assert not decorated().requires_grad
    with mt.set_grad_enabled(False):
        assert not mt.is_grad_enabled()
    assert mt.is_grad_enabled()


def test_no_grad_generator_restores_the_mode_between_steps():
    @mt.no_grad()
    def steps():
        yield mt.is_grad_enabled()
        yield mt.is_grad_enabled()

    for inside in steps():
        assert not inside and mt.is_grad_enabled()


def test_inference_tensors_stay_out_of_autograd():
    x = leaf(1.0)
    with mt.inference_mode():
        y = x * 2
        y.add_(1)
    assert y.is_inference() and not y.requires_grad
    with pytest.raises(RuntimeError, match="InferenceMode"):
        y.add_(1)


def test_detach_shares_memory_and_version():
    x = leaf(1.0, 2.0)
    y = x * 1
    d = y.detach()
    d.add_(1)
    assert y.tolist() == [2.0, 3.0] and y._version == d._version == 1
    assert not d.requires_grad


def test_leaf_rules():
    x = leaf(1.0)
    y = x * 2
    assert x.is_leaf and not y.is_leaf and y.detach().is_leaf
    with pytest.raises(RuntimeError, match="leaf"):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="floating point"):
        mt.ones(1, dtype=mt.int64).requires_grad_()


def test_next_functions_walk_to_the_leaf():
    x = leaf(1.0)
    y = (x * 2).exp()
    assert y.grad_fn.name() == "ExpBackward"
    ((multiply, _),) = y.grad_fn.next_functions
    ((end, _),) = multiply.next_functions
    assert end.name() == "AccumulateGrad" and end.variable is x


def test_a_transposed_gradient_is_added_to_in_place():
    w = mt.ones(5, 4, requires_grad=True)
    x = mt.ones(3, 4)
    (x @ w.t()).sum().backward()
    before = w.grad
    (x @ w.t()).sum().backward()
    assert w.grad is before
    assert (w.grad == 6).all()
