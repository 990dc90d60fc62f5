"""Activation checkpointing: a part of the network keeps its inputs only, and runs again in the backward pass.

Source: Chen, Xu, Zhang and Guestrin (2016), Training deep nets with sublinear memory cost, arXiv:1604.06174.
"""

from __future__ import annotations

from contextlib import nullcontext

import minitorch

from ._pytree import tree_flatten, tree_unflatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["checkpoint", "checkpoint_sequential", "noop_context_fn"]


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing."""
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose intermediate results are computed again in the backward pass.

    Args:
        function: what to run; parameters of modules it uses get their gradients as usual.
        use_reentrant: accepted for compatibility; both kinds give the same results here.
        context_fn: returns the contexts for the forward run and for the repetition.
        determinism_check: "default" compares the shapes of both runs' results, "none" does not.
        debug: accepted for compatibility.
        preserve_rng_state: whether the repetition draws the same random numbers, for dropout.

    Returns:
        The function's result: a tensor, or nested containers with tensors.

    Raises:
        RuntimeError: if the function uses a tensor from outside that has a history and is not an argument; its
            gradient would be lost.
    """
    forward_context, repeat_context = context_fn()
    if not minitorch.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    leaves, spec = tree_flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, minitorch.Tensor)]
    inputs = [leaves[i] for i in places]

    def call(tensors: Any) -> Any:
        filled = list(leaves)
        for i, tensor in zip(places, tensors, strict=True):
            filled[i] = tensor
        positional, named = tree_unflatten(filled, spec)
        return function(*positional, **named)

    random = _random_state() if preserve_rng_state else None
    stand_ins = [_detached(tensor) for tensor in inputs]
    start = _sequence_number()
    with forward_context:
        result = call(stand_ins)
    outputs, result_spec = tree_flatten(result)
    active = [
        i for i, o in enumerate(outputs) if isinstance(o, minitorch.Tensor) and o.requires_grad
    ]
    if not active:
        return result
    parameters = _parameters([outputs[i] for i in active], stand_ins, start)

    def repeat(tensors: Any) -> list[minitorch.Tensor]:
        now = _random_state() if random is not None else None
        try:
            if random is not None:
                _set_random_state(random)
            with minitorch.enable_grad(), repeat_context:
                again = tree_flatten(call(tensors))[0]
        finally:
            if now is not None:
                _set_random_state(now)
        return [again[i] for i in active]

    values = tuple(outputs[i].detach() for i in active)
    run = _Run(repeat, values, len(inputs), determinism_check != "none")
    fresh = _Checkpoint.apply(run, *inputs, *parameters)
    for i, output in zip(active, fresh if isinstance(fresh, tuple) else (fresh,), strict=True):
        outputs[i] = output
    return tree_unflatten(outputs, result_spec)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """A sequence of modules in checkpointed segments; the last one runs normally.

    Args:
        functions: Sequential, or list of modules.
        segments: number of segments of equal length.
        input: input of the first module.
        use_reentrant: see :func:`checkpoint`.
        preserve_rng_state: see :func:`checkpoint`.
    """
    modules = list(functions)
    if not 1 <= segments <= max(len(modules), 1):
        raise ValueError(
            f"checkpoint_sequential: segments must lie in [1, {len(modules)}], got {segments}"
        )

    def runner(part: list[Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for module in part:
                x = module(x)
            return x

        return run

    size = len(modules) // segments
    for k in range(segments - 1):
        part = modules[k * size : (k + 1) * size]
        input = checkpoint(
            runner(part),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve_rng_state,
            **kwargs,
        )
    return runner(modules[(segments - 1) * size :])(input)


class _Run:
    """How to repeat a call, and what it gave the first time."""

    def __init__(
        self,
        repeat: Callable[[Any], list[minitorch.Tensor]],
        values: tuple[minitorch.Tensor, ...],
        inputs: int,
        check: bool,
    ) -> None:
        self.repeat = repeat
        self.values: tuple[minitorch.Tensor, ...] | None = values
        self.inputs = inputs
        self.shapes = [tuple(v.shape) for v in values] if check else None


class _Checkpoint(minitorch.autograd.Function):
    """The node that stands for the whole call: inputs and the parameters found in it, to outputs."""

    @staticmethod
    def forward(ctx: Any, run: _Run, *tensors: Any) -> Any:
        ctx.run = run
        ctx.save_for_backward(*tensors)
        values, run.values = run.values, None
        return values

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        run, tensors = ctx.run, ctx.saved_tensors
        again = minitorch.is_grad_enabled()  # a graph of the gradient is wanted
        inputs = [t if again else _detached(t) for t in tensors[: run.inputs]]
        outputs = run.repeat(inputs)
        if run.shapes is not None and [tuple(o.shape) for o in outputs] != run.shapes:
            raise RuntimeError(
                f"checkpoint: the function gave shapes {run.shapes} in the forward pass and "
                f"{[tuple(o.shape) for o in outputs]} when it was repeated"
            )
        sources = [*inputs, *tensors[run.inputs :]]
        wanted = [i for i, t in enumerate(sources) if t.requires_grad]
        pairs = [(o, g) for o, g in zip(outputs, grads, strict=True) if g is not None]
        found = minitorch.autograd.grad(
            [o for o, _ in pairs],
            [sources[i] for i in wanted],
            [g for _, g in pairs],
            create_graph=again,
            allow_unused=True,
        )
        result: list[Any] = [None] * (1 + len(sources))
        for i, grad in zip(wanted, found, strict=True):
            result[1 + i] = grad
        return tuple(result)


def _detached(tensor: minitorch.Tensor) -> minitorch.Tensor:
    return tensor.detach().requires_grad_(tensor.requires_grad)


def _sequence_number() -> int:
    """The number of the newest node of the graph."""
    probe = minitorch.zeros((), requires_grad=True)
    return (probe * 1).grad_fn.sequence_nr


def _parameters(outputs: Any, inputs: Any, start: int) -> list[minitorch.Tensor]:
    """Leaf tensors other than the inputs that the outputs depend on."""
    known = {id(tensor) for tensor in inputs}
    found: list[minitorch.Tensor] = []
    seen: set[int] = set()
    stack = [output.grad_fn for output in outputs if output.grad_fn is not None]
    for output in outputs:
        if output.grad_fn is None and id(output) not in known:
            known.add(id(output))
            found.append(output)
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.sequence_nr <= start:
            raise RuntimeError(
                f"checkpoint: the function uses a tensor from outside (the result of a {node.name()} node) "
                "that requires grad; pass it as an argument"
            )
        for following, _ in node.next_functions:
            variable = getattr(following, "variable", None)
            if variable is None:
                if following is not None:
                    stack.append(following)
            elif id(variable) not in known:
                known.add(id(variable))
                found.append(variable)
    return found


def _random_state() -> Any:
    cuda = minitorch.cuda.is_available()
    return minitorch.get_rng_state(), minitorch.cuda.get_rng_state() if cuda else None


def _set_random_state(state: Any) -> None:
    minitorch.set_rng_state(state[0])
    if state[1] is not None:
        minitorch.cuda.set_rng_state(state[1])
