"""Inverses, determinants and linear systems: numpy.linalg computes them, the gradients are ours.

inv    Y = A^-1           dA = -Y^T dY Y^T
solve  X = A^-1 B         dB = A^-T dX,  dA = -dB X^T
det    d = det(A)         dA = dd * cofactors(A) = dd * d * A^-T
pinv   P = A^+            dA = -P^T dP P^T + (I - AP) dP^T P P^T + P^T P dP^T (I - PA)
"""

from __future__ import annotations

import math

from .._load import _C
from ._register import FUNCTIONS, Node, op, record, write_out
from .linalg_factor import (
    LinAlgError,
    check_matrices,
    eigh,
    from_numpy,
    guarded,
    linalg_svd,
    mT,
    named,
    recording,
    svdvals,
    to_numpy,
)
from .linalg_norm import matrix_norm
from .matmul import matmul, multiply_chain
from .unary import Constant


class Inverse(Node):
    """Y = A^-1"""

    __slots__ = ()

    def backward(self, dY):
        (Y,) = self.saved
        return -(mT(Y) @ dY @ mT(Y))


def inv(A, *, out=None, name="linalg.inv"):
    """The inverse of square matrices (..., n, n).

    Raises:
        LinAlgError: a singular matrix.
    """
    import numpy as np

    check_matrices(A, name, square=True)
    Y = from_numpy(guarded(lambda: np.linalg.inv(to_numpy(A)), name), A)
    if recording(A):
        record(Inverse, Y, (A,), (Y,))
    return Y if out is None else write_out(out, Y, name)


@op
def inverse(input, *, out=None):
    """The inverse of square matrices."""
    return inv(input, out=out, name="inverse")


class Solve(Node):
    """X = A^-1 B, or B A^-1"""

    __slots__ = ("left", "vector")

    def backward(self, dX):
        A, X = self.saved
        if self.vector:
            dX, X = dX.unsqueeze(-1), X.unsqueeze(-1)
        dB = solve(mT(A), dX, left=self.left)
        dA = None
        if self.needs(0):
            dA = -(dB @ mT(X)) if self.left else -(mT(X) @ dB)
        return dA, (dB.squeeze(-1) if self.vector else dB)


def solve(A, B, *, left=True, out=None):
    """The X with A X = B (or X A = B).

    Args:
        A: (..., n, n).
        B: (..., n, k), or (..., n) for vectors; (..., k, n) where left is false.

    Raises:
        LinAlgError: a singular A.
    """
    import numpy as np

    name = "linalg.solve"
    check_matrices(A, name, square=True)
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found {A.dtype} and {B.dtype}"
        )
    vector = B.dim() == 1 or (A.dim() - 1 == B.dim() and B.shape == A.shape[:-1])
    if vector and not left:
        raise RuntimeError(
            f"{name}: Vector broadcasting of the left hand side is not supported for left=False."
        )
    n = A.shape[-1]
    if (B.shape[-1] if vector else B.shape[-2 if left else -1]) != n:
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({list(A.shape)} and {list(B.shape)})"
        )
    a, b = to_numpy(A), to_numpy(B)
    if vector:
        X = guarded(lambda: np.linalg.solve(a, b[..., None])[..., 0], name)
    elif left:
        X = guarded(lambda: np.linalg.solve(a, b), name)
    else:
        flip = lambda x: np.swapaxes(x, -1, -2)  # noqa: E731
        X = guarded(lambda: flip(np.linalg.solve(flip(a), flip(b))), name)
    X = from_numpy(X, A)
    if recording(A, B):
        node = record(Solve, X, (A, B), (A, X))
        node.left, node.vector = left, vector
    return X if out is None else write_out(out, X, name)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):
    """The X with A X = B (or X A = B) for a triangular A, of which the other triangle is ignored."""
    T = FUNCTIONS["triu" if upper else "tril"](A, (1 if upper else -1) if unitriangular else 0)
    if unitriangular:
        T = T + FUNCTIONS["eye"](A.shape[-1], dtype=A.dtype)
    X = solve(T, B, left=left)
    return X if out is None else write_out(out, X, "linalg.solve_triangular")


@op
def cholesky_solve(B, L, upper=False, *, out=None):
    """The X with A X = B, from the triangular factor of A."""
    first = solve_triangular(mT(L) if upper else L, B, upper=False)
    X = solve_triangular(L if upper else mT(L), first, upper=True)
    return X if out is None else write_out(out, X, "cholesky_solve")


class Det(Node):
    """d = det(A)"""

    __slots__ = ()

    def backward(self, dd):
        A, d = self.saved
        scale = dd.unsqueeze(-1).unsqueeze(-1)
        if not (d == 0).sum().item():
            return scale * d.unsqueeze(-1).unsqueeze(-1) * mT(inv(A))
        # Of a singular matrix the cofactors are those of its factors: A = U diag(s) Vh, whose
        # outer factors have determinants of 1 or -1.
        U, s, Vh = linalg_svd(A)
        others = [
            FUNCTIONS["cat"](
                [s.narrow(-1, 0, i), s.narrow(-1, i + 1, s.shape[-1] - i - 1)], -1
            ).prod(-1)
            for i in range(s.shape[-1])
        ]
        sign = det(U) * det(Vh)
        middle = FUNCTIONS["stack"](others, -1) * sign.unsqueeze(-1)
        return scale * ((U * middle.unsqueeze(-2)) @ Vh)


@op
def det(A, *, out=None):
    """Determinant of square matrices: (..., n, n) gives (...)."""
    import numpy as np

    check_matrices(A, "linalg.det", square=True)
    d = from_numpy(np.asarray(np.linalg.det(to_numpy(A))), A)
    if recording(A):
        record(Det, d, (A,), (A, d))
    return d if out is None else write_out(out, d, "linalg.det")


class Slogdet(Node):
    """sign(det A), log |det A|"""

    __slots__ = ()

    def backward(self, dsign, dlog):
        (A,) = self.saved
        if dlog is None:
            return FUNCTIONS["zeros_like"](A)
        return dlog.unsqueeze(-1).unsqueeze(-1) * mT(inv(A))


@op
def slogdet(A, *, out=None):
    """Sign of the determinant and logarithm of its magnitude."""
    import numpy as np

    check_matrices(A, "linalg.slogdet", square=True)
    sign, log = (from_numpy(np.asarray(x), A) for x in np.linalg.slogdet(to_numpy(A)))
    if recording(A):
        record(Slogdet, (sign, log), (A,), (A,))
    result = named("linalg_slogdet", "sign logabsdet", (sign, log))
    return result if out is None else write_out(out, result, "linalg.slogdet")


@op
def logdet(input):
    """Logarithm of the determinant: NaN where it is negative, -inf where it is zero."""
    sign, log = slogdet(input)
    return log.masked_fill(sign == -1, math.nan)


class PseudoInverse(Node):
    """P = A^+"""

    __slots__ = ()

    def backward(self, dP):
        A, P = self.saved
        PT, dPT = mT(P), mT(dP)
        left, right = dPT @ P, P @ dPT
        dA = -(PT @ dP @ PT)
        dA = dA + (left - A @ (P @ left)) @ PT
        return dA + PT @ (right - (right @ P) @ A)


def _epsilon(dtype):
    return 2.0**-52 if dtype.itemsize == 8 else 2.0**-23


def _tolerance(A, largest, atol, rtol):
    """max(atol, rtol * largest), with rtol = eps * max(m, n) where neither is given."""
    if rtol is None:
        rtol = 0.0 if atol is not None else _epsilon(A.dtype) * max(A.shape[-2:])
    bound = largest * rtol
    return bound if atol is None else FUNCTIONS["maximum"](bound, atol + bound * 0)


def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """The Moore-Penrose inverse of matrices: (..., m, n) gives (..., n, m).

    Args:
        rcond, rtol: singular values at or below rtol times the largest count as zero.
        atol: the same as an absolute bound.
        hermitian: A is symmetric.
    """
    check_matrices(A, "linalg.pinv", square=hermitian)
    rtol = rcond if rtol is None else rtol
    a = A.detach()
    m, n = a.shape[-2:]
    if a.numel() == 0:
        P = a.new_zeros((*a.shape[:-2], n, m))
    else:
        if hermitian:
            w, V = eigh(a)
            sign, s, U, Vh = w.sign(), w.abs(), V, mT(V)
            largest = s.amax(-1, keepdim=True)
        else:
            U, s, Vh = linalg_svd(a, full_matrices=False)
            sign, largest = None, s.narrow(-1, 0, 1)
        bound = _tolerance(a, largest, _column(atol), _column(rtol))
        inverse = s.reciprocal().masked_fill(s <= bound, 0)
        inverse = inverse if sign is None else inverse * sign
        P = (mT(Vh) * inverse.unsqueeze(-2)) @ mT(U)
    if recording(A):
        record(PseudoInverse, P, (A,), (A, P))
    return P if out is None else write_out(out, P, "linalg.pinv")


def _column(tolerance):
    return tolerance.unsqueeze(-1) if isinstance(tolerance, _C.TensorBase) else tolerance


@op
def pinverse(input, rcond=1e-15):
    """The Moore-Penrose inverse: see linalg.pinv."""
    return pinv(input, rcond)


def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None, out=None):
    """How many singular values are not zero within a tolerance; arguments as in pinv."""
    check_matrices(A, "linalg.matrix_rank", square=hermitian)
    atol = tol if atol is None else atol
    a = A.detach()
    s = eigh(a)[0].abs() if hermitian else svdvals(a)
    if s.shape[-1] == 0:
        rank = s.sum(-1).to(_C.int64)
    else:
        bound = _tolerance(a, s.amax(-1, keepdim=True), _column(atol), _column(rtol))
        rank = (s > bound).sum(-1)
    return rank if out is None else write_out(out, rank, "linalg.matrix_rank")


def lstsq(A, B, rcond=None, *, driver=None, out=None):
    """The X that minimises |A X - B|.

    Args:
        A: (..., m, n).
        B: (..., m, k), or (..., m) for vectors.
        rcond: singular values at or below rcond times the largest count as zero.

    Returns:
        (solution, residuals, rank, singular_values), as far as LAPACK's driver of that name gives
        them: residuals of "gelsy" (the default) are empty, and so are those of an A without full
        rank or with m <= n; only "gelsd" and "gelss" give singular values.
    """
    name = "linalg.lstsq"
    check_matrices(A, name)
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}"
        )
    vector = B.dim() == 1 or (A.dim() - 1 == B.dim() and B.shape == A.shape[:-1])
    if B.dtype != A.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but got {A.dtype} and {B.dtype}"
        )
    if B.shape[-1 if vector else -2] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size(-{1 if vector else 2}), got shapes "
            f"{list(A.shape)} and {list(B.shape)}"
        )
    b = B.unsqueeze(-1) if vector else B
    m, n = A.shape[-2:]
    X = matmul(pinv(A, rcond), b)
    a = A.detach()
    s = svdvals(a)
    if driver == "gels":
        rank = a.new_empty((0,), dtype=_C.int64)
        full = True
    else:
        rank = matrix_rank(a, rtol=rcond)
        full = (rank != n).sum().item() == 0
    if m > n and full and driver not in (None, "gelsy"):
        error = matmul(A, X) - b
        residuals = (error * error).sum(-2)
        residuals = residuals.squeeze(-1) if vector else residuals
    else:
        residuals = X.reshape(-1).narrow(0, 0, 0)
    if driver not in ("gelsd", "gelss"):
        s = a.new_empty((0,))
    X = X.squeeze(-1) if vector else X
    fields = "solution residuals rank singular_values"
    result = named("linalg_lstsq", fields, (X, residuals, rank, s))
    return result if out is None else write_out(out, result, name)


def cond(A, p=None, *, out=None):
    """Condition number: norm(A) * norm(inverse of A), by singular values for p of None, 2 and -2."""
    check_matrices(A, "linalg.cond", square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        s = svdvals(A)
        high, low = s.select(-1, 0), s.select(-1, s.shape[-1] - 1)
        y = low / high if p == -2 else high / low
    else:
        try:
            y = matrix_norm(A, p) * matrix_norm(inv(A), p)
        except LinAlgError:
            y = A.new_full(tuple(A.shape[:-2]), math.inf)
    return y if out is None else write_out(out, y, "linalg.cond")


@op
def matrix_power(input, n, *, out=None):
    """The n-th power of square matrices; of their inverses where n is negative."""
    check_matrices(input, "linalg.matrix_power", square=True)
    if n < 0:
        input, n = inv(input, name="linalg.matrix_power"), -n
    if n == 0:
        eye = FUNCTIONS["eye"](input.shape[-1], dtype=input.dtype)
        y = eye.expand(input.shape).clone()
        if recording(input):
            record(Constant, y, (input,))
    else:
        y, square = None, input
        while n:
            if n & 1:
                y = square if y is None else y @ square
            n >>= 1
            square = square @ square if n else square
        y = y.clone() if y is input else y
    return y if out is None else write_out(out, y, "linalg.matrix_power")


def multi_dot(tensors, *, out=None):
    """Product of two or more matrices in the cheapest order; the first and last may be vectors."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    first, last = tensors[0].dim() == 1, tensors[-1].dim() == 1
    if first:
        tensors[0] = tensors[0].unsqueeze(0)
    if last:
        tensors[-1] = tensors[-1].unsqueeze(-1)
    for i, t in enumerate(tensors):
        if t.dim() != 2:
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be 2D but got {t.dim()}D (only the first and the last "
                "may be 1D)"
            )
    y = multiply_chain(tensors)
    y = y.squeeze(0) if first else y
    y = y.squeeze(-1) if last else y
    return y if out is None else write_out(out, y, "linalg.multi_dot")
