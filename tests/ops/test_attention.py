"""Scaled dot-product attention."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def sdpa(**options):
    """Attention as a case's function."""
    return lambda m, q, k, v: m.nn.functional.scaled_dot_product_attention(q, k, v, **options)


def masked(m, q, k, v, mask):
    """With a mask that takes no gradient."""
    return m.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def bool_mask(rng, shapes):
    """q, k, v and a bool mask in which every query sees a key."""
    mask = rng.random(shapes[3]) > 0.4
    mask[..., 0] = True
    return [*(rng.uniform(-1, 1, s) for s in shapes[:3]), mask]


def heads(m, q, k, v):
    """[batch, time, heads, width] inputs, seen as a transformer sees them."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return m.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


SHAPES = [
    [(2, 1, 3, 2), (2, 1, 4, 2), (2, 1, 4, 3)],
    [(1, 2, 65, 17), (1, 2, 70, 17), (1, 2, 70, 33)],
    [(2, 2, 130, 32), (2, 2, 64, 32), (2, 2, 64, 32)],
    [(1, 1, 5, 8), (1, 1, 200, 8), (1, 1, 200, 80)],
    [(3, 2), (4, 2), (4, 2)],
    [(2, 3, 2), (2, 4, 2), (2, 4, 2)],
    [(2, 1, 2, 3, 2), (2, 2, 1, 4, 2), (1, 2, 2, 4, 2)],
    [(0, 2, 3, 4), (0, 2, 3, 4), (0, 2, 3, 4)],
]
LOOSE = {"bfloat16": (3e-2, 3e-2)}
CASES = [
    Case("plain", sdpa(), SHAPES, tolerance=LOOSE),
    Case("causal", sdpa(is_causal=True), SHAPES, tolerance=LOOSE),
    Case("scale", sdpa(scale=0.3), SHAPES[:2], tolerance=LOOSE),
    Case("heads", heads, [[(2, 70, 2, 32)] * 3, [(1, 3, 2, 2)] * 3], tolerance=LOOSE),
    Case(
        "grouped",
        sdpa(enable_gqa=True),
        [[(2, 4, 3, 2), (2, 2, 4, 2), (2, 2, 4, 2)], [(1, 6, 70, 8), (1, 2, 66, 8), (1, 2, 66, 8)]],
        tolerance=LOOSE,
    ),
    Case(
        "bool mask",
        masked,
        [
            [(2, 2, 70, 8), (2, 2, 66, 8), (2, 2, 66, 8), mask]
            for mask in ((70, 66), (1, 66), (2, 1, 70, 66), (2, 2, 1, 66), (2, 1, 1, 66))
        ]
        + [[(1, 1, 3, 2), (1, 1, 4, 2), (1, 1, 4, 2), (3, 4)]],
        make=bool_mask,
        tolerance=LOOSE,
    ),
    Case(
        "float mask",
        masked,
        [
            [(1, 2, 3, 2), (1, 2, 2, 2), (1, 2, 2, 2), (3, 2)],
            [(1, 2, 70, 8), (1, 2, 66, 8), (1, 2, 66, 8), (70, 66)],
        ],
        tolerance=LOOSE,
    ),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("causal", [False, True])
def test_against_the_formula(causal):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, 100, 24)) for _ in range(3))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(24)
    if causal:
        scores[..., np.triu_indices(100, 1)[0], np.triu_indices(100, 1)[1]] = -np.inf
    p = np.exp(scores - scores.max(-1, keepdims=True))
    want = p / p.sum(-1, keepdims=True) @ v
    q, k, v = map(minitorch.tensor, (q, k, v))
    got = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-9, atol=1e-12)


def test_a_query_that_sees_nothing_gets_zeros():
    q, k, v = (minitorch.randn(1, 1, 70, 4, requires_grad=True) for _ in range(3))
    mask = minitorch.ones(70, 70, dtype=minitorch.bool)
    mask[3] = False
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    assert out[0, 0, 3].tolist() == [0, 0, 0, 0]
    out.sum().backward()
    for x in (q, k, v):
        assert x.grad.isfinite().all()
    assert q.grad[0, 0, 3].tolist() == [0, 0, 0, 0]


def test_large_scores():
    q = minitorch.ones(1, 1, 2, 4) * 100
    v = minitorch.tensor([[[[1.0], [2.0]]]])
    out = F.scaled_dot_product_attention(q, q * minitorch.tensor([[1.0], [2.0]]), v)
    assert out.flatten().tolist() == [2, 2]


def test_nan_spreads_to_the_queries_that_see_it():
    q, k, v = (minitorch.ones(1, 1, 4, 2) for _ in range(3))
    k[0, 0, 2, 0] = float("nan")
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert out.isnan().any(-1).flatten().tolist() == [False, False, True, True]


def test_dropout():
    minitorch.manual_seed(0)
    q, k = minitorch.randn(1, 2, 50, 8), minitorch.randn(1, 2, 50, 8)
    v = minitorch.ones(1, 2, 50, 8, requires_grad=True)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.5)
    assert out.std().item() > 0.01
    assert abs(out.mean().item() - 1) < 0.1
    out.sum().backward()
    assert v.grad.shape == v.shape


def test_the_result_lies_as_the_query_lies():
    x = minitorch.randn(2, 9, 3, 4)
    out = F.scaled_dot_product_attention(*(x.transpose(1, 2) for _ in range(3)))
    assert out.transpose(1, 2).is_contiguous()
    assert F.scaled_dot_product_attention(x, x, x).is_contiguous()


def test_bad_arguments():
    q, k = minitorch.zeros(2, 3, 4), minitorch.zeros(2, 5, 3)
    with pytest.raises(RuntimeError, match=r"\[2, 3, 4\].*\[2, 5, 3\]"):
        F.scaled_dot_product_attention(q, k, k)
    with pytest.raises(RuntimeError, match="at least 2 dimensional"):
        F.scaled_dot_product_attention(q[0, 0], q, q)
    with pytest.raises(RuntimeError, match="same dtype"):
        F.scaled_dot_product_attention(q, q.double(), q)
    with pytest.raises(RuntimeError, match="is_causal"):
        F.scaled_dot_product_attention(q, q, q, q @ q.transpose(1, 2), is_causal=True)
    with pytest.raises(RuntimeError, match=r"\[7, 7\]"):
        F.scaled_dot_product_attention(q, q, q, minitorch.zeros(7, 7))
    with pytest.raises(RuntimeError, match="attn_mask dtype"):
        F.scaled_dot_product_attention(q, q, q, minitorch.zeros(3, 3, dtype=minitorch.int64))
    x = minitorch.zeros(1, 3, 4, 2)
    with pytest.raises(RuntimeError, match="multiple"):
        F.scaled_dot_product_attention(x, x[:, :2], x[:, :2], enable_gqa=True)


def test_same_bits_for_any_number_of_threads():
    x = minitorch.sin(minitorch.arange(3 * 2 * 150 * 16, dtype=minitorch.float32)).reshape(
        3, 2, 150, 16
    )
    before = minitorch.get_num_threads()
    results = set()
    try:
        for n in (1, 2, 3):
            minitorch.set_num_threads(n)
            q, k, v = (x.clone().requires_grad_() for _ in range(3))
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            out.backward(x)
            results.add(
                b"".join(t.detach().numpy().tobytes() for t in (out, q.grad, k.grad, v.grad))
            )
    finally:
        minitorch.set_num_threads(before)
    assert len(results) == 1
