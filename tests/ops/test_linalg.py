"""Linear algebra: norms, factorisations, inverses, systems."""

import math

import numpy as np
import pytest

import minitorch as mt
from minitorch import linalg

from .harness import Case, make_tests

DTYPES = ("float64", "float32")
LOOSE = {"float32": (1e-3, 1e-4), "float64": (1e-7, 1e-7)}


def matrices(rng, shapes):
    """Matrices whose singular values are well apart."""
    result = []
    for shape in shapes:
        a = rng.uniform(-1, 1, shape)
        if len(shape) >= 2 and a.size:
            n = min(shape[-2:])
            a[..., range(n), range(n)] += 1 + 1.5 * np.arange(n)
        result.append(a)
    return result


def definite(rng, shapes):
    (a,) = matrices(rng, shapes)
    return [a @ np.swapaxes(a, -1, -2) + 0.5 * np.eye(a.shape[-1])]


def case(name, f, shapes, make=None, **options):
    return Case(name, f, shapes, dtypes=DTYPES, tolerance=LOOSE, make=make, **options)


def symmetric(x):
    return (x + x.transpose(-2, -1)) / 2


ORDS = (None, 2, 1, 0, 3, 0.5, -1, math.inf, -math.inf)
SQUARE = [[(2, 2)], [(3, 3)], [(2, 2, 2)], [(0, 3, 3)], [(1, 1)]]

CASES = [
    case(
        f"vector_norm {p}",
        lambda m, x, p=p: m.linalg.vector_norm(x, **({} if p is None else {"ord": p})),
        [[(4,)], [(2, 3)]],
        low=0.5,
        gradgrad=p in (None, 2, 3),
    )
    for p in ORDS
]
CASES += [
    case(
        f"matrix_norm {p}",
        lambda m, x, p=p: m.linalg.matrix_norm(x, p),
        [[(2, 3)], [(2, 3, 2)]],
        matrices,
        gradgrad=p == "fro",
    )
    for p in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
]
CASES += [
    case(
        "vector_norm_dims",
        lambda m, x: m.linalg.vector_norm(x, 2, dim=(0, -1), keepdim=True),
        [[(2, 2, 3)]],
    ),
    case(
        "vector_norm_dim", lambda m, x: m.linalg.vector_norm(x, 3, dim=1), [[(2, 3)], [(2, 3, 2)]]
    ),
    case("norm_of_scalar", lambda m, x: m.linalg.vector_norm(x), [[()]]),
    case("linalg_norm", lambda m, x: m.linalg.norm(x), [[(4,)], [(2, 3)], [(2, 3, 2)]]),
    case(
        "linalg_norm_nuc",
        lambda m, x: m.linalg.norm(x, "nuc"),
        [[(2, 3)]],
        matrices,
        gradgrad=False,
    ),
    case(
        "linalg_norm_dim",
        lambda m, x: m.linalg.norm(x, 1, dim=(0, 2)),
        [[(2, 2, 3)]],
        gradgrad=False,
    ),
    case("norm", lambda m, x: m.norm(x), [[(4,)], [(2, 3)], [(0,)]]),
    case("norm_dim", lambda m, x: m.norm(x, p=2, dim=0, keepdim=True), [[(2, 3)]]),
    case("norm_method", lambda m, x: x.norm(1), [[(2, 3)]], low=0.5, gradgrad=False),
    case("norm_nuc", lambda m, x: m.norm(x, p="nuc"), [[(3, 2)]], matrices, gradgrad=False),
    case("dist", lambda m, x, y: m.dist(x, y, 2), [[(2, 3), (3,)]]),
    case("vecdot", lambda m, x, y: m.linalg.vecdot(x, y, dim=0), [[(2, 3), (2, 3)]]),
    case(
        "linalg_cross", lambda m, x, y: m.linalg.cross(x, y), [[(2, 3), (2, 3)], [(1, 3), (4, 3)]]
    ),
    case("cross_dim", lambda m, x, y: m.cross(x, y, dim=0), [[(3, 2), (3, 2)]]),
    case("inv", lambda m, x: m.linalg.inv(x), SQUARE, matrices),
    case("inverse", lambda m, x: x.inverse(), [[(2, 2)]], matrices),
    case("det", lambda m, x: m.linalg.det(x), SQUARE, matrices),
    case("slogdet", lambda m, x: tuple(m.linalg.slogdet(x)), SQUARE, matrices),
    case("logdet", lambda m, x: m.logdet(x), [[(2, 2)], [(2, 3, 3)]], definite),
    case(
        "solve",
        lambda m, a, b: m.linalg.solve(a, b),
        [
            [(2, 2), (2, 3)],
            [(2, 2), (2,)],
            [(2, 2, 2), (2, 2)],
            [(3, 3), (2, 3, 1)],
            [(2, 3, 3), (2, 3, 2)],
        ],
        matrices,
    ),
    case(
        "solve_right",
        lambda m, a, b: m.linalg.solve(a, b, left=False),
        [[(2, 2), (3, 2)]],
        matrices,
    ),
    case(
        "solve_triangular",
        lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True),
        [[(2, 2), (2, 3)]],
        matrices,
    ),
    case("cholesky", lambda m, x: m.linalg.cholesky(symmetric(x)), SQUARE[:3], definite),
    case("cholesky_upper", lambda m, x: m.cholesky(symmetric(x), upper=True), [[(3, 3)]], definite),
    case(
        "qr",
        lambda m, x: tuple(m.linalg.qr(x)),
        [[(3, 2)], [(2, 2)], [(2, 3)], [(2, 3, 2)]],
        matrices,
    ),
    case(
        "eigh",
        lambda m, x: (m.linalg.eigh(symmetric(x))[0], m.linalg.eigh(symmetric(x))[1].abs()),
        SQUARE[:3],
        definite,
    ),
    case("eigvalsh", lambda m, x: m.linalg.eigvalsh(symmetric(x)), [[(3, 3)]], definite),
    case(
        "svd",
        lambda m, x: tuple(t.abs() for t in m.linalg.svd(x, full_matrices=False)),
        [[(2, 2)], [(3, 2)], [(2, 3)], [(2, 3, 2)]],
        matrices,
    ),
    case("svdvals", lambda m, x: m.linalg.svdvals(x), [[(3, 2)], [(2, 2, 3)]], matrices),
    case("svd_old", lambda m, x: m.svd(x)[1], [[(3, 2)]], matrices),
    case(
        "pinv",
        lambda m, x: m.linalg.pinv(x),
        [[(2, 2)], [(3, 2)], [(2, 3)], [(2, 3, 2)], [(0, 2)]],
        matrices,
    ),
    case("pinverse", lambda m, x: m.pinverse(x), [[(3, 2)]], matrices),
    case(
        "lstsq",
        lambda m, a, b: m.linalg.lstsq(a, b)[0],
        [[(3, 2), (3, 2)], [(2, 2), (2, 1)], [(2, 3, 2), (2, 3, 2)]],
        matrices,
    ),
    case("cond", lambda m, x: m.linalg.cond(x), [[(2, 2)], [(2, 3, 2)]], matrices, gradgrad=False),
    case("cond_1", lambda m, x: m.linalg.cond(x, 1), [[(2, 2)]], matrices, grad=False),
    *(
        case(
            f"matrix_power {n}",
            lambda m, x, n=n: m.linalg.matrix_power(x, n),
            [[(2, 2)], [(2, 2, 2)]],
            matrices,
            grad=n != 0,
        )
        for n in (0, 1, 2, 5, -1, -3)
    ),
    case(
        "multi_dot",
        lambda m, *xs: m.linalg.multi_dot(xs),
        [[(2, 3), (3, 2)], [(3,), (3, 2), (2, 2), (2,)], [(5, 20), (20, 3), (3, 30)]],
    ),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 3)])
def test_factors_multiply_back(shape):
    a = mt.from_numpy(np.random.default_rng(0).standard_normal(shape))
    for full in (False, True):
        u, s, vh = linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        back = (u.narrow(-1, 0, k) * s.unsqueeze(-2)) @ vh.narrow(-2, 0, k)
        np.testing.assert_allclose(back.numpy(), a.numpy(), atol=1e-12)
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(a, mode)
        np.testing.assert_allclose((q @ r).numpy(), a.numpy(), atol=1e-12)
        eye = np.broadcast_to(np.eye(q.shape[-1]), (q.mT @ q).shape)
        np.testing.assert_allclose((q.mT @ q).numpy(), eye, atol=1e-12)


def test_determinant_of_a_singular_matrix_has_a_gradient():
    a = mt.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=mt.float64, requires_grad=True)
    linalg.det(a).backward()
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)


def test_norm_at_zero_has_gradient_zero():
    x = mt.zeros(3, requires_grad=True)
    linalg.vector_norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_norm_of_half_does_not_overflow_on_the_way():
    x = mt.full((4,), 300.0, dtype=mt.float16)
    assert linalg.vector_norm(x).item() == 600.0
    assert linalg.vector_norm(x, 4).dtype == mt.float16


def test_rank():
    a = np.eye(4)
    a[3, 3] = 1e-20
    assert linalg.matrix_rank(mt.from_numpy(a)).item() == 3
    assert linalg.matrix_rank(mt.from_numpy(a), hermitian=True).item() == 3
    assert linalg.matrix_rank(mt.from_numpy(a), atol=2.0).item() == 0
    assert linalg.matrix_rank(mt.ones(2, 3, 4)).tolist() == [1, 1]


def test_least_squares_fields():
    a = mt.from_numpy(np.random.default_rng(1).standard_normal((6, 2)))
    b = mt.from_numpy(np.random.default_rng(2).standard_normal((6, 3)))
    result = linalg.lstsq(a, b, driver="gelsd")
    want = np.linalg.lstsq(a.numpy(), b.numpy(), rcond=None)
    np.testing.assert_allclose(result.solution.numpy(), want[0])
    np.testing.assert_allclose(result.residuals.numpy(), want[1])
    assert result.rank.item() == 2
    np.testing.assert_allclose(result.singular_values.numpy(), want[3])
    assert linalg.lstsq(a, b).residuals.numel() == 0


def test_out():
    a = mt.eye(2) * 2
    out = mt.empty(2, 2)
    assert linalg.inv(a, out=out) is out
    assert out.tolist() == [[0.5, 0.0], [0.0, 0.5]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linalg.inv(mt.ones(2, 3)), "square"),
        (lambda: linalg.inv(mt.ones(2)), "at least 2 dimensions"),
        (lambda: linalg.det(mt.ones(2, 2).long()), "floating point"),
        (lambda: linalg.inv(mt.ones(2, 2).half()), "Low precision"),
        (lambda: linalg.solve(mt.eye(2), mt.ones(3, 1)), "Incompatible shapes"),
        (lambda: linalg.solve(mt.eye(2), mt.ones(2).double()), "same dtype"),
        (lambda: linalg.qr(mt.eye(2), mode="x"), "unrecognized mode"),
        (lambda: linalg.eigh(mt.eye(2), "X"), "UPLO"),
        (lambda: linalg.matrix_norm(mt.eye(2), 7), "not supported"),
        (lambda: linalg.vector_norm(mt.ones(0), math.inf), "empty"),
        (lambda: linalg.norm(mt.ones(2, 2, 2), 2), "1D or 2D"),
        (lambda: linalg.cross(mt.ones(2), mt.ones(2)), "length 3"),
        (lambda: linalg.multi_dot([mt.ones(2)]), "at least 2 tensors"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


def test_singular_matrices_raise_lin_alg_error():
    for call in (
        lambda: linalg.inv(mt.zeros(2, 2)),
        lambda: linalg.solve(mt.zeros(2, 2), mt.ones(2)),
    ):
        with pytest.raises(linalg.LinAlgError, match="Singular"):
            call()
    with pytest.raises(linalg.LinAlgError, match="positive definite"):
        linalg.cholesky(-mt.eye(2))
