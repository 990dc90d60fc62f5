"""Matrix factorisations: numpy.linalg computes them, their gradients are formulas here.

    cholesky  A = L L^T          dA = L^-T sym(L^T dL) L^-1
    qr        A = Q R            dA = (dQ + Q sym(M)) R^-T,  M = R dR^T - dQ^T Q
    eigh      A = V diag(w) V^T  dA = V (diag(dw) + (V^T dV) / E) V^T,  E_ij = w_j - w_i
    svd       A = U diag(s) V^T  dA = U (skew(U^T dU) / E S + S skew(V^T dV) / E + diag(ds)) V^T + ...
                                 E_ij = s_j^2 - s_i^2
where sym(X) takes the lower triangle for both. The formulas are ordinary ops, so second derivatives
follow from them.
"""

from __future__ import annotations

from .._load import _C
from ._register import FUNCTIONS, Node, function, op, record, write_out


class LinAlgError(RuntimeError):
    """A matrix without the asked-for inverse or factors."""


_types: dict = {}


def named(name, fields, values):
    """The values as a named tuple; the type is made when it is first needed."""
    cls = _types.get(name)
    if cls is None:
        from collections import namedtuple

        cls = _types[name] = namedtuple(name, fields)
    return cls(*values)


def check_matrices(A, name, square=False):
    """Raises unless A is a stack of (square) float32 or float64 matrices."""
    if A.dim() < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {A.shape[-2]} by "
            f"{A.shape[-1]} matrices"
        )
    if not A.dtype.is_floating_point:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {A.dtype}"
        )
    if A.dtype.itemsize < 4:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {A.dtype}")


def to_numpy(A):
    """The values as an array on the CPU, without history."""
    return A.detach().cpu().numpy()


def from_numpy(array, A):
    """A result of numpy.linalg as a tensor on A's device."""
    import numpy as np

    return FUNCTIONS["from_numpy"](np.asarray(array, order="C")).to(A.device)


def guarded(call, name):
    """call() with numpy's LinAlgError as ours."""
    import numpy as np

    try:
        return call()
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {error}") from None


def mT(x):
    """x with its matrices transposed."""
    return x.transpose(-2, -1)


def recording(*tensors):
    """Whether autograd has to see this call."""
    return _C.is_grad_enabled() and any(t.requires_grad for t in tensors)


def _tril(x, diagonal=0):
    return FUNCTIONS["tril"](x, diagonal)


def _solve(A, B, left=True):
    from .linalg_solve import solve

    return solve(A, B, left=left)


class Cholesky(Node):
    """A = L L^T"""

    __slots__ = ()

    def backward(self, dL):
        (L,) = self.saved
        low = _tril(mT(L) @ dL)
        sym = 0.5 * (low + mT(_tril(low, -1)))
        return _solve(L, _solve(mT(L), sym), left=False)


def _cholesky(A, name):
    """L with A = L L^T, from the lower triangle of A."""
    import numpy as np

    a = to_numpy(A)
    L = guarded(lambda: np.linalg.cholesky(a), name)
    L = from_numpy(L, A)
    if recording(A):
        record(Cholesky, L, (A,), (L,))
    return L


def linalg_cholesky(A, *, upper=False, out=None):
    """The lower triangular L with A = L L^T for a symmetric positive definite A: (..., n, n)."""
    check_matrices(A, "linalg.cholesky", square=True)
    L = _cholesky(mT(A) if upper else A, "linalg.cholesky")
    L = mT(L) if upper else L
    return L if out is None else write_out(out, L, "linalg.cholesky")


@op
def cholesky(input, upper=False, *, out=None):
    """The lower (or upper) triangular factor of a symmetric positive definite matrix."""
    check_matrices(input, "cholesky", square=True)
    L = _cholesky(input, "cholesky")
    L = mT(L) if upper else L
    return L if out is None else write_out(out, L, "cholesky")


class QR(Node):
    """A = Q R"""

    __slots__ = ("mode",)

    def backward(self, dQ, dR):
        Q, R = self.saved
        dQ = FUNCTIONS["zeros_like"](Q) if dQ is None else dQ
        dR = FUNCTIONS["zeros_like"](R) if dR is None else dR
        m, n = Q.shape[-2], R.shape[-1]
        if self.mode == "r":
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
                "Please use linalg.qr(A, mode='reduced') if you are going to require gradients."
            )
        if self.mode == "complete" and m > n:
            raise RuntimeError(
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
            )
        if m >= n:
            return self._tall(Q, R, dQ, dR)
        # A = [X Y] = Q [U V]: V = Q^T Y depends on Q, which X alone decides.
        U, V = R.narrow(-1, 0, m), R.narrow(-1, m, n - m)
        Y = Q @ V
        dU, dV = dR.narrow(-1, 0, m), dR.narrow(-1, m, n - m)
        dX = self._tall(Q, U, dQ + Y @ mT(dV), dU)
        return FUNCTIONS["cat"]([dX, Q @ dV], -1)

    @staticmethod
    def _tall(Q, R, dQ, dR):
        M = R @ mT(dR) - mT(dQ) @ Q
        low = _tril(M, -1)
        return _solve(mT(R), dQ + Q @ (_tril(M) + mT(low)), left=False)


def linalg_qr(A, mode="reduced", *, out=None):
    """Q with orthonormal columns and an upper triangular R with A = Q R.

    Args:
        A: (..., m, n).
        mode: "reduced" (Q is m by min(m, n)), "complete" (m by m) or "r" (no Q).

    Returns:
        (Q, R).
    """
    import numpy as np

    check_matrices(A, "linalg.qr")
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    if mode == "r":
        R = from_numpy(np.linalg.qr(to_numpy(A), mode="r"), A)
        Q = R.new_empty(0)
    else:
        Q, R = (from_numpy(x, A) for x in np.linalg.qr(to_numpy(A), mode=mode))
    if recording(A):
        record(QR, (Q, R), (A,), (Q, R)).mode = mode
    result = named("linalg_qr", "Q R", (Q, R))
    return result if out is None else write_out(out, result, "linalg.qr")


@op
def qr(input, some=True, *, out=None):
    """The QR factors of a matrix: see linalg.qr."""
    return linalg_qr(input, "reduced" if some else "complete", out=out)


def _divide_differences(x, e):
    """x / e off the diagonal, 0 on it."""
    eye = FUNCTIONS["eye"](e.shape[-1], dtype=e.dtype)
    return (x / (e + eye)) * (1 - eye)


class Eigh(Node):
    """A = V diag(w) V^T"""

    __slots__ = ()

    def backward(self, dw, dV):
        w, V = self.saved
        if dV is None:
            return (V * dw.unsqueeze(-2)) @ mT(V)
        e = w.unsqueeze(-2) - w.unsqueeze(-1)
        inner = _divide_differences(mT(V) @ dV, e)
        if dw is not None:
            inner = inner + FUNCTIONS["diag_embed"](dw)
        return V @ inner @ mT(V)


def eigh(A, UPLO="L", *, out=None):
    """Eigenvalues, ascending, and eigenvectors of symmetric matrices.

    Args:
        A: (..., n, n), of which one triangle is read.
        UPLO: "L" or "U": which one.

    Returns:
        (eigenvalues, eigenvectors), the vectors as columns.
    """
    import numpy as np

    check_matrices(A, "linalg.eigh", square=True)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    w, V = guarded(lambda: np.linalg.eigh(to_numpy(A), UPLO.upper()), "linalg.eigh")
    w, V = from_numpy(w, A), from_numpy(V, A)
    if recording(A):
        record(Eigh, (w, V), (A,), (w, V))
    result = named("linalg_eigh", "eigenvalues eigenvectors", (w, V))
    return result if out is None else write_out(out, result, "linalg.eigh")


def eigvalsh(A, UPLO="L", *, out=None):
    """Eigenvalues of symmetric matrices, ascending."""
    w = eigh(A, UPLO)[0]
    return w if out is None else write_out(out, w, "linalg.eigvalsh")


class SVD(Node):
    """A = U diag(s) Vh"""

    __slots__ = ()

    def backward(self, dU, ds, dVh):
        U, s, Vh = self.saved
        k = s.shape[-1]
        # With full_matrices the further columns are not determined by A.
        U, Vh = U.narrow(-1, 0, k), Vh.narrow(-2, 0, k)
        m, n = U.shape[-2], Vh.shape[-1]
        if dU is None and dVh is None:
            return (U * ds.unsqueeze(-2)) @ Vh
        S, column = s.unsqueeze(-2), s.unsqueeze(-1)
        e = S * S - column * column
        inner, dA = (0 if ds is None else FUNCTIONS["diag_embed"](ds)), 0
        if dU is not None:
            dU = dU.narrow(-1, 0, k)
            left = mT(U) @ dU
            inner = inner + _divide_differences(left - mT(left), e) * S
            if m > k:
                dA = dA + ((dU - U @ left) / S) @ Vh
        if dVh is not None:
            dVh = dVh.narrow(-2, 0, k)
            right = dVh @ mT(Vh)
            inner = inner + column * _divide_differences(mT(right) - right, e)
            if n > k:
                dA = dA + U @ ((dVh - right @ Vh) / column)
        return U @ inner @ Vh + dA


def linalg_svd(A, full_matrices=True, *, driver=None, out=None):
    """Singular value decomposition A = U diag(S) Vh.

    Args:
        A: (..., m, n).
        full_matrices: U is m by m and Vh n by n; else they have min(m, n) columns and rows.

    Returns:
        (U, S, Vh), singular values descending.
    """
    import numpy as np

    check_matrices(A, "linalg.svd")
    factors = guarded(lambda: np.linalg.svd(to_numpy(A), full_matrices), "linalg.svd")
    U, S, Vh = (from_numpy(x, A) for x in factors)
    if recording(A):
        record(SVD, (U, S, Vh), (A,), (U, S, Vh))
    result = named("linalg_svd", "U S Vh", (U, S, Vh))
    return result if out is None else write_out(out, result, "linalg.svd")


@op
def svd(input, some=True, compute_uv=True, *, out=None):
    """(U, S, V) with input = U diag(S) V^T: see linalg.svd, which returns V^T."""
    if not compute_uv:
        m, n = input.shape[-2:]
        s = svdvals(input)
        batch = tuple(input.shape[:-2])
        zeros = [input.new_zeros((*batch, d, d)) for d in (m, n)]
        result = named("svd", "U S V", (zeros[0], s, zeros[1]))
    else:
        U, S, Vh = linalg_svd(input, not some)
        result = named("svd", "U S V", (U, S, mT(Vh)))
    return result if out is None else write_out(out, result, "svd")


def svdvals(A, *, driver=None, out=None):
    """Singular values, descending: (..., m, n) gives (..., min(m, n))."""
    import numpy as np

    check_matrices(A, "linalg.svdvals")
    if recording(A):
        s = linalg_svd(A, full_matrices=False)[1]
    else:
        call = lambda: np.linalg.svd(to_numpy(A), compute_uv=False)  # noqa: E731
        s = from_numpy(guarded(call, "linalg.svdvals"), A)
    return s if out is None else write_out(out, s, "linalg.svdvals")


@function
def cholesky_inverse(L, upper=False, *, out=None):
    """The inverse of A from its triangular factor."""
    from .linalg_solve import inv

    check_matrices(L, "cholesky_inverse", square=True)
    factor = FUNCTIONS["triu"](L) if upper else _tril(L)
    z = inv(mT(factor) @ factor if upper else factor @ mT(factor))
    return z if out is None else write_out(out, z, "cholesky_inverse")
