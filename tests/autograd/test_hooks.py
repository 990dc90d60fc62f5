"""Hooks on tensors and nodes, retain_grad, anomaly mode."""

import pytest

import minitorch as mt


def test_hook_on_a_leaf_sees_the_whole_gradient_once():
    x = mt.ones(2, requires_grad=True)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + x * 3).backward(mt.ones(2))
    assert seen == [[5.0, 5.0]]
    handle.remove()
    (x * 2).backward(mt.ones(2))
    assert len(seen) == 1


def test_hook_on_a_computed_tensor_can_change_the_gradient():
    x = mt.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    (y * 3).backward(mt.ones(2))
    assert x.grad.tolist() == [60.0, 60.0]


def test_node_hooks():
    x = mt.ones(1, requires_grad=True)
    y = x * 2
    y.grad_fn.register_prehook(lambda gs: (gs[0] * 2,))
    y.grad_fn.register_hook(lambda ins, outs: (ins[0] + outs[0],))
    y.backward()
    assert x.grad.tolist() == [2 * 2 + 2]


def test_post_accumulate_grad_hook():
    x = mt.ones(1, requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * 7).backward()
    assert seen == [7.0]
    with pytest.raises(RuntimeError, match="non-leaf"):
        (x * 1).register_post_accumulate_grad_hook(print)


def test_retain_grad():
    x = mt.ones(1, requires_grad=True)
    y = x * 2
    y.retain_grad()
    assert y.retains_grad
    (y * 3).backward()
    assert y.grad.tolist() == [3.0] and x.grad.tolist() == [6.0]


def test_anomaly_mode_names_the_forward_call():
    x = mt.tensor([-1.0], requires_grad=True)
    with mt.autograd.detect_anomaly():
        y = x.sqrt()  # the guilty line
        with pytest.raises(RuntimeError, match=r"(?s)SqrtBackward.*the guilty line"):
            y.backward()
    (x * 2).backward()
    assert (x * 2).grad_fn.context is None
