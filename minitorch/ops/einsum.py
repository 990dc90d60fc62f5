"""Einstein summation and its relatives: sums of products over named dims.

Every contraction of two operands becomes one stack of matrix products: dims that both operands and
the result share are the stack, dims that only one operand has are its rows or columns, the rest is
summed. Nothing is copied unless several dims of one kind do not lie evenly in memory.
"""

from __future__ import annotations

import math

from .._load import _C
from ._einsum_product import product_of
from ._register import FUNCTIONS, function, op, write_out
from .matmul import matmul

_Tensor = _C.TensorBase


def _tokens(text, what):
    """Labels of one subscript: letters, and "..." once."""
    labels, rest = [], text.replace(" ", "")
    i = 0
    while i < len(rest):
        if rest.startswith("...", i):
            if "..." in labels:
                raise RuntimeError(f"einsum(): found '...' twice in {what} {text!r}")
            labels.append("...")
            i += 3
        elif rest[i].isascii() and rest[i].isalpha():
            labels.append(rest[i])
            i += 1
        elif rest[i] == ".":
            raise RuntimeError(
                f"einsum(): found '.' in {what} {text!r} that is not part of any ellipsis"
            )
        else:
            raise RuntimeError(
                f"einsum(): invalid subscript {rest[i]!r} in {what} {text!r}; subscripts must be in "
                "[a-zA-Z]"
            )
    return labels


def _parse(equation, count):
    left, arrow, right = equation.partition("->")
    subscripts = [_tokens(part, "the subscripts") for part in left.split(",")]
    if len(subscripts) != count:
        raise RuntimeError(
            f"einsum(): equation {equation!r} has subscripts for {len(subscripts)} operands, but "
            f"{count} were given"
        )
    return subscripts, (_tokens(right, "the output") if arrow else None)


def _parse_sublists(args):
    """einsum(op, [0, 1], op, [1, 2], [0, 2]): operands, subscripts and the output's or None."""
    from_list = lambda items: ["..." if s is Ellipsis else int(s) for s in items]  # noqa: E731
    for items in args[1::2]:
        for s in items:
            if s is not Ellipsis and not 0 <= int(s) < 52:
                raise RuntimeError(
                    f"einsum(): found {s} in a sublist, but subscripts must be within [0, 52)"
                )
    operands = list(args[0 : len(args) // 2 * 2 : 2])
    subscripts = [from_list(s) for s in args[1 : len(args) // 2 * 2 : 2]]
    return operands, subscripts, (from_list(args[-1]) if len(args) % 2 else None)


def _spread(subscripts, output, dims):
    """Labels of every dim of the operands, and of the result.

    "..." becomes labels ("...", i), counted from the last dim, which broadcast. An output of None is
    the labels that occur once.
    """
    widest, spread = 0, []
    for number, (labels, dim) in enumerate(zip(subscripts, dims)):
        named = len(labels) - ("..." in labels)
        if dim < named or (dim > named and "..." not in labels):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the "
                f"number of dimensions ({dim}) for operand {number}"
                + ("" if "..." in labels else " and no ellipsis was given")
            )
        if "..." in labels:
            widest = max(widest, dim - named)
        spread.append(_fill(labels, dim - named))
    every = [label for labels in spread for label in labels]
    if output is None:
        named = [label for label in every if not isinstance(label, tuple)]
        output = [("...", d) for d in range(widest, 0, -1)]
        return spread, output + sorted(x for x in set(named) if named.count(x) == 1)
    output = _fill(output, widest)
    for label in output:
        if output.count(label) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {label} appears more than once in the output"
            )
        if label not in every:
            raise RuntimeError(
                f"einsum(): output subscript {label} does not appear in the equation for any "
                "input operand"
            )
    return spread, output


_plans: dict = {}  # equation, dims of the operands -> labels; equations are few in a program


def _plan(equation, dims):
    plan = _plans.get((equation, dims))
    if plan is None:
        subscripts, output = _spread(*_parse(equation, len(dims)), dims)
        plan = subscripts, output, product_of(subscripts, output)
        if len(_plans) > 1000:
            _plans.clear()
        _plans[equation, dims] = plan
    return plan


def _fill(labels, width):
    if "..." not in labels:
        return list(labels)
    i = labels.index("...")
    return [*labels[:i], *(("...", d) for d in range(width, 0, -1)), *labels[i + 1 :]]


def _diagonals(x, labels):
    """Takes diagonals until no label occurs twice."""
    if len(set(labels)) == len(labels):
        return x, labels
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {label!r} is repeated for an operand but the sizes don't "
                    f"match, {x.shape[j]} != {x.shape[i]}"
                )
            x = x.diagonal(0, i, j)
            del labels[j], labels[i]
            labels.append(label)
    return x, labels


def _sum_out(x, labels, keep):
    """Sums over the labels that nothing else needs."""
    dims = [i for i, label in enumerate(labels) if label not in keep]
    if not dims:
        return x, labels
    summed = [i for i in dims if x.shape[i] != 1]
    if summed:
        x = x.sum(summed, keepdim=True, dtype=x.dtype)
    return x.squeeze(tuple(dims)), [label for label in labels if label in keep]


def _drop_ones(x, labels, other, other_labels):
    """Drops dims of size 1 that the other operand has wider: they broadcast."""
    dims = [
        i
        for i, label in enumerate(labels)
        if x.shape[i] == 1 and label in other_labels and other.shape[other_labels.index(label)] != 1
    ]
    if not dims:
        return x, labels
    return x.squeeze(tuple(dims)), [label for i, label in enumerate(labels) if i not in dims]


def _arrange(x, labels, groups):
    """x with its dims in the order of the groups, each after the first merged into one dim."""
    order = [labels.index(label) for group in groups for label in group]
    if order != list(range(len(order))):
        x = x.permute(order)
    batch = len(groups[0])
    if all(len(group) == 1 for group in groups[1:]):
        return x
    shape, at = list(x.shape[:batch]), batch
    for group in groups[1:]:
        shape.append(math.prod(x.shape[at : at + len(group)]))
        at += len(group)
    return x.reshape(shape)


def _contract(x, x_labels, y, y_labels, keep):
    """The product of two operands, summed over what is not kept; returns it and its labels."""
    x, x_labels = _drop_ones(x, x_labels, y, y_labels)
    y, y_labels = _drop_ones(y, y_labels, x, x_labels)
    x, x_labels = _sum_out(x, x_labels, keep | set(y_labels))
    y, y_labels = _sum_out(y, y_labels, keep | set(x_labels))
    x_set, y_set = set(x_labels), set(y_labels)
    summed = [label for label in x_labels if label in y_set and label not in keep]
    batch = [label for label in x_labels if label in y_set and label in keep]
    rows = [label for label in x_labels if label not in y_set]
    columns = [label for label in y_labels if label not in x_set]
    labels = batch + rows + columns
    if not summed:  # an elementwise product
        order = [x_labels.index(label) for label in batch + rows]
        x = x.permute(order)
        x = x.reshape(tuple(x.shape) + (1,) * len(columns))
        y = y.permute([y_labels.index(label) for label in batch + columns])
        shape = tuple(y.shape)
        y = y.reshape(shape[: len(batch)] + (1,) * len(rows) + shape[len(batch) :])
        return x * y, labels
    size = dict(zip(x_labels, x.shape)) | dict(zip(y_labels, y.shape))
    z = matmul(
        _arrange(x, x_labels, (batch, rows, summed)),
        _arrange(y, y_labels, (batch, summed, columns)),
    )
    if len(rows) != 1 or len(columns) != 1:
        z = z.reshape([size[label] for label in labels])
    return z, labels


def _next_pair(terms, keep):
    """The two operands whose product shrinks the total size the most."""
    best = None
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            others = keep.union(*(t[1] for n, t in enumerate(terms) if n not in (i, j)))
            size = {}
            for x, labels in (terms[i], terms[j]):
                for label, extent in zip(labels, x.shape):
                    size[label] = max(extent, size.get(label, 1))
            result = math.prod(extent for label, extent in size.items() if label in others)
            work = math.prod(size.values())
            score = (result - terms[i][0].numel() - terms[j][0].numel(), work)
            if best is None or score < best[0]:
                best = (score, i, j, others)
    return best[1:]


@function
def einsum(equation, *operands):
    """Sums of products of elements, with dims named by letters.

    Args:
        equation: such as "bij,bjk->bik". A label that the output lacks is summed over, a repeated
            one takes the diagonal, "..." stands for further dims, which broadcast. Without "->" the
            output has the labels that occur once, in alphabetical order.
        operands: tensors; or, with no equation, tensors and lists of dim numbers in turn, and
            lastly the output's list.

    Raises:
        RuntimeError: an equation that does not fit the operands.
    """
    if isinstance(equation, str):
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = operands[0]
        operands = list(operands)
        if not operands:
            raise RuntimeError("einsum(): must provide at least one operand")
        subscripts, output, product = _plan(equation, tuple([x.dim() for x in operands]))
        if product is not None:
            z = product(*operands)
            if z is not None:
                return z
    else:
        operands, *sublists = _parse_sublists((equation, *operands))
        subscripts, output = _spread(*sublists, [x.dim() for x in operands])
    terms = [_diagonals(x, labels) for x, labels in zip(operands, subscripts)]
    size = {}
    for number, (x, labels) in enumerate(terms):
        for label, extent in zip(labels, x.shape):
            known = size.setdefault(label, extent)
            if known == 1:
                size[label] = extent
            elif extent not in (1, known):
                raise RuntimeError(
                    f"einsum(): operands do not broadcast with remapped shapes: operand {number} has "
                    f"size {extent} for subscript {label!r}, which does not match {known}"
                )
    keep = set(output)
    while len(terms) > 1:
        if len(terms) == 2:
            (x, x_labels), (y, y_labels) = terms
            # The order in which the output wants rows and columns saves a permuted result.
            first = next(
                (label for label in output if (label in x_labels) != (label in y_labels)), None
            )
            if first is not None and first in y_labels:
                x, x_labels, y, y_labels = y, y_labels, x, x_labels
            terms = [_contract(x, x_labels, y, y_labels, keep)]
        else:
            i, j, others = _next_pair(terms, keep)
            product = _contract(*terms[i], *terms[j], others)
            terms = [t for n, t in enumerate(terms) if n not in (i, j)] + [product]
    x, labels = _sum_out(*terms[0], keep)
    order = [labels.index(label) for label in output]
    return x if order == list(range(len(order))) else x.permute(order)


@function
def tensordot(a, b, dims=2, out=None):
    """Sums of products over several dims of two tensors.

    Args:
        dims: how many of the last dims of a and the first of b to sum over; or a pair of lists of
            dims, those of a and those of b in the same order.
    """
    if isinstance(dims, _Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot(): expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(
                f"tensordot(): expects dims <= the number of dims of both tensors, but got "
                f"dims={dims} for shapes {list(a.shape)} and {list(b.shape)}"
            )
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
        left = [d + a.dim() if d < 0 else d for d in left]
        right = [d + b.dim() if d < 0 else d for d in right]
    if len(left) != len(right):
        raise RuntimeError(
            f"tensordot(): both dimension lists should have same length, got {len(left)} and "
            f"{len(right)}"
        )
    for i, j in zip(left, right):
        if not (0 <= i < a.dim() and 0 <= j < b.dim()):
            raise IndexError(
                f"tensordot(): dims {left} and {right} are out of range for shapes {list(a.shape)} "
                f"and {list(b.shape)}"
            )
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                f"tensordot(): contracted dimensions need to match, but first has size "
                f"{a.shape[i]} in dim {i} and second has size {b.shape[j]} in dim {j}"
            )
    x_labels, y_labels = list(range(a.dim())), [a.dim() + d for d in range(b.dim())]
    for i, j in zip(left, right):
        y_labels[j] = x_labels[i]
    output = [d for d in x_labels if d not in left]
    output += [label for d, label in enumerate(y_labels) if d not in right]
    z, labels = _contract(a, x_labels, b, y_labels, set(output))
    order = [labels.index(label) for label in output]
    if order != list(range(len(order))):
        z = z.permute(order)
    return z if out is None else write_out(out, z, "tensordot")


@op
def kron(input, other, *, out=None):
    """Kronecker product: every element of input times the whole of other."""
    n = max(input.dim(), other.dim())
    x = input.reshape((1,) * (n - input.dim()) + tuple(input.shape))
    y = other.reshape((1,) * (n - other.dim()) + tuple(other.shape))
    shape = [a * b for a, b in zip(x.shape, y.shape)]
    x = x.reshape([s for a in x.shape for s in (a, 1)])
    y = y.reshape([s for b in y.shape for s in (1, b)])
    z = (x * y).reshape(shape)
    return z if out is None else write_out(out, z, "kron")


@function
def cartesian_prod(*tensors):
    """Every combination of one element from each vector, a row each."""
    if len(tensors) == 1:
        return tensors[0]
    grids = FUNCTIONS["meshgrid"](*tensors, indexing="ij")
    return FUNCTIONS["stack"]([g.reshape(-1) for g in grids], -1)
