"""The backward pass: nodes in the reverse order of their creation, from a heap, without recursion.

A node's inputs were made before the node, so the order of creation is a topological order and no
counting of dependencies is needed: when a node is popped, everything that used its outputs has been
processed and its gradients are complete. Leaves come last.
"""

from __future__ import annotations

from heapq import heappop, heappush

from .._load import _C
from . import hooks as _hooks
from .node import Node

fit_grad = _C.fit_grad
owns_memory = _C.owns_memory
NodeBase = _C.NodeBase


def _reduce_grad(grad, shape, dtype):
    """Brings a gradient to an input's shape and dtype, where a forward broadcast or promoted it."""
    if grad.dtype != dtype:
        grad = grad.to(dtype)
    if grad.shape != shape:
        try:
            grad = grad.sum_to_size(shape)
        except RuntimeError as error:
            raise RuntimeError(
                f"a backward returned a gradient of shape {tuple(grad.shape)} for an input of "
                f"shape {tuple(shape)}"
            ) from error
    return grad


_C.register_grad_reducer(_reduce_grad)


def _add(a, b, create_graph):
    """a + b, in a's memory where nobody else sees it."""
    if not create_graph and a.dtype == b.dtype and owns_memory(a, _ADD_REFERENCES):
        _C.add_(a, b)
        return a
    return a + b


def _count(a):
    return _C.references(a)


def _count_references():
    """References to a value that only one local holds, seen from a callee and from a C function."""
    before = _C.full((), 0.0, _C.float32, None)
    in_add = _count(before)
    return in_add, _C.references(before)


_ADD_REFERENCES, _LEAF_REFERENCES = _count_references()


def _explain(node):
    """In anomaly mode, names the forward call of the node whose backward failed."""
    if node.context is not None:
        import warnings

        warnings.warn(
            f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n"
            f"{node.context}",
            stacklevel=3,
        )


class _Pass:
    """One backward pass."""

    __slots__ = ("capture", "create_graph", "heap", "keep", "leaves", "pending", "wanted")

    def __init__(self, keep, create_graph):
        self.heap = []
        self.pending = {}  # node -> gradient, or list of gradients per output
        self.leaves = {}  # leaf -> gradient
        self.keep = keep
        self.create_graph = create_graph
        self.wanted = None  # nodes on a path to the inputs of grad(), or None for all
        self.capture = {}  # (node, output number) -> captured gradient

    def send(self, target, nr, grad):
        """Adds a gradient to what is pending for a node's output or a leaf."""
        grad = fit_grad(grad, target, nr)
        if not isinstance(target, NodeBase):
            leaves = self.leaves
            before = leaves.pop(target, None)
            leaves[target] = grad if before is None else _add(before, grad, self.create_graph)
            return
        if self.wanted is not None and target not in self.wanted:
            return
        pending = self.pending
        if target.output_count == 1:
            before = pending.pop(target, None)
            if before is None:
                heappush(self.heap, target)
                pending[target] = grad
            else:
                pending[target] = _add(before, grad, self.create_graph)
            return
        slots = pending.get(target)
        if slots is None:
            heappush(self.heap, target)
            slots = pending[target] = [None] * target.output_count
        before = slots[nr]
        slots[nr] = None
        slots[nr] = grad if before is None else _add(before, grad, self.create_graph)

    def run(self):
        """Processes all nodes; the leaves' gradients stay in `leaves`."""
        heap, pending, keep = self.heap, self.pending, self.keep
        while heap:
            node = heappop(heap)
            grads = pending.pop(node)
            if node.simple:
                if self.capture and (node, 0) in self.capture:
                    self.capture[node, 0] = grads
                try:
                    out = node.backward(grads)
                except Exception:
                    _explain(node)
                    raise
            else:
                try:
                    out = self._run_with_hooks(node, grads)
                except Exception:
                    _explain(node)
                    raise
            del grads
            if not keep:
                node.release()
            edges = node.edges
            if out.__class__ is not tuple:
                if len(edges) == 1:
                    if out is not None and edges[0] is not None:
                        self._check(node, out)
                        self.send(edges[0], 0 if node.simple else node.input_nrs[0], out)
                    continue
                out = (out,) if not isinstance(out, list) else tuple(out)
            if len(out) != len(edges):
                raise RuntimeError(
                    f"{node.name()} returned {len(out)} gradients for {len(edges)} inputs"
                )
            if node.simple:
                for edge, grad in zip(edges, out):
                    if edge is not None and grad is not None:
                        self._check(node, grad)
                        self.send(edge, 0, grad)
            else:
                for edge, nr, grad in zip(edges, node.input_nrs, out):
                    if edge is not None and grad is not None:
                        self._check(node, grad)
                        self.send(edge, nr, grad)
            out = grad = None

    def _check(self, node, grad):
        """Anomaly mode replaces this."""

    def _run_with_hooks(self, node, grads):
        if node.output_count == 1:
            grads = [grads]
        hooks = node.hooks
        if hooks is not None:
            for nr, tensor_pre in hooks.tensor_pre.items():
                if grads[nr] is not None:
                    grads[nr] = _hooks.run(tensor_pre, grads[nr])
            for nr, reference in hooks.retained.items():
                tensor = reference()
                if tensor is not None and grads[nr] is not None:
                    tensor.grad = grads[nr] if tensor.grad is None else tensor.grad + grads[nr]
            for hook in tuple(hooks.pre.values()):
                result = hook(tuple(grads))
                if result is not None:
                    grads = list(result) if isinstance(result, (tuple, list)) else [result]
        if self.capture:
            for nr, grad in enumerate(grads):
                if (node, nr) in self.capture:
                    self.capture[node, nr] = grad
        out = node.backward(*grads)
        if hooks is not None and hooks.post:
            out = out if isinstance(out, tuple) else (out,)
            for hook in tuple(hooks.post.values()):
                result = hook(out, tuple(grads))
                if result is not None:
                    out = result if isinstance(result, tuple) else (result,)
        return out

    def accumulate(self):
        """Adds the leaves' gradients to their .grad."""
        for leaf in tuple(self.leaves):
            grad = self.leaves.pop(leaf)
            hooks = leaf._backward_hooks
            if hooks is not None and hooks[0]:
                grad = _hooks.run(hooks[0], grad)
            before = leaf.grad
            if before is None:
                if self.create_graph:
                    leaf.grad = grad
                else:
                    # Taken over where no one else holds this memory, copied otherwise.
                    leaf.grad = (
                        grad if owns_memory(grad, _LEAF_REFERENCES) else grad.detach().clone()
                    )
            elif self.create_graph or (not _C.is_contiguous(before) and 0 in before.stride()):
                leaf.grad = before + grad
            else:
                _C.add_(before, grad)
            grad = None
            if hooks is not None:
                for hook in tuple(hooks[1].values()):
                    hook(leaf)


def _start(tensors, grad_tensors, what):
    """The roots with their first gradients."""
    if isinstance(tensors, _C.TensorBase):
        tensors = (tensors,)
    if grad_tensors is None:
        grad_tensors = (None,) * len(tensors)
    elif isinstance(grad_tensors, _C.TensorBase):
        grad_tensors = (grad_tensors,)
    if len(grad_tensors) != len(tensors):
        raise RuntimeError(f"{what}: got {len(tensors)} tensors and {len(grad_tensors)} gradients")
    roots = []
    for tensor, grad in zip(tensors, grad_tensors):
        if not tensor.requires_grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn"
            )
        if grad is None:
            if tensor.numel() != 1:
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs, got shape "
                    f"{tuple(tensor.shape)}"
                )
            grad = _C.full(tensor.shape, 1.0, tensor.dtype, tensor.device)
        elif not isinstance(grad, _C.TensorBase):
            raise TypeError(f"{what}: gradients must be Tensors or None, got {type(grad).__name__}")
        elif grad.shape != tensor.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[0] has a shape of {tuple(grad.shape)} and "
                f"output[0] has a shape of {tuple(tensor.shape)}."
            )
        roots.append((tensor, grad))
    return roots


_pass_class = _Pass


def backward(
    tensors,
    grad_tensors=None,
    retain_graph=None,
    create_graph=False,
    grad_variables=None,
    inputs=None,
):
    """Accumulates the gradients of `tensors` in the .grad of the leaves.

    Args:
        tensors: a tensor or a sequence of tensors, scalars where no gradient is given.
        grad_tensors: gradients of the same shapes, or None for ones.
        retain_graph: keep the saved tensors for another pass; default: create_graph.
        create_graph: record the pass itself, for derivatives of higher order.
        inputs: leaves to accumulate into; all where None.

    Raises:
        RuntimeError: a tensor does not require grad, the graph was freed, a saved tensor changed.
    """
    roots = _start(tensors, grad_tensors, "backward()")
    keep = create_graph if retain_graph is None else retain_graph
    p = _pass_class(keep, create_graph)
    if inputs is not None:
        inputs = (inputs,) if isinstance(inputs, _C.TensorBase) else tuple(inputs)
        if not inputs:
            raise RuntimeError("backward(): `inputs` argument cannot be empty")
        _limit_to(p, roots, inputs)
    before = _C.set_grad_enabled(create_graph)
    try:
        for tensor, grad in roots:
            p.send(*_C.edge(tensor), grad)
        roots = tensor = grad = None
        p.run()
        if inputs is not None:
            for tensor in inputs:
                if tensor.grad_fn is None:
                    continue
                got = p.capture.get(_C.edge(tensor))
                if got is not None:
                    tensor.grad = got if tensor.grad is None else tensor.grad + got
            chosen = {id(t) for t in inputs}
            p.leaves = {k: g for k, g in p.leaves.items() if id(k) in chosen}
        p.accumulate()
    finally:
        _C.set_grad_enabled(before)


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of `outputs` with respect to `inputs`, without touching .grad.

    Args:
        outputs, grad_outputs, retain_graph, create_graph: as in backward().
        inputs: a tensor or a sequence of tensors that require grad.
        allow_unused: None for inputs that the outputs do not depend on, instead of an error.
        materialize_grads: zeros for them.

    Returns:
        A tuple of gradients, one per input.
    """
    if is_grads_batched:
        raise NotImplementedError("grad(): is_grads_batched=True is not supported")
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    inputs = (inputs,) if isinstance(inputs, _C.TensorBase) else tuple(inputs)
    for tensor in inputs:
        if not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = _start(outputs, grad_outputs, "grad()")
    keep = create_graph if retain_graph is None else retain_graph
    p = _pass_class(keep, create_graph)
    _limit_to(p, roots, inputs)
    before = _C.set_grad_enabled(create_graph)
    try:
        for tensor, g in roots:
            p.send(*_C.edge(tensor), g)
        roots = g = None
        p.run()
    finally:
        _C.set_grad_enabled(before)
    results = []
    for i, tensor in enumerate(inputs):
        got = p.capture.get(_C.edge(tensor)) if tensor.grad_fn is not None else p.leaves.get(tensor)
        if got is not None and tensor.grad_fn is None and tensor._backward_hooks:
            got = _hooks.run(tensor._backward_hooks[0], got)
        if got is None and not allow_unused:
            raise RuntimeError(
                f"One of the differentiated Tensors (input {i}, shape {tuple(tensor.shape)}) appears "
                "to not have been used in the graph. Set allow_unused=True if this is the desired "
                "behavior."
            )
        if got is None and materialize_grads:
            got = _C.full(tensor.shape, 0.0, tensor.dtype, tensor.device)
        if got is not None and not create_graph and got.requires_grad:
            got = got.detach()
        results.append(got)
    return tuple(results)


def _limit_to(p, roots, inputs):
    """Restricts the pass to nodes from which an input can be reached."""
    targets = set()
    leaves = set()
    for tensor in inputs:
        if tensor.grad_fn is None:
            leaves.add(id(tensor))
        else:
            edge = _C.edge(tensor)
            p.capture[edge] = None
            targets.add(edge[0])
    # Inputs were made before their nodes, so in ascending order of creation a node's inputs are known.
    seen = set()
    stack = [_C.edge(tensor)[0] for tensor, _ in roots]
    nodes = []
    while stack:
        node = stack.pop()
        if not isinstance(node, Node) or node in seen:
            continue
        seen.add(node)
        nodes.append(node)
        stack.extend(e for e in node.edges if e is not None)
    nodes.sort(key=lambda n: n.sequence_nr)
    wanted = set()
    for node in nodes:
        if node in targets or any(
            (e in wanted) if isinstance(e, Node) else id(e) in leaves
            for e in node.edges
            if e is not None
        ):
            wanted.add(node)
    p.wanted = wanted
