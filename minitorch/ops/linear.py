"""Linear layers as one node each: the product, the bias and, going back, two products and a sum."""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._register import FUNCTIONS, Node, function, functional, record, write_out
from .activation import gelu, relu

_c_linear = _C.linear


class Linear(Node):
    """y = x W^T + b"""

    __slots__ = ()

    def backward(self, dy):
        x, w = self.saved
        if not _C.is_grad_enabled():
            return _C.linear_backward(dy, x, w, self.needs(2))
        dx = dy @ w if self.needs(0) else None
        rows = dy.reshape(-1, dy.shape[-1])
        dw = rows.t() @ x.reshape(-1, x.shape[-1]) if self.needs(1) else None
        return dx, dw, (rows.sum(0) if self.needs(2) else None)


@functional
def linear(input, weight, bias=None, *, out=None):
    """input @ weight.T + bias over the last dim.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features), or (in_features) for a single output.
        bias: (out_features), or None.

    Returns:
        (..., out_features).
    """
    if _amp.enabled:
        input, weight, bias = _amp.low(input, weight, bias)
    if weight.dim() == 1:
        y = FUNCTIONS["matmul"](input, weight)
        y = y if bias is None else y + bias
    else:
        y = _c_linear(input, weight, bias)
        if y.requires_grad:
            saved = (
                input if weight.requires_grad else None,
                weight if input.requires_grad else None,
            )
            record(Linear, y, (input, weight, bias), saved)
    return y if out is None else write_out(out, y, "linear")


@function
def _addmm_activation(input, mat1, mat2, *, beta=1, alpha=1, use_gelu=False, out=None):
    """relu, or gelu, of beta * input + alpha * (mat1 @ mat2), in one pass over the result.

    Args:
        input: (n), or what broadcasts to (m, n).
        mat1: (m, k).
        mat2: (k, n).
        beta: factor of input.
        alpha: factor of the product.
        use_gelu: gelu instead of relu.
        out: tensor to write to.
    """
    if _C.is_grad_enabled() and (input.requires_grad or mat1.requires_grad or mat2.requires_grad):
        z = FUNCTIONS["addmm"](input, mat1, mat2, beta=beta, alpha=alpha)
        z = gelu(z) if use_gelu else relu(z)
    else:
        z = _C._addmm_activation(input, mat1, mat2, beta, alpha, use_gelu)
    return z if out is None else write_out(out, z, "_addmm_activation")


@functional
def bilinear(input1, input2, weight, bias=None):
    """y[..., o] = sum over i, j of input1[..., i] * weight[o, i, j] * input2[..., j] + bias[o].

    Args:
        input1: (..., in1_features).
        input2: (..., in2_features), with the same leading dims.
        weight: (out_features, in1_features, in2_features).
        bias: (out_features), or None.
    """
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {list(input1.shape)} and "
            f"{list(input2.shape)}"
        )
    out, in1, in2 = weight.shape
    if input1.shape[-1] != in1 or input2.shape[-1] != in2:
        raise RuntimeError(
            f"bilinear(): inputs of {input1.shape[-1]} and {input2.shape[-1]} features do not fit "
            f"weight of shape {list(weight.shape)}"
        )
    # (rows, in1) @ (in1, out * in2), then each row's (out, in2) matrix times its input2.
    x, z = input1.reshape(-1, in1), input2.reshape(-1, in2)
    left = (x @ weight.permute(1, 0, 2).reshape(in1, out * in2)).reshape(-1, out, in2)
    y = (left @ z.unsqueeze(-1)).squeeze(-1).reshape(*input1.shape[:-1], out)
    return y if bias is None else y + bias
