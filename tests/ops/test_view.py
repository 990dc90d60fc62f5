"""Views: shapes and strides against torch, shared memory, gradients, errors."""

import pytest

import minitorch as mt

from .harness import Case, make_tests

CASES = [
    Case(
        "reshape", lambda m, x: m.reshape(x, (3, -1)), shapes=[[(2, 6)], [(3, 2, 2)], [(0, 3)]][:2]
    ),
    Case("view", lambda m, x: x.contiguous().view(-1), shapes=[[(2, 3)], [()], [(0, 2)]]),
    Case("transpose", lambda m, x: m.transpose(x, 0, -1), shapes=[[(2, 3)], [(2, 3, 4)], [(5,)]]),
    Case("permute", lambda m, x: m.permute(x, (2, 0, 1)), shapes=[[(2, 3, 4)], [(0, 3, 1)]]),
    Case("movedim", lambda m, x: m.movedim(x, (0, 1), (-1, 0)), shapes=[[(2, 3, 4)]]),
    Case("expand", lambda m, x: x.expand(4, -1, 3), shapes=[[(2, 1)], [(1, 2, 3)]]),
    Case("broadcast_to", lambda m, x: m.broadcast_to(x, (2, 3)), shapes=[[(3,)], [(2, 1)], [()]]),
    Case("unsqueeze", lambda m, x: m.unsqueeze(x, -2), shapes=[[(2, 3)], [(4,)]]),
    Case("squeeze", lambda m, x: m.squeeze(x), shapes=[[(1, 3, 1)], [(2,)], [(1, 1)]]),
    Case("squeeze_dim", lambda m, x: m.squeeze(x, 1), shapes=[[(2, 1, 3)], [(2, 3)]]),
    Case("flatten", lambda m, x: m.flatten(x, 1), shapes=[[(2, 3, 4)], [(2, 3)]]),
    Case("unflatten", lambda m, x: x.unflatten(1, (2, -1)), shapes=[[(3, 6)]]),
    Case("ravel", lambda m, x: m.ravel(x), shapes=[[(2, 3)], [()]]),
    Case("t", lambda m, x: m.t(x), shapes=[[(2, 3)], [(4,)], [()]]),
    Case("T", lambda m, x: x.mT + x.transpose(-1, -2), shapes=[[(2, 3)], [(2, 3, 4)]]),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.reshape(2, 12),
        lambda x: x.transpose(0, 2),
        lambda x: x.permute(1, 2, 0),
        lambda x: x.select(1, 2),
        lambda x: x.narrow(2, 1, 2),
        lambda x: x.unsqueeze(0),
        lambda x: x.diagonal(0, 0, 1),
        lambda x: x.transpose(0, 1).transpose(1, 2),
        lambda x: x.as_strided((2, 2), (1, 5), 3),
        lambda x: x.unfold(2, 2, 1),
        lambda x: x.detach(),
    ],
)
def test_views_share_memory_and_have_torch_strides(view):
    torch = pytest.importorskip("torch")
    x = mt.arange(24).reshape(2, 3, 4)
    y, want = view(x), view(torch.arange(24).reshape(2, 3, 4))
    assert y.stride() == want.stride() and y.storage_offset() == want.storage_offset()
    assert y.tolist() == want.tolist()
    y.fill_(-1)
    assert -1 in x.reshape(-1).tolist()


def test_view_of_a_transposed_tensor_needs_a_copy():
    x = mt.zeros(2, 3).t()
    with pytest.raises(RuntimeError, match=r"view\(\).*\[3, 2\].*reshape"):
        x.view(6)
    assert x.reshape(6).shape == (6,)
    assert mt.zeros(4, 3, 2).permute(0, 1, 2).view(12, 2).shape == (12, 2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.reshape(5, 5), RuntimeError, r"reshape.*\[5, 5\].*24"),
        (lambda x: x.reshape(-1, -1), RuntimeError, "only one dimension can be inferred"),
        (lambda x: x.transpose(0, 3), IndexError, r"range of \[-3, 2\], but got 3"),
        (lambda x: x.permute(0, 0, 1), RuntimeError, "duplicate"),
        (lambda x: x.permute(0, 1), RuntimeError, r"permute.*3 dims.*\[2, 3, 4\]"),
        (lambda x: x.expand(5, 3, 4), RuntimeError, r"expand.*\(5\).*\(2\)"),
        (lambda x: x.as_strided((9,), (9,)), RuntimeError, "outside of a storage"),
        (lambda x: x.unsqueeze(7), IndexError, "unsqueeze"),
        (lambda x: x.reshape("a"), TypeError, r"reshape\(\): argument 2"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(mt.zeros(2, 3, 4))


def test_in_place_shape_changes():
    x = mt.zeros(2, 3)
    assert x.unsqueeze_(0).shape == (1, 2, 3)
    assert x.squeeze_(0).t_().shape == (3, 2)
    assert x.transpose_(0, 1).shape == (2, 3)


def test_broadcast_shapes_and_tensors():
    assert mt.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    a, b = mt.broadcast_tensors(mt.zeros(2, 1), mt.zeros(3))
    assert a.shape == b.shape == (2, 3)
    with pytest.raises(RuntimeError, match="broadcast"):
        mt.broadcast_shapes((2,), (3,))


def test_reinterpreted_dtype():
    x = mt.tensor([1.0, -2.0])
    assert x.view(mt.int32).tolist() == [0x3F800000, -0x40000000]
    assert x.view(mt.uint8).shape == (8,)
    assert x.view(mt.uint8).view(mt.float32).tolist() == x.tolist()
