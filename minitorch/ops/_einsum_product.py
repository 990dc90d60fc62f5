"""Equations of two operands that are one matrix product: the usual case, prepared once."""

from __future__ import annotations

import math

from .matmul import matmul


class Product:
    """What two operands need to become one matrix product, where no sizes decide about it."""

    __slots__ = ("columns", "equal", "order", "rows", "swap", "x_merge", "x_order", "y_merge", "y_order")  # fmt: skip

    def __init__(self, x_labels, y_labels, output):
        first = next((s for s in output if (s in x_labels) != (s in y_labels)), None)
        self.swap = first is not None and first in y_labels
        if self.swap:
            x_labels, y_labels = y_labels, x_labels
        self.equal = [(i, y_labels.index(s)) for i, s in enumerate(x_labels) if s in y_labels]
        batch = [s for s in x_labels if s in y_labels and s in output]
        summed = [s for s in x_labels if s in y_labels and s not in output]
        rows = [s for s in x_labels if s not in y_labels]
        columns = [s for s in y_labels if s not in x_labels]
        self.x_order = _order(x_labels, batch + rows + summed)
        self.y_order = _order(y_labels, batch + summed + columns)
        # Counts of dims to merge; a missing row or column dim can stay away without a batch.
        few = (0, 1) if not batch else (1,)
        self.x_merge = self.y_merge = None
        if len(rows) not in few or len(summed) != 1:
            self.x_merge = (len(batch), len(batch) + len(rows))
        if len(columns) not in few or len(summed) != 1:
            self.y_merge = (len(batch), len(batch) + len(summed))
        self.rows = self.columns = None
        if self.x_merge or self.y_merge:
            self.rows = [x_labels.index(s) for s in batch + rows]
            self.columns = [y_labels.index(s) for s in columns]
        self.order = _order(batch + rows + columns, output)

    def __call__(self, x, y):
        """The result, or None where sizes differ."""
        if self.swap:
            x, y = y, x
        x_shape, y_shape = x.shape, y.shape
        for i, j in self.equal:
            if x_shape[i] != y_shape[j]:
                return None
        x = _merged(x if self.x_order is None else x.permute(self.x_order), self.x_merge)
        y = _merged(y if self.y_order is None else y.permute(self.y_order), self.y_merge)
        z = matmul(x, y)
        if self.rows is not None:
            z = z.reshape([x_shape[i] for i in self.rows] + [y_shape[j] for j in self.columns])
        return z if self.order is None else z.permute(self.order)


def _order(labels, wanted):
    """The permutation from labels to those wanted, None where it changes nothing."""
    return None if labels == wanted else [labels.index(s) for s in wanted]


def _merged(x, cuts):
    """x with the dims between the cuts, and those behind them, merged into one dim each."""
    if cuts is None:
        return x
    a, b = cuts
    shape = list(x.shape)
    return x.reshape([*shape[:a], math.prod(shape[a:b]), math.prod(shape[b:])])


def product_of(subscripts, output):
    """The one matrix product that an equation is, or None."""
    if len(subscripts) != 2:
        return None
    x, y = subscripts
    single = len(set(x)) == len(x) and len(set(y)) == len(y)
    named = not any(isinstance(s, tuple) for s in (*x, *y))
    used = all(s in output or (s in x and s in y) for s in (*x, *y))
    summed = any(s in y and s not in output for s in x)
    return Product(x, y, output) if single and named and used and summed else None
