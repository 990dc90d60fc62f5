"""Products of matrices and vectors.

Every product saves its operands, and only those that a gradient needs; the gradients are one product
each, in which transposed operands are read in place:

    z = x @ y        dx = dz @ y^T        dy = x^T @ dz        (summed over broadcast batch dims)
"""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ..autograd import inplace as _inplace
from ._register import FUNCTIONS, METHODS, Node, alias, function, inplace, op, record, write_out

_c_matmul = _C.matmul


def _product_grads(dz, x, y, shapes, needs_x, needs_y):
    """Gradients of x @ y; differentiable themselves where gradients are enabled."""
    x_shape, y_shape = shapes
    if not _C.is_grad_enabled():
        return (
            _C.matmul_grad_a(dz, y, x_shape) if needs_x else None,
            _C.matmul_grad_b(dz, x, y_shape) if needs_y else None,
        )
    x_vector, y_vector = len(x_shape) == 1, len(y_shape) == 1
    if x_vector and y_vector:
        return (dz * y if needs_x else None), (dz * x if needs_y else None)
    dx = dy = None
    if y_vector:
        dz = dz.unsqueeze(-1)
    if x_vector:
        dz = dz.unsqueeze(-2)
    if needs_x:
        dx = matmul(dz, (y.unsqueeze(-1) if y_vector else y).transpose(-2, -1))
        if x_vector:
            dx = dx.squeeze(-2)
    if needs_y:
        if len(y_shape) == 2 and not x_vector:
            x, dz = x.reshape(-1, x_shape[-1]), dz.reshape(-1, y_shape[-1])
        dy = matmul((x.unsqueeze(0) if x_vector else x).transpose(-2, -1), dz)
        if y_vector:
            dy = dy.squeeze(-1)
    return dx, dy


class MatMul(Node):
    """z = x @ y"""

    __slots__ = ("shapes",)

    def backward(self, dz):
        x, y = self.saved
        return _product_grads(dz, x, y, self.shapes, self.needs(0), self.needs(1))


def _record_product(z, x, y):
    saved = (x if y.requires_grad else None, y if x.requires_grad else None)
    record(MatMul, z, (x, y), saved).shapes = (x.shape, y.shape)


@op
def matmul(input, other, *, out=None):
    """Matrix product of vectors, matrices or stacks of matrices.

    Args:
        input: (k), or (..., m, k).
        other: (k), or (..., k, n); the leading dims broadcast.
        out: tensor to write to.

    Returns:
        (..., m, n), without m or n where an argument is a vector.

    Raises:
        RuntimeError: shapes that do not fit, different dtypes, or bool.
    """
    if _amp.enabled:
        input, other = _amp.low(input, other)
    z = _c_matmul(input, other)
    if z.requires_grad:
        _record_product(z, input, other)
    return z if out is None else write_out(out, z, "matmul")


def _product(name, doc):
    kernel = getattr(_C, name)

    def f(input, other, *, out=None):
        z = kernel(input, other)
        if z.requires_grad:
            _record_product(z, input, other)
        return z if out is None else write_out(out, z, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    return f


_mm = _product("mm", "")
_bmm = _product("bmm", "")
_mv = _product("mv", "")
_dot = _product("dot", "")


@op
def mm(input, mat2, *, out=None):
    """Product of two matrices: (m, k) by (k, n)."""
    if _amp.enabled:
        input, mat2 = _amp.low(input, mat2)
    return _mm(input, mat2, out=out)


@function
def _int_mm(input, mat2, *, out=None):
    """Product of two int8 matrices, (m, k) by (k, n), exact in int32."""
    z = _C._int_mm(input, mat2)
    return z if out is None else write_out(out, z, "_int_mm")


@op
def bmm(input, mat2, *, out=None):
    """Product of two stacks of matrices: (b, m, k) by (b, k, n)."""
    if _amp.enabled:
        input, mat2 = _amp.low(input, mat2)
    return _bmm(input, mat2, out=out)


@op
def mv(input, vec, *, out=None):
    """Product of a matrix (m, k) and a vector (k)."""
    return _mv(input, vec, out=out)


@op
def dot(input, tensor, *, out=None):
    """Sum of the products of two vectors of the same length."""
    return _dot(input, tensor, out=out)


@op
def vdot(input, other, *, out=None):
    """Dot product of two vectors (the first conjugated, were it complex)."""
    return _dot(input, other, out=out)


@op
def inner(input, other, *, out=None):
    """Sums of products along the last dims; the product where either is 0-dimensional."""
    if input.dim() == 0 or other.dim() == 0:
        z = input * other
    else:
        if input.shape[-1] != other.shape[-1]:
            raise RuntimeError(
                f"inner(): the last dimension must match on both input tensors but got shapes "
                f"{list(input.shape)} and {list(other.shape)}"
            )
        z = FUNCTIONS["tensordot"](input, other, dims=([-1], [-1]))
    return z if out is None else write_out(out, z, "inner")


@op
def outer(input, vec2, *, out=None):
    """All products of the elements of two vectors: (n) and (m) give (n, m)."""
    if input.dim() != 1 or vec2.dim() != 1:
        raise RuntimeError(
            f"outer(): expected 1-D vectors, got shapes {list(input.shape)} and {list(vec2.shape)}"
        )
    z = input.unsqueeze(1) * vec2
    return z if out is None else write_out(out, z, "outer")


alias("ger", outer)


# --- beta * input + alpha * product


class AddProduct(Node):
    """z = beta * input + alpha * (x @ y); addbmm sums the product over its first dim"""

    __slots__ = ("alpha", "batches", "beta", "shapes")

    def backward(self, dz):
        x, y = self.saved
        beta, alpha = self.beta, self.alpha
        d_input = None
        if self.needs(0):
            d_input = dz if beta == 1 else dz * beta
        dx = dy = None
        if self.needs(1) or self.needs(2):
            dp = dz if alpha == 1 else dz * alpha
            if self.batches is not None:
                dp = dp.expand(self.batches, *dp.shape)
            dx, dy = _product_grads(dp, x, y, self.shapes, self.needs(1), self.needs(2))
        return d_input, dx, dy


def _added(name, names, doc):
    """Defines minitorch.<name>, Tensor.<name> and Tensor.<name>_."""
    kernel, overwrite = getattr(_C, name), getattr(_C, name + "_")
    summed = name == "addbmm"

    def call(input, x, y, beta, alpha, out):
        z = kernel(input, x, y, beta, alpha)
        if z.requires_grad:
            saved = (x if y.requires_grad else None, y if x.requires_grad else None)
            node = record(AddProduct, z, (input, x, y), saved)
            node.beta, node.alpha = beta, alpha
            node.shapes = (x.shape, y.shape)
            node.batches = x.shape[0] if summed else None
        return z if out is None else write_out(out, z, name)

    def change(self, x, y, beta, alpha):
        if _inplace.tracked(self, (x, y)):
            _inplace.check(self, name + "_")
            return _inplace.assign(self, call(self.clone(), x, y, beta, alpha, None), name + "_")
        if self._inference:
            _inplace.check(self, name + "_")
        overwrite(self, x, y, beta, alpha)
        return self

    if names == ("mat1", "mat2"):

        def f(input, mat1, mat2, *, beta=1, alpha=1, out=None):
            return call(input, mat1, mat2, beta, alpha, out)

        def f_(self, mat1, mat2, *, beta=1, alpha=1):
            return change(self, mat1, mat2, beta, alpha)

    elif names == ("mat", "vec"):

        def f(input, mat, vec, *, beta=1, alpha=1, out=None):
            return call(input, mat, vec, beta, alpha, out)

        def f_(self, mat, vec, *, beta=1, alpha=1):
            return change(self, mat, vec, beta, alpha)

    else:

        def f(input, batch1, batch2, *, beta=1, alpha=1, out=None):
            return call(input, batch1, batch2, beta, alpha, out)

        def f_(self, batch1, batch2, *, beta=1, alpha=1):
            return change(self, batch1, batch2, beta, alpha)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    f_.__name__ = f_.__qualname__ = name + "_"
    f_.__doc__ = f"In-place form of {name}."
    METHODS[name + "_"] = f_
    return op(f)


addmm = _added(
    "addmm",
    ("mat1", "mat2"),
    "beta * input + alpha * (mat1 @ mat2) for matrices (m, k) and (k, n).",
)
addmv = _added("addmv", ("mat", "vec"), "beta * input + alpha * (mat @ vec) for (m, k) and (k).")
baddbmm = _added(
    "baddbmm",
    ("batch1", "batch2"),
    "beta * input + alpha * (batch1 @ batch2) for stacks (b, m, k) and (b, k, n).",
)
addbmm = _added(
    "addbmm",
    ("batch1", "batch2"),
    "beta * input + alpha * the sum over b of batch1[b] @ batch2[b].",
)
FUNCTIONS["addmv_"] = METHODS["addmv_"]


class AddOuter(Node):
    """z = beta * input + alpha * x y^T"""

    __slots__ = ("alpha", "beta")

    def backward(self, dz):
        x, y = self.saved
        beta, alpha = self.beta, self.alpha
        dp = dz if alpha == 1 else dz * alpha
        return (
            (dz if beta == 1 else dz * beta) if self.needs(0) else None,
            mv(dp, y) if self.needs(1) else None,
            mv(dp.t(), x) if self.needs(2) else None,
        )


@op
def addr(input, vec1, vec2, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * outer(vec1, vec2)."""
    if vec1.dim() != 1 or vec2.dim() != 1:
        raise RuntimeError(
            f"addr(): expected 1-D vectors, got shapes {list(vec1.shape)} and {list(vec2.shape)}"
        )
    shape = (vec1.shape[0], vec2.shape[0])
    base = input.expand(shape)
    z = _C.mul(vec1.unsqueeze(1), vec2)
    if alpha != 1:
        z = _C.mul(z, alpha)
    if beta != 0:
        z = _C.add(base if beta == 1 else _C.mul(base, beta), z)
    if _C.is_grad_enabled() and (input.requires_grad or z.requires_grad):
        node = record(AddOuter, z, (input, vec1, vec2), (vec1, vec2))
        node.beta, node.alpha = beta, alpha
    return z if out is None else write_out(out, z, "addr")


inplace(addr)


@function
def chain_matmul(*matrices, out=None):
    """Product of several matrices, in the order that takes the fewest multiplications."""
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = matrices[0]
    for t in matrices:
        if t.dim() != 2:
            raise RuntimeError(f"chain_matmul(): expected 2D tensors, got shape {list(t.shape)}")
    z = matrices[0] if len(matrices) == 1 else multiply_chain(matrices)
    return z if out is None else write_out(out, z, "chain_matmul")


def multiply_chain(matrices):
    """The product of matrices by dynamic programming over where the chain is cut last."""
    n = len(matrices)
    sizes = [t.shape[0] for t in matrices] + [matrices[-1].shape[1]]
    cost = [[0] * n for _ in range(n)]
    cut = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][s] + cost[s + 1][j] + sizes[i] * sizes[s + 1] * sizes[j + 1], s)
                for s in range(i, j)
            )

    def product(i, j):
        if i == j:
            return matrices[i]
        s = cut[i][j]
        return mm(product(i, s), product(s + 1, j))

    return product(0, n - 1)
