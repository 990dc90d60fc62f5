"""Distances and similarities."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional
P = (1.0, 2.0, 3.0, float("inf"))


def lrn(size, **options):
    """Local response norm over that many channels."""
    return lambda m, x: m.nn.functional.local_response_norm(x, size, **options)


CASES = [
    *(
        Case(
            f"cdist-{p}",
            lambda m, a, b, p=p: m.cdist(a, b, p),
            [[(3, 2), (4, 2)], [(5, 17), (3, 17)], [(2, 3, 4), (2, 5, 4)], [(0, 3), (2, 3)], [(2, 3), (0, 3)]],
            dtypes=("float32", "float64"),
        )
        for p in P
    ),
    Case("cdist-0.5", lambda m, a, b: m.cdist(a, b, 0.5), [[(3, 2), (4, 2)]], dtypes=("float64",)),
    Case("cdist-0", lambda m, a, b: m.cdist(a, b.round(), 0.0), [[(3, 2), (4, 2)]], dtypes=("float64",), grad=False),
    *(
        Case(
            f"pdist-{p}",
            lambda m, x, p=p: m.nn.functional.pdist(x, p),
            [[(4, 3)], [(2, 20)], [(1, 3)]],
            dtypes=("float32", "float64"),
            gradgrad=p != float("inf"),
        )
        for p in P
    ),
    Case(
        "cosine_similarity",
        lambda m, a, b: m.nn.functional.cosine_similarity(a, b),
        [[(3, 4), (3, 4)], [(3, 4), (1, 4)], [(2, 3, 5), (2, 3, 5)]],
    ),
    Case(
        "cosine_similarity-last",
        lambda m, a, b: m.cosine_similarity(a, b, dim=-1, eps=0.5),
        [[(3, 4), (4,)], [(2, 3), (2, 3)]],
        low=-0.3,
        high=0.3,
        grad=False,  # torch takes the clamp of the norms for the identity
    ),
    *(
        Case(
            f"pairwise_distance-{p}",
            lambda m, a, b, p=p: m.nn.functional.pairwise_distance(a, b, p=p, keepdim=True),
            [[(3, 4), (3, 4)], [(5,), (5,)], [(3, 4), (1, 4)]],
            tolerance={"bfloat16": (3e-2, 3e-2)},
        )
        for p in P[:3]
    ),
    Case("normalize", lambda m, x: m.nn.functional.normalize(x), [[(3, 4)], [(2, 3, 5)]]),
    Case("normalize-p1", lambda m, x: m.nn.functional.normalize(x, p=1, dim=-1), [[(3, 4)], [(2, 3, 5)]]),
    *(
        Case(f"lrn-{size}", lrn(size, alpha=0.3), [[(2, 5, 2)], [(1, 4, 2, 3)]], dtypes=("float32", "float64"))
        for size in (1, 2, 3, 5)
    ),
]  # fmt: skip
globals().update(make_tests(CASES))


def test_close_points_keep_their_distance():
    x = minitorch.tensor([[1000.0, 1000.0]])
    assert abs(minitorch.cdist(x, x + 0.001).item() - 0.001 * np.sqrt(2)) < 1e-4


def test_equal_points_have_no_gradient():
    x = minitorch.ones(2, 3, requires_grad=True)
    for p in (0.5, 1.0, 2.0, float("inf")):
        minitorch.cdist(x, x.detach(), p).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_cdist_passes_nan():
    x = minitorch.zeros(2, 40)
    x[1, 39] = float("nan")
    for p in P:
        assert minitorch.cdist(x, minitorch.zeros(1, 40), p).isnan().flatten().tolist() == [
            False,
            True,
        ]


def test_cosine_similarity_of_short_vectors():
    a, b = (minitorch.tensor(v).double().requires_grad_() for v in ([[0.1, 0.2]], [[-0.2, 0.1]]))
    assert minitorch.autograd.gradcheck(lambda a, b: F.cosine_similarity(a, b, eps=0.5), (a, b))
    zero = minitorch.zeros(1, 3, requires_grad=True)
    F.cosine_similarity(zero, minitorch.ones(1, 3)).backward()
    assert zero.grad.isfinite().all()


def test_normalize_of_zeros():
    assert F.normalize(minitorch.zeros(2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    out = minitorch.empty(2, 3)
    assert F.normalize(minitorch.ones(2, 3), p=1, out=out) is out
    np.testing.assert_allclose(out.numpy(), np.full((2, 3), 1 / 3), rtol=1e-6)


def test_bad_arguments():
    a, b = minitorch.zeros(3, 2), minitorch.zeros(3, 4)
    with pytest.raises(RuntimeError, match=r"columns.*\[3, 2\] and \[3, 4\]"):
        minitorch.cdist(a, b)
    with pytest.raises(RuntimeError, match="negative"):
        minitorch.cdist(a, a, -1.0)
    with pytest.raises(RuntimeError, match="two dimensions"):
        minitorch.cdist(a[0], a)
    with pytest.raises(RuntimeError, match="2D"):
        F.pdist(a[0])
    with pytest.raises(RuntimeError, match="floating"):
        F.cosine_similarity(a.long(), a.long())
    with pytest.raises(ValueError, match="3D"):
        F.local_response_norm(a, 2)
