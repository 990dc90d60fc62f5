"""Softmax over many classes by clusters of rare ones (Grave et al. 2017)."""

from __future__ import annotations

from collections import namedtuple

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ...tensor import Tensor

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The frequent classes have a score each; the rare ones share one score per cluster.

    Args:
        in_features: Size of the input (N, in_features).
        n_classes: Number of classes, sorted from frequent to rare.
        cutoffs: First class of every cluster.
        div_value: Factor by which each cluster's hidden size is smaller than the one before.
        head_bias: Whether the scores of frequent classes and clusters have a bias.
        device: Where the parameters are.
        dtype: Their element type.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        where = {"device": device, "dtype": dtype}
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **where)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            down = Linear(in_features, hidden, bias=False, **where)
            self.tail.append(Sequential(down, Linear(hidden, size, bias=False, **where)))

    def reset_parameters(self) -> None:
        """Draw fresh initial values."""
        self.head.reset_parameters()
        for down, up in self.tail:
            down.reset_parameters()
            up.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> Any:
        """Log-probability of the target (N,) of every sample, and the mean of its negative."""
        batched = target_.dim() > 0
        if batched and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input_.dim() != (2 if batched else 1):
            raise RuntimeError(
                f"{1 + target_.dim()}D input expected for a {target_.dim()}D target, got "
                f"{input_.dim()}D"
            )
        x = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        if target.numel() and not 0 <= int(target.min()) <= int(target.max()) < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(target.min())}, {int(target.max())}] were found."
            )
        head = F.log_softmax(self.head(x), dim=1)
        # A rare class counts as its cluster in the head, then as itself within the cluster.
        column = target.clone()
        for i in range(self.n_clusters):
            inside = (target >= self.cutoffs[i]) & (target < self.cutoffs[i + 1])
            column[inside] = self.shortlist_size + i
        output = head.gather(1, column.unsqueeze(1)).squeeze(1)
        for i in range(self.n_clusters):
            inside = (target >= self.cutoffs[i]) & (target < self.cutoffs[i + 1])
            rows = inside.nonzero().squeeze(1)
            if rows.numel():
                inner = F.log_softmax(self.tail[i](x.index_select(0, rows)), dim=1)
                own = (target.index_select(0, rows) - self.cutoffs[i]).unsqueeze(1)
                output = output.index_add(0, rows, inner.gather(1, own).squeeze(1))
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities of all classes, (N, n_classes)."""
        from ...ops import cat

        scores = self.head(input)
        head = F.log_softmax(scores, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            cluster = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(self.tail[i](input), dim=1) + cluster)
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of every sample, (N,)."""
        return self.log_prob(input).argmax(dim=1)
