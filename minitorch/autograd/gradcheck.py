"""Gradients against finite differences."""

from __future__ import annotations

from .._load import _C
from .engine import grad
from .mode import no_grad


class GradcheckError(RuntimeError):
    """A gradient does not match the finite differences."""


def _as_tuple(x):
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _outputs(func, inputs):
    outs = _as_tuple(func(*inputs))
    return tuple(o for o in outs if isinstance(o, _C.TensorBase) and o.dtype.is_floating_point)


def _numerical(func, inputs, i, eps):
    """Jacobian columns d outputs / d inputs[i], one list of outputs per element, by central differences."""
    x = inputs[i]
    flat = x.detach().clone().reshape(-1)
    columns = []
    with no_grad():
        for k in range(flat.numel()):
            moved = []
            for sign in (1, -1):
                values = flat.clone()
                values[k] += sign * eps
                args = list(inputs)
                args[i] = values.reshape(x.shape)
                moved.append([o.detach().clone() for o in _outputs(func, args)])
            columns.append([(a - b) / (2 * eps) for a, b in zip(*moved)])
    return columns


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    fast_mode=False,
    **unused,
):
    """Compares the gradients of `func` with central differences.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: tensors; those that require grad are checked and should be float64.
        eps: step of the differences, in the units of the inputs.
        atol, rtol: allowed error.
        raise_exception: raise GradcheckError, else return False.

    Returns:
        True where all match.
    """
    inputs = _as_tuple(inputs)
    checked = [i for i, x in enumerate(inputs) if isinstance(x, _C.TensorBase) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient")
    try:
        outs = _outputs(func, inputs)
        for i in checked:
            columns = _numerical(func, inputs, i, eps)
            for k, out in enumerate(outs):
                rows = []
                flat = out.reshape(-1)
                for r in range(flat.numel()):
                    (g,) = (
                        grad(flat[r], inputs[i], retain_graph=True, allow_unused=True)
                        if out.requires_grad
                        else (None,)
                    )
                    rows.append(
                        [0.0] * inputs[i].numel() if g is None else g.detach().reshape(-1).tolist()
                    )
                for c, column in enumerate(columns):
                    expected = column[k].reshape(-1).tolist()
                    for r, want in enumerate(expected):
                        got = rows[r][c]
                        if not (abs(got - want) <= atol + rtol * abs(want)):
                            raise GradcheckError(
                                f"Jacobian mismatch for output {k} with respect to input {i}: element "
                                f"({r}, {c}) is {got} analytically and {want} numerically"
                            )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(func, inputs, grad_outputs=None, *, raise_exception=True, **options):
    """gradcheck of the gradient itself: checks second derivatives.

    Args:
        func, inputs, options: as in gradcheck.
        grad_outputs: gradients of the outputs; random where None.
    """
    inputs = _as_tuple(inputs)
    checked = [x for x in inputs if isinstance(x, _C.TensorBase) and x.requires_grad]
    outs = _outputs(func, inputs)
    if grad_outputs is None:
        import minitorch

        grad_outputs = tuple(minitorch.randn_like(o).detach().requires_grad_() for o in outs)
    else:
        grad_outputs = _as_tuple(grad_outputs)
    places = [i for i, x in enumerate(inputs) if any(x is c for c in checked)]

    def first(*args):
        xs, gs = args[: len(inputs)], args[len(inputs) :]
        xs = [
            x.detach().requires_grad_() if i in places and not x.requires_grad else x
            for i, x in enumerate(xs)
        ]
        # Central differences run under no_grad, but the inner gradient needs a graph.
        before = _C.set_grad_enabled(True)
        try:
            results = _outputs(func, xs)
            return grad(
                results,
                [xs[i] for i in places],
                gs,
                create_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        finally:
            _C.set_grad_enabled(before)

    return gradcheck(first, inputs + grad_outputs, raise_exception=raise_exception, **options)
