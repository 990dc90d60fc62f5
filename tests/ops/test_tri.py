"""Triangles, diagonals and scatters into views."""

import pytest

import minitorch
from tests.ops.harness import Case, make_tests

SQUARES = [[(3, 3)], [(2, 4)], [(4, 2)], [(2, 3, 3)], [(0, 3)], [(40, 33)]]
KS = (-5, -1, 0, 1, 2, 7)

CASES = [
    *(Case(f"tril_{k}", lambda m, x, k=k: m.tril(x, k), shapes=SQUARES, gradgrad=k == 0) for k in KS),
    *(Case(f"triu_{k}", lambda m, x, k=k: m.triu(x, diagonal=k), shapes=SQUARES, gradgrad=k == 0) for k in KS),
    Case("tril_in_place", lambda m, x: (x * 1).tril_(-1), shapes=[[(3, 3)]]),
    Case("triu_in_place", lambda m, x: (x * 1).triu_(), shapes=[[(3, 3)]]),
    Case("diag", lambda m, x: m.diag(x), shapes=[[(3,)], [(3, 3)], [(2, 4)]]),
    Case("diag_above", lambda m, x: m.diag(x, 1), shapes=[[(3,)], [(3, 3)]]),
    Case("diag_below", lambda m, x: x.diag(-2), shapes=[[(2,)], [(4, 3)]]),
    Case("diag_embed", lambda m, x: m.diag_embed(x), shapes=[[(3,)], [(2, 3)], [(0,)]]),
    Case("diag_embed_dims", lambda m, x: m.diag_embed(x, -1, 0, 2), shapes=[[(2, 3)]]),
    Case("diagflat", lambda m, x: m.diagflat(x, 1), shapes=[[(2, 2)], [()]]),
    Case("diagonal_scatter", lambda m, x, v: m.diagonal_scatter(x, v, 1), shapes=[[(3, 3), (2,)]]),
    Case("select_scatter", lambda m, x, v: m.select_scatter(x, v, 1, -1), shapes=[[(2, 3), (2,)], [(2, 3, 2), (2, 2)]]),
    Case("slice_scatter", lambda m, x, v: m.slice_scatter(x, v, 1, 0, 4, 2), shapes=[[(2, 4), (2, 2)]]),
    Case("slice_scatter_all", lambda m, x, v: x.slice_scatter(v), shapes=[[(2, 3), (2, 3)]]),
    Case("vander", lambda m, x: m.vander(x), shapes=[[(3,)]], grad=False),
    Case("vander_increasing", lambda m, x: m.vander(x, 4, increasing=True), shapes=[[(3,)]], grad=False),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize("dtype", ["bool", "int8", "int16", "int64", "float16"])
def test_every_element_size(dtype):
    torch = pytest.importorskip("torch")

    def run(m):
        x = (m.arange(12).reshape(3, 4) % 3).to(getattr(m, dtype))
        return [
            y.tolist()
            for y in (x.tril(), x.triu(1), x.t().tril(-1), x.clone().triu_(), m.diag(x[0]))
        ]

    assert run(minitorch) == run(torch)


@pytest.mark.parametrize("offset", [-2, 0, 1, 9])
def test_indices(offset):
    torch = pytest.importorskip("torch")
    for name in ("tril_indices", "triu_indices"):
        ours = getattr(minitorch, name)(3, 4, offset)
        theirs = getattr(torch, name)(3, 4, offset)
        assert ours.tolist() == theirs.tolist()
        assert ours.dtype is minitorch.int64


def test_gradient_of_vander():  # PyTorch has none
    x = minitorch.tensor([0.5, -1.5, 2.0]).double().requires_grad_()
    assert minitorch.autograd.gradcheck(lambda x: minitorch.vander(x, 4), (x,))


def test_errors():
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        minitorch.ones(3).tril()
    with pytest.raises(RuntimeError, match="cannot be identical"):
        minitorch.ones(3).diag_embed(0, 1, -1)
    with pytest.raises(RuntimeError, match="1D or 2D"):
        minitorch.ones(1, 2, 3).diag()
    with pytest.raises(RuntimeError, match="src size"):
        minitorch.ones(2, 3).select_scatter(minitorch.ones(3), 1, 0)
    with pytest.raises(IndexError, match="out of range"):
        minitorch.ones(2, 3).select_scatter(minitorch.ones(2), 1, 3)
