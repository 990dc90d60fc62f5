"""Connectionist temporal classification."""

from __future__ import annotations

from .._load import _C
from ._reduction import MEAN, reduced, reduction_code
from ._register import FUNCTIONS, Node, function, functional, record


class CtcLoss(Node):
    """loss = -log p(targets | log_probs), per sample"""

    __slots__ = ("blank", "zero_infinity")

    def backward(self, dloss):
        log_probs, targets, input_lengths, target_lengths, loss, alpha = self.saved
        return _C.ctc_loss_backward(
            dloss, log_probs, targets, input_lengths, target_lengths, self.blank, loss, alpha,
            self.zero_infinity,
        )  # fmt: skip


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """Negative log-likelihood of label sequences under per-step class distributions.

    The gradient is that of the logits in front of a log_softmax, written to log_probs.

    Args:
        log_probs: log-probabilities of C classes, [T, N, C] or [T, C].
        targets: labels, [N, S], or of all samples one after another.
        input_lengths, target_lengths: [N], tensors or sequences.
        blank: the class that stands for no label.
        reduction: "none", "mean" (of losses divided by target lengths) or "sum".
        zero_infinity: losses of targets that do not fit into their input count as 0.
    """
    code = reduction_code(reduction)
    lengths = [
        v if isinstance(v, _C.TensorBase) else FUNCTIONS["tensor"](list(v), dtype=_C.int64)
        for v in (input_lengths, target_lengths)
    ]
    single = log_probs.dim() == 2
    x = log_probs.unsqueeze(1) if single else log_probs
    loss, alpha = _C.ctc_loss(x, targets, *lengths, blank)
    if loss.requires_grad:
        node = record(CtcLoss, loss, (x,), (x, targets, *lengths, loss, alpha))
        node.blank = blank
        node.zero_infinity = zero_infinity
    if zero_infinity:
        loss = FUNCTIONS["where"](loss == float("inf"), 0.0, loss)
    if code == MEAN:
        loss = loss / lengths[1].reshape(-1).clamp(min=1).to(loss.device, loss.dtype)
    return reduced(loss.squeeze(0) if single else loss, code)


function(functional(ctc_loss))
