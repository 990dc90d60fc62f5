"""Linear algebra under the names of torch.linalg."""

from __future__ import annotations

from .ops.linalg_factor import LinAlgError, eigh, eigvalsh, svdvals
from .ops.linalg_factor import linalg_cholesky as cholesky
from .ops.linalg_factor import linalg_qr as qr
from .ops.linalg_factor import linalg_svd as svd
from .ops.linalg_norm import linalg_cross as cross
from .ops.linalg_norm import linalg_norm as norm
from .ops.linalg_norm import matrix_norm, vecdot, vector_norm
from .ops.linalg_solve import (
    cond,
    det,
    inv,
    lstsq,
    matrix_power,
    matrix_rank,
    multi_dot,
    pinv,
    slogdet,
    solve,
    solve_triangular,
)
from .ops.matmul import matmul


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of matrices; a view."""
    return A.diagonal(offset, dim1, dim2)


__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "lstsq",
    "matmul", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet",
    "solve", "solve_triangular", "svd", "svdvals", "vecdot", "vector_norm",
]  # fmt: skip
