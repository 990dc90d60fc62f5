"""Hooks that run around a module's forward and backward."""

from __future__ import annotations

from collections import OrderedDict

from ...autograd import Function, is_grad_enabled
from ...autograd.hooks import RemovableHandle
from ...tensor import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


# Hooks for every module. One table, so that a call without hooks tests one name.
# id -> (kind, hook, with_kwargs, always_call)
_global_hooks: OrderedDict[int, tuple[str, Callable[..., Any], bool, bool]] = OrderedDict()
# Hooks called when a parameter, buffer or submodule is registered: id -> (kind, hook)
_registration_hooks: OrderedDict[int, tuple[str, Callable[..., Any]]] = OrderedDict()


def _add_global(
    kind: str, hook: Callable[..., Any], with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    handle = RemovableHandle(_global_hooks)
    _global_hooks[handle.id] = (kind, hook, with_kwargs, always_call)
    return handle


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module."""
    return _add_global("forward_pre", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module."""
    return _add_global("forward", hook, with_kwargs, always_call)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _add_global("backward_pre", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after the backward of every module."""
    return _add_global("backward", hook)


register_module_backward_hook = register_module_full_backward_hook


def _add_registration(kind: str, hook: Callable[..., Any]) -> RemovableHandle:
    handle = RemovableHandle(_registration_hooks)
    _registration_hooks[handle.id] = (kind, hook)
    return handle


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when a buffer is registered; it may return another."""
    return _add_registration("buffer", hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when a submodule is registered."""
    return _add_registration("module", hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, param)` when a parameter is registered."""
    return _add_registration("parameter", hook)


def run_registration_hooks(kind: str, module: Any, name: str, value: Any) -> Any:
    """The value after every registration hook of this kind had its say."""
    for hook_kind, hook in list(_registration_hooks.values()):
        if hook_kind == kind:
            out = hook(module, name, value)
            if out is not None:
                value = out
    return value


class HookMixin:
    """The `register_*_hook` methods of `Module` and the call that honours them."""

    _forward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    # Set on the instance once a hook is registered: `__call__` then takes the slow path.
    _hooked = False

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments.

        Args:
            hook: The function; with `with_kwargs` it is called as `hook(module, args, kwargs)`
                and returns None or a pair `(args, kwargs)`.
            prepend: Run before the hooks registered so far.
            with_kwargs: Also pass the keyword arguments.

        Returns:
            A handle whose `remove()` takes the hook out.
        """
        handle = RemovableHandle(
            self._forward_pre_hooks, extra_dict=self._forward_pre_hooks_with_kwargs
        )
        _insert(self._forward_pre_hooks, handle.id, hook, prepend)
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        self._hooked = True
        return handle

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns replaces the output.

        Args:
            hook: The function; with `with_kwargs` it is called as
                `hook(module, args, kwargs, output)`.
            prepend: Run before the hooks registered so far.
            with_kwargs: Also pass the keyword arguments.
            always_call: Run even when `forward` raised.

        Returns:
            A handle whose `remove()` takes the hook out.
        """
        handle = RemovableHandle(
            self._forward_hooks,
            extra_dict=[self._forward_hooks_with_kwargs, self._forward_hooks_always_called],
        )
        _insert(self._forward_hooks, handle.id, hook, prepend)
        if with_kwargs:
            self._forward_hooks_with_kwargs[handle.id] = True
        if always_call:
            self._forward_hooks_always_called[handle.id] = True
        self._hooked = True
        return handle

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradient of the output is known."""
        handle = RemovableHandle(self._backward_pre_hooks)
        _insert(self._backward_pre_hooks, handle.id, hook, prepend)
        self._hooked = True
        return handle

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the inputs' gradients are known.

        Args:
            hook: The function; what it returns replaces `grad_input`.
            prepend: Run before the hooks registered so far.

        Returns:
            A handle whose `remove()` takes the hook out.
        """
        handle = RemovableHandle(self._backward_hooks)
        _insert(self._backward_hooks, handle.id, hook, prepend)
        self._hooked = True
        return handle

    register_backward_hook = register_full_backward_hook

    def _has_hooks(self) -> bool:
        """Whether a hook is left; forgets that there ever were any otherwise."""
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        ):
            return True
        self.__dict__.pop("_hooked", None)
        return False

    def _call_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` with all hooks around it."""
        always = [
            (hook_id, hook, hook_id in self._forward_hooks_with_kwargs)
            for hook_id, hook in self._forward_hooks.items()
            if hook_id in self._forward_hooks_always_called
        ]
        always += [
            (hook_id, hook, with_kwargs)
            for hook_id, (kind, hook, with_kwargs, must) in _global_hooks.items()
            if kind == "forward" and must
        ]
        if not always:
            return self._run_hooked(args, kwargs, set())
        called: set[int] = set()
        try:
            return self._run_hooked(args, kwargs, called)
        except Exception:
            # The hooks that must run get None as output; their own errors must not hide the first.
            for hook_id, hook, with_kwargs in always:
                if hook_id in called:
                    continue
                try:
                    hook(self, args, kwargs, None) if with_kwargs else hook(self, args, None)
                except Exception as error:
                    import warnings

                    warnings.warn(
                        f"forward hook {hook!r} with always_call=True raised {error!r} "
                        "while another error was on its way",
                        stacklevel=2,
                    )
            raise

    def _run_hooked(self, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]) -> Any:
        shared = list(_global_hooks.items())
        pre = [(hook, False) for _, (kind, hook, _, _) in shared if kind == "forward_pre"]
        pre += [
            (hook, hook_id in self._forward_pre_hooks_with_kwargs)
            for hook_id, hook in self._forward_pre_hooks.items()
        ]
        for hook, with_kwargs in pre:
            if with_kwargs:
                out = hook(self, args, kwargs)
                if out is not None:
                    if not (isinstance(out, tuple) and len(out) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, "
                            f"new_kwargs), but got {out}."
                        )
                    args, kwargs = out
            else:
                out = hook(self, args)
                if out is not None:
                    args = out if isinstance(out, tuple) else (out,)

        backward = None
        before = [h for _, (kind, h, _, _) in shared if kind == "backward_pre"]
        before += list(self._backward_pre_hooks.values())
        after = [h for _, (kind, h, _, _) in shared if kind == "backward"]
        after += list(self._backward_hooks.values())
        if (before or after) and is_grad_enabled():
            backward = _BackwardHook(self, before, after)
            args = backward.watch_inputs(args)

        result = self.forward(*args, **kwargs)  # type: ignore[attr-defined]

        post = [(i, h, kw) for i, (kind, h, kw, _) in shared if kind == "forward"]
        post += [
            (hook_id, hook, hook_id in self._forward_hooks_with_kwargs)
            for hook_id, hook in self._forward_hooks.items()
        ]
        for hook_id, hook, with_kwargs in post:
            called.add(hook_id)
            out = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            if out is not None:
                result = out
        return result if backward is None else backward.watch_outputs(result)


def _insert(hooks: OrderedDict[int, Any], hook_id: int, hook: Any, prepend: bool) -> None:
    hooks[hook_id] = hook
    if prepend:
        hooks.move_to_end(hook_id, last=False)


class _Watch(Function):
    """The identity, with a function of all gradients in the backward."""

    @staticmethod
    def forward(ctx: Any, watcher: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.watcher = watcher
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        return (None, *ctx.watcher(grads))


class _BackwardHook:
    """One forward call's worth of backward hooks: an identity before and one after the module."""

    def __init__(self, module: Any, before: list[Any], after: list[Any]) -> None:
        self.module = module
        self.before = before
        self.after = after
        self.grad_outputs: tuple[Tensor | None, ...] | None = None
        self.n_inputs = 0
        self.inputs_at: list[int] = []

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        at = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        if not any(args[i].requires_grad for i in at):
            return args
        self.inputs_at = at
        watched = _Watch.apply(self._on_input_grads, *(args[i] for i in at))
        out = list(args)
        for i, tensor in zip(at, watched, strict=True):
            # Integer inputs carry no gradient and stay the tensors they were.
            out[i] = tensor if args[i].requires_grad else args[i]
        return tuple(out)

    def watch_outputs(self, result: Any) -> Any:
        single = not isinstance(result, tuple)
        values = [result] if single else list(result)
        at = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
        if not at:
            return result
        self.n_outputs, self.outputs_at = len(values), at
        for i, t in zip(
            at, _Watch.apply(self._on_output_grads, *(values[i] for i in at)), strict=True
        ):
            values[i] = t
        if single:
            return values[0]
        kind = type(result)
        return kind(*values) if hasattr(result, "_fields") else kind(values)

    def _on_output_grads(self, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        full: list[Tensor | None] = [None] * self.n_outputs
        for i, g in zip(self.outputs_at, grads, strict=True):
            full[i] = g
        current = tuple(full)
        for hook in self.before:
            out = hook(self.module, current)
            if out is not None:
                out = out if isinstance(out, tuple) else (out,)
                _check_count("backward pre hook", out, current)
                current = out
        self.grad_outputs = current
        if not self.inputs_at:
            for hook in self.after:
                out = hook(self.module, (None,) * self.n_inputs, current)
                if out is not None and any(g is not None for g in _as_tuple(out)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should "
                        "always return None or None for all gradients."
                    )
        return tuple(current[i] for i in self.outputs_at)

    def _on_input_grads(self, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        full: list[Tensor | None] = [None] * self.n_inputs
        for i, g in zip(self.inputs_at, grads, strict=True):
            full[i] = g
        current = tuple(full)
        for hook in self.after:
            out = hook(self.module, current, self.grad_outputs)
            if out is not None:
                out = _as_tuple(out)
                _check_count("backward hook", out, current)
                current = out
        return tuple(current[i] for i in self.inputs_at)


def _as_tuple(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


def _check_count(what: str, got: tuple[Any, ...], want: tuple[Any, ...]) -> None:
    if len(got) != len(want):
        raise RuntimeError(
            f"{what} returned an incorrect number of grads, got {len(got)}, but expected "
            f"{len(want)}"
        )
