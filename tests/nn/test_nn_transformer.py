"""Attention and Transformer layers against PyTorch's."""

import numpy as np
import pytest
from nn_helpers import compare_layers, torch

import minitorch

mn, tn = minitorch.nn, torch.nn
rng = np.random.default_rng(2)
L, S, N, E, H = 5, 6, 3, 8, 2


def x(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"bias": False, "batch_first": True},
        {"kdim": 6, "vdim": 4},
        {"add_bias_kv": True, "add_zero_attn": True},
    ],
    ids=str,
)
def test_attention_of_three_inputs(kwargs):
    q, k, v = x(L, N, E), x(S, N, kwargs.get("kdim", E)), x(S, N, kwargs.get("vdim", E))
    if kwargs.get("batch_first"):
        q, k, v = (a.swapaxes(0, 1).copy() for a in (q, k, v))
    mine, theirs = mn.MultiheadAttention(E, H, **kwargs), tn.MultiheadAttention(E, H, **kwargs)
    for options in ({}, {"need_weights": False}, {"average_attn_weights": False}):
        mine.zero_grad()
        theirs.zero_grad()
        compare_layers(mine, theirs, q, k, v, **options)


@pytest.mark.parametrize("need_weights", [True, False])
def test_self_attention_and_masks(need_weights):
    padding = np.zeros((N, L), bool)
    padding[1, 3:] = True
    causal = np.triu(np.ones((L, L), bool), 1)
    float_mask = x(N * H, L, L)
    for masks in (
        {},
        {"attn_mask": causal},
        {"attn_mask": causal, "is_causal": True},
        {"attn_mask": float_mask},
        {"key_padding_mask": padding},
        {"key_padding_mask": padding, "attn_mask": causal},
    ):
        mine, theirs = mn.MultiheadAttention(E, H), tn.MultiheadAttention(E, H)

        def call(m, a, **k):
            return m(a, a, a, **k)

        compare_layers(mine, theirs, x(L, N, E), need_weights=need_weights, call=call, **masks)


def test_attention_to_one_memory_and_without_batch():
    def call(m, q, kv):
        return m(q, kv, kv)

    compare_layers(
        mn.MultiheadAttention(E, H), tn.MultiheadAttention(E, H), x(L, N, E), x(S, N, E), call=call
    )
    compare_layers(
        mn.MultiheadAttention(E, H), tn.MultiheadAttention(E, H), x(L, E), x(S, E), call=call
    )


def test_attention_errors():
    m = mn.MultiheadAttention(E, H)
    q = minitorch.ones(L, N, E)
    with pytest.raises(RuntimeError, match="shape of the attn_mask"):
        m(q, q, q, attn_mask=minitorch.ones(L, L + 1))
    with pytest.raises(RuntimeError, match="is_causal"):
        m(q, q, q, is_causal=True)
    with pytest.raises(AssertionError):
        m(q, minitorch.ones(L, E), q)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"norm_first": True, "batch_first": True, "activation": "gelu"},
        {"bias": False, "layer_norm_eps": 1e-3},
    ],
    ids=str,
)
def test_encoder_and_decoder_layers(kwargs):
    options = {"dim_feedforward": 12, "dropout": 0.0, **kwargs}
    mine, theirs = (m.TransformerEncoderLayer(E, H, **options) for m in (mn, tn))
    compare_layers(mine, theirs, x(N, N, E))
    mine, theirs = (m.TransformerDecoderLayer(E, H, **options) for m in (mn, tn))
    compare_layers(mine, theirs, x(N, N, E), x(N, N, E))


def test_encoder_with_masks():
    def make(m):
        layer = m.TransformerEncoderLayer(E, H, 12, dropout=0.0)
        return m.TransformerEncoder(layer, 2, m.LayerNorm(E), enable_nested_tensor=False)

    mask = mn.Transformer.generate_square_subsequent_mask(L).numpy()
    np.testing.assert_array_equal(mask, np.triu(np.full((L, L), -np.inf, np.float32), 1))
    padding = np.zeros((N, L), np.float32)
    padding[0, 4:] = -np.inf
    compare_layers(make(mn), make(tn), x(L, N, E), mask=mask)
    compare_layers(make(mn), make(tn), x(L, N, E), mask=mask, src_key_padding_mask=padding)
    first, second = make(mn).layers
    assert first.linear1.weight is not second.linear1.weight
    assert (first.linear1.weight == second.linear1.weight).all()


def test_whole_transformer():
    args = (E, H, 1, 2, 12, 0.0)
    mine, theirs = mn.Transformer(*args), tn.Transformer(*args)
    compare_layers(mine, theirs, x(S, N, E), x(L, N, E), tol=5e-5)
    with pytest.raises(RuntimeError, match="d_model"):
        mine(minitorch.ones(S, N, E + 1), minitorch.ones(L, N, E))
    with pytest.raises(RuntimeError, match="activation"):
        mn.TransformerEncoderLayer(E, H, activation="swoosh")


def test_sdpa_kernel_accepts_backends():
    from minitorch.nn.attention import SDPBackend, sdpa_kernel

    q = minitorch.ones(1, 1, 2, 4)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        assert mn.functional.scaled_dot_product_attention(q, q, q).shape == (1, 1, 2, 4)
    with pytest.raises(TypeError), sdpa_kernel("flash"):
        pass
