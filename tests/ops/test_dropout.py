"""Dropout in its forms."""

import numpy as np
import pytest

import minitorch
from minitorch.nn import functional as F


@pytest.fixture(autouse=True)
def seeded():
    state = minitorch.get_rng_state()
    minitorch.manual_seed(99)
    yield
    minitorch.set_rng_state(state)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_values_and_gradient(dtype, p):
    x = minitorch.full((300, 333), 2.0, dtype=getattr(minitorch, dtype), requires_grad=True)
    y = F.dropout(x, p)
    values = y.detach().double().numpy()
    kept = values != 0
    assert abs(kept.mean() - (1 - p)) < 5 * (p * (1 - p) / kept.size) ** 0.5
    np.testing.assert_allclose(values[kept], 2 / (1 - p), rtol=1e-2 if "16" in dtype else 1e-6)
    y.backward(minitorch.ones_like(y))
    gradient = x.grad.double().numpy()
    np.testing.assert_array_equal(gradient != 0, kept)
    np.testing.assert_allclose(gradient[kept], 1 / (1 - p), rtol=1e-2 if "16" in dtype else 1e-6)


def test_second_derivative():
    x = minitorch.randn(50, dtype=minitorch.float64, requires_grad=True)
    y = F.dropout(x, 0.4) ** 3
    (g,) = minitorch.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = minitorch.autograd.grad(g.sum(), x)
    mask = (y != 0).double() / 0.6
    np.testing.assert_allclose(gg.numpy(), (6 * x * mask**3).detach().numpy())


def test_strided_input():
    x = minitorch.randn(40, 30, requires_grad=True)
    y = F.dropout(x.t(), 0.5)
    kept = y.detach().numpy() != 0
    np.testing.assert_allclose(y.detach().numpy()[kept], 2 * x.detach().numpy().T[kept])
    y.backward(minitorch.ones_like(y))
    np.testing.assert_array_equal(x.grad.numpy().T != 0, kept)


def test_flags():
    x = minitorch.ones(10)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).tolist() == [0.0] * 10
    for f in (F.dropout, F.alpha_dropout, F.dropout1d, F.dropout2d, F.dropout3d):
        for p in (-0.1, 1.1):
            with pytest.raises(ValueError):
                f(x, p)
    with pytest.raises(RuntimeError):
        F.dropout(minitorch.ones(3, dtype=minitorch.int64))


def test_in_place():
    x = minitorch.ones(1000)
    assert F.dropout(x, 0.5, inplace=True) is x
    assert set(x.tolist()) == {0.0, 2.0}
    w = minitorch.ones(1000, requires_grad=True)
    y = w * 3
    F.dropout(y, 0.5, inplace=True)
    y.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), y.detach().numpy())
    with pytest.raises(RuntimeError):
        F.dropout(w, 0.5, inplace=True)
    z = minitorch.ones(20, 30)
    assert minitorch.dropout_(z.t(), 0.5, True).shape == (30, 20)
    assert set(z.reshape(-1).tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (F.dropout1d, (40, 50, 6)),
        (F.dropout2d, (40, 50, 3, 4)),
        (F.dropout3d, (40, 50, 2, 2, 2)),
        (F.dropout1d, (200, 6)),
        (F.dropout2d, (200, 3, 4)),
        (F.dropout3d, (200, 2, 2, 2)),
    ],
)
def test_whole_channels(f, shape):
    x = minitorch.ones(*shape, requires_grad=True)
    y = f(x, 0.4)
    assert y.shape == shape
    spatial = {F.dropout1d: 1, F.dropout2d: 2, F.dropout3d: 3}[f]
    channels = y.detach().numpy().reshape(-1, int(np.prod(shape[len(shape) - spatial :])))
    assert (channels == channels[:, :1]).all()
    assert 0.5 < (channels[:, 0] != 0).mean() < 0.7
    np.testing.assert_allclose(channels.max(), 1 / 0.6, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.detach().numpy())
    z = minitorch.ones(*shape)
    assert f(z, 0.4, inplace=True) is z and z.min().item() == 0


@pytest.mark.parametrize("f", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(f):
    x = minitorch.randn(400, 500, 2, dtype=minitorch.float64)
    y = f(x, 0.3, training=True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1) < 0.02
    assert f(x, 0.3) is x
    w = minitorch.ones(400, 3, 2, requires_grad=True)
    f(w, 0.5, training=True).sum().backward()
    assert set(np.unique(w.grad.numpy() != 0)) == {False, True}
    z = x.clone()
    assert f(z, 0.3, training=True, inplace=True) is z


def test_top_level_names():
    x = minitorch.ones(100)
    assert minitorch.dropout(x, 0.5, False) is x
    assert set(minitorch.dropout(x, 0.5, True).tolist()) == {0.0, 2.0}
    assert minitorch.feature_dropout(minitorch.ones(3, 4, 2), 0.5, True).shape == (3, 4, 2)
    assert minitorch.alpha_dropout(x, 0.5, True).shape == (100,)


def test_reproducible():
    x = minitorch.ones(1000)
    minitorch.manual_seed(5)
    a = F.dropout(x, 0.5)
    minitorch.manual_seed(5)
    assert F.dropout(x, 0.5).tolist() == a.tolist()
    assert F.dropout(x, 0.5).tolist() != a.tolist()
