"""Losses of pairs of elements."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def pair(low, high, target_low, target_high):
    """Input and target in ranges of their own."""

    def make(rng, shapes):
        ranges = ((low, high), (target_low, target_high))
        return [
            rng.uniform(*r, s)
            for r, s in zip((*ranges, *ranges[:1] * len(shapes)), shapes, strict=False)
        ]

    return make


def vector(m, like):
    """Four numbers of both signs, in the dtype of another tensor."""
    return m.tensor([0.5, -1.0, 2.0, 0.25]).to(like.dtype).to(like.device)


def loss(name, **options):
    """The loss of that name as a case's function."""
    return lambda m, x, t: getattr(m.nn.functional, name)(x, t, **options)


SHAPES = [[(3, 4), (3, 4)], [(), ()], [(2, 700), (2, 700)]]
CASES = [
    Case(
        f"{name}-{reduction}",
        loss(name, reduction=reduction),
        SHAPES,
        make=make,
        # Formulas of several terms, which torch rounds to 8 bits each.
        tolerance={"bfloat16": (4e-2, 4e-2)},
    )
    for name, make in {
        "mse_loss": None,
        "l1_loss": None,
        "smooth_l1_loss": None,
        "huber_loss": None,
        "binary_cross_entropy": pair(0.05, 0.95, 0, 1),
        "binary_cross_entropy_with_logits": pair(-4, 4, 0, 1),
        "kl_div": pair(-3, 0, 0.1, 1),
        "poisson_nll_loss": pair(-2, 2, 0, 3),
    }.items()
    for reduction in ("none", "mean", "sum")
    if (name, reduction) != ("kl_div", "mean")
] + [
    Case("mse-weight", lambda m, x, t, w: m.nn.functional.mse_loss(x, t, weight=w), [[(3, 4)] * 3], low=0.5),
    Case("smooth_l1-beta", loss("smooth_l1_loss", beta=0.3, reduction="sum"), SHAPES),
    Case("smooth_l1-beta0", loss("smooth_l1_loss", beta=0.0), SHAPES),
    Case("huber-delta", loss("huber_loss", delta=0.4), SHAPES),
    Case("kl_div-log", loss("kl_div", log_target=True, reduction="batchmean"), SHAPES, low=-3, high=0),
    Case("kl_div-batchmean", loss("kl_div", reduction="batchmean"), SHAPES, make=pair(-3, 0, 0.1, 1)),
    Case("poisson-rate", loss("poisson_nll_loss", log_input=False), SHAPES, make=pair(0.5, 3, 0, 3)),
    Case("poisson-full", loss("poisson_nll_loss", full=True), SHAPES, make=pair(-2, 2, 0, 5)),
    Case(
        "bce-weight",
        lambda m, x, t: m.nn.functional.binary_cross_entropy(x, t, vector(m, x)),
        [[(3, 4), (3, 4)]],
        low=0.1,
        high=0.9,
    ),
    Case(
        "bce_logits-weights",
        lambda m, x, t: m.nn.functional.binary_cross_entropy_with_logits(
            x, t, vector(m, x), pos_weight=vector(m, x) + 1
        ),
        [[(3, 4), (3, 4)]],
        make=pair(-3, 3, 0, 1),
    ),
    *(
        Case(
            f"soft_margin-{reduction}",
            lambda m, x, reduction=reduction: m.nn.functional.soft_margin_loss(
                x, vector(m, x).sign(), reduction=reduction
            ),
            [[(3, 4)], [(700, 4)]],
        )
        for reduction in ("none", "mean", "sum")
    ),
    Case(
        "gaussian_nll",
        lambda m, x, t, v: m.nn.functional.gaussian_nll_loss(x, t, v, full=True),
        [[(3, 4), (3, 4), (3, 4)], [(3, 4), (3, 4), (3, 1)], [(3, 4), (3, 4), (3,)]],
        low=0.2,
    ),
]  # fmt: skip
globals().update(make_tests(CASES))

F = minitorch.nn.functional


def test_kl_div_target_of_zero_adds_nothing():
    x, t = minitorch.tensor([-1.0, -2.0]), minitorch.tensor([0.0, 1.0])
    assert F.kl_div(x, t, reduction="sum").item() == 2.0


def test_bce_at_the_ends():
    x, t = minitorch.tensor([0.0, 1.0, 0.0]), minitorch.tensor([0.0, 1.0, 1.0])
    assert F.binary_cross_entropy(x, t, reduction="none").tolist() == [0.0, 0.0, 100.0]


def test_bce_logits_far_out():
    x, t = minitorch.tensor([-200.0, 200.0, 200.0]), minitorch.tensor([0.0, 1.0, 0.0])
    assert F.binary_cross_entropy_with_logits(x, t, reduction="none").tolist() == [0.0, 0.0, 200.0]


def test_bce_refuses_what_is_no_probability():
    for bad in (1.5, -0.1, float("nan")):
        with pytest.raises(RuntimeError, match="between 0 and 1"):
            F.binary_cross_entropy(minitorch.tensor([0.5, bad]), minitorch.tensor([0.0, 1.0]))


def test_empty_batches():
    x = minitorch.zeros(0, 3)
    assert np.isnan(F.mse_loss(x, x).item())
    assert F.mse_loss(x, x, reduction="sum").item() == 0
    assert F.mse_loss(x, x, reduction="none").shape == (0, 3)


def test_nan_passes_through():
    x = minitorch.tensor([float("nan"), 1.0], requires_grad=True)
    y = F.l1_loss(x, minitorch.zeros(2), reduction="none")
    assert np.isnan(y[0].item())
    assert y[1].item() == 1


def test_bad_arguments():
    x, t = minitorch.zeros(2, 3), minitorch.zeros(2, 4)
    with pytest.raises(RuntimeError, match=r"\[2, 3\] and \[2, 4\]"), pytest.warns(UserWarning):
        F.mse_loss(x, t)
    with pytest.raises(ValueError, match="average is not a valid"):
        F.mse_loss(x, x, reduction="average")
    with pytest.raises(ValueError, match="must be the same"):
        F.binary_cross_entropy_with_logits(x, t)
    with pytest.raises(RuntimeError, match="non-positive"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(RuntimeError, match="floating"):
        F.mse_loss(x.long(), x.long())
    with pytest.raises(ValueError, match="negative"):
        F.gaussian_nll_loss(x, x, x - 1)


def test_broadcasting_warns():
    with pytest.warns(UserWarning, match="target size"):
        loss = F.mse_loss(minitorch.ones(2, 3), minitorch.zeros(3))
    assert loss.item() == 1


def test_legacy_arguments():
    x, t = minitorch.ones(4), minitorch.zeros(4)
    with pytest.warns(UserWarning, match="deprecated"):
        assert F.mse_loss(x, t, size_average=False).item() == 4
    with pytest.warns(UserWarning, match="deprecated"):
        assert F.mse_loss(x, t, reduce=False).shape == (4,)


def test_same_bits_for_any_number_of_threads():
    x = minitorch.sin(minitorch.arange(1 << 18, dtype=minitorch.float32))
    before = minitorch.get_num_threads()
    results = set()
    try:
        for n in (1, 2, 3):
            minitorch.set_num_threads(n)
            results.add(F.mse_loss(x, x * 0.5, reduction="sum").item())
    finally:
        minitorch.set_num_threads(before)
    assert len(results) == 1


def test_the_same_tensor_as_input_and_target():
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = minitorch.autograd.grad(F.mse_loss(x, x), x, create_graph=True)
    assert g.tolist() == [0, 0]
