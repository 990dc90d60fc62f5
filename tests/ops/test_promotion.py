"""Type promotion: the whole table of dtypes against torch."""

import itertools

import pytest

import minitorch

torch = pytest.importorskip("torch")

DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
)  # fmt: skip


def operand(m, dtype, kind):
    """A dimensioned or a 0-dim tensor of ones."""
    return m.ones(() if kind == "0-dim" else (2,), dtype=getattr(m, dtype))


def name(dtype):
    return str(dtype).split(".")[1]


@pytest.mark.parametrize("kinds", [("dim", "dim"), ("dim", "0-dim"), ("0-dim", "0-dim")])
@pytest.mark.parametrize("op", ["add", "mul", "div", "eq", "maximum", "where"])
def test_tensor_with_tensor(op, kinds):
    def run(m, a, b):
        x, y = operand(m, a, kinds[0]), operand(m, b, kinds[1])
        if op == "where":
            return m.where(m.ones(2, dtype=m.bool), x, y)
        return getattr(m, op)(x, y)

    for a, b in itertools.product(DTYPES, DTYPES):
        ours, theirs = run(minitorch, a, b), run(torch, a, b)
        assert name(ours.dtype) == name(theirs.dtype), (a, b)
        assert ours.tolist() == theirs.tolist(), (a, b)


@pytest.mark.parametrize("number", [True, 2, 2.0])
@pytest.mark.parametrize("op", ["add", "mul", "div", "pow", "gt", "__radd__", "__rtruediv__"])
def test_tensor_with_number(op, number):
    for dtype, kind in itertools.product(DTYPES, ("dim", "0-dim")):
        ours = getattr(operand(minitorch, dtype, kind), op)(number)
        theirs = getattr(operand(torch, dtype, kind), op)(number)
        assert name(ours.dtype) == name(theirs.dtype), (dtype, kind)
        assert ours.tolist() == theirs.tolist(), (dtype, kind)


@pytest.mark.parametrize("bounds", [(0, 1), (0.0, 1.5), (None, 1), (0.5, None)])
def test_clamp(bounds):
    for dtype in DTYPES[1:]:
        ours = operand(minitorch, dtype, "dim").clamp(*bounds)
        theirs = operand(torch, dtype, "dim").clamp(*bounds)
        assert name(ours.dtype) == name(theirs.dtype), dtype
        assert ours.tolist() == theirs.tolist(), dtype


def test_result_type_and_promote_types():
    for a, b in itertools.product(DTYPES, DTYPES):
        ours = minitorch.promote_types(getattr(minitorch, a), getattr(minitorch, b))
        assert name(ours) == name(torch.promote_types(getattr(torch, a), getattr(torch, b)))
        x, y = operand(minitorch, a, "dim"), operand(minitorch, b, "0-dim")
        want = torch.result_type(operand(torch, a, "dim"), operand(torch, b, "0-dim"))
        assert name(minitorch.result_type(x, y)) == name(want)
        assert minitorch.can_cast(getattr(minitorch, a), getattr(minitorch, b)) == torch.can_cast(
            getattr(torch, a), getattr(torch, b)
        )


def test_in_place_keeps_the_dtype_or_refuses():
    for a, b in itertools.product(DTYPES, DTYPES):
        x, y = operand(minitorch, a, "dim"), operand(minitorch, b, "dim")
        u, v = operand(torch, a, "dim"), operand(torch, b, "dim")
        try:
            u.mul_(v)
        except RuntimeError:
            with pytest.raises(RuntimeError):
                x.mul_(y)
        else:
            assert x.mul_(y).dtype is getattr(minitorch, a)
            assert x.tolist() == u.tolist()
