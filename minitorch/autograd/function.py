"""User-defined functions with a backward of their own."""

from __future__ import annotations

from .._load import _C
from . import inplace
from .mode import no_grad
from .node import Node, record


def _device_of(tensors):
    """Where the tensors among them lie; backward runs with at least one gradient."""
    return next((t.device for t in tensors if t is not None), None)


class FunctionNode(Node):
    """The node of a Function's call; also the `ctx` that forward and backward get."""

    __slots__ = (
        "__dict__",
        "_dirty",
        "_function",
        "_materialize",
        "_non_differentiable",
        "_to_save",
    )

    def backward(self, *grads):
        if self._materialize:
            device = _device_of(grads)
            grads = tuple(
                _C.full(shape, 0, dtype, device) if g is None else g
                for g, (shape, dtype) in zip(grads, map(self.output_meta, range(len(grads))))
            )
        return self._function.backward(self, *grads)

    def name(self):
        return self._function.__name__ + "Backward"


class FunctionCtx:
    """What forward's `ctx` offers; the node has the same methods once it exists."""

    def save_for_backward(self, *tensors):
        """Keeps tensors for the backward, checked against in-place changes; call at most once."""
        for t in tensors:
            if t is not None and not isinstance(t, _C.TensorBase):
                raise TypeError(
                    f"save_for_backward can only save variables, but got {type(t).__name__}"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors):
        """Accepted for compatibility; forward-mode differentiation is not supported."""

    def mark_dirty(self, *tensors):
        """Names the inputs that forward changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        """Names the outputs through which no gradient flows."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value):
        """False: backward gets None, not zeros, for outputs without a gradient."""
        self._materialize = value


class _ForwardCtx(FunctionCtx):
    """The ctx before it is known whether a node is needed."""

    def __init__(self, needs):
        self._to_save = ()
        self._dirty = ()
        self._non_differentiable = ()
        self._materialize = True
        self.needs_input_grad = needs

    @property
    def saved_tensors(self):
        return self._to_save


_INTERNAL = ("_to_save", "_dirty", "_non_differentiable", "_materialize", "needs_input_grad")
FunctionNode.saved_tensors = FunctionNode.saved
FunctionNode.saved_variables = FunctionNode.saved


class Function:
    """Base class of functions with a custom backward.

    A subclass has two static methods, `forward(ctx, *args)` and `backward(ctx, *grad_outputs)`, or
    `forward(*args)` together with `setup_context(ctx, inputs, output)`; it is called through
    `apply`. `ctx.save_for_backward(...)` and `ctx.saved_tensors` carry tensors, attributes of ctx
    anything else.

    >>> import minitorch
    >>> class Exp(minitorch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (y,) = ctx.saved_tensors
    ...         return dy * y
    >>> x = minitorch.zeros(1, requires_grad=True)
    >>> Exp.apply(x).backward()
    >>> x.grad
    tensor([1.])
    """

    @staticmethod
    def forward(*args, **kwargs):
        """Computes the outputs; runs without recording."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Gradients of the inputs, one per argument of forward (None where it is not a tensor)."""
        raise NotImplementedError("You must implement either the backward or vjp method")

    vjp = None

    @classmethod
    def apply(cls, *args, **kwargs):
        """Runs forward and records the call."""
        needs = tuple(isinstance(a, _C.TensorBase) and a.requires_grad for a in args)
        ctx = _ForwardCtx(needs)
        with no_grad():
            setup = getattr(cls, "setup_context", None)
            if setup is None:
                out = cls.forward(ctx, *args, **kwargs)
            else:
                out = cls.forward(*args, **kwargs)
                setup(ctx, args, out)
        if not _C.is_grad_enabled() or not any(needs):
            return out
        outs = out if isinstance(out, (tuple, list)) else (out,)
        tensors = []
        constant = []
        fresh = {}
        for o in outs:
            if isinstance(o, _C.TensorBase):
                if any(o is t for t in ctx._non_differentiable):
                    constant.append(o)
                elif any(o is t for t in ctx._dirty):
                    inplace.check(o, cls.__name__)
                elif any(o is a for a in args) or o.requires_grad:
                    # Returned unchanged: an alias, so that the input keeps its own history.
                    fresh[id(o)] = o = _C.alias(o.detach())
                tensors.append(o)
        if len(tensors) == len(constant):
            return out
        saved = tuple(fresh.get(id(t), t) if any(t is o for o in outs) else t for t in ctx._to_save)
        node = record(FunctionNode, tuple(tensors), args, saved)
        for o in constant:
            o.grad_fn = None
            o.requires_grad = False
        node._function = cls
        node._materialize = ctx._materialize
        for key, value in ctx.__dict__.items():
            if key not in _INTERNAL:
                setattr(node, key, value)
        if not fresh:
            return out
        replaced = tuple(fresh.get(id(o), o) for o in outs)
        return replaced if isinstance(out, (tuple, list)) else replaced[0]


def once_differentiable(backward):
    """Marks a Function's backward as not differentiable itself: a second derivative raises."""
    import functools

    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        wants_graph = _C.is_grad_enabled() and any(
            isinstance(g, _C.TensorBase) and g.requires_grad for g in grads
        )
        with no_grad():
            out = backward(ctx, *grads)
        if not wants_graph:
            return out
        outs = out if isinstance(out, tuple) else (out,)
        outs = tuple(
            o.detach().requires_grad_() if isinstance(o, _C.TensorBase) else o for o in outs
        )
        tensors = tuple(o for o in outs if isinstance(o, _C.TensorBase))
        record(_NotTwice, tensors, grads)
        return outs if isinstance(out, tuple) else outs[0]

    return wrapper


class _NotTwice(Node):
    __slots__ = ()

    def backward(self, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
