"""Recurrent layers and cells against PyTorch's, and packed sequences."""

import numpy as np
import pytest
from nn_helpers import close, compare_layers, load_from_torch, torch

import minitorch

mn, tn = minitorch.nn, torch.nn
mr, tr = minitorch.nn.utils.rnn, torch.nn.utils.rnn
rng = np.random.default_rng(1)


def x(*shape):
    return rng.standard_normal(shape).astype(np.float32)


OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "batch_first": True, "bias": False},
    {"bidirectional": True, "bias": False},
]


@pytest.mark.parametrize("kwargs", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layer(name, kwargs):
    mine, theirs = getattr(mn, name)(3, 5, **kwargs), getattr(tn, name)(3, 5, **kwargs)
    compare_layers(mine, theirs, x(2, 7, 3) if kwargs.get("batch_first") else x(7, 2, 3))


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layer_with_state_and_without_batch(name):
    kwargs = {"num_layers": 2, "bidirectional": True}
    mine, theirs = getattr(mn, name)(3, 5, **kwargs), getattr(tn, name)(3, 5, **kwargs)
    states = [x(4, 2, 5) for _ in range(2 if name == "LSTM" else 1)]

    def call(m, seq, *hx):
        return m(seq, hx if name == "LSTM" else hx[0])

    compare_layers(mine, theirs, x(7, 2, 3), *states, call=call)
    mine.zero_grad()
    theirs.zero_grad()
    compare_layers(mine, theirs, x(7, 3))


def test_relu_rnn_and_projected_lstm():
    compare_layers(mn.RNN(3, 5, nonlinearity="relu"), tn.RNN(3, 5, nonlinearity="relu"), x(6, 2, 3))
    compare_layers(mn.RNN(3, 5, 2, "relu"), tn.RNN(3, 5, 2, "relu"), x(6, 2, 3))
    kwargs = {"proj_size": 2, "num_layers": 2, "bidirectional": True}
    compare_layers(mn.LSTM(3, 5, **kwargs), tn.LSTM(3, 5, **kwargs), x(6, 2, 3))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cell(name, bias):
    mine, theirs = getattr(mn, name)(3, 5, bias), getattr(tn, name)(3, 5, bias)
    compare_layers(mine, theirs, x(4, 3))
    states = [x(4, 5) for _ in range(2 if name == "LSTMCell" else 1)]
    mine.zero_grad()
    theirs.zero_grad()

    def call(m, inp, *hx):
        return m(inp, hx if name == "LSTMCell" else hx[0])

    compare_layers(mine, theirs, x(4, 3), *states, call=call)
    mine.zero_grad()
    theirs.zero_grad()
    compare_layers(mine, theirs, x(3))


def test_relu_cell():
    mine, theirs = mn.RNNCell(3, 5, nonlinearity="relu"), tn.RNNCell(3, 5, nonlinearity="relu")
    compare_layers(mine, theirs, x(4, 3))


@pytest.mark.parametrize("sorted_", [True, False])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_packed_sequence(name, sorted_):
    lengths = [6, 4, 4, 1] if sorted_ else [4, 1, 6, 4]
    kwargs = {"num_layers": 2, "bidirectional": True}
    mine, theirs = getattr(mn, name)(3, 5, **kwargs), getattr(tn, name)(3, 5, **kwargs)
    states = [x(4, 4, 5) for _ in range(2 if name == "LSTM" else 1)]

    def call(m, seq, *hx):
        rnn = mr if isinstance(m, mn.Module) else tr
        packed = rnn.pack_padded_sequence(seq, lengths, enforce_sorted=sorted_)
        out, last = m(packed, hx if name == "LSTM" else hx[0])
        padded, counts = rnn.pad_packed_sequence(out)
        assert counts.tolist() == lengths
        return padded, last

    compare_layers(mine, theirs, x(6, 4, 3), *states, call=call)


def test_dropout_between_layers_only_while_training():
    layer = mn.LSTM(3, 5, 2, dropout=0.5)
    assert repr(layer) == repr(tn.LSTM(3, 5, 2, dropout=0.5))
    inp = minitorch.from_numpy(x(4, 2, 3))
    assert not (layer(inp)[0] == layer(inp)[0]).all()
    layer.eval()
    assert (layer(inp)[0] == layer(inp)[0]).all()
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        mn.LSTM(3, 5, dropout=0.5)


def test_weights_by_layer():
    layer = mn.LSTM(3, 5, 2, bidirectional=True)
    assert layer._all_weights == tn.LSTM(3, 5, 2, bidirectional=True)._all_weights
    assert layer.all_weights[1][0] is layer.weight_ih_l0_reverse
    layer.flatten_parameters()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m(minitorch.ones(3, 2, 4)),
        lambda m: m(minitorch.ones(3, 2, 3), minitorch.ones(1, 3, 5)),
        lambda m: m(minitorch.ones(3, 2, 3), minitorch.ones(2, 5)),
        lambda m: m(minitorch.ones(3)),
    ],
)
def test_bad_inputs(call):
    with pytest.raises((RuntimeError, ValueError)):
        call(mn.GRU(3, 5))


def test_padding_and_packing():
    parts = [x(n, 2) for n in (3, 5, 1)]
    mine = [minitorch.from_numpy(p.copy()) for p in parts]
    theirs = [torch.from_numpy(p.copy()) for p in parts]
    for kwargs in ({}, {"batch_first": True, "padding_value": 2.5}, {"padding_side": "left"}):
        close(mr.pad_sequence(mine, **kwargs), tr.pad_sequence(theirs, **kwargs))
    a = mr.pack_sequence(mine, enforce_sorted=False)
    b = tr.pack_sequence(theirs, enforce_sorted=False)
    for p, q in zip(a, b, strict=True):
        close(p, q)
    padded, counts = mr.pad_packed_sequence(a, batch_first=True, total_length=7)
    want, want_counts = tr.pad_packed_sequence(b, batch_first=True, total_length=7)
    close(padded, want)
    close(counts, want_counts)
    for p, q in zip(mr.unpack_sequence(a), parts, strict=True):
        np.testing.assert_array_equal(p.numpy(), q)
    with pytest.raises(RuntimeError, match="sorted in decreasing order"):
        mr.pack_sequence(mine)
    with pytest.raises(RuntimeError, match="greater than 0"):
        mr.pack_padded_sequence(padded, [3, 0, 1], batch_first=True)
    with pytest.raises(ValueError, match="total_length"):
        mr.pad_packed_sequence(a, total_length=2)


def test_load_from_torch_by_name():
    mine, theirs = mn.GRU(2, 3, 2, bidirectional=True), tn.GRU(2, 3, 2, bidirectional=True)
    load_from_torch(mine, theirs)
    close(mine.weight_hh_l1_reverse, theirs.weight_hh_l1_reverse)
