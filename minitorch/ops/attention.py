"""Scaled dot-product attention."""

from __future__ import annotations

import math

from .. import _autocast as _amp
from .._load import _C
from ..random import generator_of as _generator_of
from ._compose import gradients
from ._register import FUNCTIONS, Node, functional, record
from .dropout import _check as _check_dropout
from .dropout import _draw as _drop


class Attention(Node):
    """out = softmax(scale q k^T + mask) v"""

    __slots__ = ("options",)

    def backward(self, dout):
        q, k, v, mask, out, lse = self.saved
        needs = self.needs_input_grad
        if _C.is_grad_enabled() or needs[3]:
            return gradients(
                lambda q, k, v, mask: _attention(q, k, v, mask, *self.options),
                (q, k, v, mask),
                needs,
                (dout,),
            )
        return (*_C.attention_backward(dout, out, lse, q, k, v, mask, *self.options), None)


def _weights(q, k, mask, causal, scale):
    """softmax(scale q k^T + mask) in recorded ops; zeros where a query sees no key."""
    scores = (q @ k.transpose(-2, -1)) * scale
    hidden = None
    if causal:
        rows, columns = scores.shape[-2:]
        i = _C.arange(0, rows, 1, _C.int64, q.device).reshape(rows, 1)
        hidden = _C.arange(0, columns, 1, _C.int64, q.device) > i
    if mask is not None:
        if mask.dtype is _C.bool:
            unseen = mask.logical_not()
            hidden = unseen if hidden is None else hidden.logical_or(unseen)
        else:
            scores = scores + mask
    if hidden is not None:
        scores = scores.masked_fill(hidden, -math.inf)
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)


def _attention(q, k, v, mask, causal, scale, gqa, dropout, seed, offset):
    if gqa:
        group = q.shape[-3] // k.shape[-3]
        k, v = k.repeat_interleave(group, -3), v.repeat_interleave(group, -3)
    weights = _weights(q, k, mask, causal, scale)
    return (_drop(weights, dropout, (seed, offset)) if dropout else weights) @ v


@functional
def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(scale * query @ key^T + mask) @ value.

    Args:
        query: [..., L, E].
        key: [..., S, E].
        value: [..., S, Ev]; the leading dims broadcast.
        attn_mask: broadcasts to [..., L, S]: bool (True: takes part) or added to the scores.
        dropout_p: probability of a zero among the weights, which are materialised then, except for
            16-bit operands on a GPU that tensor cores take; the numbers drawn are the same.
        is_causal: query i sees keys 0 to i; not together with attn_mask.
        scale: 1 / sqrt(E) where None.
        enable_gqa: several query heads (dim -3) share a head of key and value.

    Returns:
        [..., L, Ev]; zeros where a query sees no key.
    """
    if _amp.enabled:
        query, key, value, attn_mask = _amp.low(query, key, value, attn_mask)
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "scaled_dot_product_attention(): Explicit attn_mask should not be set when is_causal=True"
        )
    if scale is None:
        width = query.shape[-1] if query.dim() else 0
        scale = 1.0 / math.sqrt(width) if width else math.inf
    seed = offset = 0
    if dropout_p != 0.0:
        _check_dropout(dropout_p, "scaled_dot_product_attention")
        if dropout_p == 1.0 or not _C.attention_drops_in_place(query, key, value):
            if enable_gqa:
                group = query.shape[-3] // key.shape[-3]
                key, value = key.repeat_interleave(group, -3), value.repeat_interleave(group, -3)
            weights = _weights(query, key, attn_mask, is_causal, scale)
            return FUNCTIONS["dropout"](weights, dropout_p, True) @ value
        words = math.prod(query.shape[:-1]) * key.shape[-2]
        if query.dim() > 2 and key.shape[-3] > query.shape[-3]:
            words *= key.shape[-3]
        if words:
            seed, offset = _generator_of(query).reserve(words)
    options = (is_causal, scale, enable_gqa, dropout_p, seed, offset)
    out, lse = _C.attention(query, key, value, attn_mask, *options)
    if out.requires_grad:
        node = record(
            Attention, out, (query, key, value, attn_mask), (query, key, value, attn_mask, out, lse)
        )
        node.options = options
    return out
