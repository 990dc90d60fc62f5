"""Hooks on tensors and nodes, and the handles that remove them."""

from __future__ import annotations


class RemovableHandle:
    """Removes a hook: by remove(), or at the end of a with block."""

    _next_id = 0

    def __init__(self, hooks, *, extra_dict=None):
        import weakref

        self.hooks_dict_ref = weakref.ref(hooks)
        self.id = RemovableHandle._next_id
        RemovableHandle._next_id += 1
        self.extra_dict_ref = ()
        if extra_dict is not None:
            extras = extra_dict if isinstance(extra_dict, list) else [extra_dict]
            self.extra_dict_ref = tuple(weakref.ref(d) for d in extras)

    def remove(self):
        """Takes the hook out; a second call does nothing."""
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id)

    def __setstate__(self, state):
        import weakref

        hooks = HookDict() if state[0] is None else state[0]
        self.hooks_dict_ref = weakref.ref(hooks)
        self.id = state[1]
        self.extra_dict_ref = ()
        RemovableHandle._next_id = max(RemovableHandle._next_id, self.id + 1)


class HookDict(dict):
    """Hooks by id in the order of registration; a dict that weak references can point to."""

    __slots__ = ("__weakref__",)


class NodeHooks:
    """What hangs on a node."""

    __slots__ = ("metadata", "post", "pre", "retained", "tensor_pre")

    def __init__(self):
        self.pre = HookDict()
        self.post = HookDict()
        self.tensor_pre = {}  # output number -> HookDict of tensor hooks
        self.retained = {}  # output number -> weak reference to a tensor that keeps its grad
        self.metadata = {}


def of_node(node):
    """The node's hooks, made at first use."""
    if node.hooks is None:
        node.hooks = NodeHooks()
    return node.hooks


def add(hooks, hook):
    """Registers and returns the handle."""
    if not callable(hook):
        raise TypeError(f"register_hook(): expected a callable, got {type(hook).__name__}")
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def tensor_hooks(tensor, *, post_accumulate=False):
    """The hooks of a leaf live on the tensor, those of a computed tensor on its node."""
    if tensor.grad_fn is None:
        if tensor._backward_hooks is None:
            tensor._backward_hooks = (HookDict(), HookDict())
        return tensor._backward_hooks[1 if post_accumulate else 0]
    return of_node(tensor.grad_fn).tensor_pre.setdefault(tensor.output_nr, HookDict())


def register_hook(tensor, hook):
    """Tensor.register_hook: hook(grad) runs when the gradient of the tensor is known.

    Raises:
        RuntimeError: the tensor does not require grad.
    """
    if not tensor.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return add(tensor_hooks(tensor), hook)


def register_post_accumulate_grad_hook(tensor, hook):
    """Tensor.register_post_accumulate_grad_hook: hook(tensor) runs after tensor.grad was updated."""
    if not tensor.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if tensor.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add(tensor_hooks(tensor, post_accumulate=True), hook)


def retain_grad(tensor):
    """Tensor.retain_grad: a computed tensor keeps its gradient in .grad."""
    if not tensor.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if tensor.grad_fn is not None:
        import weakref

        of_node(tensor.grad_fn).retained[tensor.output_nr] = weakref.ref(tensor)


def run(hooks, grad):
    """The gradient after all tensor hooks."""
    for hook in tuple(hooks.values()):
        result = hook(grad)
        if result is not None:
            grad = result
    return grad
