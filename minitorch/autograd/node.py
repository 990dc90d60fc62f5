"""The node of the graph.

An op records one node per call:

    y = _C.exp(x)
    if y.requires_grad:
        record(Exp, y, (x,), (y,))          # record(cls, outputs, inputs, saved)

and its class has the backward:

    class Exp(Node):
        def backward(self, dy):             # one argument per output
            (y,) = self.saved               # checked against in-place changes
            return dy * y                   # one gradient (or None) per input, alone or as a tuple

The node is the context: further values are attributes, declared in __slots__ and set on the node
that `record` returns. Gradients may come back in the broadcast shape; the engine sums them to the
input's shape. Under create_graph backward runs with gradients enabled, so what it computes is
recorded too; a raw backward kernel refuses to run then.
"""

from __future__ import annotations

from .._load import _C

record = _C.record


class AccumulateGrad:
    """The end of the graph at a leaf, for those who walk it through next_functions."""

    __slots__ = ("variable",)

    def __init__(self, variable):
        self.variable = variable

    def name(self):
        """Name of the node's type."""
        return "AccumulateGrad"

    @property
    def next_functions(self):
        """A leaf has no inputs."""
        return ()

    def __eq__(self, other):
        return isinstance(other, AccumulateGrad) and self.variable is other.variable

    def __hash__(self):
        return id(self.variable)

    def __repr__(self):
        return f"<AccumulateGrad of shape {tuple(self.variable.shape)}>"


class Node(_C.NodeBase):
    """Base class of the nodes of the autograd graph."""

    __slots__ = ()

    def backward(self, *grads):
        """Gradients of the inputs from the gradients of the outputs."""
        raise NotImplementedError(f"derivative for {self.name()} is not implemented")

    def name(self):
        """Name of the node's type, for example "MulBackward"."""
        return type(self).__name__ + "Backward"

    @property
    def next_functions(self):
        """Per input: (node, output number), (None, 0) where no gradient flows."""
        return tuple(
            (None, 0)
            if edge is None
            else (edge, nr)
            if isinstance(edge, Node)
            else (AccumulateGrad(edge), 0)
            for edge, nr in zip(self.edges, self.input_nrs)
        )

    @property
    def metadata(self):
        """A dict for the user's own marks."""
        from . import hooks

        return hooks.of_node(self).metadata

    def register_hook(self, hook):
        """Calls hook(grad_inputs, grad_outputs) after the node's backward; it may return new grad_inputs."""
        from . import hooks

        return hooks.add(hooks.of_node(self).post, hook)

    def register_prehook(self, hook):
        """Calls hook(grad_outputs) before the node's backward; it may return new grad_outputs."""
        from . import hooks

        return hooks.add(hooks.of_node(self).pre, hook)

    def __repr__(self):
        return f"<{self.name()} at {id(self):#x}>"
