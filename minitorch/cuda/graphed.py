"""Modules and functions whose forward and backward passes are graphs."""

from __future__ import annotations

from .._load import _C
from .device import synchronize
from .graphs import CUDAGraph, graph, graph_pool_handle
from .streams import Stream, StreamContext

_Tensor = _C.TensorBase


def _flatten(value, leaves):
    """Appends the tensors of nested tuples, lists and dicts; returns what `_build` puts together."""
    if isinstance(value, _Tensor):
        leaves.append(value)
        return None
    if isinstance(value, (tuple, list)):
        return type(value), [_flatten(v, leaves) for v in value]
    if isinstance(value, dict):
        return dict, [(k, _flatten(v, leaves)) for k, v in value.items()]
    raise TypeError(
        "make_graphed_callables(): arguments and results must be tensors, or tuples, lists and dicts "
        f"of them, not {type(value).__name__}"
    )


def _build(spec, leaves):
    """The structure that `_flatten` saw, with the tensors that the iterator gives."""
    if spec is None:
        return next(leaves)
    kind, parts = spec
    if kind is dict:
        return {k: _build(v, leaves) for k, v in parts}
    values = [_build(v, leaves) for v in parts]
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def _check(callable_):
    from ..nn import Module

    if not isinstance(callable_, Module):
        return ()
    for name in ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks"):
        if getattr(callable_, name, None):
            raise RuntimeError(
                "make_graphed_callables(): modules must not have hooks registered at the time they "
                "are passed; hooks may be registered afterwards"
            )
    if any(b.requires_grad for b in callable_.buffers()):
        raise RuntimeError(
            "make_graphed_callables(): only parameters may be trainable, but a buffer requires grad"
        )
    return tuple(callable_.parameters())


class _Recording:
    """One callable with the graphs of its two passes and the tensors that they read and write."""

    def __init__(self, function, arguments):
        self.function = function
        self.parameters = _check(function)
        self.arguments = arguments
        leaves = []
        self.arguments_spec = _flatten(arguments, leaves)
        self.user_inputs = len(leaves)
        self.inputs = (*leaves, *self.parameters)
        self.forward, self.backward = CUDAGraph(), CUDAGraph()

    def gradients(self, outputs, grad_outputs, allow_unused):
        from ..autograd import grad

        return grad(
            [o for o in outputs if o.requires_grad],
            [i for i in self.inputs if i.requires_grad],
            [g for g in grad_outputs if g is not None],
            allow_unused=allow_unused,
        )

    def warm_up(self, times, allow_unused):
        for _ in range(times):
            outputs = []
            _flatten(self.function(*self.arguments), outputs)
            if any(o.requires_grad for o in outputs):
                self.gradients(outputs, _like(outputs), allow_unused)

    def record_forward(self, pool):
        self.outputs = []
        with graph(self.forward, pool):
            out = self.function(*self.arguments)
        self.outputs_spec = _flatten(out, self.outputs)

    def record_backward(self, pool, allow_unused):
        self.grad_outputs = _like(self.outputs)
        found = ()
        if any(o.requires_grad for o in self.outputs):
            with graph(self.backward, pool):
                found = self.gradients(self.outputs, self.grad_outputs, allow_unused)
        found = iter(found)
        self.grad_inputs = [next(found, None) if i.requires_grad else None for i in self.inputs]

    def make(self):
        """The function that replays."""
        from ..autograd import Function

        recording = self

        class Graphed(Function):
            @staticmethod
            def forward(ctx, *inputs):
                for static, given in zip(recording.inputs[: recording.user_inputs], inputs):
                    if static.data_ptr() != given.data_ptr():
                        static.copy_(given)
                recording.forward.replay()
                outputs = tuple(o.detach() for o in recording.outputs)
                constant = [o for o, s in zip(outputs, recording.outputs) if not s.requires_grad]
                ctx.mark_non_differentiable(*constant)
                return outputs

            @staticmethod
            def backward(ctx, *grads):
                for static, given in zip(recording.grad_outputs, grads):
                    if static is None:
                        continue
                    if given is None:
                        static.zero_()
                    elif static.data_ptr() != given.data_ptr():
                        static.copy_(given)
                recording.backward.replay()
                return tuple(None if g is None else g.detach() for g in recording.grad_inputs)

        def replay(*arguments):
            leaves = []
            spec = _flatten(arguments, leaves)
            if spec != recording.arguments_spec:
                raise RuntimeError("a graphed callable was given other arguments than its samples")
            for static, given in zip(recording.inputs, leaves):
                if static.shape != given.shape or static.dtype is not given.dtype:
                    raise RuntimeError(
                        "a graphed callable was given a tensor of shape "
                        f"{tuple(given.shape)} and {given.dtype}; its sample has shape "
                        f"{tuple(static.shape)} and {static.dtype}"
                    )
            outputs = Graphed.apply(*leaves, *recording.parameters)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return _build(recording.outputs_spec, iter(outputs))

        return replay


def _like(outputs):
    return [_C.full(o.shape, 0, o.dtype, o.device) if o.requires_grad else None for o in outputs]


def make_graphed_callables(
    callables, sample_args, num_warmup_iters=3, allow_unused_input=False, pool=None
):
    """Records forward and backward of modules or functions as graphs, to be used in their place.

    Arguments are copied into the samples' memory, results lie in memory that the next call
    overwrites. A module keeps its own forward for the other mode of train() and eval().

    Args:
        callables: a module or function, or a tuple of them in the order of their calls.
        sample_args: the arguments, nested tuples, lists and dicts of tensors: a tuple, or a tuple of
            tuples for several callables. requires_grad must be as in the later calls.
        num_warmup_iters: passes before the recording.
        allow_unused_input: whether results may not depend on some inputs.
        pool: memory to share with other graphs; by default these graphs share one of their own.

    Returns:
        The callable, or a tuple of them: modules themselves, functions replaced.

    Raises:
        RuntimeError: autocast with its cache, modules with hooks or trainable buffers.
    """
    from ..amp import is_autocast_cache_enabled, is_autocast_enabled
    from ..autograd import enable_grad
    from ..nn import Module

    if is_autocast_enabled("cuda") and is_autocast_cache_enabled():
        raise RuntimeError(
            "make_graphed_callables does not support the autocast caching. Please set "
            "`cache_enabled=False`."
        )
    single = not isinstance(callables, tuple)
    if single:
        callables, sample_args = (callables,), (sample_args,)
    if len(callables) != len(sample_args):
        raise RuntimeError("make_graphed_callables(): callables and sample_args differ in number")
    recordings = [_Recording(f, tuple(a)) for f, a in zip(callables, sample_args)]
    with enable_grad():
        synchronize()
        with StreamContext(Stream()):
            for r in recordings:
                r.warm_up(num_warmup_iters, allow_unused_input)
        synchronize()
        pool = graph_pool_handle() if pool is None else pool
        for r in recordings:
            r.record_forward(pool)
        for r in reversed(recordings):
            r.record_backward(pool, allow_unused_input)
    made = []
    for r in recordings:
        replay = r.make()
        if isinstance(r.function, Module):
            r.function.forward = _switched(r.function, replay)
            replay = r.function
        made.append(replay)
    return made[0] if single else tuple(made)


def _switched(module, replay):
    """Replays in the mode of train() or eval() that was recorded; else calls the module's own."""
    mode, own = module.training, module.forward

    def forward(*arguments):
        return replay(*arguments) if module.training == mode else own(*arguments)

    return forward
