"""Multi-head attention as a function of its weights."""

from __future__ import annotations

from ..ops import cat, zeros
from . import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor


def _bool(t: Tensor) -> bool:
    return str(t.dtype).endswith("bool")


def _additive_mask(mask: Tensor | None, name: str, like: Tensor) -> Tensor | None:
    """A mask to add to the scores: -inf where a boolean mask is True."""
    if mask is None:
        return None
    if _bool(mask):
        return zeros(mask.shape, dtype=like.dtype, device=mask.device).masked_fill_(
            mask, float("-inf")
        )
    if not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask


def _project(
    query: Tensor, key: Tensor, value: Tensor, weight: Any, bias: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """The three projections; one matrix product where the inputs are the same tensor."""
    e = query.size(-1)
    if key is value:
        if query is key:
            # The product's copy in the order (3, L, N, E) keeps q, k and v contiguous.
            joint = F.linear(query, weight, bias).unflatten(-1, (3, e)).unsqueeze(0)
            q, k, v = joint.transpose(0, -2).squeeze(-2).contiguous().unbind(0)
            return q, k, v
        w_q, w_kv = weight.split([e, 2 * e])
        b_q, b_kv = (None, None) if bias is None else bias.split([e, 2 * e])
        joint = F.linear(key, w_kv, b_kv).unflatten(-1, (2, e)).unsqueeze(0)
        k, v = joint.transpose(0, -2).squeeze(-2).contiguous().unbind(0)
        return F.linear(query, w_q, b_q), k, v
    w_q, w_k, w_v = weight.chunk(3)
    b_q, b_k, b_v = (None, None, None) if bias is None else bias.chunk(3)
    return F.linear(query, w_q, b_q), F.linear(key, w_k, b_k), F.linear(value, w_v, b_v)


def _check_shapes(
    query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Any, attn_mask: Any, heads: int
) -> bool:
    """Whether there is a batch dimension."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"For {dims}-D `query`, expected `key` and `value` to be {dims}-D but found "
            f"{key.dim()}-D and {value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != dims - 1:
        raise AssertionError(
            f"For {dims}-D `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but "
            f"found {key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.dim() not in (2, 3):
        raise AssertionError(
            f"expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor "
            "instead"
        )
    if dims == 2 and attn_mask is not None and attn_mask.dim() == 3:
        want = (heads, query.size(0), key.size(0))
        if tuple(attn_mask.shape) != want:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {want} but got {tuple(attn_mask.shape)}"
            )
    return dims == 3


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads between projections of query, key and value.

    Args:
        query: (L, N, E), or (L, E) without batch.
        key: (S, N, kdim), or (S, kdim).
        value: (S, N, vdim), or (S, vdim).
        embed_dim_to_check: E.
        num_heads: H; divides E.
        in_proj_weight: (3 E, E), the three projections one after another.
        in_proj_bias: (3 E,).
        bias_k: A key (1, 1, E) added to every sequence.
        bias_v: A value (1, 1, E) added to every sequence.
        add_zero_attn: Add a key and a value of zeros.
        dropout_p: Probability of a zero among the weights.
        out_proj_weight: (E, E).
        out_proj_bias: (E,).
        training: Whether dropout applies.
        key_padding_mask: (N, S); True, or -inf, for keys to leave out.
        need_weights: Return the attention weights, too.
        attn_mask: (L, S) or (N H, L, S); True, or -inf, for pairs to leave out.
        use_separate_proj_weight: Project with the three weights that follow.
        q_proj_weight: (E, E).
        k_proj_weight: (E, kdim).
        v_proj_weight: (E, vdim).
        static_k: Projected keys (N H, S, E / H) to use instead.
        static_v: Projected values (N H, S, E / H) to use instead.
        average_attn_weights: Return the mean over the heads.
        is_causal: Says that `attn_mask` is the causal mask.

    Returns:
        The output (L, N, E) and the weights (N, L, S), or (N, H, L, S), or None.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        same_qk, same_kv = query is key, key is value
        query = query.unsqueeze(1)
        key = query if same_qk else key.unsqueeze(1)
        value = key if same_kv else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    tgt_len, bsz, embed_dim = query.shape
    src_len = key.size(0)
    head_dim = embed_dim // num_heads
    if embed_dim != embed_dim_to_check:
        raise AssertionError(
            f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed_dim}"
        )
    if head_dim * num_heads != embed_dim:
        raise AssertionError(f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
            f"{tuple(value.shape[:2])}"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    # The mask itself is needed wherever it must be combined with something else.
    extra_keys = bias_k is not None or add_zero_attn
    if is_causal and key_padding_mask is None and not need_weights and not extra_keys:
        attn_mask = None
    else:
        is_causal = False
        attn_mask = _additive_mask(attn_mask, "attn_mask", query)
    key_padding_mask = _additive_mask(key_padding_mask, "key_padding_mask", query)

    if use_separate_proj_weight:
        b_q, b_k, b_v = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        q = F.linear(query, q_proj_weight, b_q)
        k = F.linear(key, k_proj_weight, b_k)
        v = F.linear(value, v_proj_weight, b_v)
    else:
        q, k, v = _project(query, key, value, in_proj_weight, in_proj_bias)

    if attn_mask is not None:
        if attn_mask.dim() == 2:
            attn_mask = attn_mask.unsqueeze(0)
        want = (attn_mask.size(0), tgt_len, src_len)
        if tuple(attn_mask.shape) != want or want[0] not in (1, bsz * num_heads):
            raise RuntimeError(
                f"The shape of the attn_mask is {tuple(attn_mask.shape)}, but should be "
                f"{(tgt_len, src_len)} or {(bsz * num_heads, tgt_len, src_len)}."
            )
        attn_mask = attn_mask.view(-1, num_heads if want[0] > 1 else 1, tgt_len, src_len)
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (bsz, src_len):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(bsz, src_len)}, but got "
                f"{tuple(key_padding_mask.shape)}"
            )
        padding = key_padding_mask.view(bsz, 1, 1, src_len)
        attn_mask = padding if attn_mask is None else attn_mask + padding

    # (S, N, E) -> (N, H, S, head_dim), with the extra keys and values at the end.
    n_extra = 0
    if bias_k is not None and bias_v is not None:
        k = cat([k, bias_k.repeat(1, bsz, 1)])
        v = cat([v, bias_v.repeat(1, bsz, 1)])
        n_extra += 1

    def heads(t: Tensor) -> Tensor:
        return t.reshape(t.size(0), bsz, num_heads, head_dim).permute(1, 2, 0, 3)

    q = heads(q)
    k = heads(k) if static_k is None else static_k.view(bsz, num_heads, -1, head_dim)
    v = heads(v) if static_v is None else static_v.view(bsz, num_heads, -1, head_dim)
    if add_zero_attn:
        zero = zeros((bsz, num_heads, 1, head_dim), dtype=k.dtype, device=k.device)
        k, v = cat([k, zero], 2), cat([v, zero], 2)
        n_extra += 1
    if n_extra and attn_mask is not None:
        shape = (*attn_mask.shape[:-1], n_extra)
        seen = zeros(shape, dtype=attn_mask.dtype, device=attn_mask.device)
        attn_mask = cat([attn_mask, seen], -1)

    p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = (q * (1.0 / head_dim) ** 0.5) @ k.transpose(-2, -1)
        if attn_mask is not None:
            scores = scores + attn_mask
        weights = F.softmax(scores, dim=-1)
        if p > 0.0:
            weights = F.dropout(weights, p)
        out = weights @ v
        if average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            weights = weights.squeeze(0)
    else:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask, p, is_causal)
    out = out.permute(2, 0, 1, 3).reshape(tgt_len, bsz, embed_dim)
    out = F.linear(out, out_proj_weight, out_proj_bias)
    return (out if batched else out.squeeze(1)), weights
