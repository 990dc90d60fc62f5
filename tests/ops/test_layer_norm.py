"""Layer norm and RMS norm."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def ln(m, x, w=None, b=None, dims=1):
    """Layer norm over the last dims."""
    return m.nn.functional.layer_norm(x, tuple(x.shape[-dims:]), w, b)


def rms(m, x, w=None):
    """RMS norm over the last dim."""
    return m.nn.functional.rms_norm(x, (x.shape[-1],), w)


WIDTHS = (1, 2, 15, 16, 17, 33, 130)
CASES = [
    Case("layer_norm", ln, [[(3, n), (n,), (n,)] for n in WIDTHS] + [[(0, 4), (4,), (4,)]]),
    Case("layer_norm-weight", ln, [[(2, 3, 5), (5,)]]),
    Case("layer_norm-plain", ln, [[(2, 3, 5)], [(300, 20)]]),
    Case("layer_norm-2d", lambda m, x, w, b: ln(m, x, w, b, 2), [[(2, 3, 4), (3, 4), (3, 4)]]),
    Case(
        "layer_norm-long",
        ln,
        [[(2, 20000), (20000,), (20000,)]],
        tolerance={"float32": (1e-4, 1e-5)},
    ),
    Case("layer_norm-rows", ln, [[(700, 48), (48,), (48,)]]),
    Case("rms_norm", rms, [[(3, n), (n,)] for n in WIDTHS] + [[(0, 4), (4,)]]),
    Case("rms_norm-plain", rms, [[(2, 3, 5)], [(700, 48)]]),
    Case(
        "native_layer_norm",
        lambda m, x, w, b: m.native_layer_norm(x, (x.shape[-1],), w, b, 1e-5),
        [[(3, 4), (4,), (4,)]],
        dtypes=("float32", "float64"),
        grad=False,  # torch drops the gradients of the statistics
    ),
]
globals().update(make_tests(CASES))


def test_statistics_of_large_offsets():
    x = minitorch.arange(64, dtype=minitorch.float32).reshape(1, 64) + 1e5
    y = F.layer_norm(x, (64,))
    np.testing.assert_allclose(y.numpy(), F.layer_norm(x.double(), (64,)).numpy(), rtol=1e-4)


def test_constant_rows_have_no_gradient_of_rounding():
    x = minitorch.tensor([[0.3]], requires_grad=True)
    F.layer_norm(x, (1,), minitorch.tensor([0.7])).backward(minitorch.tensor([[0.9]]))
    assert x.grad.item() == 0


def test_nan_stays_in_its_row():
    x = minitorch.ones(3, 40)
    x[1, 39] = float("nan")
    y = F.layer_norm(x, (40,))
    assert y.isnan().all(1).tolist() == [False, True, False]


def test_gradients_of_the_statistics():
    x = minitorch.randn(3, 4, dtype=minitorch.float64, requires_grad=True)
    w = minitorch.ones(4).double().requires_grad_()
    assert minitorch.autograd.gradcheck(
        lambda x, w: minitorch.native_layer_norm(x, (4,), w, None, 1e-5), (x, w)
    )
    assert minitorch.autograd.gradgradcheck(
        lambda x, w: minitorch.native_layer_norm(x, (4,), w, None, 1e-5), (x, w)
    )


def test_bad_shapes():
    x = minitorch.zeros(2, 4)
    with pytest.raises(RuntimeError, match=r"normalized_shape=\[5\].*\[2, 4\]"):
        F.layer_norm(x, (5,))
    with pytest.raises(RuntimeError, match=r"weight of shape \[3\]"):
        F.layer_norm(x, (4,), minitorch.ones(3))
    with pytest.raises(RuntimeError, match=r"bias of shape \[3\]"):
        F.layer_norm(x, (4,), None, minitorch.ones(3))
    with pytest.raises(RuntimeError, match="at least 1-dimensional"):
        F.layer_norm(x, ())
    with pytest.raises(RuntimeError, match="floating"):
        F.layer_norm(x.long(), (4,))


def test_same_bits_for_any_number_of_threads():
    x = minitorch.sin(minitorch.arange(2000 * 96, dtype=minitorch.float32)).reshape(2000, 96)
    before = minitorch.get_num_threads()
    results = set()
    try:
        for n in (1, 2, 3):
            minitorch.set_num_threads(n)
            w, b = minitorch.ones(96, requires_grad=True), minitorch.zeros(96, requires_grad=True)
            y = F.layer_norm(x, (96,), w, b)
            y.backward(x)
            results.add(
                (y.detach().numpy().tobytes(), w.grad.numpy().tobytes(), b.grad.numpy().tobytes())
            )
    finally:
        minitorch.set_num_threads(before)
    assert len(results) == 1
