"""Custom functions."""

import pytest

import minitorch as mt
from minitorch.autograd import Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        assert ctx.needs_input_grad == (True, False)
        return dy * 3 * x * x * ctx.scale, None


def test_gradient_and_second_derivative():
    x = mt.tensor([2.0], dtype=mt.float64, requires_grad=True)
    assert mt.autograd.gradcheck(lambda t: Cube.apply(t, 2.0), (x,))
    assert mt.autograd.gradgradcheck(lambda t: Cube.apply(t, 2.0), (x,))
    assert Cube.apply(x, 2.0).grad_fn.name() == "CubeBackward"


def test_saved_tensor_is_checked():
    x = mt.ones(1, requires_grad=True)
    y = x * 1
    z = Cube.apply(y, 1.0)
    y.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        z.backward()


def test_several_outputs_and_materialized_zeros():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert b is not None
            return 2 * a + 3 * b

    x = mt.ones(2, requires_grad=True)
    first, _ = Two.apply(x)
    first.backward(mt.ones(2))
    assert x.grad.tolist() == [2.0, 2.0]


def test_setup_context_form_and_non_differentiable_output():
    class Positive(Function):
        @staticmethod
        def forward(x):
            return x.relu(), x > 0

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.mark_non_differentiable(output[1])
            ctx.save_for_backward(output[1])

        @staticmethod
        def backward(ctx, dy, _):
            (mask,) = ctx.saved_tensors
            return dy * mask

    x = mt.tensor([1.0, -1.0], requires_grad=True)
    y, mask = Positive.apply(x)
    assert not mask.requires_grad
    y.backward(mt.ones(2))
    assert x.grad.tolist() == [1.0, 0.0]


def test_once_differentiable_raises_at_the_second_derivative():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @mt.autograd.once_differentiable
        def backward(ctx, dy):
            return dy * 2 * ctx.saved_tensors[0]

    x = mt.ones(1, requires_grad=True)
    dy = mt.ones(1, requires_grad=True)
    (g,) = mt.autograd.grad(Square.apply(x), x, dy, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_in_place_function_marks_dirty():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, dy):
            return dy * 5

    x = mt.ones(1, requires_grad=True)
    y = x * 2
    z = AddOne.apply(y)
    assert z is y and y.tolist() == [3.0]
    y.backward()
    assert x.grad.tolist() == [10.0]
