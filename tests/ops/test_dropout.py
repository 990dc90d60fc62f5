"""Dropout: rate, scale, gradient, modes."""

import pytest

import minitorch as mt

F = mt.nn.functional


def test_rate_scale_and_gradient():
    mt.manual_seed(0)
    x = mt.ones(200_000, requires_grad=True)
    y = F.dropout(x, 0.25)
    kept = (y != 0).float()
    assert abs(kept.mean().item() - 0.75) < 0.01
    assert y.detach().unique().tolist() == pytest.approx([0.0, 4 / 3])
    y.sum().backward()
    assert x.grad.equal(y.detach())


def test_modes():
    x = mt.randn(100)
    assert F.dropout(x, 0.5, training=False).equal(x)
    assert F.dropout(x, 0.0).equal(x)
    assert F.dropout(x, 1.0).abs().sum().item() == 0
    y = x.clone()
    assert F.dropout(y, 0.5, inplace=True) is y
    with pytest.raises(ValueError, match="between 0 and 1"):
        F.dropout(x, 1.5)


def test_whole_channels():
    y = F.dropout2d(mt.ones(64, 32, 3, 3), 0.5)
    sums = y.sum((2, 3)).reshape(-1)
    assert set(sums.tolist()) == {0.0, 18.0}


def test_alpha_dropout_keeps_the_moments():
    mt.manual_seed(0)
    y = F.alpha_dropout(mt.randn(400_000), 0.2, training=True)
    assert abs(y.mean().item()) < 0.01 and abs(y.std().item() - 1) < 0.01


def test_same_seed_same_mask():
    x = mt.ones(1000)
    mt.manual_seed(5)
    a = F.dropout(x, 0.5)
    mt.manual_seed(5)
    assert F.dropout(x, 0.5).equal(a)
